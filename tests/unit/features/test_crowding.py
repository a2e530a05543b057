"""The liquidation map is an estimate that adds up, reads the past only and says when it knows nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.domain.bars import N_FIELDS, Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.crowding import MIN_PLACED, STALE_H, Crowding, LiquidationMap, crowding
from hedged.features.one_sided import SIDED_H, SIDED_MIN_H, Pressure, one_sided
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid

NAN = np.nan
LONG_AT = np.array([0.805, 0.905, 0.955, 0.985])  # liquidation ÷ entry price of a long at 5, 10, 20, 50 times
SHORT_AT = np.array([1.195, 1.095, 1.045, 1.015])


def grid_of(mark, fields=None, level=None):
    """An hourly grid of series with these marks, fields and settled rates, each (series, hours)."""
    mark = np.atleast_2d(np.asarray(mark, dtype=float))
    bars = np.full((*mark.shape, N_FIELDS), NAN, np.float32)
    for field, values in (fields or {}).items():
        bars[:, :, field] = values
    blank = np.full(mark.shape, NAN)
    keys = tuple(SeriesKey("bybit", f"C{i}") for i in range(len(mark)))
    times_ms = np.arange(1, mark.shape[1] + 1, dtype=np.int64) * HOUR_MS
    rates = blank if level is None else np.atleast_2d(level)
    return HourlyGrid(keys, times_ms, blank, rates, mark, blank, blank, bars, 1.0)


GROWN = [1000.0, 1400.0, 2000.0]
"""Interest of the first three hours of a story: half of it was opened within them."""


def story(marks=(), interest=()) -> tuple[list[float], list[float]]:
    """Marks and interest after three hours in which the market grew at a mark of 100."""
    return [100.0] * 3 + list(marks), GROWN + list(interest)


def map_of(mark, interest, ratio=NAN) -> Crowding:
    return crowding(grid_of(mark, {Field.OPEN_INTEREST: interest, Field.LONG_SHORT_RATIO: ratio}))


def shares_at(crowd: Crowding, hour: int) -> list[float]:
    return crowd.shares[:, 0, hour].tolist()


def walk(seed: int, series: int = 3, hours: int = 200, gaps: float = 0.1):
    """Prices and interest that wander, with gaps in both and now and then a jump of the source."""
    rng = np.random.default_rng(seed)
    mark = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (series, hours)), axis=1))
    steps = rng.normal(0, 0.03, (series, hours)) + 0.7 * (rng.random((series, hours)) < 0.005)
    interest = 1e5 * np.exp(np.cumsum(steps, axis=1))
    for x in (mark, interest):
        x[rng.random(x.shape) < gaps] = NAN
    return mark, interest, rng


def test_positions_are_liquidated_where_their_assumed_leverage_says():
    """The map would show the danger at the wrong prices, or of the wrong size."""
    crowd = map_of(*story([100.0], [2000.0]))
    below = LONG_AT[2:].sum(), LONG_AT[1:].sum(), LONG_AT[0]
    above = SHORT_AT[2:].sum(), SHORT_AT[1:].sum(), SHORT_AT[0]
    expected = np.array([*below, *above]) / (LONG_AT.sum() + SHORT_AT.sum())
    # entries lie anywhere in a bucket of one per cent, so a little of one leverage may reach beyond an edge
    assert shares_at(crowd, 2) == pytest.approx(expected, abs=0.01)
    assert shares_at(crowd, 3) == shares_at(crowd, 2)
    assert crowd.share("below_15_20")[0, 2] == shares_at(crowd, 2)[2]
    assert crowd.placed[0].tolist() == pytest.approx([0.0, 4 / 14, 0.5, 0.5])  # 1000 coins were there already


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_shares_are_shares(seed):
    """A share above one or below zero would make nonsense of every threshold that reads it."""
    mark, interest, rng = walk(seed)
    crowd = map_of(mark, interest, np.exp(rng.normal(0, 1, mark.shape)))
    known = ~np.isnan(crowd.shares[0])
    assert known.any()
    shares = crowd.shares[:, known]
    assert (shares >= 0).all()
    assert (shares <= 1 + 1e-12).all()
    assert (shares[0] <= shares[1] + 1e-12).all()
    assert (shares[3] <= shares[4] + 1e-12).all()
    assert (shares[[1, 2, 4, 5]].sum(axis=0) <= 1 + 1e-9).all()
    placed = crowd.placed[~np.isnan(crowd.placed)]
    assert (placed >= 0).all()
    assert (placed <= 1 + 1e-9).all()


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_no_coin_is_lost_or_made(seed):
    """Placed and unplaced coins would drift from the interest the venue tells, and decay below zero."""
    mark, interest, rng = walk(seed)
    log_mark = np.log(mark)
    book = LiquidationMap(log_mark)
    last = np.full(len(mark), NAN)
    for hour in range(mark.shape[1]):
        book.step(hour, log_mark[:, hour], interest[:, hour], rng.random(len(mark)))
        last = np.where(np.isnan(interest[:, hour]), last, interest[:, hour])
        seen = ~np.isnan(last)
        assert (book.stock >= 0).all()
        assert (book.unplaced >= 0).all()
        total = book.stock.sum(axis=(1, 2)) + book.unplaced
        assert total[seen] == pytest.approx(last[seen], rel=1e-9)
        assert (total[~seen] == 0).all()


def test_a_decrease_closes_everything_in_proportion():
    """A shrinking market would seem to change where its danger lies, though nothing tells who closed."""
    crowd = map_of(*story([100.0], [1500.0]))
    assert shares_at(crowd, 3) == pytest.approx(shares_at(crowd, 2))
    assert crowd.placed[0, 3] == pytest.approx(crowd.placed[0, 2])


def test_positions_whose_price_was_reached_leave_the_map():
    """Positions liquidated long ago would be shown as danger again when the price comes back."""
    crowd = map_of(*story([90.0, 100.0], [1999.0, 1998.0]))
    assert crowd.placed[0, 4] == pytest.approx(0.5 * 5 / 8)  # longs at 10, 20 and 50 times are gone
    below_5, below_10, far, *above = shares_at(crowd, 4)
    assert (below_5, below_10) == (0.0, 0.0)
    assert far > 0
    assert min(above) > 0


def test_the_crowd_s_side_weighs_more_where_it_is_known():
    """A long/short ratio that a venue tells would change nothing."""
    plain, longs = (map_of(*story(), ratio) for ratio in (NAN, 3.0))
    assert longs.share("below_10")[0, 2] > 1.4 * plain.share("below_10")[0, 2]
    weight = longs.share("below_10")[0, 2] / longs.share("above_10")[0, 2]
    assert weight == pytest.approx(3 * LONG_AT[1:].sum() / SHORT_AT[1:].sum(), rel=0.02)


def test_unknown_is_not_zero():
    """A venue without open interest, or an hour without price, would look like a market without danger."""
    mark = np.full((3, 5), 100.0)
    mark[1, 3] = NAN
    interest = np.array([[NAN] * 5, [*GROWN, 2001.0, 2002.0], [0.0] * 5])
    crowd = map_of(mark, interest)
    assert np.isnan(crowd.shares[:, [0, 2]]).all()
    assert np.isnan(crowd.placed[[0, 2]]).all()
    assert np.isnan(crowd.shares[:, 1, [0, 3]]).all()  # nothing placed yet; no price
    assert (crowd.shares[:, 1, [1, 2, 4]] > 0).all()
    assert crowd.placed[1, 2:].tolist() == pytest.approx([0.5, 1000 / 2001, 1001 / 2002])


def test_a_market_mostly_opened_before_it_was_watched_says_nothing():
    """The map of a small, known part would pass for the whole market's."""
    crowd = map_of([100.0] * 3, [1000.0, 1200.0, 1500.0])
    assert crowd.placed[0].tolist() == pytest.approx([0.0, 1 / 6, 1 / 3])
    assert 1 / 6 < MIN_PLACED < 1 / 3
    assert np.isnan(crowd.shares[:, 0, 1]).all()
    assert not np.isnan(crowd.shares[:, 0, 2]).any()


def test_a_gap_keeps_what_stood_and_places_no_late_increase():
    """An outage would empty the map, or put what was opened during it at the price of its end."""
    for gap, placed in ((23, 1500 / 2500), (24 * 7, 1000 / 2500)):
        crowd = map_of(*story([100.0] * (gap + 1), [NAN] * gap + [2500.0]))
        assert np.isnan(crowd.placed[0, 3:-1]).all()
        assert crowd.placed[0, -1] == pytest.approx(placed)


def test_a_feed_that_stopped_is_unknown():
    """Interest carried forward for days would be read as a market in which nobody trades."""
    crowd = map_of(*story([100.0] * (STALE_H + 5), [2000.0] * (STALE_H + 5)))
    last = len(GROWN) - 1 + STALE_H
    assert not np.isnan(crowd.placed[0, : last + 1]).any()
    assert np.isnan(crowd.placed[0, last + 1 :]).all()


def test_a_change_of_source_rescales_and_opens_nothing():
    """A venue that begins to count both sides would seem to double its positions at one price."""
    doubled = map_of(*story([105.0, 105.0], [4000.0, 2000.0]))
    alone = map_of(*story([105.0, 105.0], [2000.0, 2000.0]))
    for hour in (3, 4):
        assert shares_at(doubled, hour) == pytest.approx(shares_at(alone, hour))
        assert doubled.placed[0, hour] == pytest.approx(alone.placed[0, hour])


@pytest.mark.parametrize("field", ["mark", "interest", "ratio"])
def test_the_map_reads_the_past_only(field):
    """A backtest would know where the price or the interest goes next."""
    mark, interest, rng = walk(7, hours=120, gaps=0.0)
    ratio = np.exp(rng.normal(0, 0.3, mark.shape))
    before = map_of(mark, interest, ratio)
    changed = {"mark": mark, "interest": interest, "ratio": ratio}[field]
    changed[:, 80:] *= np.exp(rng.normal(0.3, 0.5, changed[:, 80:].shape))
    after = map_of(mark, interest, ratio)
    assert not np.isnan(before.shares[:, :, 79]).all()
    assert after.shares[:, :, :80] == pytest.approx(before.shares[:, :, :80], rel=1e-9, nan_ok=True)
    assert after.placed[:, :80] == pytest.approx(before.placed[:, :80], rel=1e-9, nan_ok=True)
    assert not np.allclose(before.shares[:, :, 80:], after.shares[:, :, 80:], equal_nan=True)


HOURS = SIDED_H + 100
LAST = Points(np.array([0]), np.array([HOURS - 1]))


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1e-4, HOURS)


def side(ratio, premium=None, basis=None, level=None):
    """What `one_sided` says of the last hour, with what it read."""
    fields = {Field.LONG_SHORT_RATIO: ratio}
    fields |= {f: x for f, x in ((Field.PREMIUM, premium), (Field.BASIS, basis)) if x is not None}
    found = one_sided(grid_of(np.full(HOURS, 100.0), fields, level), LAST)
    return found.side[0], Pressure(found.pressure[0])


def ending(x: np.ndarray, last: float) -> np.ndarray:
    return np.r_[x[:-1], last]


RATIO = 1.0 + noise(1)
HIGH, LOW = ending(RATIO, 1.5), ending(RATIO, 0.5)
RICH, CHEAP = ending(noise(2), 1e-2), ending(noise(2), -1e-2)


def test_one_sided_needs_both_in_one_direction():
    """One extreme figure, or two that contradict each other, would raise the alarm that overrides the model."""
    assert side(HIGH, RICH) == (1.0, Pressure.PREMIUM)
    assert side(LOW, CHEAP) == (-1.0, Pressure.PREMIUM)
    for ratio, premium in (
        (HIGH, CHEAP),
        (LOW, RICH),
        (HIGH, ending(noise(2), 0.0)),
        (ending(RATIO, 1.0), RICH),
    ):
        assert side(ratio, premium)[0] == 0.0


def test_one_sided_is_unknown_without_either_figure():
    """A venue that tells no positions would be called balanced."""
    nothing = np.full(HOURS, NAN)
    assert np.isnan(side(nothing, RICH)[0])
    assert np.isnan(side(ending(RATIO, NAN), RICH)[0])
    assert np.isnan(side(HIGH)[0])
    assert side(HIGH) == (pytest.approx(NAN, nan_ok=True), Pressure.NONE)


def test_one_sided_needs_seven_days_of_past():
    """The first hours of a venue would be extreme against a handful of others."""
    for known, expected in ((SIDED_MIN_H, 1.0), (SIDED_MIN_H - 1, NAN)):
        young = HIGH.copy()
        young[: HOURS - 1 - known] = NAN
        assert side(young, RICH)[0] == pytest.approx(expected, nan_ok=True)


def test_one_sided_says_what_stood_in_for_the_premium():
    """The report would call a basis or a funding rate a premium."""
    nothing = np.full(HOURS, NAN)
    assert side(HIGH, nothing, RICH) == (1.0, Pressure.BASIS)
    assert side(HIGH, nothing, nothing, RICH) == (1.0, Pressure.SETTLED_RATE)
    assert side(HIGH, CHEAP, RICH, RICH) == (0.0, Pressure.PREMIUM)


def test_a_figure_at_rest_is_not_extreme():
    """A rate that stands at its floor nine hours of ten would count as extreme whenever it does."""
    resting = np.full(HOURS, 1.25e-5)
    assert side(HIGH, resting)[0] == 0.0
    assert side(np.ones(HOURS), RICH)[0] == 0.0


def test_one_sided_reads_the_past_only():
    """A backtest would call a market crowded by what came later."""
    at = Points(np.zeros(HOURS, np.int64), np.arange(HOURS))
    ratio, premium = np.tile(RATIO, (2, 1)), np.tile(noise(2), (2, 1))
    ratio[1, 500:] += 1.0
    premium[1, 500:] += 1.0
    one, other = (
        one_sided(grid_of(np.full(HOURS, 100.0), {Field.LONG_SHORT_RATIO: r, Field.PREMIUM: p}), at).side
        for r, p in zip(ratio, premium, strict=True)
    )
    assert np.array_equal(one[:500], other[:500], equal_nan=True)
    assert np.isnan(one[:SIDED_MIN_H]).all()
    assert not np.array_equal(one[500:], other[500:])
