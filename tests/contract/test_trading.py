"""The contract of the `Trading` port: an account that adds up, is strict with orders and honest about the rest."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from benches import PAPER, TRADING, Bench, trade
from fakes import approve

from hedged.domain.clock import HOUR_MS, next_boundary_ms
from hedged.domain.errors import Rejected
from hedged.domain.orders import Intent, OrderStatus

Script = Callable[[Bench], Coroutine[Any, Any, None]]


@pytest.fixture(params=TRADING)
def on(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a script against a fresh adapter."""

    def run(script: Script, latency_ms: int = 0) -> None:
        trade(request.param, script, latency_ms)

    return run


@pytest.fixture(params=PAPER)
def on_paper(request: pytest.FixtureRequest) -> Callable[..., None]:
    """The same for what the paper venue alone promises: its latency and its price to the tick."""

    def run(script: Script, latency_ms: int = 0) -> None:
        trade(request.param, script, latency_ms)

    return run


async def everything(bench: Bench) -> tuple[object, ...]:
    """All that the account says of itself."""
    venue = bench.venue
    return (
        await venue.positions(),
        await venue.balance(),
        list(await venue.executions(0)),
        list(await venue.funding_payments(0)),
        list(await venue.open_orders()),
    )


def test_an_order_becomes_a_position_an_execution_and_an_order_state(on) -> None:
    """If this fails, the account does not add up: fills, positions and orders tell different stories."""

    async def script(bench: Bench) -> None:
        total = Decimal(0)
        for n, signed in enumerate(("0.5", "-0.2", "-0.8", "0.3")):
            sent = approve(await bench.order(signed))
            state = await bench.venue.place(sent)
            assert (state.client_id, state.status) == (sent.client_id, OrderStatus.FILLED)
            assert state == await bench.venue.lookup(sent.client_id)
            total += Decimal(signed)
            assert await bench.quantity() == total
            executions = await bench.venue.executions(0)
            own = [
                e for e in executions if e.client_id == sent.client_id
            ]  # one for each level that was taken
            assert sum(e.signed_quantity for e in own) == Decimal(signed)
            assert executions[-1] in own
            assert sum(e.signed_quantity for e in executions) == total
            assert len({e.execution_id for e in executions}) == len(executions) > n
            await bench.wait(1)

    on(script)


def test_the_fill_comes_after_the_latency(on_paper) -> None:
    """If this fails, orders fill at the instant of the decision, which no venue does."""

    async def script(bench: Bench) -> None:
        before_ms = bench.now_ms
        await bench.venue.place(approve(await bench.order("0.5")))
        (execution,) = await bench.venue.executions(0)
        assert execution.ts_ms == bench.now_ms == before_ms + 350

    on_paper(script, latency_ms=350)


def test_executions_since_are_inclusive(on) -> None:
    """If this fails, the fill at the edge of a query is lost between two queries."""

    async def script(bench: Bench) -> None:
        await bench.venue.place(approve(await bench.order("0.5")))
        first_ms = (await bench.venue.executions(0))[0].ts_ms
        await bench.wait(10)
        await bench.venue.place(approve(await bench.order("0.4")))

        async def since(ts_ms: int) -> Decimal:
            return sum((e.quantity for e in await bench.venue.executions(ts_ms)), Decimal(0))

        assert await since(first_ms) == Decimal("0.9")
        assert await since(first_ms + 1) == Decimal("0.4")
        assert list(await bench.venue.executions(bench.now_ms + 1)) == []

    on(script)


def test_a_client_id_works_once(on) -> None:
    """If this fails, a resent order fills twice."""

    async def script(bench: Bench) -> None:
        sent = approve(await bench.order("0.5"))
        answers = await asyncio.gather(
            bench.venue.place(sent), bench.venue.place(sent), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["OrderState", "Rejected"]
        with pytest.raises(Rejected):
            await bench.venue.place(sent)
        assert await bench.quantity() == Decimal("0.5")

    on(script, latency_ms=200)


async def off_the_step(bench: Bench) -> Intent:
    return await bench.order(str(bench.market.quantity_step * 1_000 + bench.market.quantity_step / 2))


async def below_the_minimum(bench: Bench) -> Intent:
    smallest = bench.market.min_notional_usd / await bench.mark()
    return await bench.order(str(bench.market.quantise_quantity(smallest)))


async def beyond_the_worst_price(bench: Bench) -> Intent:
    return await bench.order("-0.5", slack="-0.001")


async def reduce_only_that_enlarges(bench: Bench) -> Intent:
    return await bench.order("0.5", reduce_only=True)


async def reduce_only_that_crosses_zero(bench: Bench) -> Intent:
    return await bench.order("-1.5", reduce_only=True)


async def reduce_only_that_turns_the_position_around(bench: Bench) -> Intent:
    return await bench.order("-2", reduce_only=True)


BAD = [
    off_the_step,
    below_the_minimum,
    beyond_the_worst_price,
    reduce_only_that_enlarges,
]
TOO_MUCH = [reduce_only_that_crosses_zero, reduce_only_that_turns_the_position_around]


@pytest.mark.parametrize("bad", BAD)
def test_a_rejected_order_leaves_nothing_behind(
    on, bad: Callable[[Bench], Coroutine[Any, Any, Intent]]
) -> None:
    """If this fails, an order counts as refused but has changed the account, or a bad one is filled."""

    async def script(bench: Bench) -> None:
        bench.hold("1")
        before = await everything(bench)
        sent = approve(await bad(bench))
        with pytest.raises((Rejected, bench.refusal)):
            await bench.venue.place(sent)
        assert await everything(bench) == before
        if bench.refusal is not Rejected:
            await bench.wait(70)
        assert await bench.venue.lookup(sent.client_id) is None

    on(script)


@pytest.mark.parametrize("too_much", TOO_MUCH)
def test_a_reduce_only_order_never_turns_a_position_around(
    on, too_much: Callable[[Bench], Coroutine[Any, Any, Intent]]
) -> None:
    """If this fails, closing more than there is opens the other side. Some venues refuse it, some cut it to size."""

    async def script(bench: Bench) -> None:
        bench.hold("1")
        before = await everything(bench)
        try:
            state = await bench.venue.place(approve(await too_much(bench)))
        except Rejected:
            assert await everything(bench) == before
        else:
            assert state.filled == 1
            assert await bench.quantity() == 0

    on(script)


def test_a_reduce_only_order_needs_something_to_reduce(on) -> None:
    """If this fails, closing what is already closed opens the other side."""

    async def script(bench: Bench) -> None:
        before = await everything(bench)
        with pytest.raises(bench.refusal):
            await bench.venue.place(approve(await bench.order("-0.5", reduce_only=True)))
        assert await everything(bench) == before
        bench.hold("-1")
        await bench.venue.place(approve(await bench.order("1", reduce_only=True)))
        assert await bench.quantity() == 0

    on(script)


@pytest.mark.parametrize("signed", ["0.5", "-0.5"])
def test_a_fill_is_worse_than_the_mark_and_never_beyond_the_worst_price(on, signed: str) -> None:
    """If this fails, trading is free in backtests, or a venue fills at any price."""

    async def script(bench: Bench) -> None:
        order = await bench.order(signed)
        await bench.venue.place(approve(order))
        fills = await bench.venue.executions(0)
        for fill in fills:
            assert (fill.price - order.reference_price) * order.side.sign > 0
            assert (fill.price - order.worst_price) * order.side.sign <= 0
            assert fill.price % bench.market.price_tick == 0
            assert fill.fee_usd == fill.quantity * fill.price * bench.market.costs.taker_fee

    on(script)


@pytest.mark.parametrize("signed", ["0.5", "-0.5"])
def test_paper_fills_at_half_spread_and_impact_rounded_against_it(on_paper, signed: str) -> None:
    """If this fails, trading is cheaper in backtests than the costs that the plan reckons with."""

    async def script(bench: Bench) -> None:
        order = await bench.order(signed)
        await bench.venue.place(approve(order))
        (fill,) = await bench.venue.executions(0)
        sign, costs = order.side.sign, bench.market.costs
        slip = costs.half_spread + costs.impact(order.quantity * order.reference_price)
        expected = order.reference_price * (1 + sign * slip)
        assert 0 <= (fill.price - expected) * sign < bench.market.price_tick

    on_paper(script)


def test_money_adds_up(on) -> None:
    """If this fails, the report's profit and loss is not what the account shows."""

    async def script(bench: Bench) -> None:
        start = (await bench.venue.balance()).total_usd
        for signed in ("0.5", "-0.2", "-0.8", "0.4", "0.1"):
            await bench.venue.place(approve(await bench.order(signed)))
            await bench.wait(900)
        await bench.until(next_boundary_ms(bench.now_ms, HOUR_MS) + 1)
        assert await bench.quantity() == 0
        end = await bench.venue.balance()
        fills = await bench.venue.executions(0)
        traded = -sum(e.signed_quantity * e.price + e.fee_usd for e in fills)
        paid = sum(p.payment_usd for p in await bench.venue.funding_payments(0))
        assert paid != 0
        assert float(end.total_usd - start) == pytest.approx(float(traded + paid), abs=1e-9)
        assert end.free_usd == end.total_usd

    on(script)


def test_a_position_ties_up_margin(on) -> None:
    """If this fails, collateral can be used twice."""

    async def script(bench: Bench) -> None:
        await bench.venue.place(approve(await bench.order("-0.5")))
        money = await bench.venue.balance()
        least = Decimal("0.5") * await bench.mark() * bench.market.initial_margin_ratio
        assert float(money.total_usd - money.free_usd) >= float(least) * (1 - 1e-9)

    on(script)


async def paid_at(bench: Bench, ts_ms: int) -> list[Decimal]:
    return [p.quantity for p in await bench.venue.funding_payments(0) if p.settlement.ts_ms == ts_ms]


@pytest.mark.parametrize(
    ("enters_s", "leaves_s", "pays"),
    [(-1, 1, True), (-1, 0, True), (0, 1, False), (-2, -1, False), (1, 2, False)],
)
def test_a_settlement_is_paid_by_what_was_held_strictly_before(
    on, enters_s: int, leaves_s: int, pays: bool
) -> None:
    """If this fails, entering at the settlement earns it, or leaving at it escapes it."""

    async def script(bench: Bench) -> None:
        due_ms = next_boundary_ms(bench.now_ms, HOUR_MS)
        await bench.until(due_ms + enters_s * 1_000)
        await bench.venue.place(approve(await bench.order("0.5")))
        await bench.until(due_ms + leaves_s * 1_000)
        await bench.venue.place(approve(await bench.order("-0.5")))
        await bench.until(due_ms + 60_000)
        # an indexer tells no quantity: with the position gone it is inferred from a rate of six decimals
        assert [float(q) for q in await paid_at(bench, due_ms)] == pytest.approx(
            [0.5] if pays else [], rel=0.1
        )

    on(script)


def test_each_settlement_pays_once(on) -> None:
    """If this fails, asking twice, or twice at once, pays twice."""

    async def script(bench: Bench) -> None:
        start_ms = bench.now_ms
        bench.hold("2")
        last_ms = next_boundary_ms(start_ms, HOUR_MS) + 2 * HOUR_MS
        for hours in (2, 1, 0):
            await bench.until(last_ms - hours * HOUR_MS)
        venue = bench.venue
        await asyncio.gather(venue.funding_payments(0), venue.funding_payments(0), venue.balance())
        payments = await venue.funding_payments(0)
        assert [p.settlement.ts_ms for p in payments] == [last_ms - 2 * HOUR_MS, last_ms - HOUR_MS, last_ms]
        for p in payments:
            owed = -2 * p.settlement.rate.rate * p.settlement.price
            assert float(p.payment_usd) == pytest.approx(float(owed), abs=1e-9)
        assert list(await venue.funding_payments(last_ms)) == []
        assert list(await venue.funding_payments(last_ms - 1)) == [payments[-1]]

    on(script)


def test_an_unknown_order(on) -> None:
    """If this fails, an attempt that never arrived cannot be told from one that did."""

    async def script(bench: Bench) -> None:
        assert await bench.venue.lookup("never sent") is None
        await bench.venue.cancel("never sent")
        assert list(await bench.venue.open_orders()) == []

    on(script)
