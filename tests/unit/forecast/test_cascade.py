"""Forced-deleveraging moves: the definition, what the head reads and says, and how it is fitted and measured."""

from dataclasses import replace

import numpy as np
import pytest

from hedged.adapters.replay.series import SeriesData, Track
from hedged.domain.bars import N_FIELDS, Field
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.features.crowding import crowding
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.scale import scale_of
from hedged.features.tabular import tabular
from hedged.forecast.cascade import (
    FEATURES,
    HORIZON_H,
    PRICE_ONLY,
    WITH_INTEREST,
    CascadeHead,
    cascades,
    coin_points,
    features,
    largest_move,
)
from hedged.training.cascade import EVERY_H, PARAMETERS, Rows, auc, base_rates, collect, fit, measure

NAN = np.nan
PAST_H = 200
ORIGIN = PAST_H - 1
HOURS = PAST_H + HORIZON_H
NOW = Points(np.array([0]), np.array([ORIGIN]))
QUIET = 0.002  # log return of an hour, to and fro: 18 hours of it are 0.8 %


def story(price_fall=0.0, interest_fall=0.0, fall_at=5):
    """Mark and interest (1, hours), quiet until some hours after the origin, then falling at once."""
    hour = np.arange(HOURS)
    wobble = np.where(hour % 2 == 0, QUIET, 0.0)
    fallen = hour >= ORIGIN + fall_at
    mark = 100 * np.exp(wobble) * np.where(fallen, 1 - price_fall, 1.0)
    interest = 1e6 * np.exp(wobble / 2) * np.where(fallen, 1 - interest_fall, 1.0)
    return mark[None], interest[None]


def event(mark, interest, at=NOW) -> float:
    return float(cascades(mark, interest, at).event[0])


def test_a_fall_with_closing_positions_is_one():
    """The head would be taught the wrong thing from the first label on."""
    found = cascades(*story(0.06, 0.05), NOW)
    assert found.event.tolist() == [1.0]
    assert found.with_interest.tolist() == [True]
    up = 1e4 / story(0.06)[0]
    assert event(up, story(0, 0.05)[1]) == 1.0  # shorts are forced to close just as well


@pytest.mark.parametrize(
    ("price_fall", "interest_fall", "why"),
    [(0.06, 0.02, "positions stayed"), (0.035, 0.10, "too small a move"), (0.0, 0.10, "no move")],
)
def test_half_of_it_is_none(price_fall, interest_fall, why):
    """Every rough hour, or every closing of positions, would count as a cascade."""
    assert event(*story(price_fall, interest_fall)) == 0.0


def test_interest_that_fell_before_the_move_does_not_count():
    """Positions closed and opened again in calm hours would be booked as forced by a later move."""
    mark, _ = story(0.06, fall_at=12)
    mark[0, ORIGIN + 11] = mark[0].max() * 1.001  # the move begins here
    _, interest = story()
    interest[0, ORIGIN + 3 : ORIGIN + 9] *= 0.9
    assert event(mark, interest) == 0.0
    interest[0, ORIGIN + 14] *= 0.9
    assert event(mark, interest) == 1.0


def test_a_wild_coin_needs_a_larger_move():
    """A coin that moves 6 % any day would always be in danger."""
    mark, interest = story(0.06, 0.05)
    wild = mark.copy()
    wild[0, :PAST_H] = 100 * np.exp(np.where(np.arange(PAST_H) % 2, 0.0, 0.01))
    assert event(mark, interest) == 1.0
    assert event(wild, interest) == 0.0


def test_without_interest_the_price_must_speak_louder():
    """Coins without open interest would have far more events, or none: their probabilities would not compare."""
    hour = np.arange(HOURS)
    past = 100 * np.exp(np.where(hour % 2 == 0, 0.005, 0.0))  # 18 hours of it are 2.1 %
    unknown = np.full((1, HOURS), NAN)
    for fall, known, price_only in ((0.045, 0.0, 0.0), (0.055, 1.0, 0.0), (0.065, 1.0, 1.0)):
        mark = np.where(hour >= ORIGIN + 5, past * (1 - fall), past)[None]
        assert event(mark, story(0, 0.05)[1]) == known
        assert event(mark, unknown) == price_only
    assert not cascades(mark, unknown, NOW).with_interest.any()


@pytest.mark.parametrize("what", ["price", "interest"])
def test_an_incomplete_future_is_unknown(what):
    """Hours that nobody recorded would be learnt as hours in which nothing happened."""
    whole = story(0.06, 0.05)
    assert np.isnan(event(whole[0][:, :-1], whole[1][:, :-1]))
    for damage in ("gap", "carried forward"):
        x = whole[0 if what == "price" else 1].copy()
        ahead = slice(ORIGIN + 6, None)
        x[0, ahead] = NAN if damage == "gap" else x[0, ORIGIN + 5]
        mark, interest = (x, whole[1]) if what == "price" else (whole[0], x)
        assert np.isnan(event(mark, interest)), damage


def test_too_little_past_is_unknown():
    """A coin listed yesterday would be measured by a handful of hours."""
    mark, interest = story(0.06, 0.05)
    mark[0, : PAST_H - 100] = NAN
    assert np.isnan(event(mark, interest))


def test_the_label_reads_18_hours_and_no_more():
    """Training up to a date would learn from what only became known after it."""
    mark, interest = (np.concatenate((x, x[:, -30:]), axis=1) for x in story(0.03, 0.01))
    mark[0, ORIGIN + HORIZON_H + 1 :] *= 0.5
    interest[0, ORIGIN + HORIZON_H + 1 :] *= 0.5
    assert event(mark, interest) == 0.0
    mark[0, ORIGIN + HORIZON_H] *= 0.9
    interest[0, ORIGIN + HORIZON_H] *= 0.9
    assert event(mark, interest) == 1.0


def test_the_largest_move_is_found_wherever_it_lies():
    """A move between two hours of the window would be missed because it ends where it began."""
    rng = np.random.default_rng(3)
    path = rng.normal(size=(50, 8)).cumsum(axis=1)
    move, start = largest_move(path)
    for x, m, s in zip(path, move, start, strict=True):
        pairs = {(i, j): abs(x[j] - x[i]) for i in range(8) for j in range(i + 1, 8)}
        assert m == pytest.approx(max(pairs.values()))
        assert m == pytest.approx(max(d for (i, _), d in pairs.items() if i == s))


def grid_of(seed: int, hours: int = 400) -> HourlyGrid:
    """Two venues of one coin and another coin, all wandering, with hourly funding; only bybit tells interest."""
    rng = np.random.default_rng(seed)
    keys = (SeriesKey("binance", "AAA"), SeriesKey("bybit", "AAA"), SeriesKey("okx", "BBB"))
    shape = (len(keys), hours)
    mark = 20 * np.exp(rng.normal(0, 0.01, shape).cumsum(axis=1))
    bars = np.full((*shape, N_FIELDS), NAN, np.float32)
    bars[1, :, Field.OPEN_INTEREST] = 1e5 * np.exp(rng.normal(0, 0.01, hours).cumsum())
    level = rng.normal(1e-5, 1e-5, shape)
    one, zero = np.ones(shape), np.zeros(shape)
    times_ms = (np.arange(hours, dtype=np.int64) + 480_000) * HOUR_MS
    return HourlyGrid(keys, times_ms, level, level, mark, one, zero, bars, 1.0)


def read(grid: HourlyGrid, at: Points) -> np.ndarray:
    names, values = tabular(grid, at, scale_of(grid, at))
    return features(grid, at, names, values, crowding(grid))


def test_a_coin_is_read_where_most_is_told():
    """The head would be blind to open interest that another venue of the same coin tells."""
    grid = grid_of(1)
    at = coin_points(grid, np.array([300, 399]))
    assert [(grid.keys[row].venue, col) for row, col in zip(at.rows, at.cols, strict=True)] == [
        ("bybit", 300), ("bybit", 399), ("okx", 300), ("okx", 399),
    ]  # fmt: skip
    grid.mark[2] = NAN
    at = coin_points(grid, np.array([399]))
    assert at.rows.tolist() == [1]  # a coin without a price is left out, not guessed
    grid.mark[2] = 20.0
    assert coin_points(grid, np.array([399])).rows.tolist() == [1]  # nor is one whose price only stands


@pytest.mark.parametrize("what", ["mark", "level", "interest"])
def test_features_read_the_past_only(what):
    """A backtest would see the move before it comes."""
    before, after = grid_of(2), grid_of(2)
    cut = 350
    if what == "interest":
        after.bars[1, cut:, Field.OPEN_INTEREST] *= 0.7
    else:
        getattr(after, what)[:, cut:] *= 0.7
    cols = np.arange(250, cut)
    one, other = (coin_points(grid, cols) for grid in (before, after))
    assert np.array_equal(one.rows, other.rows)
    assert read(after, other) == pytest.approx(read(before, one), rel=1e-6, nan_ok=True)
    late = Points(np.array([1]), np.array([cut + 10]))
    assert read(after, late)[0].tolist() != read(before, late)[0].tolist()


def test_unknown_features_are_not_zero():
    """No open interest would be read as open interest that does not move, with nothing to liquidate."""
    x = dict(zip(FEATURES, read(grid_of(2), Points(np.array([2]), np.array([399])))[0].tolist(), strict=True))
    assert x["interest_told"] == 0.0
    blind = {name for name, value in x.items() if np.isnan(value)}
    assert blind == {name for name in FEATURES if name.startswith(("oi_", "below_", "above_", "placed"))}


def test_interest_carried_forward_did_not_stand_still():
    """A feed that tells its interest once a day would be read as calm for 23 hours."""
    grid = grid_of(2)
    daily = grid.bars[1, ::24, Field.OPEN_INTEREST].repeat(24)[: len(grid.times_ms)]
    grid.bars[1, :, Field.OPEN_INTEREST] = daily
    x = dict(zip(FEATURES, read(grid, Points(np.array([1]), np.array([399])))[0].tolist(), strict=True))
    assert x["interest_told"] == 0.0
    assert np.isnan([x["oi_8h"], x["oi_24h"]]).all()
    assert x["placed"] > 0  # what was opened meanwhile is known all the same


def rows_of(n: int, seed: int) -> Rows:
    """Samples over a thousand days whose events become likelier with one feature."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(FEATURES))).astype(np.float32)
    told = rng.random(n) < 0.3
    x[:, FEATURES.index("interest_told")] = told
    chance = 1 / (1 + np.exp(-(x[:, FEATURES.index("sigma_ratio")] * 1.5 - 3.5)))
    time_ms = np.sort(rng.integers(0, 1_000 * 24, n)) * HOUR_MS
    return Rows(x, (rng.random(n) < chance).astype(float), told, time_ms, np.full(n, "AAA"))


UNTIL_MS = 800 * DAY_MS


@pytest.fixture(scope="module")
def rows() -> Rows:
    return rows_of(12_000, 1)


@pytest.fixture(scope="module")
def fitted(rows):
    return fit(rows, UNTIL_MS, seed=5, num_threads=1)


def test_the_head_finds_what_there_is_to_find(rows, fitted):
    """The whole path from samples to a served probability would lose the signal, or its level."""
    text, card = fitted
    later = rows.between(UNTIL_MS, 1_100 * DAY_MS)
    p = CascadeHead(text, card["calibration"]).probability(later.x)
    found = measure(later, p, card["base_rate"])
    assert found["auc"] > 0.75
    assert found["brier_skill"] > 0.04
    assert found["ece"] < 0.03
    assert len(text) < 250_000
    assert card["measured"]["auc"] > 0.7
    assert set(card["measured"]) >= {PRICE_ONLY, WITH_INTEREST, "brier", "reliability"}


def test_the_same_seed_gives_the_same_model(rows, fitted):
    """An artefact could not be made again, nor its hash be trusted."""
    again = fit(rows, UNTIL_MS, seed=5, num_threads=1)
    assert again == fitted
    assert fit(rows, UNTIL_MS, seed=6, num_threads=1)[0] != fitted[0]


def test_nothing_known_after_the_date_is_learnt(rows, fitted):
    """A walk-forward figure would be that of a model which had seen the test."""
    unknown_yet = rows.time_ms + HORIZON_H * HOUR_MS >= UNTIL_MS
    event = np.where(unknown_yet, 1 - rows.event, rows.event)
    x = np.where(unknown_yet[:, None], -rows.x, rows.x)
    assert fit(replace(rows, event=event, x=x), UNTIL_MS, seed=5, num_threads=1) == fitted


def test_too_few_events_are_refused(rows):
    """A model would be fitted to noise and served as if it knew."""
    with pytest.raises(DataError, match="fewer than"):
        fit(rows.pick(np.arange(len(rows)) % 20 == 0), UNTIL_MS, seed=5, num_threads=1)
    with pytest.raises(DataError, match="known before"):
        fit(rows, 0, seed=5, num_threads=1)


def test_a_coin_without_a_past_has_no_probability(fitted):
    """A new coin would be given the model's guess for a coin of which it knows nothing."""
    text, card = fitted
    head = CascadeHead(text, card["calibration"])
    x = rows_of(3, 2).x
    x[1, FEATURES.index("sigma_log")] = NAN
    p = head.probability(x)
    assert np.isnan(p).tolist() == [False, True, False]
    assert ((p[[0, 2]] > 0) & (p[[0, 2]] < 1)).all()
    assert head.probability(x[:0]).shape == (0,)


def test_each_definition_has_its_own_calibration(fitted):
    """Coins with and without open interest would share one level, though their events are not the same."""
    text, _ = fitted
    head = CascadeHead(text, {PRICE_ONLY: [1.0, 0.0], WITH_INTEREST: [1.0, 2.0]})
    x = np.repeat(rows_of(1, 3).x, 2, axis=0)
    x[:, FEATURES.index("interest_told")] = 0.0, 1.0
    plain, shifted = head.probability(x)
    raw = CascadeHead(text, {PRICE_ONLY: [1.0, 0.0], WITH_INTEREST: [1.0, 0.0]}).probability(x)
    assert plain == raw[0]
    assert np.log(shifted / (1 - shifted)) == pytest.approx(np.log(raw[1] / (1 - raw[1])) + 2.0)


def test_a_head_made_for_other_features_is_refused(fitted):
    """The columns of another version would be read as if they were these."""
    text, card = fitted
    other = text.replace("sigma_ratio", "sigma_other")
    with pytest.raises(DataError, match="other features"):
        CascadeHead(other, card["calibration"])
    with pytest.raises(DataError, match="cannot be read"):
        CascadeHead(text, {PRICE_ONLY: [1.0, 0.0]})


def test_measures_by_hand():
    """The figures by which the head is judged would be wrong."""
    event = np.array([0.0, 0.0, 1.0, 1.0])
    assert auc(event, np.array([0.1, 0.2, 0.3, 0.4])) == 1.0
    assert auc(event, np.array([0.1, 0.3, 0.2, 0.4])) == 0.75
    assert auc(event, np.full(4, 0.5)) == 0.5
    assert np.isnan(auc(np.zeros(4), np.arange(4.0)))
    rows = Rows(
        np.zeros((4, 1), np.float32), event, np.array([True, True, True, False]), np.zeros(4, np.int64),
        np.full(4, "AAA"),
    )  # fmt: skip
    assert base_rates(rows) == {WITH_INTEREST: pytest.approx(1 / 3), PRICE_ONLY: 1.0}
    found = measure(rows, np.array([0.0, 0.5, 0.5, 1.0]), {WITH_INTEREST: 0.5, PRICE_ONLY: 0.5})
    assert found["brier"] == pytest.approx(0.125)
    assert found["brier_skill"] == pytest.approx(0.5)
    assert found["ece"] == pytest.approx(0.25)
    assert found["reliability"] == [(1, 0.0, 0.0), (1, 0.5, 0.0), (1, 0.5, 1.0), (1, 1.0, 1.0)]
    assert found[PRICE_ONLY]["n"] == 1


def test_rows_of_a_history_are_whole_and_known_in_time():
    """Hours at the seams of chunks would be lost or doubled, or outcomes of after the date be taken in."""
    rng = np.random.default_rng(4)
    days = 75
    ts = np.arange(1, days * 24 + 1, dtype=np.int64) * HOUR_MS
    price = Track(ts, 10 * np.exp(rng.normal(0, 0.01, len(ts)).cumsum()))
    key = SeriesKey("okx", "AAA")
    data = SeriesData(
        key, ts, np.full(len(ts), 1e-5), np.ones(len(ts)), np.full(len(ts), NAN), price, price,
        candle_ms=np.full(len(ts), HOUR_MS, np.int64),
    )  # fmt: skip
    from_ms, until_ms = 8 * DAY_MS, 72 * DAY_MS
    rows = collect({key: data}, from_ms, until_ms)
    expected = np.arange(from_ms // HOUR_MS + 1, (until_ms - 1) // HOUR_MS - HORIZON_H + 1)
    assert (rows.time_ms // HOUR_MS).tolist() == expected[expected % EVERY_H == 0].tolist()
    assert (rows.time_ms + HORIZON_H * HOUR_MS < until_ms).all()
    assert set(rows.event.tolist()) <= {0.0, 1.0}
    assert not rows.with_interest.any()
    with pytest.raises(DataError, match="hourly price"):
        collect({key: replace(data, close=Track(ts[:1], price.values[:1]))}, from_ms, until_ms)


def test_the_trees_stay_small():
    """A few dozen independent cascades would be learnt by heart."""
    assert PARAMETERS["num_leaves"] <= 15
    assert PARAMETERS["min_data_in_leaf"] >= 100
