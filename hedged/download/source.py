"""What a venue is to a download: the markets it lists, and the histories it offers of each."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.download.paging import Span

Page = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table, as one answer told them: columns as in the table, instants in ms."""
BAR = "1h"
BAR_MS = HOUR_MS
DAYS_MS = DAY_MS
PREMIUM_KIND = "premium_index_1h"


@dataclass(frozen=True, slots=True)
class Listed:
    """A perpetual as its venue lists it.

    `coins`: coins in one unit of the contract's prices and quantities (1000PEPE: 1000). `interval_h`: hours between
    settlements at present. None: not told.
    """

    symbol: str
    id: str
    quote: str
    listed_ms: int | None = None
    interval_h: float | None = None
    coins: float = 1.0


@dataclass(frozen=True, slots=True)
class History:
    """One history of one market, as the venue offers it.

    `table`: the one whose instants are paged by; an answer may hold rows of `also` too. `step_ms`: distance of rows,
    None where it is the funding interval. `page_rows`: rows of an answer, at most. `reach_ms`: how far back it goes.
    `begins_ms`: how long after the listing the first row stands. `closes_ms`: how long after its instant a row is
    final.
    """

    table: str
    ask: Callable[[Span], Awaitable[Page]]
    page_rows: int
    newest_first: bool
    step_ms: int | None = BAR_MS
    reach_ms: int | None = None
    begins_ms: int = 0
    closes_ms: int = 0
    also: tuple[str, ...] = ()
    infer: bool = False


class Source(Protocol):
    """A venue."""

    @property
    def venue(self) -> str:
        """Name of the venue."""
        ...

    @property
    def lacking(self) -> Mapping[str, str]:
        """Tables of which the venue offers no history (or little), and why: told to whoever downloads."""
        ...

    async def markets(self, symbols: Collection[str]) -> Mapping[str, Listed]:
        """Return those of the symbols that it lists. Raises Retryable when it cannot be reached."""
        ...

    def histories(self, market: Listed) -> Sequence[History]:
        """Return what it offers of a market."""
        ...

    async def present(self, market: Listed, now_ms: int) -> Page:
        """Return what it tells of the present alone. Raises Retryable."""
        ...


def due_ms(ts_ms: int) -> int:
    """Return the instant a settlement was due: venues stamp it some milliseconds late."""
    return round(ts_ms / MINUTE_MS) * MINUTE_MS


def number(text: Any) -> float | None:
    """Read a number; one that is missing, empty or not finite is unknown. Raises ValueError for what is none."""
    value = None if text is None or text == "" else float(text)
    return value if value is not None and isfinite(value) else None


def scaled(text: Any, by: float) -> float | None:
    """Read a number and multiply it."""
    value = number(text)
    return None if value is None else value * by


def symbol_of(base: str) -> tuple[str, float]:
    """Return the coin of a contract's base and how many coins one unit is: 1000PEPE is a thousand PEPE."""
    for prefix, coins in (("1000000", 1e6), ("10000", 1e4), ("1000", 1e3)):
        if base.startswith(prefix) and len(base) > len(prefix):
            return base.removeprefix(prefix), coins
    return base, 1.0


def preferred(listed: Sequence[Listed], symbols: Collection[str]) -> dict[str, Listed]:
    """Keep one contract of each wanted symbol: that of single coins where there are several."""
    found: dict[str, Listed] = {}
    for one in sorted(listed, key=lambda market: market.coins):
        if one.symbol in symbols:
            found.setdefault(one.symbol, one)
    return found


def candle(market: Listed, ts_ms: int, prices: Sequence[Any], volume: Any) -> dict[str, Any]:
    """Make a row of `ohlcv` from (open, high, low, close) per contract unit and a volume in those units."""
    names = ("open", "high", "low", "close")
    told = {name: scaled(price, 1 / market.coins) for name, price in zip(names, prices, strict=True)}
    return {
        "ts": ts_ms, "market": "perp", "bar": BAR, **told, "volume": scaled(volume, market.coins),
        "volume_unit": "base",
    }  # fmt: skip


def series_in(table: str, market: Listed) -> dict[str, str]:
    """Return what tells a market's series from others of the same venue and symbol in a table."""
    told = {
        "funding": {"quote": market.quote},
        "ohlcv": {"market": "perp", "bar": BAR},
        "open_interest": {"bar": BAR},
        "premium": {"kind": PREMIUM_KIND},
    }
    return told[table]
