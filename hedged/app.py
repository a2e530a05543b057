"""The daemon: parts wired in one place, started in order, owned by one TaskGroup.

Backtest, demo, paper and live run this same class; they differ in the clock, the adapters and the source of data.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog

from hedged import __version__
from hedged.buffer.backfill import backfill
from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.collectors.poller import OnBar, Poller
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.cycle import Cycle, CycleReport
from hedged.domain.bars import Observation
from hedged.domain.clock import DAY_MS, SECOND_MS, Clock, iso, next_boundary_ms, perf_s
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Hashes
from hedged.domain.ports import MarketData, Trading
from hedged.domain.quarantine import Doubted
from hedged.domain.signals import Signal
from hedged.domain.venue_events import VenueEvents
from hedged.execution.accounts import Accounts
from hedged.execution.desk import Desk
from hedged.execution.executor import Executor
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal import Journal
from hedged.execution.stops import Stops
from hedged.execution.store import JournalStore
from hedged.features.resample import FEATURE_HASH
from hedged.forecast.port import Forecaster
from hedged.guard import Guard
from hedged.risk.gate import KillLevel
from hedged.strategy.memory import STATE, StrategyMemory
from hedged.strategy.outlook import outlook
from hedged.telemetry.deviations import Deviations
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.publish import publish
from hedged.telemetry.rows import ahead_row, quarantine_row, status_row
from hedged.telemetry.stops import publish_guard, stop_rows

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Parts:
    """What differs between backtest, demo, paper and live.

    `held`: bars of the window that an earlier run kept; `on_filled` takes over the buffer once it holds the window;
    `doubted`: prices that a simulated account does not go by, kept current by the poller.
    """

    config: Config
    clock: Clock
    sources: Mapping[str, MarketData]
    trading: Mapping[str, Trading]
    journal: Journal
    forecaster: Forecaster
    symbols: tuple[str, ...]
    equity_usd: Decimal
    on_cycle: Callable[[CycleReport], None] = lambda _: None
    on_bar: OnBar = lambda *_: None
    venue_events: Callable[[int], VenueEvents] = lambda _: VenueEvents()
    signals: Callable[[], Sequence[Signal]] = tuple
    held: BarWindow | None = None
    on_filled: Callable[[RingBuffer], None] = lambda _: None
    doubted: Doubted = field(default_factory=dict)


@dataclass(slots=True)
class Progress:
    """How far the daemon is on its way to being ready."""

    backfilled: float = 0.0
    prepared: bool = False
    prepared_ms: int = 0
    last: CycleReport | None = None


class App:
    """One daemon."""

    def __init__(self, parts: Parts, metrics: Metrics | None = None) -> None:
        self.parts = parts
        self.metrics = metrics or Metrics()
        self.progress = Progress()
        self._stop = asyncio.Event()
        self._cycle: Cycle | None = None
        self._guard: Guard | None = None
        self._actions: dict[str, str] = {}
        self._deviations = Deviations(parts.config.alerts)

    @property
    def cycle(self) -> Cycle:
        """The cycle with its parts; only after `prepare`."""
        if self._cycle is None:
            raise Fatal("the daemon has not been prepared")
        return self._cycle

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the daemon to end after the running cycle."""
        self._stop.set()

    async def prepare(self) -> None:
        """Learn the markets, fill the buffer from history, read the journal, check that artefact and schema agree."""
        parts, config = self.parts, self.parts.config
        if parts.forecaster.feature_hash != FEATURE_HASH:
            raise Fatal(
                f"the model was made for feature schema {parts.forecaster.feature_hash}, this program has "
                f"{FEATURE_HASH}: retrain it or run the program it belongs to"
            )
        now_ms = self.parts.clock.now_ms()
        markets = await self._markets()
        bar_ms = config.cycle.bar_s * SECOND_MS
        buffer = RingBuffer(sorted(markets), config.cycle.history_days * DAY_MS // bar_ms, bar_ms)
        judge = Judge(config.quality, config.clock.speed)
        await self._backfill(buffer, judge, now_ms)
        accounts = Accounts(parts.trading, parts.journal, now_ms)
        await accounts.load()
        executor = Executor(parts.trading, parts.journal, accounts, parts.clock)
        await executor.load()
        level, reason = await parts.journal(JournalStore.kill)
        states = await parts.journal(JournalStore.load_state, "episodes")
        own = {symbol: quantity for _, _, symbol, quantity in await parts.journal(JournalStore.book)}
        hashes = Hashes(parts.forecaster.model_hash, parts.forecaster.feature_hash, config.hash)
        gate_facts = GateFactsKeeper.of(config, parts.equity_usd, hashes)
        await gate_facts.load(parts.journal)
        desk = Desk(
            config, parts.clock, accounts, executor, parts.journal, markets, hashes, gate_facts,
            Stops(config, states, own), KillLevel(level),
        )  # fmt: skip
        poller = Poller(parts.sources, buffer, judge, parts.clock, on_bar=parts.on_bar, doubted=parts.doubted)
        self._cycle = Cycle(
            config=config,
            equity_usd=parts.equity_usd,
            poller=poller,
            buffer=buffer,
            forecaster=parts.forecaster,
            desk=desk,
            venue_events=parts.venue_events,
            signals=parts.signals,
            memory=StrategyMemory.from_json(await parts.journal(JournalStore.load_state, STATE)),
        )
        self._guard = Guard(desk, poller)
        self.progress.prepared = True
        self.progress.prepared_ms = parts.clock.now_ms()
        self.metrics.info.labels(__version__, config.mode, parts.forecaster.model_hash, config.hash).set(1)
        self.metrics.kill.set(level)
        log.info(
            "prepared", mode=config.mode, series=len(markets), bars=len(buffer), kill=KillLevel(level).label,
            kill_reason=reason, model=parts.forecaster.model_hash, config=config.hash,
        )  # fmt: skip

    async def run(self, until_ms: int | None = None) -> None:
        """Run cycles at every boundary of the interval, from now (if now is one) until `until_ms` or `stop()`."""
        interval_ms = self.parts.config.cycle.interval_s * SECOND_MS
        last_ms = self.progress.last.now_ms if self.progress.last else 0
        due_ms = next_boundary_ms(max(self.parts.clock.now_ms() - 1, last_ms), interval_ms)
        while not self._stop.is_set() and (until_ms is None or due_ms < until_ms):
            if until_ms is not None:
                await self._guard_till(due_ms)
            if not await self._wait_until(due_ms):
                break
            latest_ms = self.parts.clock.now_ms() // interval_ms * interval_ms
            if latest_ms > due_ms:  # the machine was suspended, or its clock set: what was due then is past
                due_ms = self._missed(due_ms, latest_ms, 0)
                continue
            await self.step(due_ms)
            now_ms = self.parts.clock.now_ms()
            due_ms = self._missed(due_ms, next_boundary_ms(max(now_ms - 1, due_ms), interval_ms), 1)
        if until_ms is not None:
            await self._guard_till(until_ms)
        if until_ms is not None and await self._wait_until(until_ms - 1):
            # what was paid after the last cycle belongs to the run too
            await self.cycle.desk.accounts.refresh(until_ms - 1)

    def _missed(self, due_ms: int, following_ms: int, done: int) -> int:
        """Say how many cycles fell out between two instants, of which `done` ran; return when the next is due."""
        missed = (following_ms - due_ms) // (self.parts.config.cycle.interval_s * SECOND_MS) - done
        if missed:
            self.metrics.cycles_missed.inc(missed)
            log.warning("cycles_missed", count=missed, next=iso(following_ms))
        return following_ms

    async def _guard_till(self, due_ms: int) -> None:
        """Look at the stops at every bar until the next cycle: recorded data have no more to tell between them."""
        bar_ms = self.parts.config.cycle.bar_s * SECOND_MS
        at_ms = next_boundary_ms(self.parts.clock.now_ms(), bar_ms)
        while at_ms < due_ms and await self._wait_until(at_ms):
            await self.guard(at_ms)
            at_ms = next_boundary_ms(max(at_ms, self.parts.clock.now_ms() - 1), bar_ms)

    async def guard(self, now_ms: int) -> None:
        """Look at the stops, unless a cycle is running, and publish what was seen."""
        if self._guard is None:
            return
        before_ms, started_s = self._guard.last_ms, perf_s()
        if await self._guard.look(now_ms):
            publish_guard(self._guard, self.metrics, before_ms, perf_s() - started_s)

    async def step(self, now_ms: int) -> CycleReport:
        """Run one cycle and publish what it did."""
        started_s = perf_s()
        report = await self.cycle.run(now_ms)
        self.metrics.cycle_duration.observe(perf_s() - started_s)
        self.progress.last = report
        publish(
            report, self.metrics, self.parts.clock.now_ms(), self.cycle.poller.ages_s(now_ms),
            self.cycle.buffer.keys, self.parts.config.hedge.forecaster,
        )  # fmt: skip
        self.metrics.unresolved.set(len(self.cycle.desk.executor.unresolved))
        self.metrics.ready.set(0 if self.not_ready() else 1)
        self._tell_deviations(report)
        self._log_payments(report)
        self._log_decisions(report)
        self.parts.on_cycle(report)
        return report

    def _tell_deviations(self, report: CycleReport) -> None:
        """Say which settlements were far from their forecast (requirement A8)."""
        latest = self.cycle.poller.latest.values()
        for found in self._deviations.look(report.now_ms, latest, report.forecasts.coming):
            self.metrics.deviation.labels(*found.key).set(found.bands)
            if found.alarming:
                self.metrics.deviated.labels(*found.key).set(self.parts.clock.now_ms() / SECOND_MS)
                log.warning(
                    "funding_deviates", market=str(found.key), settled=iso(found.ts_ms),
                    rate_8h=f"{found.realised:+.6f}", forecast_8h=f"{found.forecast:+.6f}",
                    bands=f"{found.bands:.1f}",
                )  # fmt: skip

    def _log_payments(self, report: CycleReport) -> None:
        """Log what the venues booked: the money that all of this is about."""
        for payment in report.payments:
            log.info(
                "funding", market=str(payment.settlement.key), settled=iso(payment.settlement.ts_ms),
                received_usd=f"{payment.payment_usd:+.6f}", quantity=f"{payment.quantity.normalize():+f}",
            )  # fmt: skip

    def _log_decisions(self, report: CycleReport) -> None:
        """Log what changed: an action other than before, or anything that traded or was refused."""
        for symbol, body in report.decisions.items():
            action = str(body["action"])
            if action != self._actions.get(symbol) or action not in ("none", "hold", "frozen"):
                log.info("decision", symbol=symbol, action=action, reason=body["reason"])
            self._actions[symbol] = action

    async def set_kill(self, level: KillLevel, reason: str) -> None:
        """Latch a kill level: journalled first, so that it outlives a restart."""
        await self.parts.journal(JournalStore.set_kill, self.parts.clock.now_ms(), int(level), reason)
        await self.follow_kill()

    async def follow_kill(self) -> None:
        """Take over the latched level from the journal; the command line writes there too."""
        level, reason = await self.parts.journal(JournalStore.kill)
        desk = self.cycle.desk
        if KillLevel(level) is not desk.kill:
            desk.kill = KillLevel(level)
            log.warning("kill_latch_changed", latch=desk.kill.label, reason=reason)
        self.metrics.kill.set(level)

    def not_ready(self) -> list[str]:
        """Say why the daemon is not ready: empty when data are fresh and every venue is reconciled."""
        if not self.progress.prepared:
            return [f"backfilling {self.progress.backfilled:.0%}"]
        report = self.progress.last
        if report is None:
            return ["waiting for the first cycle"]
        faults = [f"not reconciled: {venue}: {why}" for venue, why in sorted(report.account.unknown.items())]
        now_ms = self.parts.clock.now_ms()
        limit_s = self.parts.config.cycle.stale_after_s + self.parts.config.cycle.interval_s
        ages = self.cycle.poller.ages_s(now_ms)
        for key in self.cycle.buffer.keys:
            age_s = ages.get(key)
            if age_s is None or age_s > limit_s:
                faults.append(f"stale: {key} " + ("never seen" if age_s is None else f"{age_s:.0f} s old"))
        return faults

    def not_alive(self) -> list[str]:
        """Say why the daemon should be restarted: empty while cycles keep completing (or are not due yet)."""
        if not self.progress.prepared:
            return []
        since_ms = max(self.progress.prepared_ms, self.progress.last.now_ms if self.progress.last else 0)
        late_s = (self.parts.clock.now_ms() - since_ms) / SECOND_MS
        return [f"no cycle for {late_s:.0f} s"] if late_s > 3 * self.parts.config.cycle.interval_s else []

    def book(self) -> list[dict[str, Any]]:
        """Rows of the status page: one per protected symbol."""
        report = self.progress.last
        return (
            [status_row(symbol, body) for symbol, body in sorted(report.decisions.items())] if report else []
        )

    def ahead(self) -> list[dict[str, str]]:
        """Rows of the status page: the book's funding over the coming hour, eight hours and week."""
        report = self.progress.last
        if report is None:
            return []
        here = {key.symbol: float(mark) for key, mark in report.marks.items() if key.venue == INJECTIVE}
        own = {
            symbol: float(q) * here[symbol]
            for symbol, q in report.account.own.items()
            if q and symbol in here
        }
        mine = {
            k: float(q) * here[k.symbol]
            for k, q in report.account.attributed.items()
            if q and k.symbol in here
        }
        return [ahead_row(span) for span in outlook(report.forecasts, own, mine) if span.own]

    def quarantined(self) -> list[dict[str, Any]]:
        """Rows of the status page: one per series in quarantine."""
        report = self.progress.last
        return [quarantine_row(key, held) for key, held in report.quarantined.items()] if report else []

    def stops(self) -> list[dict[str, str]]:
        """Rows of the status page: one per hedge that is held or rests after a stop."""
        return stop_rows(self._guard, self.parts.clock.now_ms()) if self._guard else []

    async def _wait_until(self, due_ms: int) -> bool:
        """Wait until due; False when asked to stop meanwhile."""
        clock = self.parts.clock
        while not self._stop.is_set() and (left_ms := due_ms - clock.now_ms()) > 0:
            try:
                async with asyncio.timeout(min(left_ms / SECOND_MS, clock.slice_s)):
                    await self._stop.wait()
            except TimeoutError:
                continue
        return not self._stop.is_set()

    async def _markets(self) -> dict[SeriesKey, Market]:
        config, wanted = self.parts.config, set(self.parts.symbols)
        found: dict[SeriesKey, Market] = {}
        for venue in [INJECTIVE, *config.hedge.venues]:
            if venue not in self.parts.sources:
                raise ConfigError(f"hedge.venues names {venue!r}, for which there is no data source")
            for symbol, market in (await self.parts.sources[venue].markets()).items():
                if symbol in wanted:
                    found[SeriesKey(venue, symbol)] = market
        # what exchanges list is enough for a coin that is only traded beside the book, or was while that was on
        elsewhere = {*config.strategies.beside_the_book, *(key.symbol for key in found)} - {
            *config.book.positions
        }
        missing = sorted(wanted - elsewhere - {key.symbol for key in found if key.venue == INJECTIVE})
        if missing:
            raise ConfigError(f"Injective has no market for {', '.join(missing)}")
        return found

    async def _backfill(self, buffer: RingBuffer, judge: Judge, now_ms: int) -> None:
        """Fill the buffer with the bars before now that an earlier run kept, or that the sources can still tell,
        judged as the present will be.
        """
        last_ms = (now_ms - 1) // buffer.bar_ms * buffer.bar_ms
        bars = self.parts.config.cycle.history_days * DAY_MS // buffer.bar_ms
        times = range(last_ms - (bars - 1) * buffer.bar_ms, last_ms + 1, buffer.bar_ms)
        before = self.progress.backfilled

        def on_share(share: float) -> bool:
            self.progress.backfilled = before + (1 - before) * share
            return not self.stopping

        def judged(ts_ms: int, told: list[Observation]) -> Sequence[Observation]:
            return judge.look(ts_ms, told).bars

        await backfill(buffer, times, self.parts.sources, self.parts.held, on_share, judged)
        if not self.stopping:
            self.parts.on_filled(buffer)
