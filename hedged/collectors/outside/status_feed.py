"""Asks venues how they are, and keeps what they said.

What was announced stands till it is over, also while the venue is silent: that is when maintenance happens. What was
only so at the time (a halt, a maintenance without an end) is forgotten when the venue has not said so for a while.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hedged.collectors.outside import status
from hedged.collectors.outside.http import JsonApi
from hedged.config.outside import StatusConfig
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.venue_events import EventKind, VenueEvent, VenueEvents

MISSED = 3  # rounds that may fail before a venue's status is unknown
Ask = Callable[[Sequence[str], int], Awaitable[list[VenueEvent]]]


class StatusFeed:
    """The status of some venues."""

    def __init__(self, apis: Mapping[str, JsonApi], config: StatusConfig, clock: Clock) -> None:
        """`apis`: by the names of `config.hosts`."""
        self._apis, self._clock = apis, clock
        self._life_ms = MISSED * config.period_s * SECOND_MS
        self._events: dict[str, list[VenueEvent]] = {}
        self._told_ms: dict[str, int] = {}
        self._why: dict[str, str] = dict.fromkeys(config.venues, "not asked yet")
        self._asks: dict[str, Ask] = {"binance": self._binance, "bybit": self._bybit, "okx": self._okx}

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues that are asked."""
        return tuple(self._why)

    async def ask(self, venue: str, symbols: Sequence[str]) -> None:
        """Take one round of one venue. Raises Retryable or Rejected; what was known stays."""
        now_ms = self._clock.now_ms()
        try:
            found = await self._asks[venue](symbols, now_ms)
        except (Retryable, Rejected) as error:
            self._why[venue] = str(error)
            raise
        before = {(e.kind, e.symbol): e.from_ms for e in self._events.get(venue, []) if _is_only_so(e)}
        self._events[venue] = [
            replace(e, from_ms=min(e.from_ms, before.get((e.kind, e.symbol), e.from_ms)))
            if _is_only_so(e)
            else e
            for e in found
        ]
        self._told_ms[venue] = self._clock.now_ms()

    def events(self, now_ms: int) -> VenueEvents:
        """Return what is known now."""
        silent = {v for v in self._why if now_ms - self._told_ms.get(v, -self._life_ms) >= self._life_ms}
        events = [
            event
            for venue, said in sorted(self._events.items())
            for event in said
            if not (venue in silent and _is_only_so(event))
        ]
        return VenueEvents(tuple(events), {venue: self._why[venue] for venue in sorted(silent)})

    async def _binance(self, symbols: Sequence[str], now_ms: int) -> list[VenueEvent]:
        return [
            *await self._get("binance", "/sapi/v1/system/status", lambda told: status.binance_system(told, now_ms)),
            *await self._get(
                "binance_futures", "/fapi/v1/exchangeInfo",
                lambda told: status.binance_instruments(told, symbols, now_ms),
            ),
        ]  # fmt: skip

    async def _bybit(self, symbols: Sequence[str], now_ms: int) -> list[VenueEvent]:
        events = list(
            await self._get("bybit", "/v5/system/status", lambda told: status.bybit_system(told, now_ms))
        )
        for symbol in symbols:
            events += await self._get(
                "bybit", "/v5/market/instruments-info",
                partial(status.bybit_instruments, symbol=symbol, now_ms=now_ms),
                category="linear", symbol=f"{symbol}USDT",
            )  # fmt: skip
        return events + await self._get(
            "bybit", "/v5/announcements/index", lambda told: status.bybit_announcements(told, symbols, now_ms),
            locale="en-US", type="delistings", limit="50",
        )  # fmt: skip

    async def _okx(self, symbols: Sequence[str], now_ms: int) -> list[VenueEvent]:
        events = list(
            await self._get("okx", "/api/v5/system/status", lambda told: status.okx_system(told, now_ms))
        )
        for symbol in symbols:
            events += await self._get(
                "okx", "/api/v5/public/instruments",
                partial(status.okx_instruments, symbol=symbol, now_ms=now_ms),
                instType="SWAP", instId=f"{symbol}-USDT-SWAP",
            )  # fmt: skip
        return events + await self._get(
            "okx", "/api/v5/support/announcements", lambda told: status.okx_announcements(told, symbols, now_ms),
            annType="announcements-delistings", page="1",
        )  # fmt: skip

    async def _get(
        self, host: str, path: str, read: Callable[[Any], list[VenueEvent]], **params: str
    ) -> list[VenueEvent]:
        return (await self._apis[host].get(path, read, **params)).data


def _is_only_so(event: VenueEvent) -> bool:
    """Tell whether an event is a state that the venue was in when asked, not something announced with its time."""
    return event.until_ms is None and event.kind in (EventKind.HALT, EventKind.MAINTENANCE)
