"""The world of one seed: the market, the exchanges, the operator, the disk, and the life that runs now."""

import heapq
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any

from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.market import INJECTIVE
from hedged.simulate.dice import Dice
from hedged.simulate.disk import Disk
from hedged.simulate.exchange import Exchange
from hedged.simulate.faults import NOT_YET, Fault, Faults
from hedged.simulate.history import History
from hedged.simulate.life import Life
from hedged.simulate.market import PRICES, VENUES, SimMarket
from hedged.simulate.outside import FAR_STEP_MS, Outside
from hedged.simulate.settings import settings

EPOCH_MS = 1_767_225_600_000  # 2026-01-01
STARTS_H = (5.2, 7.5)
"""Hours of the day between which a seed starts: eight o'clock, when the eight-hour venue settles, lies in it."""
SETTLING_H = 2.0
"""How long faults have been over at the end of a run in liveness mode."""
FILE_SHARE = 1 / 16
"""Of the seeds whose journal is a file; that of the others is in memory."""
FUSE_STEPS = 60


class Mode(StrEnum):
    """What a seed is for: faults until the end, or faults that stop so that everything must come right."""

    SAFETY = "safety"
    LIVENESS = "liveness"


class WorldClock:
    """The daemon's clock: the world's time, wrong by an offset that steps."""

    slice_s = 30.0

    def __init__(self, world: "World") -> None:
        self._world = world

    def now_ms(self) -> int:
        """Return what the daemon takes for the present."""
        return self._world.now_ms() + self._world.clock_offset_ms


class World:
    """`dice`: of whatever happens during a run; `interleavings`: of nothing but the order in which it does."""

    def __init__(self, seed: int, mode: Mode, hours: float, *, every_fault: bool = False) -> None:
        """`every_fault`: those too that the daemon does not withstand yet."""
        self.seed, self.lively = seed, mode is Mode.LIVENESS
        self.history = History()
        start = Dice(seed, "start")
        self.from_ms = EPOCH_MS + int(start.between(*STARTS_H) * HOUR_MS)
        self.to_ms = self.from_ms + round(hours * HOUR_MS)
        quiet_ms = self.to_ms - round(SETTLING_H * HOUR_MS) if self.lively else self.to_ms
        self.dice, self.interleavings = Dice(seed, "world"), Dice(seed, "interleavings")
        self.market = SimMarket(Dice(seed, "market"), self.from_ms, self.to_ms + HOUR_MS, quiet_ms)
        self.faults = Faults(
            Dice(seed, "faults"),
            VENUES,
            tuple(PRICES),
            self.from_ms,
            quiet_ms,
            () if every_fault else NOT_YET,
        )
        self.held = self.market.window(self.from_ms)
        self.config = settings(start, tight=not self.lively)
        self.clock, self.clock_offset_ms = WorldClock(self), 0
        self.disk = Disk(file=start.chance(FILE_SHARE))
        self.life: Life | None = None
        self.model = 0
        self._now_ms, self._numbers = self.from_ms, 0
        self._events: list[tuple[int, int, Callable[[], Any]]] = []
        self.exchanges = {venue: self._exchange(venue) for venue in VENUES}
        self.own = {s: position.quantity or Decimal(0) for s, position in self.config.book.positions.items()}
        for symbol, quantity in self.own.items():
            self.exchanges[INJECTIVE].seed(symbol, quantity)
        Outside(self).plan()

    def _exchange(self, venue: str) -> Exchange:
        equity = self.config.book.equity_usd or Decimal(0)
        closed = partial(self._in_maintenance, venue)
        return Exchange(venue, self.market, self.dice, self.now_ms, self.note, equity, closed)

    def _in_maintenance(self, venue: str) -> bool:
        return self.faults.lasting(Fault.MAINTENANCE, self.now_ms(), venue) is not None

    def now_ms(self) -> int:
        """Return the true time."""
        return self._now_ms if self.life is None else self.life.now_ms()

    def at(self, at_ms: int, happens: Callable[[], Any]) -> None:
        """Let something happen at an instant, whether the daemon lives then or not."""
        self._numbers += 1
        heapq.heappush(self._events, (at_ms, self._numbers, happens))
        if self.life is not None:
            self.life.wake_at(at_ms)

    def after(self, seconds: float, happens: Callable[[], Any]) -> None:
        """Let something happen after a while."""
        self.at(self.now_ms() + round(seconds * SECOND_MS), happens)

    def pump(self) -> None:
        """Let happen what is due."""
        while self._events and self._events[0][0] <= self.now_ms():
            heapq.heappop(self._events)[2]()

    def next_ms(self) -> int | None:
        """Return when something happens next."""
        return self._events[0][0] if self._events else None

    def pass_time(self, until_ms: int) -> None:
        """Let time pass without a daemon."""
        while self._events and self._events[0][0] <= until_ms:
            at_ms, _, happens = heapq.heappop(self._events)
            self._now_ms = max(self._now_ms, at_ms)
            happens()
        self._now_ms = max(self._now_ms, until_ms)

    def note(self, kind: str, /, **what: Any) -> None:
        """Write into the history."""
        self.history.note(self.now_ms(), self.life.number if self.life else 0, kind, what)

    def set_clock(self, p: float) -> None:
        """Set the daemon's clock far off, with some probability, in the middle of something."""
        if Fault.CLOCK_FAR in self.faults.on and self.now_ms() < self.faults.until_ms and self.dice.chance(p):
            self.faults.counts[Fault.CLOCK_FAR] += 1
            self.clock_offset_ms += int(self.dice.between(-1, 1) * FAR_STEP_MS)

    def light_fuse(self, p: float) -> None:
        """Let the life end within a few steps of now, with some probability: in the middle of something."""
        if self.life is None or self.now_ms() >= self.faults.until_ms or Fault.CRASH not in self.faults.on:
            return
        if self.dice.chance(p):
            self.life.loop.fuse = self.dice.below(FUSE_STEPS)
