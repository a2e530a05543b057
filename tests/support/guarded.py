"""The fast loop on venues that a test scripts: a desk with a hedge on it, and prices that are set by hand."""

import asyncio
import itertools
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from fakes import HASHES, HERE, NOW_MS, OTHER, THERE, FakeVenue, market

from hedged.backtest.virtual_time import run_virtually
from hedged.collectors.believed import BelievedMarks
from hedged.config import Config, parse_config
from hedged.domain.clock import SECOND_MS, LoopClock
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of
from hedged.domain.orders import Purpose
from hedged.execution.accounts import Accounts
from hedged.execution.desk import Desk
from hedged.execution.divergence_stops import DivergenceStops
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.stops import Stops
from hedged.execution.turn import Turn
from hedged.execution.working.executor import Executor
from hedged.guard import Guard
from hedged.risk.gate import KillLevel
from hedged.strategy.memory import STATE, StrategyMemory
from hedged.strategy.snapshot import DesiredPosition

START_MS = NOW_MS + 7  # no instant at which a cycle is due
PROTECTED_USD = 5.0
Hedge = dict[SeriesKey, tuple[int, Purpose]]
RELOCATION: Hedge = {HERE: (-4, Purpose.RELOCATE), THERE: (4, Purpose.RELOCATE)}
MIXED: Hedge = {HERE: (-2, Purpose.RELOCATE), THERE: (2, Purpose.RELOCATE), OTHER: (-2, Purpose.HEDGE_OPEN)}
DIVERGENCE: Hedge = {THERE: (4, Purpose.DIVERGENCE_OPEN), OTHER: (-4, Purpose.DIVERGENCE_OPEN)}
OPPOSITE: Hedge = {THERE: (-4, Purpose.HEDGE_OPEN)}


@dataclass
class Prices:
    """What the poller would tell. `doubted`: with the price by which what is held may be reduced."""

    marks: dict[SeriesKey, float] = field(default_factory=lambda: {HERE: 100.0, THERE: 100.0, OTHER: 100.0})
    doubted: dict[SeriesKey, float] = field(default_factory=dict)
    ages_ms: dict[SeriesKey, int] = field(default_factory=dict)

    async def glance(self, now_ms: int, symbols: Collection[str]) -> BelievedMarks:
        return self.now(now_ms, symbols)

    def now(self, now_ms: int, symbols: Collection[str] = ("BTC",)) -> BelievedMarks:
        marks = {k: m for k, m in self.marks.items() if k not in self.doubted and k.symbol in symbols}
        known = {key: now_ms - self.ages_ms.get(key, 0) for key in marks}
        return BelievedMarks(now_ms, marks, known, dict.fromkeys(self.doubted, "a unit"))

    def fresh_marks(self, now_ms: int, stale_after_ms: int) -> dict[SeriesKey, Decimal]:
        del now_ms, stale_after_ms
        return {key: decimal_of(mark) for key, mark in (self.marks | self.doubted).items()}


@dataclass
class Life:
    """One life of the daemon's trading half. `step_s`: looks come so far apart."""

    venues: dict[str, FakeVenue]
    prices: Prices
    desk: Desk
    guard: Guard
    clock: LoopClock
    strategies: "Remembered"
    step_s: float = 5.0

    async def open(self, hedge: Hedge) -> None:
        """Open a hedge as a cycle would."""
        async with self.desk.busy:
            now_ms = self.clock.now_ms()
            account = await self.desk.accounts.refresh(now_ms)
            self.desk.stops.see(account, self.prices.now(now_ms))
            self.desk.stops.plan({"BTC": PROTECTED_USD})
            desired = [DesiredPosition(key, Decimal(q), why, "") for key, (q, why) in hedge.items()]
            marks = self.prices.fresh_marks(now_ms, 0)
            facts = self.desk.gate_facts.reductions(
                now_ms, account, marks, self.desk.markets, self.desk.executor, self.desk.kill
            )
            open_ = replace(
                facts, sigma={"BTC": 0.001}, basis_sigma=dict.fromkeys(self.desk.markets, 0.0001), closed={},
                forecast_by=dict.fromkeys(self.desk.markets, "ewma"), forecast_made_ms=now_ms,
            )  # fmt: skip
            traded = await self.desk.trade(now_ms, desired, account, open_, HASHES)
            assert len(traded.review.approved) == len(hedge), traded.review.refused
        assert self.held() == {key: q for key, (q, _) in hedge.items()}

    async def look(self, times: int = 1) -> None:
        """Let the fast loop come round."""
        for _ in range(times):
            await asyncio.sleep(self.step_s)
            for venue in self.venues.values():
                venue.now_ms = self.clock.now_ms()
            await self.guard.look(self.clock.now_ms())

    def held(self) -> dict[SeriesKey, Decimal]:
        return {key: q for key, q in self.desk.accounts.attributed.items() if q}

    def stopped(self) -> list[str]:
        """Markets to which a stop sent an order, in that order."""
        return [one.intent.key.venue for one in self.sent() if one.intent.purpose is Purpose.STOP]

    def sent(self) -> list[Any]:
        orders = [one for venue in self.venues.values() for one in venue.placed]
        return sorted(orders, key=lambda one: one.number)


@dataclass
class Remembered:
    """What the strategies remember: the cycle's part."""

    memory: StrategyMemory


@dataclass
class Numbered:
    """An order with its place among all that were sent."""

    number: int
    intent: Any


class Rig:
    """The world outside: venues and the journal's file. `life` starts a daemon on it, again and again."""

    def __init__(self, path: Path, **risk: Any) -> None:
        self.path, self.risk = path, risk
        self.venues = {
            v.venue: v for v in (FakeVenue(INJECTIVE, 10), FakeVenue("binance"), FakeVenue("bybit"))
        }
        self.prices = Prices()
        self._numbers = itertools.count()
        self._now_ms = START_MS
        for venue in self.venues.values():
            venue.placed = Placed(self._numbers)  # type: ignore[assignment]

    def config(self) -> Config:
        return parse_config(
            {"book": {"positions": {"BTC": {"quantity": 10}}}, "risk": self.risk, "account": "test"}
        )

    def life(self, script: Callable[[Life], Coroutine[Any, Any, None]]) -> None:
        """Run a script in a new life of the daemon, a second after the one before."""

        async def main() -> None:
            clock = LoopClock(self._now_ms)
            for venue in self.venues.values():
                venue.now_ms = self._now_ms
            journal = Journal.open(self.path, durable=False)
            try:
                turn = Turn()
                accounts = Accounts(self.venues, journal, START_MS, turn=turn)
                await accounts.load()
                config, markets = self.config(), {k: market(k) for k in (HERE, THERE, OTHER)}
                executor = Executor(self.venues, journal, accounts, clock, markets, config, turn)
                await executor.load()
                states = await journal(JournalStore.load_state, "episodes")
                own = {symbol: quantity for _, _, symbol, quantity in await journal(JournalStore.book)}
                desk = Desk(
                    config, clock, accounts, executor, journal, markets, HASHES,
                    GateFactsKeeper.of(config, Decimal(1_000_000), HASHES), Stops(config, states, own), KillLevel.NONE,
                    turn,
                )  # fmt: skip
                memory = await journal(JournalStore.load_state, STATE)
                strategies = Remembered(StrategyMemory.from_json(memory))
                guard = Guard(desk, self.prices, DivergenceStops(config, strategies))  # type: ignore[arg-type]
                await script(Life(self.venues, self.prices, desk, guard, clock, strategies))
            finally:
                self._now_ms = clock.now_ms() + SECOND_MS
                journal.close()

        run_virtually(main)


class Placed(list[Any]):
    """Orders of one venue, numbered across all."""

    def __init__(self, numbers: "itertools.count[int]") -> None:
        super().__init__()
        self._numbers = numbers

    def append(self, approved: Any) -> None:
        super().append(Numbered(next(self._numbers), approved.intent))
