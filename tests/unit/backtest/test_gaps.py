"""Holes in a recording are stated: where they are, how large, and in which table."""

import numpy as np
import polars as pl
from worlds import START_MS, tables, world_of

from hedged.backtest.gaps import find_gaps
from hedged.backtest.runner import Window
from hedged.domain.clock import DAY_MS, HOUR_MS, iso
from hedged.domain.market import INJECTIVE, SeriesKey

INJ = SeriesKey(INJECTIVE, "INJ")
WINDOW = Window(START_MS, START_MS + 2 * DAY_MS)


def without(
    frames: dict[str, pl.DataFrame], table: str, from_h: float, to_h: float
) -> dict[str, pl.DataFrame]:
    """Drop the rows of every venue with from ≤ ts < to, hours after START_MS."""
    ts = pl.col("ts").dt.epoch("ms")
    inside = (ts >= START_MS + from_h * HOUR_MS) & (ts < START_MS + to_h * HOUR_MS)
    return frames | {table: frames[table].filter(~inside)}


def test_a_complete_recording_has_no_gap() -> None:
    """If this fails, the report cries wolf."""
    assert find_gaps(world_of(tables(2)), [INJ, SeriesKey("bybit", "INJ")], WINDOW) == []


def test_missing_prints_are_counted() -> None:
    """If this fails, unpaid funding looks like no funding."""
    world = world_of(without(tables(2), "funding", 6, 10))
    (gap,) = find_gaps(world, [INJ], WINDOW)
    assert (gap.venue, gap.symbol, gap.table) == (INJECTIVE, "INJ", "funding")
    assert (gap.from_, gap.to) == (iso(START_MS + 5 * HOUR_MS), iso(START_MS + 10 * HOUR_MS))
    assert gap.detail == "about 4 prints missing"
    assert gap.to_json()["from"] == gap.from_


def test_a_recording_that_begins_late_or_ends_early() -> None:
    """If this fails, a venue that was recorded for a part of the window passes as covered."""
    frames = tables(2)
    late = find_gaps(world_of(without(frames, "funding", -1_000, 20)), [INJ], WINDOW)
    assert [(g.from_, g.to) for g in late] == [(iso(START_MS), iso(START_MS + 19 * HOUR_MS))]
    early = find_gaps(world_of(without(frames, "funding", 30, 1_000)), [INJ], WINDOW)
    assert [(g.from_, g.to) for g in early] == [(iso(START_MS + 29 * HOUR_MS), iso(WINDOW.to_ms))]


def test_a_venue_without_any_funding() -> None:
    """If this fails, a hedge venue that never was one goes unmentioned."""
    (gap,) = find_gaps(world_of(tables(2)), [SeriesKey("okx", "INJ")], WINDOW)[:1]
    assert "not a hedge venue" in gap.detail


def test_hours_without_a_price() -> None:
    """If this fails, a stale or missing price passes as a current one."""
    frames = tables(2)
    frames["funding"] = frames["funding"].with_columns(mark_price=pl.lit(np.nan))
    gaps = find_gaps(world_of(without(frames, "ohlcv", 5, 9)), [INJ], WINDOW)
    assert [(g.table, g.detail) for g in gaps] == [("ohlcv", "last price older than its bar in 4 hours")]
    frames["ohlcv"] = frames["ohlcv"].filter(pl.col("ts").dt.epoch("ms") > START_MS + 40 * HOUR_MS)
    assert any(g.detail.startswith("no price") for g in find_gaps(world_of(frames), [INJ], WINDOW))
