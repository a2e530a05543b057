"""The contract of the `Rests` port: orders that wait in the book, are seen there, and end in a way that can be told."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from benches import WIRED, Bench, trade
from fakes import approve

from hedged.domain.approved import ApprovedIntent
from hedged.domain.errors import OutcomeUnknown, Rejected, WouldTake
from hedged.domain.orders import OrderState, OrderStatus
from hedged.domain.ports import Rests

Script = Callable[[Bench, Rests], Coroutine[Any, Any, None]]

LONG_S = 3_600.0
FORGOTTEN_S = 70
"""By then Gate knows an order that has ended by its own id alone."""


@pytest.fixture(params=WIRED)
def on(request: pytest.FixtureRequest) -> Callable[[Script], None]:
    """Run a script against a fresh adapter of a real venue.

    At the paper venue orders fill whole or not at all, and nobody trades by hand: its tests are its own.
    """

    def run(script: Script) -> None:
        async def resting(bench: Bench) -> None:
            assert isinstance(bench.venue, Rests)
            await script(bench, bench.venue)

        trade(request.param, resting)

    return run


async def below(bench: Bench, signed: str = "0.5", **more: Any) -> ApprovedIntent:
    """An order 1 % away from the market, on the side where it rests."""
    return approve(await bench.order(signed, slack="-0.01", **more))


async def account(bench: Bench) -> tuple[object, ...]:
    venue = bench.venue
    return await venue.positions(), list(await venue.executions(0)), list(await venue.open_orders())


async def filled_by(bench: Bench, sent: ApprovedIntent) -> Decimal:
    own = [one for one in await bench.venue.executions(0) if one.client_id == sent.client_id]
    return sum((one.quantity for one in own), Decimal(0))


@pytest.mark.parametrize("signed", ["0.5", "-0.5"])
def test_an_order_rests_and_is_told_until_it_is_cancelled(on, signed: str) -> None:
    """If this fails, an order in the book is overlooked, told as something else, or cannot be taken back."""

    async def script(bench: Bench, venue: Rests) -> None:
        bid, ask = await venue.touch("BTC")
        assert 0 < bid < await bench.mark() < ask
        sent = await below(bench, signed)
        state = await venue.rest(sent, LONG_S)
        expected = OrderState(
            sent.client_id, bench.market.key, OrderStatus.OPEN, Decimal(0), sent.intent.quantity
        )
        assert state == expected
        assert list(await bench.venue.open_orders()) == [expected]
        assert await bench.venue.lookup(sent.client_id) == expected
        assert await bench.quantity() == 0
        await bench.venue.cancel(sent.client_id)
        assert list(await bench.venue.open_orders()) == []
        ended = await bench.venue.lookup(sent.client_id)
        assert ended is not None
        assert (ended.status, ended.filled) == (OrderStatus.CANCELLED, 0)
        await bench.venue.cancel(sent.client_id)
        assert await bench.quantity() == 0

    on(script)


@pytest.mark.parametrize("signed", ["0.5", "-0.5"])
def test_it_fills_in_part_and_whole_as_maker_under_our_client_id(on, signed: str) -> None:
    """If this fails, a maker's fill is missed, counted twice, charged as a taker's, or taken for a trade by hand."""

    async def script(bench: Bench, venue: Rests) -> None:
        assert bench.sweep is not None
        sent = await below(bench, signed)
        await venue.rest(sent, LONG_S)
        await bench.sweep(sent.intent, "0.2")
        state = await bench.venue.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.filled, state.remaining) == (
            OrderStatus.OPEN,
            Decimal("0.2"),
            Decimal("0.3"),
        )
        assert list(await bench.venue.open_orders()) == [state]
        assert await bench.quantity() == Decimal("0.2") * sent.intent.side.sign
        await bench.wait(1)
        await bench.sweep(sent.intent, "0.4")
        state = await bench.venue.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.filled, state.remaining) == (OrderStatus.FILLED, Decimal("0.5"), 0)
        assert list(await bench.venue.open_orders()) == []
        own = [one for one in await bench.venue.executions(0) if one.client_id == sent.client_id]
        assert (
            sum(one.signed_quantity for one in own) == sent.intent.signed_quantity == await bench.quantity()
        )
        for one in own:
            assert one.price == sent.intent.worst_price
            assert one.fee_usd == one.quantity * one.price * bench.market.costs.maker_fee
        assert bench.market.costs.maker_fee < bench.market.costs.taker_fee

    on(script)


@pytest.mark.parametrize("signed", ["0.5", "-0.5"])
def test_an_order_that_would_take_does_not_exist(on, signed: str) -> None:
    """If this fails, an order meant for the maker's fee pays the taker's, or one that is gone blocks its market."""

    async def script(bench: Bench, venue: Rests) -> None:
        before = await account(bench)
        sent = approve(await bench.order(signed, slack="0.01"))
        with pytest.raises(WouldTake):
            await venue.rest(sent, LONG_S)
        assert await account(bench) == before
        state = await bench.venue.lookup(sent.client_id)
        assert state is None or (state.filled == 0 and state.status is not OrderStatus.OPEN)
        await bench.venue.cancel(sent.client_id)
        await bench.wait(1)
        taken = await bench.venue.place(approve(await bench.order(signed, slack="0.02")))
        assert taken.status is OrderStatus.FILLED

    on(script)


def test_a_cancellation_leaves_what_had_filled(on) -> None:
    """If this fails, what filled before a cancellation is lost, at once or when the venue forgets the order."""

    async def script(bench: Bench, venue: Rests) -> None:
        assert bench.sweep is not None
        sent = await below(bench)
        await venue.rest(sent, LONG_S)
        await bench.sweep(sent.intent, "0.2")
        await bench.venue.cancel(sent.client_id)
        for seconds in (0, FORGOTTEN_S):
            await bench.wait(seconds)
            state = await bench.venue.lookup(sent.client_id)
            assert state is not None
            assert (state.status, state.filled) == (OrderStatus.CANCELLED, Decimal("0.2"))
        assert await filled_by(bench, sent) == Decimal("0.2") == await bench.quantity()
        assert list(await bench.venue.open_orders()) == []

    on(script)


def test_cancelling_what_has_filled_is_no_error(on) -> None:
    """If this fails, a fill that crosses its cancellation reads as a failure, or as nothing filled."""

    async def script(bench: Bench, venue: Rests) -> None:
        assert bench.sweep is not None
        sent = await below(bench)
        await venue.rest(sent, LONG_S)
        await bench.sweep(sent.intent, "0.5")
        await bench.venue.cancel(sent.client_id)
        state = await bench.venue.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.filled) == (OrderStatus.FILLED, Decimal("0.5"))

    on(script)


def test_an_order_left_by_hand_is_told_and_left_alone(on) -> None:
    """If this fails, the owner's own orders are overlooked, taken for ours, or taken away with ours."""

    async def script(bench: Bench, venue: Rests) -> None:
        assert bench.leave is not None
        await bench.venue.positions()
        name = await bench.leave((await below(bench, "0.3")).intent)
        sent = await below(bench)
        await venue.rest(sent, LONG_S)
        told = {one.client_id: one.remaining for one in await bench.venue.open_orders()}
        assert told == {name: Decimal("0.3"), sent.client_id: Decimal("0.5")}
        await bench.venue.cancel(name)
        await bench.venue.cancel(sent.client_id)
        (left,) = await bench.venue.open_orders()
        assert (left.client_id, left.remaining) == (name, Decimal("0.3"))

    on(script)


def test_an_order_whose_answer_is_lost_is_found_and_there_once(on) -> None:
    """If this fails, an order that rests is taken for one that never came, and a second one rests beside it."""

    async def script(bench: Bench, venue: Rests) -> None:
        assert bench.mute is not None
        await bench.venue.positions()
        await venue.touch("BTC")
        bench.mute()
        sent = await below(bench)
        try:
            await venue.rest(sent, LONG_S)
        except OutcomeUnknown:
            state = await bench.venue.lookup(sent.client_id)
            assert state is not None
            assert (state.status, state.remaining) == (OrderStatus.OPEN, Decimal("0.5"))
        with pytest.raises(Rejected, match="used before"):
            await venue.rest(sent, LONG_S)
        (resting,) = await bench.venue.open_orders()
        assert resting.client_id == sent.client_id

    on(script)


def test_a_client_id_rests_once(on) -> None:
    """If this fails, one intent rests twice, or rests after it has taken."""

    async def script(bench: Bench, venue: Rests) -> None:
        sent = await below(bench)
        answers = await asyncio.gather(
            venue.rest(sent, LONG_S),
            venue.rest(sent, LONG_S),
            bench.venue.place(sent),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["OrderState", "Rejected", "Rejected"]
        with pytest.raises(Rejected):
            await bench.venue.place(sent)
        assert len(list(await bench.venue.open_orders())) == 1

    on(script)


def test_an_order_that_only_reduces_rests_without_turning_a_position_around(on) -> None:
    """If this fails, a hedge that is closed by resting orders ends up on the other side."""

    async def script(bench: Bench, venue: Rests) -> None:
        assert bench.sweep is not None
        bench.hold("0.3")
        sent = await below(bench, "-0.3", reduce_only=True)
        await venue.rest(sent, LONG_S)
        await bench.sweep(sent.intent, "0.4")
        assert await bench.quantity() == 0
        state = await bench.venue.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.filled) == (OrderStatus.FILLED, Decimal("0.3"))

    on(script)
