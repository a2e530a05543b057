"""Nothing that happens later may change what was decided before."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from worlds import START_MS, config, run, tables, world_of

from hedged.backtest.runner import RunResult
from hedged.domain.clock import DAY_MS, HOUR_MS

DAYS = 3
KNOWN_LATER_MS = {
    "ohlcv": 15 * 60_000,
    "liquidations": 15 * 60_000,
}  # these rows are stamped with their bar's open


def perturb(
    frames: dict[str, pl.DataFrame], after_ms: int, only: str | None = None
) -> dict[str, pl.DataFrame]:
    """Change every number of every row that was not yet known at `after_ms`."""
    rng = np.random.default_rng(1)
    out = {}
    for name, frame in frames.items():
        if only not in (None, name):
            out[name] = frame
            continue
        late = pl.col("ts").dt.epoch("ms") + KNOWN_LATER_MS.get(name, 0) > after_ms
        numbers = [c for c, t in frame.schema.items() if t == pl.Float64]
        factor = pl.Series("factor", rng.uniform(0.5, 2.0, len(frame)))
        out[name] = (
            frame.with_columns(factor)
            .with_columns(
                pl.when(late).then(pl.col(c) * pl.col("factor") + 1e-4).otherwise(pl.col(c)) for c in numbers
            )
            .drop("factor")
        )
    return out


@cache
def as_it_was(days: int) -> RunResult:
    return run(world_of(tables(days)), config(), days)


@pytest.mark.parametrize("hours", [7, 30, 50])
def test_perturbing_the_future_leaves_the_past_alone(hours: int) -> None:
    """If this fails, a decision used something that was not known when it was made."""
    cut_ms = START_MS + hours * HOUR_MS
    frames, before = tables(DAYS), as_it_was(DAYS)
    after = run(world_of(perturb(frames, cut_ms)), config(), DAYS)

    def upto(decisions: list[dict[str, object]]) -> list[dict[str, object]]:
        return [d for d in decisions if int(str(d["ts_ms"])) <= cut_ms]

    assert upto(before.decisions) == upto(after.decisions)
    assert len(upto(before.decisions)) == 2 * (hours * 4 + 1)
    assert [f for f in before.fills if f.execution.ts_ms <= cut_ms] == [
        f for f in after.fills if f.execution.ts_ms <= cut_ms
    ]
    assert [p for p in before.payments if p.settlement.ts_ms <= cut_ms] == [
        p for p in after.payments if p.settlement.ts_ms <= cut_ms
    ]
    assert before.decisions != after.decisions, (
        "the perturbation must matter later, or the test shows nothing"
    )


@pytest.mark.parametrize("table", ["funding", "ohlcv"])
def test_every_required_table_matters(table: str) -> None:
    """If this fails, the look-ahead test perturbs a table that nobody reads, and would pass for the wrong reason."""
    frames, before = tables(2), as_it_was(2)
    cut_ms = START_MS + DAY_MS // 2
    after = run(world_of(perturb(frames, cut_ms, only=table)), config(), 2)
    assert before.decisions != after.decisions
