"""The past of one market, read page by page: settled funding with its intervals, and by the hour the mark, the premium
(as far as an exchange tells it hour by hour) and the open interest of the last month.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import ccxt

from hedged.adapters.cex.errors import reading
from hedged.adapters.cex.exchanges import Profile
from hedged.adapters.cex.hourly import Hourly
from hedged.adapters.cex.markets import Perpetual
from hedged.adapters.cex.pages import Unreachable, either
from hedged.adapters.cex.prints import Print, Prints, due_ms, intervals_h
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import DAY_MS, HOUR_MS, SECOND_MS
from hedged.domain.market import decimal_of

MOST_PAGES = 200
MOST_NUMBERED = 30
"""Pages that ccxt walks by their number: of a hundred rows each, 125 days of hourly settlements."""
CANDLE_LIFE_MS = 2 * HOUR_MS
"""An hourly mark longer ago says nothing any more."""
INTEREST_REACH_MS = 29 * DAY_MS
"""Binance tells a month of open interest, and refuses an earlier start; the others are asked for no more."""


@dataclass(slots=True)
class Past:
    """What was settled, and what was told by the hour.

    `read_to_ms`: up to when settlements were read. `premiums` and `interests` are of the time before somebody looked,
    `begun_ms`; `complete`: whether they were read, `asked_ms`: when they were asked for last.
    """

    prints: Prints = field(default_factory=Prints)
    marks: Hourly = field(default_factory=Hourly)
    premiums: Hourly = field(default_factory=Hourly)
    interests: Hourly = field(default_factory=Hourly)
    read_to_ms: int = 0
    begun_ms: int = 0
    asked_ms: int = 0
    complete: bool = False

    def overlay(self, seen: Observation) -> Observation:
        """Write into an observation what the past says of its instant, where nothing newer stands."""
        one, now_ms = self.prints.last(seen.ts_ms), seen.ts_ms
        if one is not None:
            self._put(seen, Field.FUNDING_SETTLED, float(one.rate / one.interval_h), one.known_ms)
            self._put(seen, Field.SETTLED_INTERVAL_H, float(one.interval_h), one.known_ms)
            self._put(seen, Field.SETTLED_AGO_S, (now_ms - one.ts_ms) / SECOND_MS, one.known_ms)
            if not seen.known_at_ms[Field.INTERVAL_H]:
                span_ms = int(one.interval_h * HOUR_MS)
                left_ms = span_ms - (now_ms - one.ts_ms) % span_ms
                self._put(seen, Field.INTERVAL_H, float(one.interval_h), one.known_ms)
                self._put(seen, Field.SETTLES_IN_S, left_ms / SECOND_MS, one.known_ms)
        for what, told in (
            (Field.MARK, self.marks),
            (Field.PREMIUM, self.premiums),
            (Field.OPEN_INTEREST, self.interests),
        ):
            found = told.latest(now_ms)
            if found is not None and now_ms - found[0] <= CANDLE_LIFE_MS:
                self._put(seen, what, found[1], found[0])
        return seen

    @staticmethod
    def _put(seen: Observation, what: Field, value: float, known_ms: int) -> None:
        if known_ms > seen.known_at_ms[what]:
            seen.values[what], seen.known_at_ms[what] = value, known_ms

    def forget_before(self, ts_ms: int) -> None:
        """Drop what is older."""
        self.prints.drop_before(ts_ms)
        for told in (self.premiums, self.interests):
            told.forget_before(ts_ms)

    def take(self, rows: Sequence[Mapping[str, Any]], read_ms: int, usual_h: float | None) -> None:
        """Take over ccxt's rows, ascending.

        One that fell due since the last reading is known from `read_ms` on, the older ones since they were due.
        """
        times_ms = [due_ms(int(row["timestamp"])) for row in rows]
        before = self.prints.last(times_ms[0] - 1) if times_ms else None
        hours = intervals_h(times_ms, usual_h, before.ts_ms if before else None)
        marks = dict(self.marks)
        live_ms = self.read_to_ms or read_ms
        self.prints.record(
            Print(
                ts_ms,
                decimal_of(float(row["fundingRate"])),
                interval_h,
                _price(row, marks.get(ts_ms)),
                known_ms,
            )
            for ts_ms, row, interval_h in zip(times_ms, rows, hours, strict=True)
            for known_ms in [read_ms if ts_ms > live_ms else ts_ms]
        )
        self.read_to_ms = read_ms


def _price(row: Mapping[str, Any], mark: float | None) -> Decimal | None:
    """Return the mark of a settlement: as the exchange printed it, else the candle's that closed then."""
    told = (row.get("info") or {}).get("markPrice")
    if told:
        return Decimal(str(told))
    return None if mark is None else decimal_of(mark)


class PastReader:
    """Reads the past of markets through one ccxt exchange. Every method raises Retryable."""

    def __init__(self, exchange: Any, profile: Profile, venue: str) -> None:
        self._exchange, self._profile, self._venue = exchange, profile, venue
        self.usual_interval_h = profile.usual_interval_h

    async def prints(self, perpetual: Perpetual, since_ms: int, until_ms: int) -> list[Mapping[str, Any]]:
        """Return ccxt's rows with since < instant ≤ until, ascending, each instant once."""
        with reading(f"{self._venue}, funding history of {perpetual.symbol}"):
            if self._profile.pages == "forward":
                rows = await self._pages_forward(perpetual, since_ms)
            elif self._profile.pages == "either":
                rows = await self._pages_either(perpetual, since_ms, until_ms)
            else:
                rows = await self._pages_back(perpetual, since_ms)
            found = {due_ms(int(row["timestamp"])): row for row in rows}
            return [found[ts_ms] for ts_ms in sorted(found) if since_ms < ts_ms <= until_ms]

    async def _pages_forward(self, perpetual: Perpetual, since_ms: int) -> list[Mapping[str, Any]]:
        limit, from_ms = self._profile.print_limit, since_ms
        rows: list[Mapping[str, Any]] = []
        for _ in range(MOST_PAGES):
            page = await self._exchange.fetch_funding_rate_history(perpetual.name, from_ms, limit)
            fresh = [row for row in page if not rows or row["timestamp"] > rows[-1]["timestamp"]]
            rows += fresh
            if not fresh:  # a short page may be a window that the exchange cut
                break
            from_ms = int(fresh[-1]["timestamp"]) + 1
        return rows

    async def _pages_either(
        self, perpetual: Perpetual, since_ms: int, until_ms: int
    ) -> list[Mapping[str, Any]]:
        ask = self._exchange.fetch_funding_rate_history
        try:
            return await either(
                lambda from_ms, to_ms, limit: ask(perpetual.name, from_ms, limit, {"until": to_ms}),
                lambda row: int(row["timestamp"]),
                lambda row: int(row["timestamp"]),
                since_ms,
                until_ms,
                window_ms=until_ms,
            )
        except (Unreachable, ccxt.BadRequest):  # some know page numbers alone (Bitget), and so does ccxt
            pages = {"paginate": True, "paginationCalls": MOST_NUMBERED}
            rows: list[Mapping[str, Any]] = await ask(perpetual.name, since_ms, None, pages)
            return rows

    async def _pages_back(self, perpetual: Perpetual, since_ms: int) -> list[Mapping[str, Any]]:
        limit = self._profile.print_limit
        rows: list[Mapping[str, Any]] = []
        before: dict[str, int] = {}
        for _ in range(MOST_PAGES):
            page = await self._exchange.fetch_funding_rate_history(perpetual.name, None, limit, before)
            rows = [*page, *rows]
            if len(page) < limit or int(page[0]["timestamp"]) <= since_ms:
                break
            oldest_ms = int(page[0]["timestamp"])
            # OKX means strictly before, Bybit up to and including
            before = {self._profile.pages: oldest_ms if self._profile.pages == "after" else oldest_ms - 1}
        return rows

    async def marks(self, perpetual: Perpetual, since_ms: int, until_ms: int) -> Hourly:
        """Return (since when known, mark) at every full hour, ascending: what a candle closed at, at its close."""
        found = await self._closes(self._exchange.fetch_mark_ohlcv, "marks", perpetual, since_ms, until_ms)
        return Hourly((ts_ms, close) for ts_ms, close in found if close)

    async def premiums(self, perpetual: Perpetual, since_ms: int, until_ms: int) -> Hourly:
        """Return the premium index at every full hour likewise; nothing where the exchange has no such candles."""
        if not self._exchange.has.get("fetchPremiumIndexOHLCV"):
            return Hourly()
        ask = self._exchange.fetch_premium_index_ohlcv
        return await self._closes(ask, "premium", perpetual, since_ms, until_ms)

    async def premium(self, perpetual: Perpetual) -> float | None:
        """Return the premium index of now; None where it is told otherwise, or not at all."""
        if not self._exchange.has.get("fetchPremiumIndexOHLCV"):
            return None
        with reading(f"{self._venue}, premium of {perpetual.symbol}"):
            page = await self._exchange.fetch_premium_index_ohlcv(perpetual.name, "1h", None, 2)
            return float(page[-1][4]) if page else None

    async def interest(self, perpetual: Perpetual) -> float | None:
        """Return the open interest of now, in coins: the last one of its history where nothing else tells it.

        None where that is not told either. ccxt's figure is taken as contracts.
        """
        has, name = self._exchange.has, perpetual.name
        with reading(f"{self._venue}, open interest of {perpetual.symbol}"):
            if has.get("fetchOpenInterest"):
                row = await self._exchange.fetch_open_interest(name)
            elif has.get("fetchOpenInterestHistory"):
                rows = await self._exchange.fetch_open_interest_history(name, "5m", None, 1)
                row = max(rows, key=lambda one: one["timestamp"], default={})
            else:
                return None
            told = row.get("openInterestAmount")
            return None if told is None else float(perpetual.coins(told))

    async def interests(self, perpetual: Perpetual, since_ms: int, until_ms: int) -> Hourly:
        """Return (instant, open interest in coins) at every full hour, ascending; nothing where it is not told."""
        if not self._exchange.has.get("fetchOpenInterestHistory") or not self._profile.interest_limit:
            return Hourly()
        since_ms = max(since_ms, until_ms - INTEREST_REACH_MS)
        limit, from_ms = self._profile.interest_limit, -(-since_ms // HOUR_MS) * HOUR_MS
        found: dict[int, float] = {}
        with reading(f"{self._venue}, open interest of {perpetual.symbol}"):
            while from_ms <= until_ms:
                # each exchange is told the end too: left alone, some walk back from now
                to_ms = min(from_ms + (limit - 1) * HOUR_MS, until_ms)
                page = await self._exchange.fetch_open_interest_history(
                    perpetual.name, "1h", from_ms, limit, {"until": to_ms}
                )
                for row in page:
                    if from_ms <= row["timestamp"] <= to_ms and row["openInterestAmount"] is not None:
                        found[int(row["timestamp"])] = float(perpetual.coins(row["openInterestAmount"]))
                from_ms = to_ms // HOUR_MS * HOUR_MS + HOUR_MS
        return Hourly(sorted(found.items()))

    async def _closes(
        self, ask: Callable[..., Any], what: str, perpetual: Perpetual, since_ms: int, until_ms: int
    ) -> Hourly:
        found: dict[int, float] = {}
        limit, from_ms = self._profile.candle_limit, since_ms // HOUR_MS * HOUR_MS
        with reading(f"{self._venue}, {what} of {perpetual.symbol}"):
            for _ in range(MOST_PAGES):
                # a candle weighs at some exchanges by how many are asked for
                wanted = min(limit, (until_ms - from_ms) // HOUR_MS + 2)
                page = await ask(perpetual.name, "1h", from_ms, wanted)
                for open_ms, _open, _high, _low, close, *_ in page:
                    if close is not None and open_ms + HOUR_MS <= until_ms:
                        found[int(open_ms) + HOUR_MS] = float(close)
                newest_ms = max((int(row[0]) for row in page), default=from_ms)
                from_ms = max(newest_ms, from_ms + (wanted - 1) * HOUR_MS) + HOUR_MS
                if from_ms > until_ms:
                    break
        return Hourly(sorted(found.items()))
