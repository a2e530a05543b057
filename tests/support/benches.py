"""The adapters under contract, each on a small world of its own and a virtual clock.

A new adapter joins by one entry in MARKET_DATA or TRADING; the suites run on it unchanged.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import cex_rig
from fakes import HASHES
from injective_rig import SUBACCOUNT, rig
from small_tables import START_MS, recording

from hedged.adapters.paper import PaperVenue
from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.venue import ReplayVenue
from hedged.adapters.simulated import EPOCH_MS, SimulatedMarkets
from hedged.backtest.virtual_time import run_virtually
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, HOUR_MS, Clock, LoopClock
from hedged.domain.errors import HedgedError, OutcomeUnknown, Rejected
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey, decimal_of
from hedged.domain.orders import Intent, Purpose, Side
from hedged.domain.ports import MarketData, Trading
from hedged.sandbox.cex.account import Ticket
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.injective.driver import ChainDriver
from hedged.sandbox.injective.house import house_order

HERE = SeriesKey(INJECTIVE, "BTC")
COLLATERAL = Decimal(1_000_000)


@dataclass(frozen=True)
class World:
    """A source of market data and the instant at which its story is well under way."""

    make: Callable[[], MarketData]
    now_ms: int


def replayed() -> ReplayVenue:
    costs = Costs(Decimal(0), Decimal("0.0005"), Decimal("0.0002"), Decimal(100_000))
    rules = Market(
        HERE, Decimal("0.01"), Decimal("0.001"), Decimal(5), Decimal("0.05"), Decimal("0.02"), costs
    )
    return ReplayVenue(INJECTIVE, series_of(recording()), {HERE: rules})


MARKET_DATA = {
    "replay": World(replayed, START_MS + 30 * HOUR_MS),
    "simulated": World(lambda: SimulatedMarkets(7, 2).venues()[INJECTIVE], EPOCH_MS + DAY_MS + 6 * HOUR_MS),
}


@dataclass
class Bench:
    """One trading adapter, its market, and control over time. `wait` lets so many seconds pass."""

    venue: Trading
    data: MarketData
    market: Market
    clock: Clock
    hold: Callable[[str], None]
    wait: Callable[[float], Coroutine[Any, Any, Any]] = asyncio.sleep
    refusal: type[HedgedError] = Rejected
    """What a refusal in the venue's own words means: unknown where ccxt has no class for the code."""
    sweep: Callable[[Intent, str], Coroutine[Any, Any, None]] | None = None
    """Let the market trade so many coins through an order's price, and then stand still."""
    leave: Callable[[Intent], Coroutine[Any, Any, str]] | None = None
    """Leave an order resting by hand, which is not ours; return what it is called."""
    mute: Callable[[], None] | None = None
    """Let the venue take the next order and not say so."""

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def until(self, ts_ms: int) -> None:
        """Let time pass."""
        await self.wait(max(0.0, (ts_ms - self.now_ms) / 1_000))

    async def mark(self) -> Decimal:
        (seen,) = [o for o in await self.data.observe(self.now_ms) if o.key == self.market.key]
        return decimal_of(float(seen.values[Field.MARK]))

    async def quantity(self) -> Decimal:
        held = (await self.venue.positions()).get(self.market.key.symbol)
        return held.quantity if held else Decimal(0)

    async def order(self, signed: str, *, slack: str = "0.05", reduce_only: bool = False) -> Intent:
        """An order of `signed` coins, its worst price `slack` away from the mark; < 0 where it would rest."""
        quantity, mark = Decimal(signed), await self.mark()
        side = Side.BUY if quantity > 0 else Side.SELL
        worst = self.market.quantise_price(mark * (1 + side.sign * Decimal(slack)))
        return Intent(
            self.now_ms, self.market.key, side, abs(quantity), worst, mark, Purpose.HEDGE_OPEN, reduce_only, HASHES
        )  # fmt: skip


def on_paper(world: World, latency_ms: int) -> Callable[[LoopClock], Coroutine[Any, Any, Bench]]:
    async def make(clock: LoopClock) -> Bench:
        data = world.make()
        venue = PaperVenue(data, clock, COLLATERAL, latency_ms)
        market = (await data.markets())["BTC"]

        def hold(quantity: str) -> None:
            venue.seed("BTC", Decimal(quantity), Decimal(100), clock.now_ms())

        return Bench(venue, data, market, clock, hold)

    return make


class ChainClock:
    """The sandbox's own time, which its tests can skip ahead."""

    slice_s = 1.0

    def __init__(self, chain: ChainDriver) -> None:
        self._chain = chain

    def now_ms(self) -> int:
        return self._chain.now_ms()


PAPER = {f"paper on {name}": world for name, world in MARKET_DATA.items()}
ON_CHAIN = "injective on the sandbox"
EXCHANGES = {f"{venue} on the sandbox": venue for venue in (*cex_rig.EVERY, cex_rig.ANOTHER)}
TRADING = (*PAPER, ON_CHAIN, *EXCHANGES)
WIRED = (ON_CHAIN, *EXCHANGES)


def trade(name: str, script: Callable[[Bench], Coroutine[Any, Any, None]], latency_ms: int = 0) -> None:
    """Run a script against a fresh adapter: paper on virtual time, the others over their wires on the sandbox."""
    if name == ON_CHAIN:
        asyncio.run(_trade_on_chain(script))
        return
    if name in EXCHANGES:
        asyncio.run(_trade_on_exchange(EXCHANGES[name], script))
        return
    world = PAPER[name]

    async def main() -> None:
        clock = LoopClock(world.now_ms)
        await script(await on_paper(world, latency_ms)(clock))

    run_virtually(main)


async def _trade_on_chain(script: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async with asyncio.timeout(60), rig(make_clock=lambda on: ChainClock(on.chain)) as on:
        market = (await on.data.markets())["BTC"]

        def hold(quantity: str) -> None:
            on.chain.seed_position(SUBACCOUNT, "BTC", Decimal(quantity), on.mark())

        async def sweep(order: Intent, coins: str) -> None:
            sign, tick = order.side.sign, market.price_tick
            beyond = order.worst_price - sign * tick
            usd = (Decimal(coins) + market.quantity_step / 2) * beyond
            on.sandbox.feed.trade("BTC", beyond / on.mark() - 1, -sign * usd)
            await on.chain.next_block()

        async def leave(order: Intent) -> str:
            made = house_order(
                on.chain.state.exchange, on.sandbox.markets["BTC"], SUBACCOUNT, order.side is Side.BUY,
                order.worst_price, order.quantity,
            )  # fmt: skip
            made.by_house, made.cid = False, "by hand"
            on.sandbox.markets["BTC"].book.rest([made])
            return made.cid

        def mute() -> None:
            on.faults.lost_ack = True

        await script(
            Bench(
                on.trading, on.data, market, on.clock, hold, on.chain.next_block, sweep=sweep, leave=leave, mute=mute
            )
        )  # fmt: skip


async def _trade_on_exchange(venue: str, script: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async with asyncio.timeout(60), cex_rig.rig(venue, hourly=True, symbols=("BTC",)) as on:
        market = (await on.data.markets())["BTC"]

        async def wait(seconds: float) -> None:
            on.clock.skip(seconds)

        async def sweep(order: Intent, coins: str) -> None:
            on.sweep(order.worst_price, order.side.sign, Decimal(coins))

        async def leave(order: Intent) -> str:
            chosen = on.engine.account.chosen("BTC")
            chosen.leverage, chosen.isolated = cex_rig.LEVERAGE, True
            name = on.trading.orders.ids.theirs("0" * 32)[:-1] + "-"  # as long as ours, and not ours
            on.engine.place(
                Ticket("BTC", order.side.sign, order.quantity, order.worst_price, "GTC", False, name)
            )
            return name

        def mute() -> None:
            on.trading.exchange.timeout = 300
            on.faults.add(Fault.LOST_ACK, on.protocol.order_path, "POST")

        refusal = OutcomeUnknown if venue == cex_rig.ANOTHER else Rejected
        await script(Bench(on.trading, on.data, market, on.clock, on.hold, wait, refusal, sweep, leave, mute))
