"""Backtest and daemon are one engine; the same seed gives the same files."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import polars as pl
from worlds import START_MS, tables, write_directory

from hedged.adapters.replay.proxy import Proxy
from hedged.backtest.recorded import BacktestOptions, run_backtest
from hedged.backtest.runner import Window
from hedged.config import parse_config
from hedged.domain.clock import DAY_MS, MINUTE_MS
from hedged.forecast.registry import make_forecaster
from hedged.replay import replay_daemon

BOOK = {"positions": {"INJ": {"usd": 80_000}, "BTC": {"usd": 150_000}}}


def both(data: Path, tmp: Path, window: Window, book: dict[str, object], proxy: Proxy | None = None) -> int:
    """Run one window as a backtest and as the daemon; assert equal decisions, fills and funding; return how many."""
    symbols = sorted(book["positions"])  # type: ignore[call-overload]
    raw = {
        "book": book,
        "cycle": {"history_days": 12, "stale_after_s": 7_200},
        "state_dir": str(tmp / "state"),
        "telemetry": {"port": 0, "log_level": "error"},
    }
    settings = parse_config(raw)
    options = BacktestOptions(data, symbols, window, tmp / "out", proxy)
    assert settings.hedge.forecaster == "ensemble"
    run_backtest(settings, options)
    replay_daemon(settings, options)
    db = sqlite3.connect(tmp / "state" / "replay" / "journal.sqlite")
    live = [
        {"ts_ms": ts, "symbol": symbol, **json.loads(body)}
        for ts, symbol, body in db.execute("SELECT ts_ms, symbol, body FROM decisions ORDER BY 1, 2")
    ]
    backtest = pl.read_parquet(tmp / "out" / "decisions.parquet").with_columns(
        ts_ms=pl.col("ts").dt.epoch("ms")
    )
    tested = [
        {key: row[key] for key in one} for one, row in zip(live, backtest.iter_rows(named=True), strict=True)
    ]
    assert live == tested
    shipped = make_forecaster("ensemble", crowded_share=settings.strategies.crowded_share)
    assert {row["model_hash"] for row in live} == {shipped.model_hash}
    fills = pl.read_parquet(tmp / "out" / "fills.parquet")
    executions = db.execute(
        "SELECT venue, symbol, side, quantity, price FROM executions ORDER BY ts_ms, rowid"
    ).fetchall()
    assert [(v, s, d, float(q), float(p)) for v, s, d, q, p in executions] == list(
        fills.select("venue", "symbol", "side", "quantity", "price").iter_rows()
    )
    funding = db.execute("SELECT payment_usd FROM funding ORDER BY ts_ms, venue, symbol").fetchall()
    assert [float(p) for (p,) in funding] == pl.read_parquet(tmp / "out" / "funding.parquet")[
        "payment_usd"
    ].to_list()
    return len(live)


def test_a_replayed_day_decides_alike_in_backtest_and_daemon(tmp_path: Path) -> None:
    """If this fails, what was backtested is not what will run.

    Two minutes pass until a print of Binance is received, so that forecasts change within the hour.
    """
    late = pl.when(pl.col("venue") == "binance").then(2 * MINUTE_MS).otherwise(0)
    frames = tables(2)
    received = pl.col("ts") + pl.duration(milliseconds=late)
    frames["funding"] = frames["funding"].with_columns(known_ts=received)
    data = write_directory(frames, tmp_path / "data")
    assert both(data, tmp_path, Window(START_MS, START_MS + 2 * DAY_MS), BOOK) == 2 * 2 * 96
    assert len(pl.read_parquet(tmp_path / "out" / "fills.parquet")) > 0, (
        "a day without trades would show little"
    )


def test_a_replayed_recorded_day_decides_alike(tmp_path: Path, shared_data: Path) -> None:
    """If this fails, the daemon on real data decides otherwise than its backtest."""
    start_ms = 1_760_054_400_000  # 2025-10-10: the widest liquidation day of the recording
    book: dict[str, object] = {"positions": {"ETH": {"usd": 100_000}, "INJ": {"usd": -50_000}}}
    window = Window(start_ms, start_ms + DAY_MS)
    assert both(shared_data, tmp_path, window, book, Proxy("hyperliquid", "chain")) == 2 * 96


def digest(directory: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir())}


def test_the_same_seed_gives_the_same_files_in_any_process(tmp_path: Path) -> None:
    """If this fails, a result cannot be repeated: something depends on hash order, addresses or the wall clock."""
    for name, hash_seed in (("a", "1"), ("b", "4242")):
        subprocess.run(
            [
                sys.executable,
                "-m",
                "hedged",
                "demo",
                "--days",
                "2",
                "--seed",
                "1",
                "--out",
                str(tmp_path / name),
            ],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert set(digest(tmp_path / "a")) == {
        "summary.json", "report.html", "decisions.parquet", "fills.parquet", "funding.parquet", "book.parquet",
        "forecasts.parquet", "daily.parquet",
    }  # fmt: skip
    assert len(pl.read_parquet(tmp_path / "a" / "fills.parquet")) > 0
