"""The difference between venues."""

import numpy as np
import polars as pl
import pytest

from hedged.evaluation.spread import spreads
from hedged.evaluation.truth import settle


def test_without_joint_draws_nothing_is_scored(series, make):
    """Marginals say nothing of how two rates move together: a score from them would be made up."""
    frame = make.forecasts(series, make.last_rate)
    assert spreads(settle(frame, series), frame, None, np.random.default_rng(0)) == []


def test_draws_that_move_together_beat_the_same_draws_shuffled(series, make):
    """The planner relocates on the spread: were dependence not scored, a model without it would pass."""
    frame = make.forecasts(series, make.what_came)
    truth = settle(frame, series)
    rng = np.random.default_rng(0)
    # one shared shock per origin, horizon and draw: it cancels in the spread of two venues
    shock = {}
    draws = np.empty((len(frame), 50))
    for i, (ts, horizon, y) in enumerate(frame.select("origin_ts", "horizon", "q50").iter_rows()):
        unit = 8.0 if horizon.startswith("s") else 1.0
        common = shock.setdefault((ts, horizon), rng.normal(size=50) * 1e-5)
        draws[i] = y + unit * common
    slow = frame.with_row_index("at").filter(pl.col("venue").is_in(["binance", "bybit"]))
    found = spreads(truth, slow.drop("at"), draws[slow["at"].to_numpy()], np.random.default_rng(1))
    assert {(s.symbol, s.first, s.second) for s in found} == {("BTC", "binance", "bybit")}
    assert {s.horizon for s in found} == {"s1", "s3", "m24h", "m120h"}
    for spread in found:
        assert spread.pinball_bp < 1e-6
        assert spread.independent_bp > 1e-3


def test_draws_must_belong_to_the_rows(series, make):
    """Draws of another file would be scored against the wrong rows without a word."""
    frame = make.forecasts(series, make.last_rate)
    with pytest.raises(ValueError, match="rows of draws"):
        spreads(settle(frame, series), frame, np.zeros((3, 10)), np.random.default_rng(0))
