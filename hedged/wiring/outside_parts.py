"""What comes from outside, wired for the daemon: sources, and signals by webhook with their place in the journal."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack

import aiohttp
import numpy as np
import structlog

from hedged.app import Parts
from hedged.collectors.outside.feed import Outside, make_outside
from hedged.collectors.outside.inbox import Inbox, Verdict
from hedged.collectors.outside.webhook import PATH, Webhook
from hedged.config import Config
from hedged.domain.clock import SECOND_MS
from hedged.domain.errors import ConfigError
from hedged.domain.signals import Signal
from hedged.execution.journal.store import JournalStore
from hedged.secret import Secret, read_secret
from hedged.telemetry.http import listen
from hedged.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

STATE = "webhook"
LEAST_SECRET = 24


def read_secrets(config: Config, environ: Mapping[str, str] | None = None) -> Secret | None:
    """Read every secret that is asked for, before anything starts; return the webhook's, None where it is off.

    Raises ConfigError for one that cannot be read.
    """
    environ = os.environ if environ is None else environ
    for name, source in (("coinglass", config.outside.coinglass), ("coingecko", config.outside.coingecko)):
        if source.on:
            read_secret(f"outside.{name}.key", source.key_file, source.key_env, environ)
    return webhook_secret(config, environ) if config.webhook.on else None


def webhook_secret(config: Config, environ: Mapping[str, str]) -> Secret:
    """Read the webhook's secret. Raises ConfigError, also for one that can be guessed."""
    secret = read_secret("webhook.secret", config.webhook.secret_file, config.webhook.secret_env, environ)
    if len(secret.reveal()) < LEAST_SECRET:
        raise ConfigError(f"webhook.secret is too short: give it at least {LEAST_SECRET} characters")
    return secret


def open_outside_session() -> aiohttp.ClientSession:
    """Open the session that outside sources share; it verifies certificates and keeps no cookies."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


def add_outside(parts: Parts, rng: np.random.Generator, metrics: Metrics, cleanup: AsyncExitStack) -> Outside:
    """Put the configured sources over the venues' data. Raises ConfigError for a missing key.

    What is returned must run for as long as the parts are used.
    """
    config = parts.config
    session = open_outside_session()
    cleanup.push_async_callback(session.close)
    bar_ms = config.cycle.bar_s * SECOND_MS
    outside = make_outside(
        config.outside, parts.symbols, config.hedge.venues, bar_ms, session, parts.clock, rng
    )
    parts.sources, parts.venue_events = outside.over(parts.sources), outside.events
    parts.on_cycle = lambda report: _publish(outside, metrics, report.now_ms)
    return outside


def _publish(outside: Outside, metrics: Metrics, now_ms: int) -> None:
    for source, told_ms in outside.told_ms.items():
        metrics.outside_told.labels(source).set(told_ms / SECOND_MS)
    unknown = outside.events(now_ms).unknown
    for venue in outside.status_of:
        metrics.venue_unknown.labels(venue).set(venue in unknown)


async def add_webhook(parts: Parts, secret: Secret, metrics: Metrics, cleanup: AsyncExitStack) -> None:
    """Listen for signals. Raises ConfigError when the port cannot be had."""
    where, journal = parts.config.webhook, parts.journal

    async def save(state: Mapping[str, object]) -> None:
        await journal(JournalStore.save_state, STATE, state)

    def count(verdict: str, signal: Signal | None) -> None:
        metrics.signals.labels(verdict).inc()
        if signal is not None:
            metrics.signal_received.labels(signal.symbol, signal.action).set(signal.received_ms / SECOND_MS)

    for verdict in Verdict:
        metrics.signals.labels(verdict)  # 0, from which Prometheus can count the first one
    state = await journal(JournalStore.load_state, STATE)
    inbox = Inbox(where, secret, parts.symbols, parts.clock, save, state)
    try:
        runner, port = await listen(Webhook(where, inbox, count).app(), where.host, where.port)
    except OSError as error:
        raise ConfigError(f"cannot listen on {where.host}:{where.port} (webhook): {error}") from None
    cleanup.push_async_callback(runner.cleanup)
    parts.signals = inbox.in_force
    log.info("webhook_listening", url=f"http://{where.host}:{port}{PATH}")
