"""What a bar says, as rows of a data directory. Pure.

Each row tells with `known_ts` since when its values were known, so that a replay sees them no earlier than the daemon
did. What nobody told is no row; a value that was not told anew since the bar before is none either.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hedged.buffer.directory import quote_of
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.funding import Settlement
from hedged.domain.market import SeriesKey

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Rows by table, instants in ms."""
SOURCE = "recorded"
PRICE = (Field.MARK, Field.VOLUME)


class Known:
    """Since when each field of each series is known, as of the bar before."""

    def __init__(self) -> None:
        self._known_ms: dict[SeriesKey, np.ndarray[Any, np.dtype[np.int64]]] = {}

    def news(self, seen: Observation) -> frozenset[Field]:
        """Return the fields that were told since the bar before, and remember them."""
        before = self._known_ms.get(seen.key)
        told = ~np.isnan(seen.values) & (seen.known_at_ms > (0 if before is None else before))
        self._known_ms[seen.key] = np.where(
            told, seen.known_at_ms, seen.known_at_ms * 0 if before is None else before
        )
        return frozenset(Field(int(i)) for i in np.flatnonzero(told))


def bar_rows(seen: Observation, news: frozenset[Field], bar_ms: int) -> Rows:
    """Return the rows of one market's bar that ends at `seen.ts_ms`."""
    rows: Rows = {}
    value = {field: float(seen.values[field]) for field in Field if not np.isnan(seen.values[field])}
    bar = bar_name(bar_ms)

    def put(table: str, fields: Iterable[Field], ts_ms: int = seen.ts_ms, **columns: Any) -> None:
        told = [field for field in fields if field in value]
        if not news.isdisjoint(told):
            known_ms = max(int(seen.known_at_ms[field]) for field in told)
            key = {"venue": seen.key.venue, "symbol": seen.key.symbol}
            row = {"ts": ts_ms, **key, **columns, "known_ts": known_ms, "source": SOURCE}
            rows.setdefault(table, []).append(row)

    begins_ms, get = seen.ts_ms - bar_ms, value.get
    mark, interest = get(Field.MARK), get(Field.OPEN_INTEREST)
    if mark is not None:
        volume = {"volume": get(Field.VOLUME), "volume_unit": "base"}
        put("ohlcv", PRICE, begins_ms, market="perp", bar=bar, close=mark, **volume)
    usd = interest * mark if interest is not None and mark is not None else None
    put("open_interest", [Field.OPEN_INTEREST], bar=bar, open_interest_base=interest, open_interest_usd=usd)
    put("premium", [Field.PREMIUM], kind="venue", premium=get(Field.PREMIUM))
    put("premium", [Field.BASIS], kind="basis", premium=get(Field.BASIS))
    put("long_short", [Field.LONG_SHORT_RATIO], long_short_ratio=get(Field.LONG_SHORT_RATIO))
    put(
        "liquidations",
        [Field.LIQUIDATIONS_USD],
        begins_ms,
        bar=bar,
        liquidations_usd=get(Field.LIQUIDATIONS_USD),
    )
    _put_depth(put, value)
    _put_estimate(put, value, seen.ts_ms)
    for field in (Field.WALLET_CONCENTRATION, Field.SENTIMENT, Field.MACRO):
        put("signals", [field], name=field.name.lower(), value=get(field))
    return rows


def _put_depth(put: Callable[..., None], value: Mapping[Field, float]) -> None:
    sides = [value.get(field) for field in (Field.BID_DEPTH_USD, Field.ASK_DEPTH_USD)]
    told = [side for side in sides if side is not None]
    if told:
        put(
            "liquidity", [Field.BID_DEPTH_USD, Field.ASK_DEPTH_USD], depth_50bps_usd=min(told),
            bid_depth_50bps_usd=sides[0], ask_depth_50bps_usd=sides[1],
        )  # fmt: skip


def _put_estimate(put: Callable[..., None], value: Mapping[Field, float], ts_ms: int) -> None:
    """An estimate says nothing without its interval and settlement."""
    estimate, hours, left_s = (
        value.get(field) for field in (Field.FUNDING_ESTIMATE, Field.INTERVAL_H, Field.SETTLES_IN_S)
    )
    if estimate is None or hours is None or left_s is None:
        return
    put(
        "estimates", [Field.FUNDING_ESTIMATE], funding_estimate=estimate * hours, interval_hours=hours,
        next_ts=ts_ms + round(left_s * 1_000),
    )  # fmt: skip


def bars_rows(known: Known, seen: Sequence[Observation], bar_ms: int) -> Rows:
    """Return the rows of one bar of all markets."""
    rows: Rows = {}
    for one in seen:
        for table, told in bar_rows(one, known.news(one), bar_ms).items():
            rows.setdefault(table, []).extend(told)
    return rows


def print_rows(prints: Sequence[Settlement], seen: Sequence[Observation], first_bar_ms: int) -> list[Row]:
    """Return the rows of the settlements that a bar knows of, also when it shows a later one.

    One that its venue tells while the bar does not show it yet belongs to the next bar. Of those before the first bar
    nobody knows when they were told.
    """
    shown = {one.key: settled for one in seen if (settled := _settled(one)) is not None}
    rows = []
    for one in prints:
        latest_ms, known_ms = shown.get(one.key, (first_bar_ms - 1, 0))
        if one.ts_ms <= latest_ms:
            rows.append(_print_row(one, known_ms if one.ts_ms >= first_bar_ms else None))
    return rows


def _settled(seen: Observation) -> tuple[int, int] | None:
    """Return (instant of the last settlement that a bar shows, since when it was known); None where it shows none."""
    ago_s = seen.values[Field.SETTLED_AGO_S]
    if np.isnan(ago_s):
        return None
    return seen.ts_ms - round(float(ago_s) * 1_000), int(seen.known_at_ms[Field.SETTLED_AGO_S])


def _print_row(one: Settlement, known_ms: int | None) -> Row:
    return {
        "ts": one.ts_ms, "venue": one.key.venue, "symbol": one.key.symbol, "quote": quote_of(one.key.venue),
        "funding_rate": float(one.rate.rate), "interval_hours": float(one.rate.interval_h),
        "mark_price": float(one.price), "known_ts": None if known_ms is None else max(known_ms, one.ts_ms),
        "source": SOURCE,
    }  # fmt: skip


def bar_name(bar_ms: int) -> str:
    """Return the name of a bar's length: 15m, 1h."""
    return f"{bar_ms // HOUR_MS}h" if bar_ms % HOUR_MS == 0 else f"{bar_ms // MINUTE_MS}m"
