"""What the daemon records is what it saw: a recorded day, replayed, tells the same bars."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.adapters.replay.venue import observe_at
from hedged.adapters.simulated import EPOCH_MS
from hedged.backtest.virtual_time import run_virtually
from hedged.buffer.recorder import Recorder
from hedged.config import Config, parse_config
from hedged.daemon import run_daemon
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import DAY_MS, HOUR_MS, LoopClock

FROM = EPOCH_MS + 40 * DAY_MS
SYMBOLS = ("BTC", "INJ")
TOLD = [f for f in Field if f not in (Field.INDEX, Field.BASIS)]


def config(tmp: Path, **changes: Any) -> Config:
    tree: dict[str, Any] = {
        "book": {"positions": {"INJ": {"usd": 80_000}, "BTC": {"usd": 150_000}}},
        "cycle": {"history_days": 9},
        "hedge": {"forecaster": "ewma"},
        "recorder": {"enabled": True},
        "state_dir": str(tmp / "state"),
        "telemetry": {"port": 0, "log_level": "error"},
    }
    return parse_config(tree | changes)


@dataclass
class Watched:
    """A daemon on the simulated markets, and every bar that it closed."""

    bars: list[tuple[int, list[Observation]]] = field(default_factory=list)


def live(settings: Config, watched: Watched, monkeypatch: Any, hours: float, from_ms: int = FROM) -> None:
    """Run the daemon and keep what it handed to the recorder."""
    take = Recorder.take

    def watching(self: Recorder, ts_ms: int, seen: Any) -> None:
        watched.bars.append((ts_ms, list(seen)))
        take(self, ts_ms, seen)

    monkeypatch.setattr(Recorder, "take", watching)
    to_ms = from_ms + round(hours * HOUR_MS)
    run_virtually(lambda: run_daemon(settings, LoopClock(from_ms), until_ms=to_ms))
    monkeypatch.undo()


def test_a_recorded_day_replays_as_the_daemon_saw_it(tmp_path: Path, monkeypatch: Any) -> None:
    """If this fails, a backtest on what the daemon recorded sees another market than the daemon did."""
    watched = Watched()
    live(config(tmp_path), watched, monkeypatch, 24)
    assert len(watched.bars) == 96
    series = series_of(load_tables(tmp_path / "state" / "recorded", SYMBOLS))
    times = np.array([ts_ms for ts_ms, _ in watched.bars])
    compared = set()
    for key in series:
        was = np.array([next(one.values for one in seen if one.key == key) for _, seen in watched.bars])
        now, known_ms = observe_at(series, key, times)
        for name in TOLD:
            assert np.array_equal(was[:, name], now[:, name], equal_nan=True), (key, name)
            assert (known_ms[:, name] <= times).all()
            compared |= {name} if not np.isnan(was[:, name]).all() else set()
    assert {
        Field.FUNDING_ESTIMATE,
        Field.FUNDING_SETTLED,
        Field.MARK,
        Field.OPEN_INTEREST,
        Field.VOLUME,
    } <= compared
    assert {Field.BID_DEPTH_USD, Field.LONG_SHORT_RATIO, Field.SETTLES_IN_S, Field.SETTLED_AGO_S} <= compared


def test_the_settlements_from_before_the_first_bar_are_recorded_too(tmp_path: Path, monkeypatch: Any) -> None:
    """If this fails, a new daemon's recording has no history to train on, though its sources told it."""
    live(config(tmp_path), Watched(), monkeypatch, 2)
    funding = load_tables(tmp_path / "state" / "recorded", SYMBOLS)["funding"]
    hourly = funding.filter(pl.col("venue") == "injective").group_by("symbol").len()
    assert dict(hourly.iter_rows()) == dict.fromkeys(SYMBOLS, 9 * 24 + 3 + 1)
    assert funding["ts"].is_duplicated().any()  # several venues ...
    assert not funding.select("ts", "venue", "symbol").is_duplicated().any()  # ... each once


def test_a_restart_goes_on_without_a_gap_or_a_double(tmp_path: Path, monkeypatch: Any) -> None:
    """If this fails, every restart of the daemon leaves its trace in the data."""
    live(config(tmp_path), Watched(), monkeypatch, 5)
    live(config(tmp_path), Watched(), monkeypatch, 5, FROM + 8 * HOUR_MS)  # three hours later
    tables = load_tables(tmp_path / "state" / "recorded", SYMBOLS)
    for name, table in tables.items():
        key = [c for c in ("ts", "venue", "symbol", "bar", "kind", "name") if c in table.columns]
        assert not table.select(key).is_duplicated().any(), name
    prints = tables["funding"].filter((pl.col("venue") == "injective") & (pl.col("symbol") == "INJ"))
    assert set(prints.sort("ts")["ts"].diff().drop_nulls().dt.total_hours()) == {1}


def test_only_the_daemon_of_real_venues_records_unasked(tmp_path: Path) -> None:
    """If this fails, simulated markets fill the disk, or real ones are not kept."""
    state = tmp_path / "state"
    tree: dict[str, Any] = {"state_dir": str(state)}
    assert parse_config(tree).recorder.directory("simulator", state) is None
    assert parse_config(tree).recorder.directory("venues", state) == state / "recorded"
    off = parse_config(tree | {"recorder": {"enabled": False}}).recorder
    assert off.directory("venues", state) is None
    elsewhere = parse_config(tree | {"recorder": {"dir": "/data/mine"}}).recorder
    assert elsewhere.directory("venues", state) == Path("/data/mine")
