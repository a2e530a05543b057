"""Tables on disk: whole or not at all, each row once, nothing overwritten."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.buffer.directory import TABLES, frame_of, merged, parts_of, read_part, read_table, write_part
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError

FUNDING = TABLES["funding"]


def prints(*rates: tuple[int, float]) -> pl.DataFrame:
    """(hour, rate) of one market."""
    rows: list[dict[str, Any]] = [
        {
            "ts": hour * HOUR_MS, "venue": "binance", "symbol": "BTC", "quote": "USDT", "funding_rate": rate,
            "interval_hours": 8.0,
        }
        for hour, rate in rates
    ]  # fmt: skip
    return frame_of(FUNDING, rows)


def test_what_stands_is_kept_and_what_contradicts_it_is_handed_back() -> None:
    """If this fails, history changes under a model that was trained on it, and nobody is told."""
    found = merged(FUNDING, prints((0, 1e-4), (8, 2e-4)), prints((8, 9e-4), (16, 3e-4), (16, 3e-4)))
    assert found.rows["funding_rate"].to_list() == [1e-4, 2e-4, 3e-4]
    assert found.added == 1
    assert found.conflicts.select("funding_rate", "standing_funding_rate").rows() == [(9e-4, 2e-4)]


def test_the_same_number_printed_by_two_programs_is_no_contradiction() -> None:
    """If this fails, every second run reports thousands of differences that are none."""
    assert len(merged(FUNDING, prints((0, 1e-4)), prints((0, 1.0000000001e-4))).conflicts) == 0


def test_an_unknown_value_contradicts_nothing() -> None:
    """If this fails, open interest told in coins by one source and in USD by another is a conflict."""
    table = TABLES["open_interest"]
    row = {"ts": 0, "venue": "bybit", "symbol": "BTC", "bar": "1h"}
    coins = frame_of(table, [row | {"open_interest_base": 5.0}])
    found = merged(table, coins, frame_of(table, [row | {"open_interest_usd": 9.0}]))
    assert (len(found.rows), len(found.conflicts)) == (1, 0)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 20), st.sampled_from([1e-4, 2e-4])), max_size=8), max_size=6)
)
def test_every_key_stands_once_sorted_and_the_first_value_wins(batches) -> None:
    """If this fails, a row is doubled or lost, or the order of two runs changes what is stored."""
    held, first = prints(), {}
    for batch in batches:
        held = merged(FUNDING, held, prints(*batch)).rows
        for hour, rate in batch:
            first.setdefault(hour, rate)
    told = held.select(pl.col("ts").dt.epoch("ms") // HOUR_MS, "funding_rate").rows()
    assert told == sorted(first.items())


def test_a_part_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """If this fails, a value changes on its way to the disk."""
    rows = prints((0, 1e-4), (8, -2.5e-5))
    write_part(tmp_path / "funding" / "binance" / "BTC.parquet", rows)
    assert read_part(tmp_path / "funding" / "binance" / "BTC.parquet", FUNDING).equals(rows)
    assert list((tmp_path / "funding" / "binance").iterdir()) == [tmp_path / "funding/binance/BTC.parquet"]


def test_a_write_that_dies_leaves_the_old_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a full disk or a kill in the middle of a write destroys what was there."""
    path = tmp_path / "funding" / "BTC.parquet"
    write_part(path, prints((0, 1e-4)))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_part(path, prints((0, 1e-4), (8, 2e-4)))
    monkeypatch.undo()
    assert read_part(path, FUNDING).equals(prints((0, 1e-4)))
    assert parts_of(tmp_path, "funding") == [path]  # the half-written file is no part


def test_a_table_is_its_file_and_its_folder_of_parts(tmp_path: Path) -> None:
    """If this fails, a table copied into the directory is not seen beside what was downloaded."""
    write_part(tmp_path / "funding.parquet", prints((0, 1e-4)).drop("known_ts", "source"))
    write_part(tmp_path / "funding" / "recorded" / "1970-01-01.parquet", prints((8, 2e-4)))
    found = read_table(tmp_path, FUNDING, pl.col("symbol") == "BTC")
    assert found["ts"].to_list() == [datetime(1970, 1, 1, hour, tzinfo=UTC) for hour in (0, 8)]


def test_a_part_that_is_none_is_named(tmp_path: Path) -> None:
    """If this fails, a torn file from another program ends in a traceback."""
    path = tmp_path / "funding" / "BTC.parquet"
    path.parent.mkdir()
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match=r"BTC\.parquet cannot be read"):
        read_part(path, FUNDING)
