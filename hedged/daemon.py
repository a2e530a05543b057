"""`hedged run`: the app as a process, with its lease, its HTTP page and its signals."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import structlog

from hedged.alerts.post import Addresses, read_addresses
from hedged.alerts.teller import Teller
from hedged.app import App, Parts
from hedged.config import Config
from hedged.control.api import Api, read_token
from hedged.control.heart import Heart
from hedged.control.lease import Lease
from hedged.control.notify import Notifier
from hedged.control.summary import resume_summary
from hedged.control.switch import EVERY_S as SWITCH_S
from hedged.control.switch import Switch
from hedged.control.watchdog import Watchdog
from hedged.directories import open_to_others
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import ConfigError, reason
from hedged.domain.lasting import Lasting
from hedged.domain.ports import MarketData, Trading
from hedged.domain.quarantine import Doubted
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.thread import Journal
from hedged.memory import MemoryUpkeep, give_back
from hedged.process import Process
from hedged.risk.gate import KillLevel
from hedged.secret import Secret
from hedged.serve import serve
from hedged.status.board import Board
from hedged.status.health import alert_rows
from hedged.status.records import Records
from hedged.status.serve import Pages
from hedged.telemetry.feeds import FeedReports
from hedged.telemetry.http import StatusSource, start_http
from hedged.telemetry.logs import configure_logs
from hedged.telemetry.metrics import Metrics
from hedged.wiring.journal import JournalUpkeep, open_journal
from hedged.wiring.models.life import ModelLife
from hedged.wiring.models.serving import open_served
from hedged.wiring.outside_parts import add_outside, add_webhook, read_secrets
from hedged.wiring.paper_account import open_paper_account
from hedged.wiring.recording import make_recorder
from hedged.wiring.warm_start import add_keeper, held_window

if TYPE_CHECKING:
    from hedged.adapters.cex.keys import ApiKey
    from hedged.adapters.injective.keys import TradingKey
    from hedged.buffer.ring import BarWindow
    from hedged.wiring.real_venues import RealVenues

Watching = Callable[[ModelLife], Lasting]

log = structlog.get_logger(__name__)


class Account(Protocol):
    """What the daemon trades on, simulated or live."""

    @property
    def venues(self) -> Mapping[str, Trading]:
        """The venues by name."""
        ...

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that is held or still hedged."""
        ...

    @property
    def equity_usd(self) -> Decimal:
        """What risk is measured by."""
        ...


async def run_daemon(
    config: Config,
    clock: Clock | None = None,
    sources: Mapping[str, MarketData] | None = None,
    until_ms: int | None = None,
    path: Path | None = None,
    watching: Watching | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or `until_ms`, on the sources that the configuration names where none are given.

    `path`: where the configuration was read from, to be read again on SIGHUP; `watching`: makes one more task, which
    sees the model's life from within. Raises ConfigError for what cannot work
    and Fatal for what must not go on.
    """
    rehearsal = sources is not None
    keys = _live_keys(config, rehearsal=rehearsal)
    # no one signals into recorded days
    secret = None if rehearsal else read_secrets(config)
    api = Api(None if rehearsal else read_token(config))
    addresses = None if rehearsal else read_addresses(config.alerts, os.environ)
    clock = clock or config.clock.make()
    configure_logs(clock.now_ms, config.telemetry.log_level, config.telemetry.log_format)
    try:
        async with AsyncExitStack() as cleanup:
            held = await _hold(config, clock, api, addresses, cleanup, in_real_time=until_ms is None)
            if held is not None:
                await _run(held, keys, secret, sources, until_ms, path, cleanup, watching)
    except asyncio.CancelledError:
        log.info("stopped")
        raise
    except Exception as error:
        log.error("stopped", why=reason(error))
        raise
    log.info("stopped")


@dataclass(frozen=True, slots=True)
class _Held:
    """What the process has from its first moment to its last."""

    config: Config
    clock: Clock
    metrics: Metrics
    process: Process
    journal: Journal
    switch: Switch
    board: Board


async def _hold(
    config: Config, clock: Clock, api: Api, addresses: Addresses | None, cleanup: AsyncExitStack, *,
    in_real_time: bool,
) -> _Held | None:  # fmt: skip
    """Take the lease, listen, open the journal: before anything is asked of a venue. None when it was stopped.

    In virtual time nothing is timed by the wall: no sign of life, no watchdog.
    """
    metrics = Metrics()
    process = Process(config, metrics.registry)
    metrics.backfilled.set_function(process.backfilled)
    cleanup.enter_context(_signals(process))
    lease = Lease.take(config)
    cleanup.callback(lease.release)
    if others := open_to_others(config.state_dir):
        log.warning("state_dir_open_to_others", why=others)
    if addresses is not None:
        process.teller = Teller(lambda: process.config, addresses, clock, metrics, process)
        cleanup.push_async_exit(process.teller.leave)
    heart = Heart(lease, clock, process.doing, lambda: process.config.hash)
    notifier = Notifier()
    if in_real_time:
        told = config.control
        dog = cleanup.enter_context(Watchdog(told.stall_told_s, told.stall_exit_s, metrics.loop_stalls.inc))
        heart.also = partial(_alive, process, dog, notifier)
        heart.start()
        cleanup.callback(heart.stop)
        cleanup.callback(notifier.stopping)
    board = Board(process, clock, lambda: alert_rows(process.alerts()))
    heart.url = await _listen(process, board, api, cleanup)
    if in_real_time:
        notifier.ready()
    journal = await open_journal(config, config.state_dir / JOURNAL_FILE, process.say, process.wait)
    if journal is None:
        return None
    cleanup.callback(journal.close)
    board.records = Records(journal)
    every_s = SWITCH_S if in_real_time else float(config.cycle.interval_s)
    switch = Switch(config, journal, clock, metrics, every_s)
    await switch.follow()
    process.switched(switch)
    heart.switch, api.switch = switch, switch

    async def summary() -> list[str]:
        return await journal(resume_summary, process.config, clock.now_ms())

    api.summary = summary
    return _Held(config, clock, metrics, process, journal, switch, board)


def _alive(process: Process, dog: Watchdog, notifier: Notifier) -> None:
    """Let both watchdogs know, ours and that of systemd, that the event loop turns."""
    dog.pet()
    if process.stopping:
        notifier.stopping()
    notifier.alive(process.at_work)


async def _run(
    held: _Held,
    keys: "tuple[TradingKey | None, Mapping[str, ApiKey]]",
    secret: Secret | None,
    sources: Mapping[str, MarketData] | None,
    until_ms: int | None,
    path: Path | None,
    cleanup: AsyncExitStack,
    watching: Watching | None,
) -> None:
    """Open the account, put the app together, and serve."""
    config, clock, process = held.config, held.clock, held.process
    metrics, journal = held.metrics, held.journal
    rehearsal = sources is not None
    key, exchange_keys = keys
    real, window = None, None
    if sources is None and config.data.source == "venues":
        real, window = await _connect(config, clock, process, metrics, cleanup)
        sources = real.sources
    elif sources is None:
        # the simulator is large: not for those who go by real venues
        from hedged.adapters.simulated import SimulatedMarkets

        sources = dict(SimulatedMarkets(config.data.seed, config.cycle.history_days).venues())
    account: Account
    doubted: Doubted = {}
    async with process.starting():
        if key is not None and real is not None:
            account = await _open_live(config, real, key, exchange_keys, journal, clock, metrics, process)
        else:
            account = await _open_paper(config, real, sources, journal, clock, doubted)
    if process.stopping:
        return
    served = open_served(config, real.coming if real else None)
    parts = Parts(
        config, clock, sources, account.venues, journal, served.forecaster, account.symbols, account.equity_usd,
        held=window, doubted=doubted, on_cycle=held.board.on_cycle,
    )  # fmt: skip
    window = None  # whoever fills the buffer takes it over
    if secret is not None:
        await add_webhook(parts, secret, metrics, cleanup)
    beside = _beside(parts, real, process, metrics, cleanup, rehearsal=rehearsal)
    if not rehearsal:
        beside.append(held.board)
    process.models = ModelLife(
        config, clock, metrics, lambda: process.app, served, in_real_time=until_ms is None
    )
    beside += process.models.beside
    if watching is not None:
        beside.append(watching(process.models))
    app = App(parts, metrics)
    app.progress.backfilled = process.backfilled()
    process.runs(app)
    await serve(process, app, held.switch, until_ms, beside, path)


async def _connect(
    config: Config, clock: Clock, process: Process, metrics: Metrics, cleanup: AsyncExitStack
) -> "tuple[RealVenues, BarWindow | None]":
    """Connect the real venues, with what an earlier run kept of their past."""
    # the SDK takes half a second to import: not for those who run without
    from hedged.wiring.real_venues import connect

    held = await held_window(config, clock.now_ms())
    real = connect(config, clock, np.random.default_rng())
    real.resume(held)
    process.reading = lambda: real.read_share
    cleanup.push_async_callback(real.close)
    metrics.nodes_set_aside.set_function(real.nodes_set_aside)
    return real, held


async def _open_paper(
    config: Config,
    real: "RealVenues | None",
    sources: Mapping[str, MarketData],
    journal: Journal,
    clock: Clock,
    doubted: Doubted,
) -> Account:
    """Open the simulated account, and follow its markets where they are real."""
    account = await open_paper_account(config, sources, journal, clock, real.book if real else None, doubted)
    if real is not None:
        await real.watch(account.symbols)
    return account


def _beside(
    parts: Parts,
    real: "RealVenues | None",
    process: Process,
    metrics: Metrics,
    cleanup: AsyncExitStack,
    *,
    rehearsal: bool,
) -> list[Lasting]:
    """Make what runs beside the cycles: live data, reports on them, outside sources, recorder, the window's keeper."""
    beside: list[Lasting] = []
    if real:
        process.reports = FeedReports(real.exchange_feeds, metrics)
        beside = [real, process.reports]
    if real and parts.config.outside.on:
        outside = add_outside(parts, np.random.default_rng(), metrics, cleanup)
        process.venue_events = outside.events
        beside.append(outside)
    if recorder := make_recorder(parts, metrics, rehearsal=rehearsal):
        parts.on_bar = recorder.take
        beside.append(recorder)
    if real:
        beside.append(add_keeper(parts, give_back))
    if not rehearsal:
        beside += [JournalUpkeep(parts.journal, parts.clock), MemoryUpkeep()]
    if process.teller is not None:
        beside.append(process.teller)
    return beside


async def _open_live(
    config: Config,
    real: "RealVenues",
    key: "TradingKey",
    exchange_keys: "Mapping[str, ApiKey]",
    journal: Journal,
    clock: Clock,
    metrics: Metrics,
    process: Process,
) -> Account:
    """Open the account that is traded live, with the metrics that watch its key."""
    from hedged.wiring.live_account import open_live_account

    gas = metrics.gas_inj.labels(key.address)

    def on_gas(inj: Decimal) -> None:
        process.gas_inj = float(inj)
        gas.set(process.gas_inj)

    live = await open_live_account(config, real, key, journal, clock, on_gas, exchange_keys)
    process.grants_end_ms = live.clearance.expires_ms
    if live.clearance.expires_ms is not None:
        metrics.grants_end.labels(key.address).set(live.clearance.expires_ms / SECOND_MS)
    return live


def _live_keys(config: Config, *, rehearsal: bool) -> "tuple[TradingKey | None, Mapping[str, ApiKey]]":
    """Load all trading keys before anything starts; none unless the mode is live. Raises ConfigError."""
    if config.mode != "live":
        return None, {}
    if rehearsal:
        raise ConfigError("recorded data are rehearsed with mode: paper, never live")
    from hedged.wiring.cex_venues import exchange_keys
    from hedged.wiring.live_account import live_key

    return live_key(config, os.environ), exchange_keys(config, os.environ)


@contextmanager
def _signals(process: Process) -> Iterator[None]:
    """Stop on SIGTERM and SIGINT, turn the kill switch on SIGUSR1 and SIGUSR2, reload on SIGHUP."""
    loop = asyncio.get_running_loop()
    handlers: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGTERM: process.stop,
        signal.SIGINT: process.stop,
        signal.SIGUSR1: partial(process.signalled, KillLevel.REDUCE_ONLY, "SIGUSR1"),
        signal.SIGUSR2: partial(process.signalled, KillLevel.FLATTEN, "SIGUSR2"),
        signal.SIGHUP: process.reload_asked.set,
    }
    for name, handler in handlers.items():
        loop.add_signal_handler(name, handler)
    try:
        yield
    finally:
        for name in handlers:
            loop.remove_signal_handler(name)


async def _listen(process: Process, board: Board, api: Api, cleanup: AsyncExitStack) -> str:
    """Serve the page from the first moment; return its address. Raises ConfigError when the port cannot be had."""
    where = process.config.telemetry
    api.config, api.names = lambda: process.config, where.names
    api.reloader = lambda: process.reloader
    source = StatusSource(process.registry, process.not_ready, process.not_alive)
    more = [*Pages(board).routes(), *api.routes()]
    try:
        runner, port = await start_http(source, where.host, where.port, more, [api.middleware()])
    except OSError as error:
        raise ConfigError(f"cannot listen on {where.host}:{where.port}: {error}") from None
    cleanup.push_async_callback(runner.cleanup)
    url = f"http://{where.host}:{port}/"
    log.info("http_listening", url=url, mode=process.config.mode)
    if not where.on_loopback:
        commands = "commands are off" if api.token is None else "the token travels as it is: put TLS in front"
        log.warning(
            "http_open", url=url,
            warning=f"whoever reaches this address sees positions and limits; {commands} (docs/control.md)",
        )  # fmt: skip
    return url
