"""The daemon: parts wired in one place, started in order, owned by one TaskGroup.

Backtest, demo, paper and live run this same class; they differ in the clock, the adapters and the source of data.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from hedged import __version__
from hedged.buffer.backfill import backfill
from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.collectors.followed import followed_markets
from hedged.collectors.poller import OnBar, Poller
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.cycle import Cycle, CycleReport
from hedged.domain.bars import Observation
from hedged.domain.clock import DAY_MS, SECOND_MS, Clock, iso, perf_s
from hedged.domain.errors import Fatal, NoJournal
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes
from hedged.domain.ports import MarketData, Trading
from hedged.domain.quarantine import Doubted
from hedged.domain.signals import Signal
from hedged.domain.venue_events import VenueEvents
from hedged.execution.divergence_stops import DivergenceStops
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.opening import open_desk
from hedged.execution.turn import Yielded
from hedged.execution.under_way import UnderWay
from hedged.features.resample import FEATURE_HASH
from hedged.forecast.port import Forecaster
from hedged.guard import Guard
from hedged.progress import Progress
from hedged.schedule import Schedule
from hedged.strategy.memory import STATE, StrategyMemory
from hedged.telemetry.execution import publish_execution
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.narrator import Narrator
from hedged.telemetry.publish import announce, publish
from hedged.telemetry.reconcile import publish_reconciliation
from hedged.telemetry.stops import publish_guard

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


async def _nothing() -> None:
    pass


class App:
    """One daemon. `owed`: writes what was latched while the journal could not be written, before anything goes on."""

    def __init__(self, parts: Parts, metrics: Metrics | None = None) -> None:
        self.parts = parts
        self.owed: Callable[[], Awaitable[None]] = _nothing
        self.metrics = metrics or Metrics()
        self.progress = Progress()
        self._stop = asyncio.Event()
        self._cycle: Cycle | None = None
        self._guard: Guard | None = None
        self._under_way = UnderWay()
        self._schedule = Schedule(parts.clock, lambda: self.parts.config, self._stop, self._missed)
        self.narrator = Narrator(parts.config.alerts, self.metrics, parts.clock)
        self._mending = asyncio.Lock()
        self.metrics.journal_failing.set_function(lambda: float(bool(parts.journal.trouble)))

    @property
    def cycle(self) -> Cycle:
        """The cycle with its parts; only after `prepare`."""
        if self._cycle is None:
            raise Fatal("the daemon has not been prepared")
        return self._cycle

    @property
    def seen_by_guard(self) -> Guard | None:
        """What looks at the stops; None before `prepare`."""
        return self._guard

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the daemon to end after the running cycle, whose orders rest no longer."""
        self._stop.set()
        if self._cycle is not None:
            self._cycle.desk.executor.hurry()

    def abandon(self, *, sending: bool = False) -> None:
        """End what runs (a cycle, a look at the stops) where it waits; only when the daemon is about to end.

        Orders that are under way are let be, unless `sending`: then the next life looks them up.
        """
        if sending or self._cycle is None or not self._cycle.desk.sending:
            self._under_way.abandon()

    async def reconfigure(self, config: Config) -> None:
        """Go by another configuration, as a whole and between two cycles. The caller has checked what may change."""
        async with self.cycle.desk.busy:
            self.parts.config = config
            self.cycle.reconfigure(config)
            if self._guard is not None:
                self._guard.trades.reconfigure(config)
            self.narrator.reconfigure(config.alerts)
            self._introduce()

    async def exchange(self, forecaster: Forecaster) -> None:
        """Forecast by another model from the next cycle on; decisions carry its hashes from then on."""
        async with self.cycle.desk.busy:
            self.parts.forecaster = forecaster
            self.cycle.exchange(forecaster)
            self._introduce()

    async def prepare(self) -> None:
        """Learn the markets, fill the buffer from history, read the journal, check that artefact and schema agree."""
        parts, config = self.parts, self.parts.config
        if parts.forecaster.feature_hash != FEATURE_HASH:
            raise Fatal(
                f"the model was made for feature schema {parts.forecaster.feature_hash}, this program has "
                f"{FEATURE_HASH}: retrain it or run the program it belongs to"
            )
        now_ms = self.parts.clock.now_ms()
        markets = await followed_markets(config, parts.sources, parts.symbols)
        bar_ms = config.cycle.bar_s * SECOND_MS
        buffer = RingBuffer(sorted(markets), config.cycle.history_days * DAY_MS // bar_ms, bar_ms)
        judge = Judge(config.quality, config.clock.speed)
        await self._backfill(buffer, judge, now_ms)
        poller = Poller(parts.sources, buffer, judge, parts.clock, on_bar=parts.on_bar, doubted=parts.doubted)
        while not self.stopping and self._cycle is None:
            try:
                await self._go_on(markets, poller, now_ms)
            except NoJournal:
                wait_ms = round(config.cycle.guard_interval_s * config.clock.speed * SECOND_MS)
                await self._schedule.wait_until(parts.clock.now_ms() + wait_ms)
                await parts.journal.mend()

    async def _go_on(self, markets: Mapping[SeriesKey, Market], poller: Poller, since_ms: int) -> None:
        """Go on from what the journal says: at a start, and once it can be written again. Raises NoJournal."""
        parts, config, buffer = self.parts, self.parts.config, poller.buffer
        await self.owed()
        hashes = Hashes(parts.forecaster.model_hash, parts.forecaster.feature_hash, config.hash)
        desk = await open_desk(
            config, parts.clock, parts.trading, parts.sources, parts.journal, markets, hashes, parts.equity_usd,
            since_ms,
        )  # fmt: skip
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
        self._guard = Guard(desk, poller, DivergenceStops(config, self.cycle))
        self.progress.prepared = True
        self.progress.prepared_ms = parts.clock.now_ms()
        self._introduce()
        announce(self.metrics, {key.venue for key in markets})
        self.metrics.kill.set(desk.kill)
        log.info(
            "prepared", mode=config.mode, series=len(markets), bars=len(buffer), kill=desk.kill.label,
            model=parts.forecaster.model_hash, config=config.hash,
        )  # fmt: skip

    def _introduce(self) -> None:
        """Say in the metrics what runs."""
        config, model = self.parts.config, self.parts.forecaster.model_hash
        self.metrics.info.clear()
        self.metrics.info.labels(__version__, config.mode, model, config.hash).set(1)
        self.metrics.cycle_interval.set(config.cycle.interval_s)

    async def run(self, until_ms: int | None = None) -> None:
        """Run cycles at every boundary of the interval, from now (if now is one) until `until_ms` or `stop()`."""
        await self._schedule.run(self.attempt, self.guard, until_ms)
        if until_ms is not None:
            await self._schedule.guard_till(until_ms, self.guard)
        if until_ms is not None and await self._schedule.wait_until(until_ms - 1):
            # what was paid after the last cycle belongs to the run too
            await self.cycle.desk.accounts.refresh(until_ms - 1)

    def _missed(self, count: int, following_ms: int) -> None:
        self.progress.missed += count
        self.metrics.cycles_missed.inc(count)
        log.warning("cycles_missed", count=count, next=iso(following_ms))

    async def guard(self, now_ms: int) -> None:
        """Look at the stops, unless a cycle is running, and publish what was seen."""
        if self._guard is None or not await self._journal_works():
            return
        before_ms, started_s = self._guard.last_ms, perf_s()
        looked = False
        try:
            async with self._under_way.doing("look at the stops"):
                looked = await self._guard.look(now_ms)
        except NoJournal:
            return
        if looked:
            publish_guard(self._guard, self.metrics, before_ms, perf_s() - started_s)
        publish_execution(self._guard.desk, self.metrics, now_ms)

    async def attempt(self, now_ms: int) -> None:
        """Run one cycle, unless it is abandoned.

        While the journal cannot be written nothing is decided: data are collected alone.
        """
        self._schedule.begun_ms = now_ms
        if not await self._journal_works():
            await self.cycle.poller.poll(now_ms)
            return
        try:
            async with self._under_way.doing("cycle"):
                await self.step(now_ms)
        except Yielded:
            log.warning("cycle_yielded", why="a kill is first", next="the next cycle decides anew")
        except NoJournal:
            self.metrics.ready.set(0)

    async def _journal_works(self) -> bool:
        """Whether the journal can be written; where it failed, mend it and go on from what it says, as a start does."""
        journal = self.parts.journal
        async with self._mending:
            if not journal.trouble:
                return True
            desk, poller = self.cycle.desk, self.cycle.poller
            async with desk.busy:  # who began before must have ended: from now on another desk trades
                try:
                    if not await journal.mend():
                        return False
                    await self._go_on(desk.markets, poller, self.parts.clock.now_ms())
                except NoJournal:
                    return False
        return True

    async def step(self, now_ms: int) -> CycleReport:
        """Run one cycle and publish what it did."""
        started_s = perf_s()
        report = await self.cycle.run(now_ms)
        self.progress.last, self.progress.took_s = report, perf_s() - started_s
        self.metrics.cycle_duration.observe(self.progress.took_s)
        publish(
            report, self.metrics, self.parts.clock.now_ms(), self.cycle.poller.ages_s(now_ms),
            self.cycle.buffer.keys, self.parts.config.hedge.forecaster,
        )  # fmt: skip
        publish_reconciliation(self.cycle.desk.accounts, self.metrics)
        publish_execution(self.cycle.desk, self.metrics, now_ms)
        self.metrics.ready.set(0 if self.not_ready() else 1)
        self.narrator.tell(report, self.cycle.poller.latest.values())
        self.parts.on_cycle(report)
        return report

    def not_ready(self) -> list[str]:
        """Say why the daemon is not ready: empty when data are fresh and every venue is reconciled."""
        parts = self.parts
        if parts.journal.trouble:
            return [parts.journal.trouble]
        return self.progress.not_ready(self._cycle, parts.config, parts.clock.now_ms())

    def not_alive(self) -> list[str]:
        """Say why the daemon should be restarted: empty while cycles complete, and where no restart would help."""
        if self.parts.journal.trouble:
            return []
        return self.progress.not_alive(self.parts.config, self.parts.clock.now_ms())

    def _held(self) -> BarWindow | None:
        """Hand over the bars that an earlier run kept: nobody needs them twice."""
        held, self.parts.held = self.parts.held, None
        return held

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

        await backfill(buffer, times, self.parts.sources, self._held(), on_share, judged)
        if not self.stopping:
            self.parts.on_filled(buffer)
