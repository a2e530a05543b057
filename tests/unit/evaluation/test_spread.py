"""The difference between venues: the law that relocation is decided by."""

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.evaluation.prints import histories
from hedged.evaluation.smoothing import ewma
from hedged.evaluation.spread import SCORED, Score, Spread, pooled, spreads
from hedged.evaluation.spread_laws import LAWS, laws_of, pair_of
from hedged.evaluation.truth import settle

DAY_MS = 86_400_000
WIDTH = 4e-6


@pytest.fixture(scope="module")
def together(make):
    """Two venues of one coin whose rates share most of each move, and an hourly one that goes its own way."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=450) * WIDTH
    rates = {venue: 1e-5 + common + rng.normal(size=450) * WIDTH / 4 for venue in ("binance", "bybit")}
    slow = {SeriesKey(v, "BTC"): make.from_rates(rate, 8.0, SeriesKey(v, "BTC")) for v, rate in rates.items()}
    key = SeriesKey("hyperliquid", "BTC")
    return slow | {key: make.history(key, 1.0, 1)}


@pytest.fixture(scope="module")
def forecasts(together, make):
    """The same law of every origin: right for each venue alone at the next settlement."""
    law = 1e-5 + WIDTH * np.sqrt(1 + 1 / 16) * ndtri(LEVELS)
    return make.forecasts(together, lambda _data, origins, _h: np.repeat(law[None], len(origins), axis=0))


def answers(series, truth):
    return ewma(histories(series, truth.origins), truth.origins)


def test_ranks_of_the_past_give_the_spread_its_width(together, forecasts):
    """If this fails, the planner's scenarios of two venues that move together are as wide as of strangers."""
    truth = settle(forecasts, together)
    found = {(s.first, s.second, s.horizon): s for s in spreads(truth, answers(together, truth))}
    assert [s for *_, s in found][:2] == ["m24h", "m120h"]
    slow = found["binance", "bybit", "s1"]
    assert slow.laws["joint"].pinball_bp < 0.8 * slow.laws["independent"].pinball_bp
    assert slow.laws["joint"].pinball_bp < slow.laws["comonotone"].pinball_bp
    assert slow.laws["joint"].coverage == pytest.approx(0.8, abs=0.08)
    assert slow.laws["independent"].coverage > 0.95
    assert slow.laws["comonotone"].coverage < 0.2
    assert slow.laws["joint"].pinball_bp < slow.laws["persistence"].pinball_bp


def test_single_settlements_are_held_against_each_other_where_they_coincide(together, forecasts):
    """If this fails, an hour's rate of one venue is held against eight hours of another."""
    truth = settle(forecasts, together)
    found = {(s.first, s.second, s.horizon) for s in spreads(truth, answers(together, truth))}
    assert {h for a, b, h in found if (a, b) == ("binance", "bybit")} == set(SCORED)
    assert {h for a, b, h in found if b == "hyperliquid"} == {"m24h", "m120h"}


def test_the_future_changes_no_law(together, forecasts, make):
    """If this fails, the spread is scored with a law that had seen its outcomes, or later ones."""
    truth = settle(forecasts, together)
    middle_ms = int(truth.rows["origin_ts"].dt.epoch("ms").median()) // DAY_MS * DAY_MS
    told = []
    for series in (together, make.shaken(together, middle_ms)):
        truth = settle(forecasts, series)
        joined = truth.rows.join(answers(series, truth).select("row", ewma="q50"), on="row")
        pair = pair_of(*(joined.filter(pl.col("venue") == venue) for venue in ("binance", "bybit")))
        laws = [(at, law) for at, law in laws_of(pair) if pair.origin_ms[at[-1]] <= middle_ms]
        told.append(np.concatenate([law for _, law in laws]))
    assert len(told[0]) > 30
    assert np.array_equal(told[0], told[1], equal_nan=True)


def test_what_came_before_teaches_and_is_not_scored(together, forecasts):
    """If this fails, a quarter is judged by the quarter before it, or its first weeks go unjudged."""
    truth = settle(forecasts, together)
    simple = answers(together, truth)
    from_ms = int(truth.rows["origin_ts"].dt.epoch("ms").quantile(0.5))
    late, alone = spreads(truth, simple, from_ms), truth.since(from_ms)
    first = {(s.first, s.second, s.horizon): s.rows for s in late}["binance", "bybit", "s1"]
    assert first == len(alone.rows.filter((pl.col("venue") == "binance") & (pl.col("horizon") == "s1")))
    assert alone.rows["row"].to_list() == list(range(len(alone.rows)))


def test_a_coin_on_one_venue_and_a_short_file_have_no_spread(together, forecasts):
    """If this fails, a score is made up of a handful of origins or of ranks of nothing."""
    for cut in (
        pl.col("venue") == "binance",
        pl.col("origin_ts") < forecasts["origin_ts"].min() + pl.duration(days=20),
    ):
        truth = settle(forecasts.filter(cut), together)
        assert spreads(truth, answers(together, truth)) == []


def test_pairs_are_pooled_by_horizon():
    """If this fails, the headline of the spread is that of one pair, or of the most volatile coin."""
    found = [
        Spread(
            "BTC",
            "a",
            "b",
            "m120h",
            rows,
            {law: Score(loss * (1 + i), 0.7 + 0.1 * n) for i, law in enumerate(LAWS)},
        )
        for n, (rows, loss) in enumerate(((100, 1.0), (300, 5.0)))
    ]
    (both,) = pooled(found)
    assert (both.horizon, both.pairs, both.rows) == ("m120h", 2, 400)
    assert both.ratio["joint"] == 1.0
    assert both.ratio["independent"] == pytest.approx(0.5)
    assert both.coverage["joint"] == pytest.approx(0.75)
