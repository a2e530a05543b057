"""Whatever is ordered, filled, cancelled, funded and closed: no coin appears or vanishes."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.sandbox.injective import clearing
from hedged.sandbox.injective.book import OrderType
from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.crowd import CrowdFlow, Mood, quotes
from hedged.sandbox.injective.events import BlockEvents
from hedged.sandbox.injective.exchange import Exchange, OrderRequest
from hedged.sandbox.injective.ledger import USDT, Ledger
from hedged.sandbox.injective.market import market_rules, new_market
from hedged.sandbox.injective.server import HOUSE
from hedged.sandbox.injective.wire import owner_of

TRADERS = tuple(f"0x{digit * 40}{nonce:024x}" for digit, nonce in (("1", 0), ("2", 1)))
START = Decimal(10_000)
RULES = market_rules(["INJ"])[0]

actions = st.lists(
    st.tuples(
        st.sampled_from(["market", "limit", "post", "reduce", "cancel", "move"]),
        st.integers(0, 1),
        st.booleans(),
        st.integers(-40, 40),
        st.integers(1, 400),
    ),
    max_size=12,
)


def new_exchange() -> Exchange:
    ledger = Ledger()
    ledger.credit_bank(owner_of(TRADERS[0]), USDT, int(START.scaleb(6)))
    ledger.pay(TRADERS[1], START)
    exchange = Exchange([new_market(RULES, Decimal(14), 0, 3_600)], ledger)
    exchange.house = set(HOUSE)
    return exchange


def wealth(exchange: Exchange, subaccount: str) -> Decimal:
    """Everything a trader has: bank, deposit with what orders hold, position at its own margin and unpaid funding."""
    market = next(iter(exchange.markets.values()))
    units = exchange.ledger.bank[owner_of(subaccount)][USDT] + exchange.ledger.deposits[subaccount].total
    position = market.positions.get(subaccount)
    margin = position.funding_adjusted_margin(market.funding.cumulative_funding) if position else Decimal(0)
    return units.scaleb(-6) + margin if isinstance(units, Decimal) else Decimal(units).scaleb(-6) + margin


def request(kind: str, trader: str, is_buy: bool, offset: int, size: int, cid: str) -> OrderRequest:
    price = (Decimal(14) * (1 + Decimal(offset) / 1_000)) // RULES.price_tick * RULES.price_tick
    quantity = Decimal(size) / 10
    plain = OrderType.BUY if is_buy else OrderType.SELL
    posting = OrderType.BUY_PO if is_buy else OrderType.SELL_PO
    return OrderRequest(
        market_id=RULES.market_id,
        subaccount_id=trader,
        cid=cid,
        order_type=posting if kind == "post" else plain,
        price=price,
        quantity=quantity,
        margin=Decimal(0) if kind == "reduce" else price * quantity / 5,
        fee_recipient="",
        is_market=kind in ("market", "reduce"),
    )


def block(exchange: Exchange, height: int, mark: Decimal) -> None:
    market = exchange.markets[RULES.market_id]
    market.mark = mark
    levels = quotes(
        Mood(mark, Decimal(0)), RULES.price_tick, RULES.quantity_tick, RULES.half_spread, RULES.depth_usd
    )
    clearing.end_block(exchange, {"INJ": CrowdFlow(quotes=levels)})


@settings(max_examples=25, deadline=None)
@given(actions)
def test_a_traders_wealth_changes_by_realised_profit_funding_and_fees_alone(
    steps: list[tuple[str, int, bool, int, int]],
) -> None:
    """If this fails, some path of orders creates or destroys money, and no ledger could be checked against this."""
    exchange = new_exchange()
    exchange.events = BlockEvents(1, 0)
    block(exchange, 1, Decimal(14))
    before = {trader: wealth(exchange, trader) for trader in TRADERS}
    earned = dict.fromkeys(TRADERS, Decimal(0))
    mark = Decimal(14)
    for number, (kind, who, is_buy, offset, size) in enumerate(steps):
        exchange.events = BlockEvents(number + 2, number * 60_000)
        exchange.charge_funding(number * 60)
        for paid in exchange.events.payments:
            if paid.subaccount_id in earned:
                earned[paid.subaccount_id] += paid.amount
        if kind == "move":
            mark = Decimal(14) * (1 + Decimal(offset) / 1_000)
        elif kind == "cancel":
            exchange.cancel_all(RULES.market_id, TRADERS[who])
        else:
            try:
                exchange.place(request(kind, TRADERS[who], is_buy, offset, size, str(number)), "")
            except ChainError:
                pass  # refused: then nothing may have moved, which is checked below
        block(exchange, number + 2, mark)
        for trade in exchange.events.trades:
            if trade.subaccount_id in earned and trade.execution.name != "LIQUIDATION":
                # a reduce-only close has paid its fee out of the PnL already
                earned[trade.subaccount_id] += trade.pnl - (trade.fee if trade.margin else 0)
        liquidated = {t.subaccount_id for t in exchange.events.trades if t.execution.name == "LIQUIDATION"}
        for trader in TRADERS:
            if trader in liquidated:
                before[trader], earned[trader] = wealth(exchange, trader), Decimal(0)
            gap = wealth(exchange, trader) - before[trader] - earned[trader]
            assert abs(gap) < Decimal("1e-9"), (kind, gap)
        assert exchange.ledger.deposits[TRADERS[0]].available >= 0
        # a sell filled above its limit pays a little more fee than was held; subaccount 0 draws that from the bank
        assert exchange.ledger.deposits[TRADERS[1]].available > -1_000_000


@settings(max_examples=15, deadline=None)
@given(actions)
def test_as_much_is_held_long_as_short(steps: list[tuple[str, int, bool, int, int]]) -> None:
    """If this fails, a trade has one side only, and open interest means nothing."""
    exchange = new_exchange()
    mark = Decimal(14)
    for number, (kind, who, is_buy, offset, size) in enumerate(steps):
        exchange.events = BlockEvents(number + 1, number * 60_000)
        try:
            if kind in ("market", "limit", "post", "reduce"):
                exchange.place(request(kind, TRADERS[who], is_buy, offset, size, str(number)), "")
        except ChainError:
            pass
        block(exchange, number + 1, mark)
        market = exchange.markets[RULES.market_id]
        assert sum(p.signed_quantity for p in market.positions.values()) == 0
