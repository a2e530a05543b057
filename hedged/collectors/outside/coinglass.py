"""CoinGlass, API v4 (docs.coinglass.com): open interest, liquidations, accounts long ÷ short, by exchange.

Every answer is `{"code": "0", "msg": …, "data": [...]}`; errors come with status 200 as well, the code tells. A row's
`time` is taken as the begin of its interval, so it counts only when that is over.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from hedged.collectors.outside.http import JsonApi, KeyRefused
from hedged.collectors.outside.readings import Reading, Readings
from hedged.config.outside import CoinGlassConfig
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.market import SeriesKey

log = structlog.get_logger(__name__)

HEADER = "CG-API-KEY"
OPEN_INTEREST = "/api/futures/open-interest/exchange-list"
LIQUIDATIONS = "/api/futures/liquidation/history"
LONG_SHORT = "/api/futures/global-long-short-account-ratio/history"
INTERVALS_MS = {"15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS, "1h": HOUR_MS, "4h": 4 * HOUR_MS}
ROWS = 1_000  # of history, the most that every endpoint gives
MISSED = 3  # rounds that may fail before a value is unknown

Told = list[tuple[int, float]]
"""(end of the interval in ms, value), oldest first."""


def pair(venue: str, symbol: str) -> str:
    """Return the name of a venue's linear USDT perpetual."""
    return f"{symbol}-USDT-SWAP" if venue == "okx" else f"{symbol}USDT"


def rows(answer: Any) -> list[Mapping[str, Any]]:
    """Return the data of an answer. Raises Retryable or Rejected by its code."""
    code = str(answer.get("code")) if isinstance(answer, dict) else None
    if code == "0" and isinstance(answer.get("data"), list):
        return [row for row in answer["data"] if isinstance(row, dict)]
    if code in ("401", "403"):
        raise Rejected(f"refused (code {code}): is the key right, and does its plan allow the interval?")
    if code in ("400", "404", "422"):
        raise Rejected(f"code {code}: it does not know this market")
    raise Retryable("an answer that is none" if code is None else f"code {code}")


def open_interest(answer: Any, exchanges: Mapping[str, str]) -> dict[str, float]:
    """Return the coins of open interest in linear contracts, by venue; `exchanges`: venue → name there."""
    by_name = {str(row.get("exchange")): row for row in rows(answer)}
    found = {}
    for venue, name in exchanges.items():
        value = number(by_name.get(name, {}).get("open_interest_quantity_by_stable_coin_margin"))
        if value is not None:
            found[venue] = value
    return found


def liquidations(answer: Any, interval_ms: int, bar_ms: int) -> Told:
    """Return the USD of forced closes, both sides, spread evenly from the interval over its bars."""
    return _told(answer, interval_ms, lambda row: _both(row, bar_ms / interval_ms))


def long_short(answer: Any, interval_ms: int) -> Told:
    """Return accounts long ÷ accounts short."""
    return _told(answer, interval_ms, lambda row: number(row.get("global_account_long_short_ratio")))


def number(value: Any) -> float | None:
    """Read a number that may be written as text; None where it is none, or not finite."""
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return read if abs(read) < float("inf") else None  # NaN compares false


def _both(row: Mapping[str, Any], share: float) -> float | None:
    sides = number(row.get("long_liquidation_usd")), number(row.get("short_liquidation_usd"))
    return None if sides[0] is None or sides[1] is None else (sides[0] + sides[1]) * share


def _told(answer: Any, interval_ms: int, read: Callable[[Mapping[str, Any]], float | None]) -> Told:
    found = {}
    for row in rows(answer):
        begin_ms, value = number(row.get("time")), read(row)
        if begin_ms is not None and value is not None and value >= 0:
            found[int(begin_ms) + interval_ms] = value
    return sorted(found.items())


class CoinGlass:
    """Asks for every market of the given symbols and venues."""

    name = "coinglass"

    def __init__(self, api: JsonApi, config: CoinGlassConfig, readings: Readings, bar_ms: int) -> None:
        self._api, self._config, self._readings = api, config, readings
        self._bar_ms, self._interval_ms = bar_ms, INTERVALS_MS[config.interval]
        self._life_ms = MISSED * config.period_s * SECOND_MS
        self._refused = 0  # of the questions of the last round

    async def ask(self, symbols: Sequence[str], venues: Sequence[str]) -> None:
        """Take one round. A market it does not know is left out; raises Rejected when it knows none of them."""
        exchanges = {venue: name for venue, name in self._config.exchanges.items() if venue in venues}
        known, refused = 0, list[Rejected]()
        for question in self._questions(symbols, exchanges):
            try:
                await question
                known += 1
            except KeyRefused:
                raise
            except Rejected as error:
                refused.append(error)
        self._api.forget()
        if refused and not known:
            raise refused[0]
        if len(refused) != self._refused:
            self._refused = len(refused)
            log.info(
                "outside_partly_refused",
                source=self.name,
                refused=len(refused),
                of=known + len(refused),
                error=str(refused[0]) if refused else "",
            )

    def _questions(self, symbols: Sequence[str], exchanges: Mapping[str, str]) -> Iterator[Awaitable[None]]:
        for symbol in symbols:
            yield self._open_interest(symbol, exchanges)
            for venue in exchanges:
                key = SeriesKey(venue, symbol)
                yield self._history(key, Field.LIQUIDATIONS_USD, LIQUIDATIONS, self._read_liquidations)
                yield self._history(key, Field.LONG_SHORT_RATIO, LONG_SHORT, self._read_long_short)

    async def _open_interest(self, symbol: str, exchanges: Mapping[str, str]) -> None:
        answer = await self._api.get(
            OPEN_INTEREST, lambda told: open_interest(told, exchanges), symbol=symbol
        )
        now_ms = answer.received_ms
        for venue, coins in answer.data.items():
            reading = Reading(now_ms, now_ms, now_ms + self._life_ms, coins)
            self._readings.put(SeriesKey(venue, symbol), Field.OPEN_INTEREST, [reading])

    def _read_liquidations(self, told: Any) -> Told:
        return liquidations(told, self._interval_ms, self._bar_ms)

    def _read_long_short(self, told: Any) -> Told:
        return long_short(told, self._interval_ms)

    async def _history(self, key: SeriesKey, field: Field, path: str, read: Callable[[Any], Told]) -> None:
        first = self._readings.empty(key, field)
        answer = await self._api.get(
            path, read, exchange=self._config.exchanges[key.venue], symbol=pair(*key), interval=self._config.interval,
            limit=str(ROWS if first else 3 * MISSED),
        )  # fmt: skip
        self._readings.put(key, field, self._readings_of(answer.data, answer.received_ms, first=first))

    def _readings_of(self, told: Told, now_ms: int, *, first: bool) -> list[Reading]:
        """Date what was told: the past of a first answer from when its interval was over, all else from now."""
        over = [(end_ms, value) for end_ms, value in told if end_ms <= now_ms]
        life_ms = 2 * self._interval_ms + self._life_ms
        return [
            Reading(end_ms if first and end_ms != over[-1][0] else now_ms, end_ms, end_ms + life_ms, value)
            for end_ms, value in over
        ]
