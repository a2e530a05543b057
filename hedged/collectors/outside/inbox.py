"""The inbox of signals: who may put one in, how many, each once; and which are in force.

What was accepted is kept across restarts before it is acknowledged: no message counts twice and none is forgotten.
A newer signal replaces the earlier one of the same market and kind, so that few are ever held.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any

import structlog

from hedged.collectors.outside.signal_form import SignalForm, read_form, signal_of, symbol_of
from hedged.config.outside import WebhookConfig
from hedged.domain.clock import HOUR_MS, SECOND_MS, Clock, iso
from hedged.domain.errors import HedgedError, Rejected
from hedged.domain.pace import TokenBucket
from hedged.domain.signals import Action, Signal
from hedged.secret import Secret

log = structlog.get_logger(__name__)

SEEN = 10_000
REMEMBERED_MS = 3 * HOUR_MS
"""How long an id is remembered: longer than any message may be old (`webhook.max_age_s` ≤ an hour, either way)."""


class Verdict(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    MALFORMED = "malformed"  # not a JSON object
    WRONG_SECRET = "wrong_secret"  # noqa: S105 (a word, not a secret)
    BAD_FORM = "bad_form"  # a field is missing, unknown, or out of its bounds
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNTIMELY = "untimely"  # too old, or from the future
    REPLAYED = "replayed"
    TOO_MANY = "too_many"
    NOT_KEPT = "not_kept"  # the journal failed


class Inbox:
    """Signals accepted so far."""

    def __init__(
        self,
        config: WebhookConfig,
        secret: Secret,
        symbols: Collection[str],
        clock: Clock,
        save: Callable[[Mapping[str, Any]], Awaitable[None]],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        """`state`: what `save` was given last."""
        self._config, self._secret, self._symbols, self._clock, self._save = (
            config, secret, set(symbols), clock, save,
        )  # fmt: skip
        self._bucket = TokenBucket(config.per_minute, config.per_minute)
        self._one_at_a_time = asyncio.Lock()
        self._seen: dict[str, int] = dict((state or {}).get("seen", {}))
        kept = (state or {}).get("signals", [])
        self._signals: dict[tuple[str, bool], Signal] = {
            _slot(signal): signal for signal in (Signal(**{**s, "action": Action(s["action"])}) for s in kept)
        }

    def in_force(self) -> tuple[Signal, ...]:
        """Return what is held; each signal knows for how long."""
        return tuple(self._signals.values())

    async def accept(self, body: bytes) -> tuple[Verdict, Signal | None]:
        """Judge one message and keep its signal. Nothing about a message is told before its secret has been proven."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return Verdict.MALFORMED, None
        if not isinstance(message, dict):
            return Verdict.MALFORMED, None
        if not self._proves(message.pop("secret", None)):
            return Verdict.WRONG_SECRET, None
        try:
            form = read_form(message)
        except Rejected as error:
            log.warning("signal_form", faults=str(error))
            return Verdict.BAD_FORM, None
        if form.ttl_s > self._config.max_ttl_s:
            log.warning("signal_form", faults=f"ttl_s: at most webhook.max_ttl_s = {self._config.max_ttl_s}")
            return Verdict.BAD_FORM, None
        symbol = symbol_of(form.symbol, self._symbols)
        if symbol is None:
            return Verdict.UNKNOWN_SYMBOL, None
        async with self._one_at_a_time:
            return await self._keep(form, symbol)

    def _proves(self, given: object) -> bool:
        """Compare in constant time; what is not text is compared too, as nothing."""
        text = given if isinstance(given, str) else ""
        return hmac.compare_digest(
            text.encode("utf-8", errors="replace"), self._secret.reveal().encode("utf-8")
        )

    async def _keep(self, form: SignalForm, symbol: str) -> tuple[Verdict, Signal | None]:
        now_ms = self._clock.now_ms()
        if abs(now_ms - form.time_ms) > self._config.max_age_s * SECOND_MS:
            return Verdict.UNTIMELY, None
        self._seen = {name: until_ms for name, until_ms in self._seen.items() if until_ms > now_ms}
        if form.id in self._seen:
            return Verdict.REPLAYED, None
        if len(self._seen) >= SEEN or not self._bucket.take(asyncio.get_running_loop().time()):
            return Verdict.TOO_MANY, None
        signal = signal_of(form, symbol, now_ms)
        seen = {**self._seen, form.id: now_ms + REMEMBERED_MS}
        signals = {slot: s for slot, s in self._signals.items() if s.expires_ms > now_ms}
        if signal.action is not Action.ALERT:
            signals[_slot(signal)] = signal
        try:
            await self._save({"seen": seen, "signals": [asdict(s) for s in signals.values()]})
        except HedgedError as error:
            log.error("signal_not_kept", error=str(error))
            return Verdict.NOT_KEPT, None
        self._seen, self._signals = seen, signals
        log.info(
            "signal_received", action=signal.action, symbol=symbol, strength=signal.strength, id=form.id,
            until=iso(signal.expires_ms), note=form.note,
        )  # fmt: skip
        return Verdict.ACCEPTED, signal


def _slot(signal: Signal) -> tuple[str, bool]:
    """Return what a newer signal replaces: the same market's, pauses and sizes apart."""
    return signal.symbol, signal.action is Action.PAUSE_OPENINGS
