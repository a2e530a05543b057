"""Faults of data in a running daemon: nothing is opened on what is not believed, and what is held is still reduced."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from worlds import START_MS, config, run, tables, world_of

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.adapters.replay.venue import observe_at
from hedged.backtest.runner import RunResult
from hedged.collectors.quality.judge import Judge
from hedged.config import QualityConfig
from hedged.cycle import CycleReport
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.quarantine import Fault
from hedged.risk.exposure import reduces
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.publish import publish

DAYS = 2
HURT = SeriesKey("binance", "INJ")


def spoil(
    frames: dict[str, pl.DataFrame], key: SeriesKey, factor: float, hours: tuple[float, float]
) -> dict[str, pl.DataFrame]:
    """Multiply the prices that a venue tells of a coin within some hours of the start."""
    from_ms, to_ms = (START_MS + int(h * HOUR_MS) for h in hours)

    def spoiled(name: str, columns: list[str]) -> pl.DataFrame:
        frame = frames[name]
        at = pl.col("ts").dt.epoch("ms")
        bad = (
            (pl.col("venue") == key.venue) & (pl.col("symbol") == key.symbol) & at.is_between(from_ms, to_ms)
        )
        return frame.with_columns(pl.when(bad).then(pl.col(c) * factor).otherwise(pl.col(c)) for c in columns)

    return frames | {"ohlcv": spoiled("ohlcv", ["close"]), "funding": spoiled("funding", ["mark_price"])}


def watched(factor: float, key: SeriesKey = HURT) -> tuple[RunResult, list[CycleReport]]:
    """Two days with a price that is wrong from the sixth to the thirtieth hour."""
    seen: list[CycleReport] = []
    world = world_of(spoil(tables(DAYS), key, factor, (6, 30)))
    return run(world, config(), DAYS, on_cycle=seen.append), seen


@pytest.mark.parametrize("key", [HURT, SeriesKey(INJECTIVE, "INJ"), SeriesKey("bybit", "BTC")])
def test_nothing_is_opened_where_the_data_are_not_believed(key: SeriesKey) -> None:
    """If this fails, a hedge is opened or enlarged at a price that is a thousandfold."""
    result, seen = watched(1_000, key)
    shut = {r.now_ms: r.quarantined for r in seen if r.quarantined}
    assert {k for held in shut.values() for k in held} == {key}
    assert len(shut) >= 24 * 4
    assert any(fill.key.symbol == key.symbol for fill in result.fills), (
        "a book without hedges would show little"
    )
    held: dict[SeriesKey, Decimal] = {}
    for report in seen:
        assert key in report.marks, "what is held there could not be reduced"
        for fill in report.fills:
            before = held.get(fill.key, Decimal(0))
            held[fill.key] = before + fill.signed_quantity
            closed = key in report.quarantined and (
                fill.key == key or (key.venue == INJECTIVE and fill.key.symbol == key.symbol)
            )
            assert not closed or reduces(before, fill.signed_quantity), f"{fill.key} opened in quarantine"
    reasons = [str(d["reason"]) for d in result.decisions if d["symbol"] == key.symbol and d["ts_ms"] in shut]
    planned = [reason for reason in reasons if not reason.startswith("stop")]
    assert all("in quarantine since" in reason for reason in planned)


@pytest.mark.parametrize(
    ("key", "held"),
    [
        (SeriesKey("bybit", "BTC"), False),
        (HURT, True),
        (SeriesKey(INJECTIVE, "BTC"), True),
    ],
)
def test_how_wrong_a_value_is_changes_no_decision(key: SeriesKey, held: bool) -> None:
    """If this fails, a bad value has reached a decision or a stop: of its own coin, or of another."""
    (thousandfold, seen), (threefold, _) = (watched(factor, key) for factor in (1_000, 3))
    first = next(report for report in seen if report.quarantined)
    assert bool(first.account.attributed.get(key)) is held
    assert not [fill for fill in thousandfold.fills if fill.purpose.value == "stop"]

    def decided(result: RunResult) -> list[dict[str, object]]:
        said = ("reason", "config_hash", "detail")  # they tell the wrong value, so that somebody can look
        return [{k: v for k, v in row.items() if k not in said} for row in result.decisions]

    assert decided(thousandfold) == decided(threefold)


def test_metrics_tell_what_is_not_believed_and_why() -> None:
    """If this fails, the alert on a quarantine never fires, or never goes away."""
    metrics = Metrics()
    _, seen = watched(1_000)
    first = next(i for i, report in enumerate(seen) if report.quarantined)
    for report in seen[first : first + 3]:
        publish(report, metrics, report.now_ms, {HURT: 0.0}, {HURT}, "ensemble")
    labels = {"venue": "binance", "reason": Fault.PRICE_UNIT.value}
    assert metrics.registry.get_sample_value("hedged_series_quarantined", labels) == 1
    assert metrics.registry.get_sample_value("hedged_quarantines_total", labels) == 1
    assert (
        metrics.registry.get_sample_value(
            "hedged_venue_closed", dict(zip(("venue", "symbol"), HURT, strict=True))
        )
        == 0
    )
    publish(seen[-1], metrics, seen[-1].now_ms, {HURT: 0.0}, {HURT}, "ensemble")
    assert metrics.registry.get_sample_value("hedged_series_quarantined", labels) == 0


def test_the_widest_day_of_the_recorded_history_is_believed(shared_data: Path) -> None:
    """If this fails, a true crash is taken for a fault, and hedging stops when it is needed most."""
    start_ms = 1_759_276_800_000  # 2025-10-01: in it the liquidations of 10 October
    times = np.arange(start_ms, start_ms + 20 * 24 * HOUR_MS, HOUR_MS, dtype=np.int64)
    series = series_of(load_tables(shared_data, ["BTC", "ETH", "INJ", "NEAR"]))
    # each with its own prices alone: a borrowed one proves nothing
    told = {k: observe_at({k: one}, k, times) for k, one in series.items() if len(one.funding_ts)}
    judge, known = Judge(QualityConfig()), 0
    for i, ts_ms in enumerate(times.tolist()):
        judge.look(ts_ms, [Observation(k, ts_ms, values[i], since[i]) for k, (values, since) in told.items()])
        known += sum(values[i, Field.MARK] > 0 for values, _ in told.values())
        assert not judge.quarantined
    assert known > 4_000
