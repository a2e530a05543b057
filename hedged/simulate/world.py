"""The world of one seed: the market, the exchanges, the operator, the disk, and the lives of the daemon, one by one."""

import asyncio
import heapq
import traceback
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any

from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.errors import HedgedError
from hedged.domain.market import INJECTIVE
from hedged.risk.gate import KillLevel
from hedged.simulate.dice import Dice
from hedged.simulate.disk import Disk
from hedged.simulate.exchange import Exchange
from hedged.simulate.faults import Fault, Faults
from hedged.simulate.history import History
from hedged.simulate.market import INTERVALS_H, PRICES, VENUES, SimMarket
from hedged.simulate.mortal import Died, MortalLoop
from hedged.simulate.settings import settings

EPOCH_MS = 1_767_225_600_000  # 2026-01-01
SETTLING_H = 2.0
"""How long faults have been over at the end of a run in liveness mode."""


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
    """Everything outside the daemon. `life`: the one that runs now; `dice`: of whatever happens during a run."""

    def __init__(self, seed: int, mode: Mode, hours: float) -> None:
        self.seed, self.mode = seed, mode
        self.history = History()
        start = Dice(seed, "start")
        self.from_ms = EPOCH_MS + int(start.between(5.2, 7.5) * HOUR_MS) + start.below(SECOND_MS)
        self.to_ms = self.from_ms + round(hours * HOUR_MS)
        quiet_ms = self.to_ms if mode is Mode.SAFETY else self.to_ms - round(SETTLING_H * HOUR_MS)
        self.dice = Dice(seed, "world")
        self.interleavings = Dice(seed, "interleavings")
        self.market = SimMarket(Dice(seed, "market"), self.from_ms, self.to_ms + HOUR_MS, quiet_ms)
        self.faults = Faults(Dice(seed, "faults"), VENUES, tuple(PRICES), self.from_ms, quiet_ms)
        self.held = self.market.window(self.from_ms)
        self.config = settings(start)
        self.clock = WorldClock(self)
        self.clock_offset_ms = 0
        self.disk = Disk(file=start.chance(1 / 16))
        self.life: Life | None = None
        self._now_ms, self._events, self._numbers = self.from_ms, [], 0
        self.exchanges = self._exchanges()
        self.own = {symbol: self.exchanges[INJECTIVE].own(symbol) for symbol in self.config.book.positions}
        self._plan_events()

    def _exchanges(self) -> dict[str, Exchange]:
        equity = self.config.book.equity_usd or Decimal(0)
        made = {
            venue: Exchange(
                venue, self.market, self.dice, self.now_ms, self.note, equity,
                lambda venue=venue: self.faults.lasting(Fault.MAINTENANCE, self.now_ms(), venue) is not None,
            )
            for venue in VENUES
        }  # fmt: skip
        for symbol, position in self.config.book.positions.items():
            made[INJECTIVE].seed(symbol, position.quantity or Decimal(0))
        return made

    # time

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

    def note(self, kind: str, **what: Any) -> None:
        """Write into the history."""
        self.history.note(self.now_ms(), self.life.number if self.life else 0, kind, what)

    # what happens outside

    def _plan_events(self) -> None:
        faults, dice = self.faults, Dice(self.seed, "events")
        for venue, hours in INTERVALS_H.items():
            due_ms = (self.from_ms // (hours * HOUR_MS) + 1) * hours * HOUR_MS
            while due_ms < self.to_ms:
                self.at(due_ms + 1, lambda venue=venue, due_ms=due_ms: self._settle(venue, due_ms))
                due_ms += hours * HOUR_MS
        for at_ms in faults.times(Fault.MANUAL_TRADE, 3):
            self.at(at_ms, lambda: self._trades(dice))
        for at_ms in faults.times(Fault.TAKEN_AWAY, 3):
            self.at(at_ms, lambda: self._takes_away(dice))
        for at_ms in faults.times(Fault.DEPOSIT, 2):
            self.at(at_ms, lambda: self._pays_in(dice))
        for at_ms in faults.times(Fault.KILL, 2):
            level = dice.pick((KillLevel.REDUCE_ONLY, KillLevel.PAUSE, KillLevel.CANCEL, KillLevel.FLATTEN))
            self.at(at_ms, lambda level=level: self._kills(level))
            lifted_ms = at_ms + int(dice.between(0.05, 1.0) * HOUR_MS)
            self.at(min(lifted_ms, max(at_ms, faults.until_ms)), lambda: self._kills(KillLevel.NONE))
        for at_ms in faults.times(Fault.CLOCK_STEP, 3):
            far = dice.chance(0.3)
            self.at(at_ms, lambda ms=int(dice.between(-1, 1) * (300_000 if far else 8_000)): self._steps(ms))
        for at_ms in faults.times(Fault.CRASH, 4):
            self.at(at_ms, lambda: self.light_fuse(1.0))
        for at_ms in faults.times(Fault.STOP, 2):
            self.at(at_ms, lambda: self._counted(Fault.STOP) and self._terminates())
        self.at(faults.until_ms, self._faults_end)
        self.at(self.to_ms, self._terminates)

    def _terminates(self) -> None:
        """Send SIGTERM."""
        if self.life is not None:
            self.note("sigterm")
            self.life.stop()

    def _counted(self, fault: Fault) -> bool:
        self.faults.counts[fault] += 1
        return True

    def _faults_end(self) -> None:
        self.clock_offset_ms = 0
        level, _ = self.disk.store.kill()
        self.note("faults_end")
        if level and self.mode is Mode.LIVENESS:  # the operator has looked into whatever it was
            self._kills(KillLevel.NONE, count=False)

    def _settle(self, venue: str, due_ms: int) -> None:
        exchange = self.exchanges[venue]
        for symbol in exchange.symbols:
            late = self.faults.strikes(Fault.FUNDING_LATE, due_ms)
            late_ms = int(self.dice.between(2, 30) * 60_000 if late else self.dice.between(0.1, 10) * 1_000)
            exchange.settle(symbol, due_ms, late_ms)

    def _trades(self, dice: Dice) -> None:
        """Let the operator trade on Injective: more, less, turned over or closed."""
        self._counted(Fault.MANUAL_TRADE)
        here = self.exchanges[INJECTIVE]
        symbol = dice.pick(sorted(self.config.book.positions))
        own, step = here.own(symbol), self.market.markets[here.key(symbol)].quantity_step
        factor = Decimal(str(dice.pick((-2.0, -1.0, -0.5, -0.2, 0.3, 1.0))))
        signed = (own * factor / step).to_integral_value() * step
        if signed:
            here.by_hand(symbol, signed)
            self.note("manual", symbol=symbol, own=here.own(symbol))

    def _takes_away(self, dice: Dice) -> None:
        """Let an exchange liquidate or deleverage a leg."""
        legs = [
            (e, s, q) for e in self.exchanges.values() if e.venue != INJECTIVE for s, q in e.held.items() if q
        ]
        if not legs:
            return
        self._counted(Fault.TAKEN_AWAY)
        exchange, symbol, held = dice.pick(legs)
        step = self.market.markets[exchange.key(symbol)].quantity_step
        part = Decimal(str(dice.pick((0.3, 1.0))))
        signed = -(held * part / step).to_integral_value() * step
        if signed:
            exchange.by_hand(symbol, signed)

    def _pays_in(self, dice: Dice) -> None:
        self._counted(Fault.DEPOSIT)
        exchange = dice.pick(list(self.exchanges.values()))
        exchange.cash_usd += exchange.equity_usd() * Decimal(str(round(dice.between(-0.3, 0.5), 2)))

    def _kills(self, level: KillLevel, *, count: bool = True) -> None:
        """Let the operator turn the kill switch, from another process."""
        if count and level:
            self._counted(Fault.KILL)
        self.disk.store.set_kill(self.now_ms(), int(level), "drill", self.config.account, "cli")
        self.note("operator", level=level)

    def _steps(self, by_ms: int) -> None:
        self._counted(Fault.CLOCK_STEP)
        self.clock_offset_ms += by_ms

    def light_fuse(self, p: float) -> None:
        """Let the life end within a few handles of now, with some probability: in the middle of something."""
        if self.life is None or self.now_ms() >= self.faults.until_ms or Fault.CRASH not in self.faults.on:
            return
        if self.dice.chance(p):
            self.life.loop.fuse = self.dice.below(60)


class Life:
    """One life of the daemon, from start to stop, crash or fatal error."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self._from_ms, self.dead, self._woken_ms = world.now_ms(), False, 0
        self.writing = False  # the next piece of work for a thread is the journal's
        dice = world.interleavings
        self.loop = MortalLoop(dice.shuffle, lambda: self._off_loop_s())
        self.stop: Callable[[], None] = lambda: None

    def _off_loop_s(self) -> float:
        """Return how long a piece of work in a thread takes: the journal's, or the model, the plan, the gate."""
        world, writes, self.writing = self.world, self.writing, False
        if not writes and world.faults.strikes(Fault.MODEL_SLOW, world.now_ms()):
            return world.dice.between(1, 30)
        return world.interleavings.between(0.0, 0.02)

    def now_ms(self) -> int:
        """Return the world's time."""
        return self._from_ms + round(self.loop.time() * SECOND_MS)

    def note(self, kind: str, **what: Any) -> None:
        """Write into the history; the dead write nothing."""
        if not self.dead:
            self.world.history.note(self.now_ms(), self.number, kind, what)

    def alive(self) -> None:
        """Stop whatever a dead life still tries to do."""
        if self.dead:
            raise asyncio.CancelledError

    async def wait(self, seconds: float) -> None:
        """Wait for the network or the disk."""
        self.alive()
        await asyncio.sleep(seconds)
        self.alive()

    def wake_at(self, at_ms: int) -> None:
        """Let the world go on at an instant."""
        self.loop.call_at((at_ms - self._from_ms) / SECOND_MS, self._woken)

    def _woken(self) -> None:
        if not self.dead:
            self.world.pump()
            following_ms = self.world.next_ms()
            if following_ms is not None and following_ms != self._woken_ms:
                self._woken_ms = following_ms
                self.wake_at(following_ms)

    def sent(self, venue: str, approved: ApprovedIntent, *, rests: bool) -> None:
        """Note an order that leaves the daemon."""
        self.alive()
        i = approved.intent
        self.note(
            "send", venue=venue, client_id=approved.client_id, intent=i, rests=rests,
            clock_ms=self.world.clock.now_ms(),
        )  # fmt: skip
        self.world.light_fuse(0.05)

    def run(self, main: Callable[["Life"], Any]) -> str:
        """Live; return how it ended."""
        world = self.world
        world.life = self
        self.note("begin")
        first_ms = world.next_ms()
        if first_ms is not None:
            self.wake_at(max(first_ms, self._from_ms))
        try:
            self.loop.run_until_complete(main(self))
            how = "stopped"
        except Died:
            how = "crash"
            world.faults.counts[Fault.CRASH] += 1
        except Exception as error:
            how = _ended_by(error)
        self.note("end", how=how)
        world._now_ms = self.now_ms()
        self._bury()
        world.life = None
        return how

    def _bury(self) -> None:
        """Take the tasks apart, without any of them doing anything any more."""
        self.dead = True
        loop = self.loop
        loop.fuse = None
        for _ in range(5):  # whoever is cancelled may have started somebody else
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left))
            for task in left:
                if not task.cancelled():
                    task.exception()  # nobody is left to be told
        loop.close()


def _ended_by(error: BaseException) -> str:
    """Say what ended a life: an error that was made for the operator, or a bug and where it is."""
    if isinstance(error, BaseExceptionGroup):
        _, others = error.split(HedgedError)
        return _ended_by((others or error).exceptions[0])
    if isinstance(error, HedgedError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "hedged" in frame.filename] or frames
    where = f"{ours[-1].filename.rpartition('hedged/')[2]}:{ours[-1].name}"
    return f"bug: {error!r} in {where}"
