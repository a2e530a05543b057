"""`hedged run`: the app as a process, with its HTTP page, its signals and one TaskGroup that owns every task."""

import asyncio
import signal
from decimal import Decimal
from typing import Any

import structlog

from hedged.adapters.paper import PaperVenue
from hedged.adapters.simulated import SimulatedMarkets
from hedged.app import App, Parts
from hedged.backtest.runner import equity_usd, own_quantities
from hedged.config import Config
from hedged.domain.bars import Field
from hedged.domain.clock import Clock, SystemClock, iso
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.market import INJECTIVE, decimal_of
from hedged.domain.ports import MarketData
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore
from hedged.forecast.registry import make_forecaster
from hedged.risk.gate import KillLevel
from hedged.telemetry.http import StatusSource, start_http
from hedged.telemetry.logs import configure_logs

log = structlog.get_logger(__name__)


async def run_daemon(config: Config, clock: Clock | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError for what cannot work and Fatal for what must not go on."""
    if config.mode == "live":
        raise ConfigError("mode: live is not possible yet: this version has no live venue adapters; use mode: paper")
    clock = clock or SystemClock()
    configure_logs(clock.now_ms, config.telemetry.log_level, config.telemetry.log_format)
    sources = dict(SimulatedMarkets(config.data.seed, config.cycle.history_days).venues())
    journal = Journal.open(config.state_dir / "journal.sqlite")
    try:
        config, trading = await paper_account(config, sources, journal, clock)
        forecaster = make_forecaster(config.hedge.forecaster)
        symbols = tuple(config.book.positions)
        app = App(Parts(config, clock, sources, trading, journal, forecaster, symbols))
        await _serve(app, config)
    finally:
        journal.close()


async def _serve(app: App, config: Config) -> None:
    runner, port = await start_http(_status_source(app), config.telemetry.host, config.telemetry.port)
    log.info("http_listening", url=f"http://{config.telemetry.host}:{port}/", mode=config.mode)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.TaskGroup() as group:
            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, app.stop)
            loop.add_signal_handler(
                signal.SIGUSR1, lambda: group.create_task(app.set_kill(KillLevel.REDUCE_ONLY, "SIGUSR1"))
            )
            watch = group.create_task(_watch(app, config.cycle.guard_interval_s), name="watch")
            await app.prepare()
            await app.step(app.parts.clock.now_ms())  # a first look at once: the operator sees the book, not a wait
            await app.run()
            watch.cancel()
    finally:
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            loop.remove_signal_handler(name)
        await runner.cleanup()
        log.info("stopped")


async def _watch(app: App, interval_s: float) -> None:
    """Measure how late the loop wakes up, and keep the readiness metric current between cycles."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        app.metrics.loop_lag.set(max(0.0, loop.time() - due_s))
        app.metrics.ready.set(0 if app.not_ready() else 1)


def _status_source(app: App) -> StatusSource:
    def about() -> dict[str, str]:
        last = app.progress.last
        return {
            "mode": app.parts.config.mode,
            "data": app.parts.config.data.source,
            "model": f"{app.parts.config.hedge.forecaster} {app.parts.forecaster.model_hash}",
            "config": app.parts.config.hash,
            "last cycle": iso(last.now_ms) if last else "none yet",
        }

    return StatusSource(app.metrics.registry, app.not_ready, app.not_alive, app.book, about)


async def paper_account(
    config: Config, sources: dict[str, MarketData], journal: Journal, clock: Clock
) -> tuple[Config, dict[str, PaperVenue]]:
    """Open the paper account: the book as the journal knows it, else the configured one at today's prices.

    Fills of an earlier life are put back, so a restart goes on where it stopped.
    """
    now_ms = clock.now_ms()
    marks = await _marks(sources, now_ms)
    known = {symbol: quantity for _, _, symbol, quantity in await journal(JournalStore.book)}
    markets = await sources[INJECTIVE].markets()
    unknown = sorted(set(config.book.positions) - set(markets))
    if unknown:
        raise ConfigError(f"Injective has no market for {', '.join(unknown)}; it has {', '.join(sorted(markets))}")
    book = own_quantities(
        config,
        lambda symbol: marks.get((INJECTIVE, symbol)),
        lambda symbol, quantity: known.get(symbol, markets[symbol].quantise_quantity(quantity)),
    )
    equity = equity_usd(config, book)
    settled = config.model_copy(update={"book": config.book.model_copy(update={"equity_usd": equity})})
    venues = {}
    for name in (INJECTIVE, *config.hedge.venues):
        if name not in sources:
            raise ConfigError(f"hedge.venues names {name!r}; there are {', '.join(sorted(set(sources) - {INJECTIVE}))}")
        share = Decimal(1) if name == INJECTIVE else config.hedge.collateral_share
        venues[name] = PaperVenue(sources[name], clock, equity * share, config.paper.latency_ms)
    for symbol, (quantity, price) in book.items():
        venues[INJECTIVE].seed(symbol, quantity, price, now_ms)
    for fill in await journal(JournalStore.fills):
        if fill.key.venue not in venues:
            raise Fatal(f"the journal holds fills at {fill.key.venue}, which hedge.venues no longer names")
        venues[fill.key.venue].seed(fill.key.symbol, fill.signed_quantity, fill.execution.price, now_ms)
    return settled, venues


async def _marks(sources: dict[str, MarketData], now_ms: int) -> dict[tuple[str, str], Decimal]:
    seen: list[Any] = [o for source in sources.values() for o in await source.observe(now_ms)]
    return {tuple(o.key): decimal_of(float(o.values[Field.MARK])) for o in seen if o.values[Field.MARK] > 0}

