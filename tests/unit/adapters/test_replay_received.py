"""Rows that say when they were received are known from then on, and tables may lie in parts."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_tables import TS, at, candles, funding, ms, of, recording

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.adapters.replay.venue import observe_at
from hedged.domain.bars import Field
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey

KEY = SeriesKey("binance", "BTC")


def received(table: pl.DataFrame, *hours: float | None) -> pl.DataFrame:
    """The table, its rows received at these hours; None: not told."""
    return table.with_columns(known_ts=pl.Series([None if h is None else at(h) for h in hours], dtype=TS))


def tables(**changed: pl.DataFrame) -> dict[str, pl.DataFrame]:
    plain = {
        "funding": funding((0.0, *KEY, "USDT", 8e-4, 8.0, 90.0), (8.0, *KEY, "USDT", 1.6e-3, 8.0, 100.0)),
        "ohlcv": candles((7.0, *KEY, "perp", "1h", 95.0, 1.0)),
    }
    return plain | changed


def seen(found: dict[str, pl.DataFrame], field: Field, *hours: float) -> list[tuple[float, float]]:
    """(value, hour since when it is known) at each hour."""
    values, known_ms = observe_at(series_of(found), KEY, np.array([ms(h) for h in hours]))
    return [
        (float(v), (int(k) - ms(0)) / 3_600_000)
        for v, k in zip(values[:, field], known_ms[:, field], strict=True)
    ]


def test_a_print_that_came_late_is_not_known_before() -> None:
    """If this fails, a replay pays attention to a rate minutes before the venue printed it."""
    late = tables(funding=received(tables()["funding"], 0.1, 8.2))
    assert seen(late, Field.FUNDING_SETTLED, 8.0, 8.25) == [(1e-4, 0.1), (2e-4, 8.2)]
    assert [ago for ago, _ in seen(late, Field.SETTLED_AGO_S, 8.0, 8.25)] == [8 * 3_600, 900]
    assert [left for left, _ in seen(late, Field.SETTLES_IN_S, 8.25)] == [7.75 * 3_600]
    # the mark that is printed with it is as late; until then the closed candle tells the price
    assert [price for price, _ in seen(late, Field.MARK, 8.0)] == [95.0]
    assert [price for price, _ in seen(tables(), Field.MARK, 8.0)] == [100.0]


def test_a_print_that_came_after_its_successor_is_never_the_latest() -> None:
    """If this fails, an indexer that catches up turns the last known rate back."""
    out_of_order = tables(funding=received(tables()["funding"], 9.0, 8.0))
    assert seen(out_of_order, Field.FUNDING_SETTLED, 8.5, 9.5) == [(2e-4, 8.0), (2e-4, 8.0)]


def test_rows_without_a_receipt_follow_the_rule_of_their_table() -> None:
    """If this fails, downloaded and recorded rows cannot stand in one directory."""
    mixed = tables(funding=received(tables()["funding"], None, 8.2))
    assert seen(mixed, Field.FUNDING_SETTLED, 1.0, 9.0) == [(1e-4, 0.0), (2e-4, 8.2)]
    assert seen(tables(), Field.MARK, 8.5) == [(95.0, 8.0)]


def test_a_candle_counts_from_its_receipt() -> None:
    """If this fails, a price is known before it came, or later than it did."""
    early = tables(ohlcv=received(tables()["ohlcv"], 7.9))
    assert seen(early, Field.MARK, 8.25) == [(95.0, 7.9)]
    assert seen(early, Field.VOLUME, 7.95) == [(0.25, 7.9)]


def test_both_sides_of_a_book_are_told_where_they_were_recorded() -> None:
    """If this fails, the imbalance of a book is zero in every recording."""
    both = of("liquidity", (1.0, *KEY, 5.0), (2.0, *KEY, 7.0)).with_columns(
        bid_depth_50bps_usd=pl.Series([4.0, None]), ask_depth_50bps_usd=pl.Series([6.0, None])
    )
    found = tables(liquidity=both)
    assert seen(found, Field.BID_DEPTH_USD, 1.5, 2.5) == [(4.0, 1.0), (7.0, 2.0)]
    assert seen(found, Field.ASK_DEPTH_USD, 1.5, 2.5) == [(6.0, 1.0), (7.0, 2.0)]


def test_a_table_in_parts_reads_like_one_in_a_file(tmp_path: Path) -> None:
    """If this fails, what was downloaded is not what a backtest reads."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    for name, table in recording(12).items():
        table.write_parquet(whole / f"{name}.parquet")
        keys = [c for c in ("venue", "symbol") if c in table.columns]
        for i, part in enumerate(table.partition_by(keys)):
            (parts / name / f"{i}").mkdir(parents=True)
            part.write_parquet(parts / name / f"{i}" / "part.parquet")
    one, other = load_tables(whole, ["BTC"]), load_tables(parts, ["BTC"])
    assert set(one) == set(other)
    for name, table in one.items():
        order = table.columns
        assert table.sort(order).equals(other[name].select(order).sort(order)), name


def test_parts_of_other_types_are_brought_together_or_refused(tmp_path: Path) -> None:
    """If this fails, a part that names no time zone is read as UTC, whatever it was."""
    folder = tmp_path / "funding"
    folder.mkdir()
    rows = tables()["funding"]
    rows.with_columns(pl.col("interval_hours").cast(pl.Float64)).write_parquet(folder / "a.parquet")
    rows.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))).write_parquet(folder / "b.parquet")
    tables()["ohlcv"].write_parquet(tmp_path / "ohlcv.parquet")
    assert len(load_tables(tmp_path, ["BTC"])["funding"]) == 2
    rows.with_columns(pl.col("ts").dt.replace_time_zone(None)).write_parquet(folder / "c.parquet")
    with pytest.raises(
        DataError, match=r"funding/c\.parquet: column ts is Datetime.*expected a timestamp in UTC"
    ):
        load_tables(tmp_path, ["BTC"])


def test_parts_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """If this fails, a backtest pays a settlement twice, or takes whichever rate comes first."""
    folder = tmp_path / "funding"
    folder.mkdir()
    tables()["funding"].write_parquet(folder / "a.parquet")
    tables()["funding"].with_columns(funding_rate=pl.lit(0.5)).write_parquet(folder / "b.parquet")
    tables()["ohlcv"].write_parquet(tmp_path / "ohlcv.parquet")
    with pytest.raises(DataError, match="binance BTC at 2024-03-01 00:00 stands twice and differs"):
        load_tables(tmp_path, ["BTC"])
