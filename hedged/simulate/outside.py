"""What happens outside the daemon in a seed: settlements, the operator, exchanges that take, the clock, the end."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.market import INJECTIVE
from hedged.risk.gate import KillLevel
from hedged.simulate.dice import Dice
from hedged.simulate.faults import Fault
from hedged.simulate.market import INTERVALS_H

if TYPE_CHECKING:
    from hedged.simulate.world import World

LEVELS = (KillLevel.REDUCE_ONLY, KillLevel.PAUSE, KillLevel.CANCEL, KillLevel.FLATTEN)
SIGNALS = {KillLevel.REDUCE_ONLY: "SIGUSR1", KillLevel.FLATTEN: "SIGUSR2"}
STEP_MS, FAR_STEP_MS = 20_000, 1_500_000
"""How far a clock that was set is off at most; one that nobody minds."""
WRONG_FUNDING = -50
"""By this factor a payment is wrong."""
KILLED_AFTER_S = 600
FLATTEN_SHARE, FLAT_S = 0.25, 1_500
"""Of the seeds of liveness mode, those that are flattened when the faults end; and for how long."""
SUSPENDED_S = (30, 2_400)


class Outside:
    """Draws when what happens, and does it then."""

    def __init__(self, world: "World") -> None:
        self._world, self._dice = world, Dice(world.seed, "outside")

    def plan(self) -> None:
        """Draw all that happens in the seed."""
        world, faults = self._world, self._world.faults
        for venue in INTERVALS_H:
            self._plan_settlements(venue)
        happens: tuple[tuple[Fault, int, Callable[[], None]], ...] = (
            (Fault.MANUAL_TRADE, 3, self._trades),
            (Fault.MANUAL_ORDER, 3, self._orders),
            (Fault.TAKEN_AWAY, 3, self._takes_away),
            (Fault.DEPOSIT, 2, self._pays_in),
            (Fault.MODEL_SWAP, 4, self._promotes),
            (Fault.CLOCK_STEP, 3, partial(self._steps, Fault.CLOCK_STEP, STEP_MS)),
            (Fault.CLOCK_FAR, 1, partial(self._steps, Fault.CLOCK_FAR, FAR_STEP_MS)),
            (Fault.SUSPEND, 2, self._suspends),
            (Fault.CRASH, 4, partial(world.light_fuse, 1.0)),
            (Fault.STOP, 2, self._stops),
        )
        for fault, most, do in happens:
            for at_ms in faults.times(fault, most):
                world.at(at_ms, do)
        for at_ms in faults.times(Fault.KILL, 2):
            world.at(at_ms, self._kills)
            lifted_ms = at_ms + int(self._dice.between(0.05, 1.0) * HOUR_MS)
            world.at(min(lifted_ms, faults.until_ms), self.resumes)
        for span in faults.spans if Fault.KILL in faults.on else ():
            if (
                span.fault is Fault.DISK_FULL
            ):  # it must not be forgotten until the journal can be written again
                at_ms = int(self._dice.between(span.from_ms, span.until_ms))
                world.at(at_ms, partial(self._signals, self._dice.pick(tuple(SIGNALS))))
        world.at(faults.until_ms, self._faults_end)
        world.at(world.to_ms, self._terminates)
        world.at(world.to_ms + KILLED_AFTER_S * SECOND_MS, self._kills_process)

    def _plan_settlements(self, venue: str) -> None:
        world, every_ms = self._world, INTERVALS_H[venue] * HOUR_MS
        for due_ms in range((world.from_ms // every_ms + 1) * every_ms, world.to_ms, every_ms):
            world.at(due_ms + 1, partial(self._settles, venue, due_ms))

    def _settles(self, venue: str, due_ms: int) -> None:
        world, dice = self._world, self._dice
        for symbol in world.exchanges[venue].symbols:
            late = world.faults.strikes(Fault.FUNDING_LATE, due_ms)
            late_s = dice.between(120, 1_800) if late else dice.between(0.1, 10)
            factor = WRONG_FUNDING if world.faults.strikes(Fault.FUNDING_WRONG, due_ms) else 1
            world.exchanges[venue].settle(symbol, due_ms, int(late_s * SECOND_MS), factor)

    def _trades(self) -> None:
        """Let the operator trade on Injective: more, less, turned over or closed."""
        world, here = self._world, self._world.exchanges[INJECTIVE]
        symbol = self._dice.pick(sorted(world.config.book.positions))
        step = world.market.markets[here.key(symbol)].quantity_step
        factor = Decimal(str(self._dice.pick((-2.0, -1.0, -0.5, -0.2, 0.3, 1.0))))
        signed = (here.own(symbol) * factor / step).to_integral_value() * step
        if signed:
            world.faults.counts[Fault.MANUAL_TRADE] += 1
            here.by_hand(symbol, signed)
            world.note("manual", symbol=symbol, own=here.own(symbol))

    def _orders(self) -> None:
        """Let an order of the operator's rest somewhere for a while."""
        world = self._world
        exchange = self._dice.pick(list(world.exchanges.values()))
        symbol = self._dice.pick(sorted(world.config.book.positions))
        world.faults.counts[Fault.MANUAL_ORDER] += 1
        client_id = exchange.rest_by_hand(symbol)
        world.after(self._dice.between(60, 3_600), lambda: exchange.end(client_id))

    def _takes_away(self) -> None:
        """Let an exchange liquidate or deleverage a leg."""
        world = self._world
        there = [e for e in world.exchanges.values() if e.venue != INJECTIVE]
        legs = [(e, symbol, held) for e in there for symbol, held in e.held.items() if held]
        if not legs:
            return
        exchange, symbol, held = self._dice.pick(legs)
        step = world.market.markets[exchange.key(symbol)].quantity_step
        signed = -(held * Decimal(self._dice.pick(("0.3", "1"))) / step).to_integral_value() * step
        if signed:
            world.faults.counts[Fault.TAKEN_AWAY] += 1
            exchange.by_hand(symbol, signed)

    def _promotes(self) -> None:
        """Let another model be promoted."""
        self._world.faults.counts[Fault.MODEL_SWAP] += 1
        self._world.model += 1

    def _pays_in(self) -> None:
        """Let the operator pay in or out."""
        self._world.faults.counts[Fault.DEPOSIT] += 1
        exchange = self._dice.pick(list(self._world.exchanges.values()))
        exchange.cash_usd += exchange.equity_usd() * Decimal(str(round(self._dice.between(-0.3, 0.5), 2)))

    def _kills(self) -> None:
        """Let the operator turn the switch: from another process, or by a signal."""
        world, level = self._world, self._dice.pick(LEVELS)
        world.faults.counts[Fault.KILL] += 1
        by_signal = self._dice.chance(0.4) and level in SIGNALS
        if not (by_signal and self._signals(level)):
            self._turns(level)

    def _signals(self, level: KillLevel) -> bool:
        """Send the daemon a signal, if there is one."""
        world = self._world
        switch = world.life.switch if world.life is not None else None
        if switch is None:
            return False
        world.note("signalled", level=level)
        switch.signalled(level, SIGNALS[level])
        return True

    def resumes(self) -> None:
        """Let the operator clear the latch."""
        self._turns(KillLevel.NONE)

    def _turns(self, level: KillLevel) -> None:
        """Let the operator turn the kill switch, from another process."""
        world = self._world
        world.disk.fill_up(full=False)
        world.disk.store.set_kill(world.clock.now_ms(), int(level), "drill", world.config.account, "cli")
        world.note("operator", level=level)
        if world.life is not None and world.life.switch is not None:
            world.after(self._dice.between(0, 1), world.life.switch.wake)

    def _steps(self, fault: Fault, most_ms: int) -> None:
        self._world.faults.counts[fault] += 1
        self._world.clock_offset_ms += int(self._dice.between(-1, 1) * most_ms)

    def _suspends(self) -> None:
        """Stop the machine for a while: the world goes on, the daemon does not."""
        life = self._world.life
        if life is None:
            return
        self._world.faults.counts[Fault.SUSPEND] += 1
        until_ms = self._world.now_ms() + int(self._dice.between(*SUSPENDED_S) * SECOND_MS)
        until_ms = min(until_ms, self._world.faults.until_ms)
        while (next_ms := self._world.next_ms()) is not None and next_ms <= min(until_ms, self._world.to_ms):
            life.loop.jump(max(0, next_ms - life.now_ms()) / SECOND_MS)
            self._world.pump()
        life.loop.jump(max(0, until_ms - life.now_ms()) / SECOND_MS)
        self._world.note("suspended")

    def _stops(self) -> None:
        self._world.faults.counts[Fault.STOP] += 1
        self._terminates()

    def _terminates(self) -> None:
        """Send SIGTERM."""
        if self._world.life is not None:
            self._world.note("sigterm")
            self._world.life.stop()

    def _kills_process(self) -> None:
        """End what did not end when it was asked to."""
        if self._world.life is not None:
            self._world.life.loop.fuse = 0

    def _faults_end(self) -> None:
        world = self._world
        world.clock_offset_ms = 0
        world.note("faults_end")
        level = world.disk.store.latch().level
        if not world.lively:
            return
        if self._dice.chance(FLATTEN_SHARE):
            self._turns(KillLevel.FLATTEN)
            world.after(FLAT_S, self.resumes)
        elif level:  # the operator has looked into whatever it was
            self.resumes()
