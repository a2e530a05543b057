"""The guard: the fast loop between two cycles. It values every hedge and every divergence trade, and unwinds at once
what its stop says.

Prices are those that streams and polls have collected anyway; venues are asked for the account only when something is
about to be done, and at a slow pace while a hedge is held. It trades through the same desk as the cycle, never beside
it: while a cycle runs the guard stands back, for the cycle looks at the stops itself; but not while the cycle waits for
a forecast, which may be long.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog

from hedged.collectors.believed import BelievedMarks
from hedged.collectors.poller import Poller
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Strategy
from hedged.execution.accounts import AccountState
from hedged.execution.desk import Desk, Traded
from hedged.execution.divergence_stops import DivergenceStops, closed
from hedged.execution.journal.store import JournalStore
from hedged.execution.lone_legs import WHY, LoneLegs
from hedged.execution.stops import Unvalued
from hedged.execution.turn import Yielded
from hedged.risk.exposure import gross
from hedged.risk.margin import collateral_now, liquidation_distances, near_liquidation
from hedged.strategy.memory import STATE
from hedged.strategy.rules import Rule
from hedged.strategy.stopped import unwind

LONGEST_WAIT_S = 60.0
"""An unwinding that gets nowhere is tried again ever more slowly, but at least this often."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Guard:
    """One look at a time. `distances`: adverse move to liquidation, of legs and own positions as of the last look;
    `told_distances`: of which markets that was published.
    """

    desk: Desk
    poller: Poller
    trades: DivergenceStops
    distances: Mapping[SeriesKey, float] = field(default_factory=dict)
    told_distances: frozenset[SeriesKey] = frozenset()
    last_ms: int = 0
    _then: Mapping[SeriesKey, float] = field(default_factory=dict)  # marks when the account was last told
    _account: AccountState | None = None
    _again_ms: int = 0
    _tries: int = 0
    _blind: set[str] = field(default_factory=set)
    _lone: LoneLegs = field(init=False)

    def __post_init__(self) -> None:
        self._lone = LoneLegs(self.desk)

    async def look(self, now_ms: int) -> bool:
        """Look once; False where somebody else trades or a cycle is due at this instant: it looks itself.

        Venue failures make things unknown, never an exception; a journal failure is raised.
        """
        due = now_ms % (self.desk.config.cycle.interval_s * SECOND_MS) == 0
        if due or self.desk.busy.locked() or now_ms == self.last_ms:
            return False
        if now_ms < self.last_ms:  # the clock was set back: nothing waits for an instant that is far again
            self._again_ms = min(self._again_ms, now_ms)
        with suppress(Yielded):
            await self._in_turn(now_ms)
        return True

    async def _in_turn(self, now_ms: int) -> None:
        async with self.desk.busy.as_guest():
            self.last_ms = now_ms
            held, trades = self.desk.stops.part(self.desk.accounts), self.trades.part(self.desk.accounts)
            if held or trades or self.desk.executor.left:
                await self._look(now_ms, held, trades)
            else:
                self.distances, self._tries = {}, 0
                self.trades.unvalued.clear()
                self._lone.since_ms.clear()

    async def _look(
        self, now_ms: int, held: Mapping[SeriesKey, Decimal], trades: Mapping[SeriesKey, Decimal]
    ) -> None:
        stops, config = self.desk.stops, self.desk.config
        believed = await self.poller.glance(now_ms, {key.symbol for key in (*held, *trades)})
        stops.mark(held, believed)
        self._tell_blind(now_ms)
        self._measure(believed)
        alone = self._lone.find(trades, believed)
        await self._lone.watch(alone)
        lost = self.trades.lost(trades, believed, self._unbooked(), self._to_close(trades, alone))
        triggered = stops.triggered(now_ms, held, self._near(held)) or self.trades.begun(lost, now_ms)
        going_on = (stops.unwinding(held) or lost) and now_ms >= self._again_ms
        asked_s = (now_ms - self.desk.accounts.asked_ms) / SECOND_MS / config.clock.speed
        if (
            triggered
            or going_on
            or self.desk.executor.left
            or not 0 <= asked_s < config.cycle.guard_accounts_s
        ):
            await self._act(now_ms, believed)

    def _unbooked(self) -> list[AccountState]:
        """Return the news of the account that the strategies book with the next cycle."""
        return [state for one in self.desk.between for state in one.seen]

    @property
    def unvalued(self) -> Mapping[str, Unvalued]:
        """The coins whose hedge or divergence trade cannot be valued now; the hedge's word where neither can."""
        return {**self.trades.unvalued, **self.desk.stops.unvalued}

    def blind_s(self, symbol: str, now_ms: int) -> float:
        """Return for how long a hedge or a divergence trade could not be valued, in seconds; 0 where both can be."""
        of_both = (self.trades.unvalued.get(symbol), self.desk.stops.unvalued.get(symbol))
        return max((now_ms - found.since_ms) / SECOND_MS if found else 0.0 for found in of_both)

    def _tell_blind(self, now_ms: int) -> None:
        """Log once when a hedge could not be valued for too long."""
        unvalued, limit_s = self.unvalued, self.desk.config.risk.unvalued_alert_s
        blind = {symbol for symbol in unvalued if self.blind_s(symbol, now_ms) >= limit_s}
        for symbol in sorted(blind - self._blind):
            log.error(
                "hedge_without_stop",
                symbol=symbol,
                not_valued_for_s=round(self.blind_s(symbol, now_ms)),
                why=unvalued[symbol].why,
            )
        self._blind = blind

    def _near(self, held: Mapping[SeriesKey, Decimal]) -> dict[str, str]:
        """Return the hedges, or trades, of which a leg was too near to its liquidation when that was measured."""
        return near_liquidation(held, self.distances, self.desk.config.risk.margin_stop)

    def _to_close(
        self, held: Mapping[SeriesKey, Decimal], alone: Mapping[SeriesKey, Decimal]
    ) -> dict[str, str]:
        """Return the trades that are closed whatever they have lost, with the reason."""
        return {key.symbol: WHY for key in alone} | self._near(held)

    def _measure(self, believed: BelievedMarks) -> None:
        """Measure how far liquidation is."""
        account = self.desk.accounts.latest
        if account is not self._account:
            self._account, self._then = account, believed.marks
        cash = collateral_now(account, self._then, believed.marks)
        self.distances = liquidation_distances(account, cash, believed.marks, self.desk.markets)

    async def _act(self, now_ms: int, believed: BelievedMarks) -> None:
        """Ask the venues, decide on what they say, and unwind what must be."""
        desk, stops = self.desk, self.desk.stops
        await desk.executor.resolve()
        account = await desk.accounts.refresh(now_ms)
        await desk.heed(account)
        stops.see(account, believed)
        stale_ms = desk.config.cycle.stale_after_s * SECOND_MS
        marks = self.poller.fresh_marks(now_ms, stale_ms) | believed.decimals()
        # no leg stands alone, first of all; what else must be unwound is for the next look
        if desk.executor.left:
            mended = await desk.mend_left(now_ms, account, marks)
            if mended.seen:
                await self._news(account)
                desk.between.append(mended)
                return
        held = stops.part(account)
        self._measure(believed)
        stopped, begun = stops.decide(now_ms, held, self._near(held))
        going = {symbol: stopped[symbol] for symbol in stops.unwinding(held)}
        trades = self.trades.part(account)
        alone = self._lone.find(trades, believed)
        lost = self.trades.lost(trades, believed, [*self._unbooked(), account], self._to_close(trades, alone))
        if not begun and not going and not lost:
            await self._news(account)
            return
        begun_trades = {symbol: lost[symbol] for symbol in self.trades.begun(lost, now_ms)}
        if begun_trades:
            memory = self.trades.begin(begun_trades, now_ms)
            await desk.journal(JournalStore.save_state, STATE, memory.to_json())
        rows = {symbol: (Strategy.DIVERGENCE, why) for symbol, why in begun_trades.items()}
        for symbol in begun:
            also = f"; {Strategy.DIVERGENCE}: {begun_trades[symbol]}" if symbol in begun_trades else ""
            rows[symbol] = (Strategy.FUNDING_HEDGE, stopped[symbol] + also)
        if rows:
            await self._record(now_ms, account, rows)
        desired = unwind(closed(lost, trades), going, held, desk.tradable(account, marks))
        facts = desk.gate_facts.reductions(now_ms, account, marks, desk.markets, desk.executor, desk.kill)
        facts = replace(facts, alone=frozenset(alone))
        traded = await desk.trade(now_ms, desired, account, facts, desk.hashes)
        desk.between.append(traded)
        await self._record(now_ms, traded.account, rows)
        self._pace(now_ms, lost | going, account, traded)

    async def _news(self, account: AccountState) -> None:
        """Keep what is new in an account for the next cycle's report, and the stops as they now are."""
        if account.fills or account.payments or account.taken:
            self.desk.note(account)
            await self.desk.journal(JournalStore.save_state, "episodes", self.desk.stops.to_json())

    async def _record(
        self, now_ms: int, account: AccountState, begun: Mapping[str, tuple[Strategy, str]]
    ) -> None:
        """Write the stops' state, and a decision for each that begins: before the first order, and after the last."""
        rows = {symbol: self._row(symbol, account, *why) for symbol, why in begun.items()}
        await self.desk.journal(JournalStore.record_cycle, now_ms, rows, {}, self.desk.stops.to_json())

    def _row(self, symbol: str, account: AccountState, strategy: Strategy, why: str) -> dict[str, Any]:
        held = {
            k.venue: float(q) for k, q in sorted(account.attributed.items()) if k.symbol == symbol and q != 0
        }
        own = account.own.get(symbol)
        return {
            "own_quantity": None if INJECTIVE in account.unknown or own is None else float(own),
            "current": json.dumps(held),
            "horizon_h": self.desk.config.hedge.horizon_h,
            "model_hash": self.desk.hashes.model,
            "feature_hash": self.desk.hashes.features,
            "config_hash": self.desk.hashes.config,
            "action": "stop",
            "reason": why,
            "strategy": strategy,
            "rule": str(Rule.STOP),
        }

    def _pace(self, now_ms: int, going: Mapping[str, str], account: AccountState, traded: Traded) -> None:
        """Go on at the next look while it gets somewhere, more and more slowly while it does not."""
        left = [symbol for symbol in sorted(going) if gross(symbol, traded.account.attributed)]
        if not any(gross(s, traded.account.attributed) == gross(s, account.attributed) for s in left):
            self._tries = 0
            return
        config = self.desk.config
        wait_s = min(LONGEST_WAIT_S, config.cycle.guard_interval_s * 2.0**self._tries)
        self._again_ms = now_ms + round(wait_s * SECOND_MS * config.clock.speed)
        if not self._tries:
            log.error(
                "hedge_not_flat_yet",
                symbols=left,
                unknown=dict(account.unknown),
                refused=sorted({refused.text for refused in traded.review.refused}),
                failed=dict(self.desk.executor.failed),
            )
        self._tries = min(self._tries + 1, 10)
