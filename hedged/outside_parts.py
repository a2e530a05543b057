"""What comes from outside, wired for the daemon: sources, and signals by webhook with their place in the journal."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import aiohttp
import numpy as np
import structlog

from hedged.collectors.outside.feed import Outside, make_outside
from hedged.collectors.outside.inbox import Inbox
from hedged.collectors.outside.webhook import PATH, Webhook
from hedged.config import Config
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import ConfigError
from hedged.domain.signals import Signal
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore
from hedged.secret import Secret, read_secret
from hedged.telemetry.http import listen
from hedged.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

STATE = "webhook"
LEAST_SECRET = 24


def open_outside(
    config: Config,
    symbols: Sequence[str],
    clock: Clock,
    rng: np.random.Generator,
    cleanup: AsyncExitStack,
) -> Outside | None:
    """Make the sources that are configured; None where there are none. Raises ConfigError for a missing key."""
    if not config.outside.on:
        return None
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    cleanup.push_async_callback(session.close)
    bar_ms = config.cycle.bar_s * SECOND_MS
    return make_outside(config.outside, symbols, config.hedge.venues, bar_ms, session, clock, rng)


def check_secrets(config: Config) -> None:
    """Read every secret that is asked for. Raises ConfigError for one that cannot be read."""
    webhook_secret(config)
    for name, source in (("coinglass", config.outside.coinglass), ("coingecko", config.outside.coingecko)):
        if source.on:
            read_secret(f"outside.{name}.key", source.key_file, source.key_env, os.environ)


def webhook_secret(config: Config, environ: Mapping[str, str] | None = None) -> Secret | None:
    """Read the secret before anything starts; None where the webhook is off. Raises ConfigError."""
    if not config.webhook.on:
        return None
    secret = read_secret(
        "webhook.secret", config.webhook.secret_file, config.webhook.secret_env,
        os.environ if environ is None else environ,
    )  # fmt: skip
    if len(secret.reveal()) < LEAST_SECRET:
        raise ConfigError(f"webhook.secret is too short: give it at least {LEAST_SECRET} characters")
    return secret


def publish_outside(outside: Outside, metrics: Metrics, now_ms: int) -> None:
    """Set the gauges of the sources."""
    for source, told_ms in outside.told_ms.items():
        metrics.outside_told.labels(source).set(told_ms / SECOND_MS)
    unknown = outside.events(now_ms).unknown
    for venue in outside.status_of:
        metrics.venue_unknown.labels(venue).set(venue in unknown)


async def open_webhook(
    config: Config,
    secret: Secret,
    symbols: Sequence[str],
    journal: Journal,
    clock: Clock,
    metrics: Metrics,
    cleanup: AsyncExitStack,
) -> Inbox:
    """Listen for signals. Raises ConfigError when the port cannot be had."""
    where = config.webhook

    async def save(state: Mapping[str, object]) -> None:
        await journal(JournalStore.save_state, STATE, state)

    def count(verdict: str, signal: Signal | None) -> None:
        metrics.signals.labels(verdict).inc()
        if signal is not None:
            metrics.signal_received.labels(signal.symbol, signal.action).set(signal.received_ms / SECOND_MS)

    inbox = Inbox(where, secret, symbols, clock, save, await journal(JournalStore.load_state, STATE))
    try:
        runner, port = await listen(Webhook(where, inbox, count).app(), where.host, where.port)
    except OSError as error:
        raise ConfigError(f"cannot listen on {where.host}:{where.port} (webhook): {error}") from None
    cleanup.push_async_callback(runner.cleanup)
    log.info("webhook_listening", url=f"http://{where.host}:{port}{PATH}")
    return inbox
