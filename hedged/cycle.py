"""One cycle, top to bottom: snapshot → features → forecast → plan → gate → execute.

Every step is a call of a pure function or of one port; this file is the order in which they happen.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
import structlog

from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.collectors.poller import Poller
from hedged.config import Config
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS, Clock
from hedged.domain.forecast import ForecastSet
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Fill, Hashes, Strategy
from hedged.domain.quarantine import Quarantine
from hedged.domain.signals import Signal, SignalEffect, effect
from hedged.domain.venue_events import VenueEvents
from hedged.execution.accounts import Accounts, AccountState
from hedged.execution.decisions import decision_rows
from hedged.execution.diff import intents_for
from hedged.execution.executor import Executor
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore
from hedged.features.market_now import MarketsNow, completed, markets_now
from hedged.features.moments import Moments, moments
from hedged.features.resample import hourly
from hedged.forecast.port import Forecaster
from hedged.risk.exposure import gross
from hedged.risk.gate import KillLevel, Review, review
from hedged.risk.pnl import HedgePnl
from hedged.risk.stop import Episode, advance, charge
from hedged.strategy.memory import STATE, StrategyMemory
from hedged.strategy.portfolio import Decided, Settings, decide
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.state import SymbolPlan
from hedged.strategy.stopped import protected_usd, unwind

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
    """The parts that a cycle works with, and the little it remembers from one to the next."""

    config: Config
    equity_usd: Decimal
    clock: Clock
    poller: Poller
    buffer: RingBuffer
    forecaster: Forecaster
    accounts: Accounts
    executor: Executor
    journal: Journal
    markets: dict[SeriesKey, Market]
    hashes: Hashes
    gate_facts: GateFactsKeeper
    venue_events: Callable[[int], VenueEvents] = lambda _: VenueEvents()
    signals: Callable[[], Sequence[Signal]] = tuple
    kill: KillLevel = KillLevel.NONE
    episodes: dict[str, Episode] = field(default_factory=dict)
    memory: StrategyMemory = field(default_factory=StrategyMemory)
    _thought: tuple[bytes, ForecastSet, Moments] | None = None
    _kept: StrategyMemory | None = None  # the strategies' memory as the journal has it
    _unvalued: list[FundingPayment] = field(default_factory=list)  # payments that the stops have not seen yet

    async def run(self, now_ms: int) -> CycleReport:
        """Run one cycle. Venue failures make things unknown, never an exception; a journal failure is raised."""
        await self.poller.poll(now_ms)
        await self.executor.resolve()
        account = await self.accounts.refresh(now_ms)
        marks = self.poller.fresh_marks(now_ms, self.config.cycle.stale_after_s * 1_000)

        forecasts, moved = await self._forecast(now_ms)
        signals = self._signals(now_ms)
        closed = self._not_believed() | self._closed(now_ms, signals, account)
        now = markets_now(self.buffer.window(), self._looked_at(account), self.config.hedge.horizon_h)
        moved = completed(moved, now)
        facts = self.gate_facts.facts(
            self.clock.now_ms(), account, marks, self.markets, forecasts, moved, self.poller, self.executor, self.kill,
            closed,
        )  # fmt: skip
        closed = self.gate_facts.held_back(facts) | closed
        snapshot = self._snapshot(now_ms, account, marks, forecasts, moved, signals, closed, now)
        self.memory = self.memory.book(account.fills, account.payments)
        self.memory = self.memory.advance(snapshot.part_of(Strategy.DIVERGENCE), marks)
        decided = await self._decide(snapshot, account)
        plans, self.memory = decided.plans, decided.memory
        stopped = self._stops(snapshot, account)
        desired = unwind(decided.desired, stopped, snapshot.part_of(Strategy.FUNDING_HEDGE), marks)

        intents = intents_for(
            desired, account.attributed, marks, self.markets, self.config.risk, snapshot.hashes, now_ms
        )
        reviewed: Review = await self._off_loop(
            review, intents, facts, self.gate_facts.limits, self.config.account
        )
        before = account
        if await self.executor.execute(reviewed.approved):
            account = await self._after_trading(before)
            self._unvalued.extend(account.payments)
            self.memory = self.memory.book(account.fills, account.payments)
        seen = [before] if account is before else [before, account]
        fills = [fill for state in seen for fill in state.fills]
        self._charge(fills, before, account, plans)
        self.gate_facts.traded(fills, [] if account is before else account.payments)
        decisions = decision_rows(
            snapshot,
            plans,
            decided.unplanned,
            stopped,
            reviewed,
            before,
            account,
            self.executor.failed,
            decided.notes,
        )
        await self._remember(now_ms, account, decisions)
        return CycleReport(
            now_ms=now_ms,
            account=account,
            marks=marks,
            forecasts=forecasts,
            decisions=decisions,
            review=reviewed,
            fills=fills,
            payments=[payment for state in seen for payment in state.payments],
            closed=self._closed(now_ms, snapshot.signals, account),
            signals=snapshot.signals,
            quarantined=self.poller.quarantined,
            newly_quarantined=self.poller.newly_quarantined,
            pnl=self.gate_facts.pnl,
            loss_limit=self.gate_facts.loss_limit,
        )

    async def _forecast(self, now_ms: int) -> tuple[ForecastSet, Moments]:
        """Forecast, off the loop. The hourly grid changes only with a new hour or print, so it is kept till then.

        Live, the coming settlement is known better from bar to bar, so every bar is thought about.
        """
        window = self.buffer.window()
        mark = _grid_mark(window)
        if self.config.data.source == "venues" and len(window.times_ms):
            mark += int(window.times_ms[-1]).to_bytes(8, "big")
        if self._thought is None or self._thought[0] != mark:
            horizon_h = self.config.hedge.horizon_h
            forecasts, moved = await self._off_loop(_think, self.forecaster, window, now_ms, horizon_h)
            self._thought = (mark, forecasts, moved)
        return self._thought[1], self._thought[2]

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
            hashes=Hashes(forecasts.model_hash, forecasts.feature_hash, self.hashes.config),
            forecasts=forecasts,
            moments=moved,
            own=account.own,
            attributed=account.attributed,
            marks=marks,
            markets=self.markets,
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
            looked |= {key.symbol for key in self.markets if key.venue == INJECTIVE}
        return looked

    def _signals(self, now_ms: int) -> dict[str, SignalEffect]:
        """Say what the signals in force mean for each symbol."""
        held, bounds = self.signals(), self.config.webhook.bounds
        return {
            symbol: effect(held, symbol, now_ms, bounds) for symbol in {key.symbol for key in self.markets}
        }

    def _closed(
        self, now_ms: int, signals: Mapping[str, SignalEffect], account: AccountState
    ) -> dict[SeriesKey, str]:
        """Say on which markets nothing may be opened: by what venues announce or say, else as a signal asks for it."""
        events, lead = self.venue_events(now_ms), self.config.outside.status.lead
        why = {
            key: events.veto(key, now_ms, lead)
            or account.restricted.get(key.venue)
            or signals[key.symbol].pause
            for key in self.markets
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
            for key in self.markets
            if (reason := here.get(key.symbol) or why.get(key)) is not None
        }

    async def _decide(self, snapshot: Snapshot, account: AccountState) -> Decided:
        """Plan, off the loop. While Injective does not say what is held there is nothing to plan for: all stays."""
        config = self.config
        if INJECTIVE in account.unknown:
            why = f"Injective does not say what is held: {account.unknown[INJECTIVE]}"
            unplanned = dict.fromkeys(config.book.positions or self.episodes, why)
            return Decided([], [], unplanned, {}, self.memory)
        settings = Settings(config.strategies, config.hedge, config.risk, config.book.protect)
        decided: Decided = await self._off_loop(decide, snapshot, settings, self.memory)
        return decided

    def _stops(self, snapshot: Snapshot, account: AccountState) -> dict[str, str]:
        """Value every hedge; return the symbols that must be (or stay) flat, with the reason."""
        self._unvalued.extend(account.payments)
        if INJECTIVE in account.unknown:
            return {}  # N is unknown: what was paid is valued once it is known again
        payments, self._unvalued = self._unvalued, []
        mine = snapshot.part_of(Strategy.FUNDING_HEDGE)
        others = snapshot.owners.keys() - mine
        payments = [payment for payment in payments if payment.settlement.key not in others]
        stopped: dict[str, str] = {}
        for symbol, own in account.own.items():
            episode = self.episodes.get(symbol, Episode())
            episode = advance(episode, symbol, own, mine, snapshot.marks, payments)
            if episode.must_stop:
                stopped[symbol] = (
                    f"stop: the hedge has lost {episode.loss_usd:,.2f} USD, more than the "
                    f"{episode.allowance_usd:,.2f} USD of funding it protects against"
                )
                until_ms = snapshot.now_ms + self.config.hedge.horizon_h * HOUR_MS
                episode = Episode(marks=episode.marks, stopped_until_ms=until_ms)
                log.warning("hedge_stopped", symbol=symbol, reason=stopped[symbol])
            elif snapshot.now_ms < episode.stopped_until_ms:
                stopped[symbol] = "stopped earlier: no new hedge within the horizon of a stop"
            self.episodes[symbol] = episode
        return stopped

    async def _after_trading(self, before: AccountState) -> AccountState:
        """Ask the venues again, so that the decision says what was really filled."""
        account = await self.accounts.refresh(self.clock.now_ms())
        return (
            account if account.reconciled else replace(before, fills=account.fills, payments=account.payments)
        )

    def _charge(
        self, fills: Sequence[Fill], before: AccountState, after: AccountState, plans: Sequence[SymbolPlan]
    ) -> None:
        """Book the cost of every new fill; a hedge that grew may lose as much as it now protects."""
        protected = {plan.symbol: protected_usd(plan) for plan in plans}
        fills = [fill for fill in fills if fill.purpose.strategy is Strategy.FUNDING_HEDGE]
        for symbol in sorted({fill.key.symbol for fill in fills}):
            mine = [fill for fill in fills if fill.key.symbol == symbol]
            grew = gross(symbol, _hedge(after)) > gross(symbol, _hedge(before))
            episode = self.episodes.get(symbol, Episode())
            self.episodes[symbol] = charge(episode, mine, protected.get(symbol) if grew else None)

    async def _remember(
        self, now_ms: int, account: AccountState, decisions: dict[str, dict[str, Any]]
    ) -> None:
        """Write decisions, the trader's own book and the stops' state to the journal."""
        own = {SeriesKey(INJECTIVE, symbol): quantity for symbol, quantity in account.own.items()}
        episodes = {symbol: episode.to_json() for symbol, episode in self.episodes.items()}
        await self.journal(JournalStore.record_cycle, now_ms, decisions, own, episodes)
        await self.gate_facts.save(self.journal)
        if self.memory != self._kept:
            await self.journal(JournalStore.save_state, STATE, self.memory.to_json())
            self._kept = self.memory

    async def _off_loop(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, function, *args)


def _think(
    forecaster: Forecaster, window: BarWindow, now_ms: int, horizon_h: int
) -> tuple[ForecastSet, Moments]:
    grid = hourly(window)
    return forecaster.forecast(grid, now_ms, horizon_h), moments(grid, horizon_h)


def _grid_mark(window: BarWindow) -> bytes:
    """Identify the state of the hourly grid: the hour, and the prints that the latest bar shows."""
    if not len(window.times_ms):
        return b""
    hour = int(window.times_ms[-1]) // HOUR_MS
    rates = window.values[:, -1, Field.FUNDING_SETTLED]
    # float32 cannot hold an epoch second
    ago_s = window.values[:, -1, Field.SETTLED_AGO_S].astype(np.float64)
    settled_s = int(window.times_ms[-1]) / 1_000 - ago_s
    return b"".join((hour.to_bytes(8, "big"), rates.tobytes(), settled_s.tobytes()))


def _hedge(account: AccountState) -> dict[SeriesKey, Decimal]:
    """Return what is held for the funding hedge."""
    mine = Strategy.FUNDING_HEDGE
    return {k: q for k, q in account.attributed.items() if account.owners.get(k, mine) is mine}
