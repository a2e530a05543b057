"""`hedged run`: the app as a process, with its HTTP page, its signals and one TaskGroup that owns every task."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from hedged.adapters.paper import PaperVenue
from hedged.adapters.simulated import SimulatedMarkets
from hedged.app import App, Parts
from hedged.backtest.recorded import BacktestOptions, load_world
from hedged.backtest.runner import equity_usd, own_quantities
from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config
from hedged.domain.bars import Field
from hedged.domain.clock import Clock, LoopClock, SystemClock, iso
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.market import INJECTIVE, decimal_of
from hedged.domain.ports import MarketData
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore
from hedged.forecast.registry import make_forecaster
from hedged.risk.gate import KillLevel
from hedged.telemetry.http import StatusSource, start_http
from hedged.telemetry.logs import configure_logs
from hedged.telemetry.metrics import Metrics

JOURNAL_FILE = "journal.sqlite"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Process:
    """The process from its first moment: the page must answer before the app exists."""

    config: Config
    registry: CollectorRegistry
    app: App | None = None
    stopping: bool = False

    def stop(self) -> None:
        """End as soon as what is running allows it: after the venue's answer, the backfill's chunk, the cycle."""
        self.stopping = True
        if self.app:
            self.app.stop()

    def not_ready(self) -> list[str]:
        return self.app.not_ready() if self.app else ["starting: opening the journal, asking the venues"]

    def not_alive(self) -> list[str]:
        return self.app.not_alive() if self.app else []

    def book(self) -> list[dict[str, str]]:
        return self.app.book() if self.app else []

    def about(self) -> dict[str, str]:
        last = self.app.progress.last if self.app else None
        return {
            "mode": self.config.mode,
            "data": self.config.data.source,
            "forecaster": self.config.hedge.forecaster,
            "config": (self.app.parts.config if self.app else self.config).hash,
            "last cycle": iso(last.now_ms) if last else "none yet",
            "kill latch": self.app.cycle.kill.label if last and self.app else "unknown",
        }


async def run_daemon(
    config: Config,
    clock: Clock | None = None,
    sources: Mapping[str, MarketData] | None = None,
    until_ms: int | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or `until_ms`, on the simulator where no sources are given.

    Raises ConfigError for what cannot work and Fatal for what must not go on.
    """
    if config.mode == "live":
        raise ConfigError(
            "mode: live is not possible yet: this version has no live venue adapters; use mode: paper"
        )
    clock = clock or SystemClock()
    if sources is None:
        sources = dict(SimulatedMarkets(config.data.seed, config.cycle.history_days).venues())
    configure_logs(clock.now_ms, config.telemetry.log_level, config.telemetry.log_format)
    metrics = Metrics()
    process = _Process(config, metrics.registry)
    loop = asyncio.get_running_loop()
    for name in STOP_SIGNALS:
        loop.add_signal_handler(name, process.stop)
    source = StatusSource(metrics.registry, process.not_ready, process.not_alive, process.book, process.about)
    runner, port = await start_http(source, config.telemetry.host, config.telemetry.port)
    log.info("http_listening", url=f"http://{config.telemetry.host}:{port}/", mode=config.mode)
    journal = Journal.open(config.state_dir / JOURNAL_FILE)
    try:
        config, trading = await paper_account(config, sources, journal, clock)
        if not process.stopping:
            forecaster = make_forecaster(config.hedge.forecaster)
            symbols = tuple(config.book.positions)
            process.app = App(Parts(config, clock, sources, trading, journal, forecaster, symbols), metrics)
            await _serve(process.app, config, until_ms)
    finally:
        journal.close()
        await runner.cleanup()
        for name in STOP_SIGNALS:
            loop.remove_signal_handler(name)
        log.info("stopped")


def replay_daemon(config: Config, options: BacktestOptions) -> None:
    """Run the daemon, with its page and its journal on disk, over recorded data as fast as it goes."""
    config, world = load_world(config, options)
    sources = world.venues([INJECTIVE, *config.hedge.venues])
    window = options.window
    run_virtually(lambda: run_daemon(config, LoopClock(window.from_ms), sources, window.to_ms))


async def _serve(app: App, config: Config, until_ms: int | None) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.TaskGroup() as group:
            await app.prepare()
            loop.add_signal_handler(
                signal.SIGUSR1, lambda: group.create_task(app.set_kill(KillLevel.REDUCE_ONLY, "SIGUSR1"))
            )
            # virtual time has no need to be watched more often than it is acted on
            every_s = config.cycle.guard_interval_s if until_ms is None else config.cycle.interval_s
            watch = group.create_task(_watch(app, every_s), name="watch")
            if not app.stopping:
                await app.step(
                    app.parts.clock.now_ms()
                )  # a first look at once: the operator sees the book, not a wait
            await app.run(until_ms)
            watch.cancel()
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def _watch(app: App, interval_s: float) -> None:
    """Between cycles: measure how late the loop wakes up, follow the kill latch, keep readiness current."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        app.metrics.loop_lag.set(max(0.0, loop.time() - due_s))
        await app.follow_kill()
        app.metrics.ready.set(0 if app.not_ready() else 1)


async def paper_account(
    config: Config, sources: Mapping[str, MarketData], journal: Journal, clock: Clock
) -> tuple[Config, dict[str, PaperVenue]]:
    """Open the paper account: the book as the journal knows it, else the configured one at today's prices.

    Fills of an earlier life are put back, so a restart goes on where it stopped.
    """
    now_ms = clock.now_ms()
    marks = await _marks(sources, now_ms)
    markets = await sources[INJECTIVE].markets()
    unknown = sorted(set(config.book.positions) - set(markets))
    if unknown:
        raise ConfigError(
            f"Injective has no market for {', '.join(unknown)}; it has {', '.join(sorted(markets))}"
        )
    book = await _static_book(config, marks, journal)
    equity = equity_usd(config, book)
    settled = config.model_copy(update={"book": config.book.model_copy(update={"equity_usd": equity})})
    venues = {}
    for name in (INJECTIVE, *config.hedge.venues):
        if name not in sources:
            raise ConfigError(
                f"hedge.venues names {name!r}; there are {', '.join(sorted(set(sources) - {INJECTIVE}))}"
            )
        share = Decimal(1) if name == INJECTIVE else config.hedge.collateral_share
        venues[name] = PaperVenue(sources[name], clock, equity * share, config.paper.latency_ms)
    for symbol, (quantity, price) in book.items():
        venues[INJECTIVE].seed(symbol, quantity, price, now_ms)
    for fill in await journal(JournalStore.fills):
        if fill.key.venue not in venues:
            raise Fatal(f"the journal holds fills at {fill.key.venue}, which hedge.venues no longer names")
        venues[fill.key.venue].seed(fill.key.symbol, fill.signed_quantity, fill.execution.price, now_ms)
    return settled, venues


async def _static_book(
    config: Config, marks: Mapping[tuple[str, str], Decimal], journal: Journal
) -> dict[str, tuple[Decimal, Decimal]]:
    """Return (quantity, price) by symbol.

    A position given in USD keeps the coins it had at its first price while the configuration says the same of it.
    """
    book = own_quantities(config, lambda symbol: marks.get((INJECTIVE, symbol)))
    said = {symbol: position.model_dump_json() for symbol, position in config.book.positions.items()}
    before = await journal(JournalStore.load_state, "static_book")
    for symbol, (_, price) in book.items():
        if before.get(symbol, {}).get("said") == said[symbol]:
            book[symbol] = (Decimal(before[symbol]["quantity"]), price)
    kept = {
        symbol: {"said": said[symbol], "quantity": str(quantity)} for symbol, (quantity, _) in book.items()
    }
    await journal(JournalStore.save_state, "static_book", kept)
    return book


async def _marks(sources: Mapping[str, MarketData], now_ms: int) -> dict[tuple[str, str], Decimal]:
    seen: list[Any] = [o for source in sources.values() for o in await source.observe(now_ms)]
    return {tuple(o.key): decimal_of(float(o.values[Field.MARK])) for o in seen if o.values[Field.MARK] > 0}
