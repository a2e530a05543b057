"""A block in words: one line for every transaction, fill, order, funding payment and liquidation of real accounts."""

from collections.abc import Iterator
from decimal import Decimal

from hedged.domain.clock import iso
from hedged.sandbox.injective.events import (
    BlockEvents,
    Execution,
    FundingPaid,
    OrderUpdate,
    Trade,
    TxSummary,
    Update,
)
from hedged.sandbox.injective.wire import owner_of

SHORT = 12


def narrate(events: BlockEvents, symbols: dict[str, str], house: frozenset[str]) -> Iterator[str]:
    """Yield a block's lines. `symbols`: coin by market id; `house`: subaccounts of the crowd, who are passed over."""
    stamp = f"{iso(events.time_ms)} #{events.height}"
    for tx in events.transactions:
        yield f"{stamp} {_transaction(tx)}"
    for update in events.orders:
        if update.status is not Update.MATCHED:
            yield f"{stamp} {_order(update, symbols[update.order.market_id])}"
    for failure in events.failures:
        yield f"{stamp} ORDER FAILED exchange {failure.code} · cid {failure.cid or '-'} · {failure.account[:SHORT]}…"
    for trade in events.trades:
        if trade.subaccount_id not in house:
            yield f"{stamp} {_trade(trade)}"
    for funding in events.funding:
        if funding.settled is not None:
            settled = funding.settled
            yield f"{stamp} FUNDING {funding.symbol} {settled.rate:+.7%} per hour · mark {_short(settled.mark)}"
    for paid in events.payments:
        if paid.subaccount_id not in house:
            yield f"{stamp} {_payment(paid)}"


def _short(value: Decimal) -> str:
    return f"{value.normalize():f}" if len(f"{value.normalize():f}") < SHORT else f"{value:.6f}"


def _transaction(tx: TxSummary) -> str:
    outcome = "ok" if tx.code == 0 else f"FAILED {tx.codespace} {tx.code}: {tx.log}"
    return f"TX {tx.tx_hash[:SHORT]}… {'+'.join(tx.messages)} by {tx.signer[:SHORT]}… · {outcome}"


def _order(update: OrderUpdate, symbol: str) -> str:
    order, word = update.order, "BOOKED" if update.status is Update.BOOKED else "CANCELLED"
    side = "buy" if order.is_buy else "sell"
    return (
        f"{word} {symbol} {side} {_short(update.fillable)} @ {_short(order.price)} · cid {order.cid or '-'}"
    )


def _trade(trade: Trade) -> str:
    word = "LIQUIDATED" if trade.execution is Execution.LIQUIDATION else "FILL"
    side, role = "buy" if trade.is_buy else "sell", "maker" if trade.is_maker else "taker"
    money = f"fee {trade.fee:.4f} USDT" + (f" · PnL {trade.pnl:+.4f}" if trade.pnl else "")
    what = f"{trade.symbol} {side} {_short(trade.quantity)} @ {_short(trade.price)}"
    return f"{word} {what} · {role} · {money} · cid {trade.cid or '-'}"


def _payment(paid: FundingPaid) -> str:
    verb = "received" if paid.amount > 0 else "paid"
    held = f"on {_short(paid.quantity)} {paid.symbol}"
    return f"{verb} {abs(paid.amount):.6f} USDT of funding {held} · {owner_of(paid.subaccount_id)[:SHORT]}…"
