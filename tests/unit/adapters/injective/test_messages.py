"""Intents as exchange v2 messages: never beyond the worst price, never more than approved, enough margin."""

from dataclasses import replace
from decimal import Decimal

import pytest
from fakes import intent, market
from hypothesis import given
from hypothesis import strategies as st
from pyinjective.composer_v2 import Composer
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz
from pyinjective.proto.injective.exchange.v2 import tx_pb2

from hedged.adapters.injective.messages import (
    LONGEST_CID,
    TRADING_MESSAGES,
    Kind,
    Messages,
    Ticket,
    Trader,
    make_ticket,
    order_margin,
    smallest_margin,
)
from hedged.domain.errors import Rejected
from hedged.domain.market import Market
from hedged.domain.orders import Side

MARKET_ID = "0x" + "9b" * 32
CID = "c" * 32
TRADER = Trader("inj1trader", "0x" + "ab" * 20 + "0" * 24)
SCALE = Decimal(10) ** 18

ticks = st.sampled_from(["0.0001", "0.001", "0.01", "0.5", "1", "5"]).map(Decimal)
steps = st.sampled_from(["0.0001", "0.001", "0.1", "1", "100"]).map(Decimal)
prices = st.decimals("0.01", "100000", places=6)
quantities = st.decimals("0.0001", "10000", places=8)
ratios = st.sampled_from(["0.02", "0.05", "0.1", "0.333"]).map(Decimal)
leverages = st.decimals("0.5", "10", places=2)
sides = st.sampled_from(Side)


def rules(tick: Decimal, step: Decimal, ratio: Decimal = Decimal("0.05")) -> Market:
    return market(
        price_tick=tick, quantity_step=step, min_notional_usd=Decimal(1), initial_margin_ratio=ratio
    )


def wanted(side: Side, quantity: Decimal, worst: Decimal):
    return intent(signed=quantity * side.sign, worst_price=worst, reference_price=worst)


@given(sides, prices, quantities, ticks, steps, leverages)
def test_an_order_is_never_more_than_was_approved(side, price, quantity, tick, step, leverage) -> None:
    """If this fails, rounding buys more, or pays more, than the gate allowed."""
    order = wanted(side, quantity, price)
    try:
        ticket = make_ticket(order, CID, rules(tick, step), MARKET_ID, price, leverage, reduces=False)
    except Rejected:
        down = (quantity // step) * step
        assert down * price < Decimal(1) + tick * quantity or price < tick
        return
    assert 0 < ticket.quantity <= quantity
    assert quantity - ticket.quantity < step
    assert (ticket.price - price) * side.sign <= 0
    assert abs(ticket.price - price) < tick
    assert ticket.quantity % step == 0
    assert ticket.price % tick == 0


@given(sides, prices, st.decimals("-0.2", "0.2", places=4), quantities, ratios, leverages)
def test_the_margin_satisfies_the_chains_inequalities(side, price, away, quantity, ratio, leverage) -> None:
    """If this fails, orders are refused by the chain for want of margin (code 26), or margin goes beyond need."""
    mark = price * (1 + away)
    margin = order_margin(rules(Decimal(1), Decimal(1), ratio), side, quantity, price, mark, leverage)
    notional = price * quantity
    assert margin >= ratio * notional
    if side is Side.BUY:
        assert mark >= (margin - notional) / ((ratio - 1) * quantity)
    else:
        assert mark <= (margin + notional) / ((1 + ratio) * quantity)
    assert margin >= notional / leverage
    assert margin == margin.quantize(Decimal("0.000001"))


@given(sides, prices, quantities, ratios)
def test_the_margin_still_suffices_when_the_mark_moves_a_little(side, price, quantity, ratio) -> None:
    """If this fails, a mark that moves between decision and block makes the chain refuse orders at high leverage."""
    rule = rules(Decimal(1), Decimal(1), ratio)
    margin = order_margin(rule, side, quantity, price, price, Decimal(100))
    for drift in ("-0.0049", "0.0049"):
        assert margin >= smallest_margin(rule, side, quantity, price, price * (1 + Decimal(drift)))


@given(sides, prices, quantities, ratios)
def test_the_least_margin_is_the_least(side, price, quantity, ratio) -> None:
    """If this fails, the margin formula asks for more collateral than the chain does."""
    rule = rules(Decimal(1), Decimal(1), ratio)
    less = smallest_margin(rule, side, quantity, price, price) * Decimal("0.999")
    notional = price * quantity
    enough = less >= ratio * notional
    threshold = (
        (less - notional) / ((ratio - 1) * quantity)
        if side is Side.BUY
        else (less + notional) / ((1 + ratio) * quantity)
    )
    assert not (enough and (price - threshold) * side.sign >= 0)


@pytest.mark.parametrize(
    ("kind", "side", "type_number"),
    [
        (Kind.MARKET, Side.BUY, 1), (Kind.MARKET, Side.SELL, 2),
        (Kind.POST_ONLY, Side.BUY, 7), (Kind.POST_ONLY, Side.SELL, 8),
    ],
)  # fmt: skip
def test_an_order_on_the_wire(kind: Kind, side: Side, type_number: int) -> None:
    """If this fails, the chain reads another order than the one that was meant."""
    composer = Messages(Composer("mainnet"), TRADER)
    ticket = Ticket(MARKET_ID, kind, side, Decimal("0.5"), Decimal("60000.5"), Decimal(10_000), CID, 1_234)
    message = composer.create(ticket)
    expected = "Market" if kind is Kind.MARKET else "Limit"
    assert message.DESCRIPTOR.name == f"MsgCreateDerivative{expected}Order"
    assert "/" + message.DESCRIPTOR.full_name in TRADING_MESSAGES
    order = message.order
    assert (message.sender, order.market_id, order.order_type) == (TRADER.address, MARKET_ID, type_number)
    assert order.order_info.subaccount_id == TRADER.subaccount_id
    assert order.order_info.fee_recipient == TRADER.address
    assert Decimal(order.order_info.quantity) / SCALE == ticket.quantity
    assert Decimal(order.order_info.price) / SCALE == ticket.price
    assert Decimal(order.margin) / SCALE == ticket.margin
    assert order.order_info.cid == CID
    assert order.expiration_block == (0 if kind is Kind.MARKET else 1_234)


def test_reduce_only_is_a_margin_of_zero() -> None:
    """If this fails, closing a hedge needs collateral, and may open the other side."""
    order = wanted(Side.SELL, Decimal(1), Decimal(100))
    ticket = make_ticket(order, CID, market(), MARKET_ID, Decimal(100), Decimal(3), reduces=True)
    assert Messages(Composer("mainnet"), TRADER).create(ticket).order.margin == "0"
    opened = make_ticket(order, CID, market(), MARKET_ID, Decimal(100), Decimal(3), reduces=False)
    assert opened.margin > 0


def test_a_cancellation_finds_its_order_by_client_id_on_either_side() -> None:
    """If this fails, cancelling a resting buy silently does nothing because the mask says sell."""
    message = Messages(Composer("mainnet"), TRADER).cancel(MARKET_ID, CID)
    assert (message.cid, message.market_id, message.order_mask) == (CID, MARKET_ID, 1)


def test_a_batch_holds_each_kind_in_its_own_list() -> None:
    """If this fails, a batch sends a market order as a limit order that rests at its worst price."""
    composer = Messages(Composer("mainnet"), TRADER)
    taker = Ticket(MARKET_ID, Kind.MARKET, Side.BUY, Decimal(1), Decimal(100), Decimal(30), "taker")
    maker = replace(taker, kind=Kind.POST_ONLY, cid="maker", expires_at=99)
    message = composer.batch([taker, maker], [(MARKET_ID, "old")])
    assert isinstance(message, tx_pb2.MsgBatchUpdateOrders)
    assert [o.order_info.cid for o in message.derivative_market_orders_to_create] == ["taker"]
    assert [(o.order_info.cid, o.expiration_block) for o in message.derivative_orders_to_create] == [
        ("maker", 99)
    ]
    assert [(o.cid, o.order_mask) for o in message.derivative_orders_to_cancel] == [("old", 1)]


def test_a_grantee_signs_one_exec_with_the_granters_messages_inside() -> None:
    """If this fails, the chain takes the grantee for the trader, or the owner's key is wrapped needlessly."""
    ticket = Ticket(MARKET_ID, Kind.MARKET, Side.BUY, Decimal(1), Decimal(100), Decimal(30), CID)
    own = Messages(Composer("mainnet"), TRADER)
    assert own.signed_by_grantee([own.create(ticket)]) == [own.create(ticket)]
    granted = Messages(Composer("mainnet"), replace(TRADER, grantee="inj1grantee"))
    (outer,) = granted.signed_by_grantee([granted.create(ticket)])
    assert isinstance(outer, authz.MsgExec)
    assert outer.grantee == "inj1grantee"
    (inner,) = outer.msgs
    assert inner.type_url == TRADING_MESSAGES[0]
    assert tx_pb2.MsgCreateDerivativeMarketOrder.FromString(inner.value).sender == TRADER.address


@pytest.mark.parametrize(
    "changes",
    [
        {"cid": "c" * (LONGEST_CID + 1)},
        {"cid": ""},
        {"quantity": "0.0004"},
        {"worst": "0.04"},
        {"quantity": "0.01"},
    ],
)
def test_what_no_rounding_can_mend_is_rejected(changes: dict[str, str]) -> None:
    """If this fails, the chain is asked to do what it is known to refuse, and gas is paid for the answer."""
    order = wanted(Side.BUY, Decimal(changes.get("quantity", "1")), Decimal(changes.get("worst", "100")))
    with pytest.raises(Rejected):
        make_ticket(
            order, changes.get("cid", CID), market(), MARKET_ID, Decimal(100), Decimal(3), reduces=False
        )
