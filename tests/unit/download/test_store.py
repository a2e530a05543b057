"""A series in the directory: grows by what is new, survives a kill, agrees with what other programs wrote."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hedged.adapters.replay.tables import OPTIONAL, REQUIRED, load_tables
from hedged.buffer.directory import TABLES, write_part
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import ConfigError
from hedged.domain.market import SeriesKey
from hedged.download.store import SeriesStore

KEY = SeriesKey("binance", "BTC")
QUOTE = {"quote": "USDT"}


def row(hour: int, rate: float = 1e-4) -> dict[str, Any]:
    return {"ts": hour * HOUR_MS, "quote": "USDT", "funding_rate": rate}


def store(directory: Path, now_h: float | None = None) -> SeriesStore:
    return SeriesStore(directory, "funding", KEY, QUOTE, now_h, infer=True)


def hours_of(directory: Path) -> list[tuple[int, float]]:
    frame = pl.read_parquet(directory / "funding" / "binance" / "BTC.parquet")
    return frame.select(pl.col("ts").dt.epoch("ms") // HOUR_MS, "interval_hours").rows()


def test_a_killed_download_goes_on_where_it_was(tmp_path: Path) -> None:
    """If this fails, what was downloaded before a kill is downloaded again, or stands twice."""
    store(tmp_path).add([row(0), row(8)])
    again = store(tmp_path)
    assert again.ts_ms == [0, 8 * HOUR_MS]
    again.add([row(8), row(16)])
    assert (again.added, len(again.conflicts)) == (1, 0)
    assert hours_of(tmp_path) == [(0, 8), (8, 8), (16, 8)]


def test_the_intervals_are_told_by_the_whole_series(tmp_path: Path) -> None:
    """If this fails, the interval of a print depends on the page that it came with."""
    store(tmp_path).add([row(0), row(8), row(16)])
    store(tmp_path).add([row(24), row(28), row(32)])
    assert hours_of(tmp_path) == [(0, 8), (8, 8), (16, 8), (24, 8), (28, 4), (32, 4)]


def test_rows_of_other_files_are_not_written_again(tmp_path: Path) -> None:
    """If this fails, what the daemon recorded exactly stands a second time, with the rounding of an indexer."""
    recorded = {"venue": "binance", "symbol": "BTC", "interval_hours": 8.0, "funding_rate": 4.16666e-6}
    frame = pl.DataFrame(
        [{**recorded, "ts": 8 * HOUR_MS, "quote": "USDT"}],
        schema_overrides={"interval_hours": pl.Float32},
    ).with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC")))
    write_part(tmp_path / "funding" / "recorded" / "1970-01-01.parquet", frame)
    mine = store(tmp_path)
    mine.add([row(0), row(8, 4e-6), row(16)])
    assert hours_of(tmp_path) == [(0, 8), (16, 8)]
    assert mine.conflicts["standing_funding_rate"].to_list() == [4.16666e-6]


def test_other_contracts_of_the_coin_are_another_series(tmp_path: Path) -> None:
    """If this fails, prints of an inverse contract fill the holes of the linear one."""
    SeriesStore(tmp_path, "funding", KEY, {"quote": "USD"}).add([{**row(0), "quote": "USD"}])
    assert store(tmp_path).ts_ms == []


@pytest.mark.parametrize("symbol", ["../../etc/passwd", "BTC/USDT", "", "A B"])
def test_a_symbol_never_leads_out_of_the_directory(tmp_path: Path, symbol: str) -> None:
    """If this fails, a symbol on the command line writes files anywhere."""
    with pytest.raises(ConfigError, match="is no symbol"):
        SeriesStore(tmp_path, "funding", SeriesKey("binance", symbol), QUOTE)


def test_real_history_reads_back_through_the_store_as_it_was(shared_data: Path, tmp_path: Path) -> None:
    """If this fails, tables that are written here are not those that training and backtests read."""
    symbols = ["BTC", "INJ"]
    real = load_tables(shared_data, symbols)
    for name in ("funding", "ohlcv", "open_interest", "premium"):
        for (venue, symbol), part in real[name].partition_by("venue", "symbol", as_dict=True).items():
            columns = [c for c in TABLES[name].columns if c in part.columns and c not in ("venue", "symbol")]
            plain = part.select(columns).with_columns(pl.col("ts").dt.epoch("ms"))
            series = SeriesStore(tmp_path, name, SeriesKey(str(venue), str(symbol)), {})
            half = len(plain) // 2
            for rows in (plain[:half], plain[half // 2 :], plain[-1:]):  # overlapping, as pages are
                series.add(rows.to_dicts())
            assert len(series.conflicts) == 0
    back = load_tables(tmp_path, symbols)
    for name in ("funding", "ohlcv", "open_interest", "premium"):
        key = [c for c in TABLES[name].key if c in real[name].columns]
        told = (REQUIRED | OPTIONAL)[name]
        assert back[name].select(told).sort(key).equals(real[name].select(told).sort(key)), name
        assert len(back[name]) == len(real[name])
