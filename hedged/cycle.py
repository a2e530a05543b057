"""One cycle, top to bottom: snapshot → features → forecast → plan → gate → execute.

Every step is a call of a pure function or of one port; this file is the order in which they happen.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import structlog

from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.collectors.poller import Poller
from hedged.config import Config
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import ForecastSet
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, Hashes, Strategy
from hedged.domain.quarantine import Quarantine
from hedged.domain.signals import Signal, SignalEffect, effect
from hedged.domain.venue_events import VenueEvents
from hedged.execution.accounts import AccountState
from hedged.execution.decisions.rows import decision_rows
from hedged.execution.desk import Desk, Traded
from hedged.execution.journal.store import JournalStore
from hedged.features.market_now import MarketsNow, completed, markets_now
from hedged.features.moments import Moments
from hedged.forecast.port import Forecaster
from hedged.risk.gate import Review
from hedged.risk.margin import liquidation_distances, near_liquidation
from hedged.risk.pnl import HedgePnl
from hedged.strategy.memory import STATE, StrategyMemory
from hedged.strategy.portfolio import Decided, Settings, decide
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.stopped import protected_usd, unwind
from hedged.thinking import Thinking

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle saw and did, for telemetry. `decisions`: by symbol, as journalled; `closed`: as announced or
    asked for, without the `quarantined`; `pnl`: of all hedges, `loss_limit`: which limit on it is reached, if any.
    """

    now_ms: int
    account: AccountState
    marks: dict[SeriesKey, Decimal]
    forecasts: ForecastSet
    decisions: dict[str, dict[str, Any]]
    review: Review
    fills: Sequence[Fill]
    payments: Sequence[FundingPayment]
    closed: Mapping[SeriesKey, str]
    signals: Mapping[str, SignalEffect]
    quarantined: Mapping[SeriesKey, Quarantine]
    newly_quarantined: Sequence[SeriesKey]
    pnl: HedgePnl
    loss_limit: str


@dataclass(slots=True)
class Cycle:
    """The parts that a cycle works with, and the little it remembers from one to the next. `model_failed`: how the
    forecaster failed in the latest cycle, empty where it did not.
    """

    config: Config
    equity_usd: Decimal
    poller: Poller
    buffer: RingBuffer
    forecaster: Forecaster
    desk: Desk
    venue_events: Callable[[int], VenueEvents] = lambda _: VenueEvents()
    signals: Callable[[], Sequence[Signal]] = tuple
    memory: StrategyMemory = field(default_factory=StrategyMemory)
    model_failed: str = ""
    thinking: Thinking = field(init=False)
    # off the loop; it goes on where the cycle that asked has yielded
    _planning: "asyncio.Future[Any] | None" = None
    _thought: tuple[bytes, ForecastSet, Moments] | None = None
    _kept: StrategyMemory | None = None  # the strategies' memory as the journal has it

    def __post_init__(self) -> None:
        self.thinking = Thinking(self.config.models.slow_s)

    def reconfigure(self, config: Config) -> None:
        """Decide by another configuration from the next cycle on. Only for the holder of the desk's `busy`."""
        self.desk.reconfigure(config)
        self.config, self._thought, self.thinking.slow_s = config, None, config.models.slow_s

    def exchange(self, forecaster: Forecaster) -> None:
        """Forecast by another model from the next cycle on. Only for the holder of the desk's `busy`."""
        self.desk.exchange(forecaster.model_hash, forecaster.feature_hash)
        self.forecaster, self._thought, self.model_failed = forecaster, None, ""

    async def thought(self) -> bool:
        """Wait until the forecaster is not at work, as it may be where a cycle has yielded; False where it hangs."""
        return await self.thinking.free(self.forecaster)

    async def run(self, now_ms: int) -> CycleReport:
        """Run one cycle. Venue failures make things unknown, never an exception; a journal failure is raised.

        Raises Yielded where it was ended for who must not wait: nothing was decided.
        """
        async with self.desk.busy:
            async with self.desk.busy.yielding():
                await self.poller.poll(now_ms)
            async with self.desk.busy.lent(), self.desk.busy.yielding():
                forecasts, moved = await self._forecast(now_ms)
            await self.desk.executor.resolve()
            account = await self.desk.accounts.refresh(self.desk.clock.now_ms())
            await self.desk.heed(account)
            return await self._decided(now_ms, account, forecasts, moved)

    async def _decided(
        self, now_ms: int, account: AccountState, forecasts: ForecastSet, moved: Moments
    ) -> CycleReport:
        """Decide on what is known, and trade."""
        marks = self.poller.fresh_marks(now_ms, self.config.cycle.stale_after_s * 1_000)
        signals = self._signals(now_ms)
        closed = self._not_believed() | self._closed(now_ms, signals, account)
        now = markets_now(self.buffer.window(), self._looked_at(account), self.config.hedge.horizon_h)
        moved = completed(moved, now)
        desk = self.desk
        facts = desk.gate_facts.facts(
            desk.clock.now_ms(), account, marks, desk.markets, forecasts, moved, self.poller, desk.executor, desk.kill,
            closed,
        )  # fmt: skip
        closed = desk.gate_facts.held_back(facts) | closed
        snapshot = self._snapshot(now_ms, account, marks, forecasts, moved, signals, closed, now)
        self._book([state for one in desk.between for state in one.seen])
        self._book([account])
        self.memory = self.memory.advance(snapshot.part_of(Strategy.DIVERGENCE), marks)
        decided = await self._decide(snapshot, account)
        self.memory = decided.memory
        stopped = self._stops(now_ms, account)
        desired = unwind(decided.desired, stopped, desk.stops.part(account), desk.tradable(account, marks))

        protected = {plan.symbol: protected_usd(plan) for plan in decided.plans}
        for symbol, usd in decided.insured_usd.items():
            protected[symbol] = protected.get(symbol, 0.0) + usd
        desk.stops.plan(protected)
        traded = await desk.trade(now_ms, desired, account, facts, snapshot.hashes)
        self._book(traded.seen[1:])
        decisions = decision_rows(
            snapshot,
            decided.plans,
            decided.unplanned,
            stopped,
            traded.review,
            account,
            traded.account,
            desk.executor.failed,
            decided.notes,
        )
        await self._remember(now_ms, account, decisions)
        return self._report(snapshot, traded, decisions)

    def _report(
        self, snapshot: Snapshot, traded: Traded, decisions: dict[str, dict[str, Any]]
    ) -> CycleReport:
        """Say what was done since the last report, between the cycles too."""
        done, self.desk.between = [*self.desk.between, traded], []
        seen = [state for one in done for state in one.seen]
        return CycleReport(
            now_ms=snapshot.now_ms,
            account=traded.account,
            marks=dict(snapshot.marks),
            forecasts=snapshot.forecasts,
            decisions=decisions,
            review=Review(
                tuple(approved for one in done for approved in one.review.approved),
                tuple(refused for one in done for refused in one.review.refused),
                tuple(shrunk for one in done for shrunk in one.review.shrunk),
            ),
            fills=[fill for state in seen for fill in state.fills],
            payments=[payment for state in seen for payment in state.payments],
            closed=self._closed(snapshot.now_ms, snapshot.signals, traded.account),
            signals=snapshot.signals,
            quarantined=self.poller.quarantined,
            newly_quarantined=self.poller.newly_quarantined,
            pnl=self.desk.gate_facts.pnl,
            loss_limit=self.desk.gate_facts.loss_limit,
        )

    def _stops(self, now_ms: int, account: AccountState) -> dict[str, str]:
        """Value every hedge; return the symbols that must be (or stay) flat, with the reason."""
        believed = self.poller.believed(now_ms)
        self.desk.stops.see(account, believed)
        far = liquidation_distances(account, account.collateral_usd, believed.marks, self.desk.markets)
        held = self.desk.stops.part(account)
        stopped, _ = self.desk.stops.decide(
            now_ms, held, near_liquidation(held, far, self.config.risk.margin_stop)
        )
        return stopped

    async def _forecast(self, now_ms: int) -> tuple[ForecastSet, Moments]:
        """Forecast, off the loop. The hourly grid changes only with a new hour or print, so it is kept till then.

        Live, the coming settlement is known better from bar to bar, so every bar is thought about.
        """
        window = self.buffer.window()
        mark = grid_mark(window)
        if self.config.data.source == "venues" and len(window.times_ms):
            mark += int(window.times_ms[-1]).to_bytes(8, "big")
        if self._thought is None or self._thought[0] != mark:
            horizon_h = self.config.hedge.horizon_h
            thought, moved = await self.thinking.of(self.forecaster, window, now_ms, horizon_h)
            last = self.thinking.last
            self._tell_failure(last.failed if last else "")
            loaded = (self.desk.hashes.model, self.desk.hashes.features)
            if self.model_failed or (thought.model_hash, thought.feature_hash) != loaded:
                return thought, moved  # and tried again in the next cycle
            self._thought = (mark, thought, moved)
        return self._thought[1], self._thought[2]

    def _tell_failure(self, failed: str) -> None:
        """Log once when the forecaster fails, and once when it works again."""
        if failed and not self.model_failed:
            log.error("forecaster_failed", why=failed, does="opens and changes nothing; stops hold")
        elif self.model_failed and not failed:
            log.warning("forecaster_works_again", failed_with=self.model_failed)
        self.model_failed = failed

    def _snapshot(
        self,
        now_ms: int,
        account: AccountState,
        marks: dict[SeriesKey, Decimal],
        forecasts: ForecastSet,
        moved: Moments,
        signals: dict[str, SignalEffect],
        closed: Mapping[SeriesKey, str],
        now: MarketsNow,
    ) -> Snapshot:
        return Snapshot(
            now_ms=now_ms,
            # what the forecast was made with; the gate compares it with what is loaded
            hashes=Hashes(forecasts.model_hash, forecasts.feature_hash, self.desk.hashes.config),
            forecasts=forecasts,
            moments=moved,
            own=account.own,
            attributed=account.attributed,
            marks=marks,
            markets=self.desk.markets,
            collateral_usd=account.collateral_usd,
            equity_usd=self.equity_usd,
            closed=closed,
            signals=signals,
            owners=account.owners,
            quarantined=frozenset(self.poller.quarantined),
            now=now,
        )

    def _looked_at(self, account: AccountState) -> set[str]:
        """Return the symbols whose running rates a strategy asks for."""
        wanted = self.config.strategies
        looked = {key.symbol for key, owner in account.owners.items() if owner is Strategy.DIVERGENCE}
        looked |= set(wanted.beside_the_book)
        if wanted.cascade_hedge.enabled:
            looked |= {key.symbol for key in self.desk.markets if key.venue == INJECTIVE}
        return looked

    def _signals(self, now_ms: int) -> dict[str, SignalEffect]:
        """Say what the signals in force mean for each symbol."""
        held, bounds = self.signals(), self.config.webhook.bounds
        return {
            symbol: effect(held, symbol, now_ms, bounds)
            for symbol in {key.symbol for key in self.desk.markets}
        }

    def _closed(
        self, now_ms: int, signals: Mapping[str, SignalEffect], account: AccountState
    ) -> dict[SeriesKey, str]:
        """Say on which markets nothing may be opened: by what venues announce or say, else as a signal asks for it."""
        events, lead = self.venue_events(now_ms), self.config.outside.status.lead
        why = {
            key: events.veto(key, now_ms, lead)
            or account.restricted.get(key.venue)
            or account.frozen.get(key)
            or signals[key.symbol].pause
            for key in self.desk.markets
        }
        return {key: reason for key, reason in why.items() if reason}

    def _not_believed(self) -> dict[SeriesKey, str]:
        """Say on which markets nothing may be opened because their data are in quarantine.

        Every hedge is sized by what is known of the position on Injective: without it no market of the coin is opened.
        """
        why = {key: f"{key.symbol} on {key.venue} is {q.text}" for key, q in self.poller.quarantined.items()}
        here = {key.symbol: reason for key, reason in why.items() if key.venue == INJECTIVE}
        return {
            key: reason
            for key in self.desk.markets
            if (reason := here.get(key.symbol) or why.get(key)) is not None
        }

    async def _decide(self, snapshot: Snapshot, account: AccountState) -> Decided:
        """Plan, off the loop. While Injective does not say what is held there is nothing to plan for: all stays."""
        config = self.config
        if INJECTIVE in account.unknown:
            why = f"Injective does not say what is held: {account.unknown[INJECTIVE]}"
            unplanned = dict.fromkeys(config.book.positions or self.desk.stops.episodes, why)
            return Decided([], [], unplanned, {}, self.memory)
        settings = Settings(config.strategies, config.hedge, config.risk, config.book.protect)
        decided: Decided = await self._off_loop(decide, snapshot, settings, self.memory)
        return decided

    def _book(self, states: Sequence[AccountState]) -> None:
        """Book what is new in an account on the divergence trades."""
        for state in states:
            self.memory = self.memory.book(state.fills, state.payments)

    async def _remember(
        self, now_ms: int, account: AccountState, decisions: dict[str, dict[str, Any]]
    ) -> None:
        """Write decisions, the trader's own book and the stops' state to the journal."""
        own = {SeriesKey(INJECTIVE, symbol): quantity for symbol, quantity in account.own.items()}
        journal = self.desk.journal
        await journal(JournalStore.record_cycle, now_ms, decisions, own, self.desk.stops.to_json())
        await self.desk.gate_facts.save(journal)
        if self.memory != self._kept:
            await journal(JournalStore.save_state, STATE, self.memory.to_json())
            self._kept = self.memory

    async def _off_loop(self, function: Any, *args: Any) -> Any:
        if self._planning is not None:
            await asyncio.wait([self._planning])
        self._planning = asyncio.get_running_loop().run_in_executor(None, function, *args)
        return await asyncio.shield(self._planning)


def grid_mark(window: BarWindow) -> bytes:
    """Identify the state of the hourly grid: the hour, and the prints that the latest bar shows."""
    if not len(window.times_ms):
        return b""
    hour = int(window.times_ms[-1]) // HOUR_MS
    rates = window.values[:, -1, Field.FUNDING_SETTLED]
    # float32 cannot hold an epoch second
    ago_s = window.values[:, -1, Field.SETTLED_AGO_S].astype(np.float64)
    settled_s = int(window.times_ms[-1]) / 1_000 - ago_s
    return b"".join((hour.to_bytes(8, "big"), rates.tobytes(), settled_s.tobytes()))
