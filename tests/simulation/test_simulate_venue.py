"""The simulated exchange itself: it must be as strict as a real one, or the simulation proves nothing."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from fakes import approve, intent

from hedged.domain.approved import ApprovedIntent
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable, WouldTake
from hedged.domain.market import SeriesKey
from hedged.domain.orders import OrderStatus, Side
from hedged.domain.ports import MarketData, Rests, TellsMode, TellsTime, Trading
from hedged.simulate.dice import Dice
from hedged.simulate.faults import Fault, Faults
from hedged.simulate.life import Life
from hedged.simulate.market import PRICES, VENUES
from hedged.simulate.venue import SimVenue
from hedged.simulate.world import Mode, World

KEY = SeriesKey("binance", "BTC")


def in_world(script: Callable[[World, SimVenue], Awaitable[None]], *always: Fault) -> World:
    """Run a script as a life of the daemon; only the faults of `always` strike, at every call."""
    world = World(1, Mode.SAFETY, 4)
    span = (world.from_ms, world.to_ms)
    world.faults = Faults(Dice(1, "none"), VENUES, tuple(PRICES), *span, without=tuple(Fault))
    world.faults._p = dict.fromkeys(always, 1.0)
    life = Life(world, 1)

    async def main(_: Life) -> None:
        await script(world, SimVenue(world.exchanges["binance"], life))

    assert life.run(main) == "stopped"
    world.disk.close()
    return world


def order(world: World, signed: str, off: str = "0.01", **changes: object) -> ApprovedIntent:
    """An order whose worst price is `off` the mark: > 0 on the side that takes."""
    mark = world.market.price(KEY, world.now_ms())
    one = intent(KEY, signed, **changes)
    worst = world.market.markets[KEY].quantise_price(mark * (1 + one.side.sign * Decimal(off)))
    return approve(intent(KEY, signed, worst_price=worst, reference_price=mark, **changes))


def test_it_implements_the_ports() -> None:
    """If this fails, the daemon is simulated on something that is no venue."""

    async def script(_: World, venue: SimVenue) -> None:
        data: MarketData = venue
        trading: Trading = venue
        assert data.venue == trading.venue == "binance"
        assert isinstance(venue, Rests)
        assert isinstance(venue, TellsTime)
        assert isinstance(venue, TellsMode)

    in_world(script)


def test_an_order_fills_and_shows() -> None:
    """If this fails, orders, executions and positions of the exchange do not agree."""

    async def script(world: World, venue: SimVenue) -> None:
        sent = order(world, "-0.5")
        state = await venue.place(sent)
        assert state.status is OrderStatus.FILLED
        executions = await venue.executions(0)
        assert sum(e.signed_quantity for e in executions) == Decimal("-0.5")
        assert {e.client_id for e in executions} == {sent.client_id}
        assert (await venue.positions())["BTC"].quantity == Decimal("-0.5")
        with pytest.raises(Rejected, match="reduce"):
            await venue.place(order(world, "-0.1", reduce_only=True, cycle_ts_ms=1))

    in_world(script)


def test_a_resting_order_fills_in_pieces_and_ends() -> None:
    """If this fails, orders that rest are not simulated as they are: filled in part, cancelled, out of time."""

    async def script(world: World, venue: SimVenue) -> None:
        with pytest.raises(WouldTake):
            await venue.rest(order(world, "-0.5"), 30.0)
        bid, ask = await venue.touch("BTC")
        assert bid < ask
        sent = order(world, "-0.5", "-0.001", side=Side.SELL)
        state = await venue.rest(sent, 30.0)
        assert state.status is OrderStatus.OPEN
        assert [one.client_id for one in await venue.open_orders()] == [sent.client_id]
        await world.life.wait(50)  # type: ignore[union-attr]
        ended = await venue.lookup(sent.client_id)
        assert ended is not None
        assert ended.status in (OrderStatus.CANCELLED, OrderStatus.FILLED)
        assert not await venue.open_orders()
        held = (await venue.positions()).get("BTC")
        assert (held.quantity if held else 0) == -ended.filled

    in_world(script)


def test_a_cancel_whose_answer_is_lost_may_have_worked() -> None:
    """If this fails, the race between a cancel and a fill is never simulated."""

    async def script(world: World, venue: SimVenue) -> None:
        sent = order(world, "-0.5", "-0.001")
        await venue.rest(sent, 600.0)
        with pytest.raises(OutcomeUnknown):
            await venue.cancel(sent.client_id)
        ended = await venue.lookup(sent.client_id)
        assert ended is not None
        assert ended.status is not OrderStatus.OPEN

    in_world(script, Fault.CANCEL_LOST)


def test_a_lost_order_is_denied_only_when_it_cannot_arrive_any_more() -> None:
    """If this fails, a look-up says "never had it" of an order that arrives a moment later."""

    async def script(world: World, venue: SimVenue) -> None:
        sent = order(world, "-0.5")
        with pytest.raises(OutcomeUnknown):
            await venue.place(sent)
        with pytest.raises(Retryable):
            await venue.lookup(sent.client_id)
        await world.life.wait(10)  # type: ignore[union-attr]
        assert await venue.lookup(sent.client_id) is None

    in_world(script, Fault.ORDER_LOST)


def test_an_order_outlives_the_life_that_sent_it() -> None:
    """If this fails, a crash takes back what is on its way: no restart would ever find an order it does not know."""
    world = World(1, Mode.SAFETY, 4)
    world.faults.on += (Fault.CRASH,)
    sent: list[ApprovedIntent] = []

    async def main(life: Life) -> None:
        sent.append(order(world, "-0.5"))
        life.loop.fuse = 3
        await SimVenue(world.exchanges["binance"], life).place(sent[0])

    world.faults._p = {}
    assert Life(world, 1).run(main) == "crash"
    world.pass_time(world.now_ms() + 20_000)
    assert world.exchanges["binance"].orders[sent[0].client_id].filled == Decimal("0.5")
    world.disk.close()
