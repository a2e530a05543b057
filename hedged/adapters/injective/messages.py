"""Orders as Injective's exchange v2 messages: quantised to ticks, margined, named by the intent's client id. Pure.

Margin of an order of q coins at price p, with the market's initial margin ratio IMR (exchange module, v1.18):
```
margin ≥ IMR·p·q
buy:   mark ≥ (margin − p·q) / ((IMR − 1)·q)   ⇔   margin ≥ (p − (1 − IMR)·mark)·q
sell:  mark ≤ (margin + p·q) / ((1 + IMR)·q)   ⇔   margin ≥ ((1 + IMR)·mark − p)·q
```
A margin of zero makes the order reduce-only. What the chain sets aside is margin + p·q·taker fee.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from enum import Enum
from typing import Any

from hedged.domain.errors import Rejected
from hedged.domain.market import Market
from hedged.domain.orders import Intent, Side

MARGIN_UNIT = Decimal("0.000001")  # USDT has six decimals
MARK_DRIFT = Decimal("0.005")  # the mark moves between this computation and the block that checks the margin
LONGEST_CID = 36
ANY_ORDER = 1  # OrderMask.ANY: a cancellation by client id need not know the order's side

MARKET_ORDER = "/injective.exchange.v2.MsgCreateDerivativeMarketOrder"
LIMIT_ORDER = "/injective.exchange.v2.MsgCreateDerivativeLimitOrder"
CANCEL_ORDER = "/injective.exchange.v2.MsgCancelDerivativeOrder"
BATCH_UPDATE = "/injective.exchange.v2.MsgBatchUpdateOrders"
TRADING_MESSAGES = (MARKET_ORDER, LIMIT_ORDER, CANCEL_ORDER, BATCH_UPDATE)
"""Every type of message that this package ever signs, and so all that a grantee needs to be granted."""


class Kind(Enum):
    """How an order meets the book."""

    MARKET = "market"  # takes what rests up to its worst price; the remainder is gone at the end of the block
    POST_ONLY = "post-only"  # refused where it would take


@dataclass(frozen=True, slots=True)
class Trader:
    """Whose account is traded. `address` owns the subaccount; `grantee` is set where another key signs for it."""

    address: str
    subaccount_id: str
    grantee: str | None = None

    @property
    def signer(self) -> str:
        """The address whose key signs and whose INJ pay the gas."""
        return self.grantee or self.address


@dataclass(frozen=True, slots=True)
class Ticket:
    """One order as the chain will see it: human units, on the ticks. `expires_at`: a height, 0 is never."""

    market_id: str
    kind: Kind
    side: Side
    quantity: Decimal
    price: Decimal
    margin: Decimal
    cid: str
    expires_at: int = 0


def smallest_margin(market: Market, side: Side, quantity: Decimal, price: Decimal, mark: Decimal) -> Decimal:
    """Return the least margin (quote) that satisfies both of the chain's inequalities at this mark."""
    ratio = market.initial_margin_ratio
    distance = price - (1 - ratio) * mark if side is Side.BUY else (1 + ratio) * mark - price
    return max(ratio * price, distance) * quantity


def order_margin(
    market: Market, side: Side, quantity: Decimal, price: Decimal, mark: Decimal, leverage: Decimal
) -> Decimal:
    """Return the margin for an order that increases a position: 1 ÷ leverage of its notional, never below the chain's
    least, which is taken at a mark that has moved against the order by `MARK_DRIFT`. Rounded up to the quote's unit.
    """
    drifted = mark * (1 - side.sign * MARK_DRIFT)
    least = max(
        smallest_margin(market, side, quantity, price, mark),
        smallest_margin(market, side, quantity, price, drifted),
    )
    wanted = max(least, quantity * price / leverage)
    return (wanted / MARGIN_UNIT).to_integral_value(ROUND_UP) * MARGIN_UNIT


def make_ticket(
    intent: Intent,
    cid: str,
    market: Market,
    market_id: str,
    mark: Decimal,
    leverage: Decimal,
    *,
    reduces: bool,
    kind: Kind = Kind.MARKET,
    expires_at: int = 0,
) -> Ticket:
    """Turn an intent into an order: quantity rounded towards zero, price away from the market, never beyond the worst.

    `reduces`: the order only makes the position smaller, so it is sent reduce-only and needs no margin.
    Raises Rejected for what no rounding can make right.
    """
    quantity = market.quantise_quantity(intent.quantity)
    price = market.quantise_price(intent.worst_price, towards="down" if intent.side is Side.BUY else "up")
    if quantity <= 0 or price <= 0:
        raise Rejected(
            f"{intent.key}: {intent.quantity} at {intent.worst_price} is less than one step or tick"
        )
    if quantity * price < market.min_notional_usd:
        raise Rejected(
            f"{intent.key}: {quantity} at {price:f} is below the smallest order of {market.min_notional_usd:f} USD"
        )
    if not cid or len(cid) > LONGEST_CID:
        raise Rejected(f"{intent.key}: client id {cid!r} has not 1 to {LONGEST_CID} characters")
    margin = Decimal(0) if reduces else order_margin(market, intent.side, quantity, price, mark, leverage)
    return Ticket(market_id, kind, intent.side, quantity, price, margin, cid, expires_at)


class Messages:
    """Composes protobuf messages for one trader with pyinjective's Composer v2."""

    def __init__(self, composer: Any, trader: Trader) -> None:
        self._composer = composer
        self._trader = trader

    def create(self, ticket: Ticket) -> Any:
        """Return the message that creates one order."""
        sender, order = self._trader.address, self._order(ticket)
        if ticket.kind is Kind.MARKET:
            return self._composer.msg_create_derivative_market_order(sender=sender, **order)
        return self._composer.msg_create_derivative_limit_order(
            sender=sender, **order, expiration_block=ticket.expires_at
        )

    def cancel(self, market_id: str, cid: str) -> Any:
        """Return the message that cancels the order with this client id, whatever its side."""
        message = self._composer.msg_cancel_derivative_order(
            market_id=market_id,
            sender=self._trader.address,
            subaccount_id=self._trader.subaccount_id,
            is_buy=False,
            is_market_order=False,
            is_conditional=False,
            cid=cid,
        )
        message.order_mask = ANY_ORDER
        return message

    def batch(self, create: Sequence[Ticket], cancel: Sequence[tuple[str, str]] = ()) -> Any:
        """Return one message that cancels (market id, client id) pairs and creates orders, each on its own merits."""
        composer = self._composer
        return composer.msg_batch_update_orders(
            sender=self._trader.address,
            derivative_orders_to_cancel=[
                composer.order_data_without_mask(market_id, self._trader.subaccount_id, cid=cid)
                for market_id, cid in cancel
            ],
            derivative_orders_to_create=[
                composer.derivative_order(**self._order(t), expiration_block=t.expires_at)
                for t in create
                if t.kind is not Kind.MARKET
            ],
            derivative_market_orders_to_create=[
                composer.derivative_order(**self._order(t)) for t in create if t.kind is Kind.MARKET
            ],
        )

    def signed_by_grantee(self, messages: Sequence[Any]) -> list[Any]:
        """Return what the signer sends: the messages themselves, or in one MsgExec where the signer is a grantee."""
        if self._trader.grantee is None:
            return list(messages)
        return [self._composer.msg_exec(grantee=self._trader.grantee, msgs=list(messages))]

    def _order(self, ticket: Ticket) -> dict[str, Any]:
        return {
            "market_id": ticket.market_id,
            "subaccount_id": self._trader.subaccount_id,
            "fee_recipient": self._trader.address,  # the relayer's share of the fee stays with the trader
            "price": ticket.price,
            "quantity": ticket.quantity,
            "margin": ticket.margin,
            "order_type": ticket.side.name + ("_PO" if ticket.kind is Kind.POST_ONLY else ""),
            "cid": ticket.cid,
        }
