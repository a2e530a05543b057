"""The statistical forecaster: as its definition says, blind to the future, silent where it knows nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.domain.bars import N_FIELDS
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import ConfigError
from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.registry import FORECASTERS, make_forecaster

START_MS = 1_756_684_800_000
BINANCE, INJECTIVE = SeriesKey("binance", "INJ"), SeriesKey("injective", "INJ")
SMALL = EwmaConfig(half_lives_h=(2.0, 8.0), min_history_h=12, n_scenarios=64)


def grid_of(
    rates: np.ndarray, interval_h: int = 1, keys: tuple[SeriesKey, ...] = (BINANCE, INJECTIVE)
) -> HourlyGrid:
    """Hourly grid (series, hours) in which every `interval_h`-th hour settles at the rate per hour given for it."""
    n_series, hours = rates.shape
    due = np.arange(hours) % interval_h == 0
    level = rates[:, np.arange(hours) // interval_h * interval_h]
    times_ms = START_MS + np.arange(1, hours + 1) * HOUR_MS
    paid = np.where(due, rates * interval_h, 0.0)
    since_h = np.broadcast_to((np.arange(hours) % interval_h).astype(float), rates.shape)
    bars = np.full((n_series, hours, N_FIELDS), np.nan, np.float32)
    mark = np.full_like(rates, 25.0)
    return HourlyGrid(
        keys[:n_series], times_ms, paid, level, mark, np.full_like(rates, interval_h), since_h, bars, 1.0
    )


def walk(seed: int, hours: int, n_series: int = 2) -> np.ndarray:
    """Rates per hour that wander and revert."""
    rng = np.random.default_rng(seed)
    out = np.zeros((n_series, hours))
    for t in range(1, hours):
        out[:, t] = 0.9 * out[:, t - 1] + rng.normal(0, 1e-5, n_series)
    return out


def until(grid: HourlyGrid, hours: int) -> HourlyGrid:
    cut = {name: getattr(grid, name)[:, :hours] for name in ("paid", "level", "mark")}
    return replace(grid, times_ms=grid.times_ms[:hours], **cut)


def by_hand(grid: HourlyGrid, row: int, config: EwmaConfig, horizon_h: int) -> tuple[float, np.ndarray]:
    """Mean and quantiles as the module's docstring defines them, in plain loops."""
    level, paid = grid.level[row], grid.paid[row]
    best: tuple[float, float, list[float]] | None = None
    for half_life_h in config.half_lives_h:
        alpha = 1 - math.exp(-math.log(2) / half_life_h) if half_life_h else 1.0
        smooth, errors = math.nan, []
        for t in range(len(level)):
            if not math.isnan(level[t]):
                smooth = level[t] if math.isnan(smooth) else (1 - alpha) * smooth + alpha * level[t]
            coming = paid[t + 1 : t + 1 + horizon_h]
            if len(coming) == horizon_h and not np.isnan(coming).any() and not math.isnan(smooth):
                errors.append(sum(coming) / horizon_h - smooth)
        mae = sum(map(abs, errors)) / len(errors)
        if best is None or mae < best[0]:
            best = (mae, smooth, errors)
    assert best is not None
    _, smooth, errors = best
    return smooth + sum(errors) / len(errors), smooth + np.quantile(errors, LEVELS)


def same(a, b) -> bool:
    """Whether two forecast sets say the same, to the last bit."""
    return (
        a.keys == b.keys
        and np.array_equal(a.scenarios, b.scenarios)
        and all(np.array_equal(a.marginals[k].quantiles, b.marginals[k].quantiles) for k in a.keys)
        and all(
            (a.marginals[k].mean, a.marginals[k].p_up) == (b.marginals[k].mean, b.marginals[k].p_up)
            for k in a.keys
        )
    )


@pytest.mark.parametrize("interval_h", [1, 4, 8])
@pytest.mark.parametrize("horizon_h", [1, 24, 37])
@pytest.mark.parametrize("lead_in", [0, 5])
def test_the_forecast_is_what_its_definition_says(interval_h, horizon_h, lead_in):
    """Realised means, errors or the choice of the half-life would be off by an hour, or NaN would leak in."""
    grid = grid_of(walk(1, 150), interval_h)
    grid.paid[0, 60:62] = np.nan  # an outage: no horizon across it counts
    grid.level[:, :lead_in] = np.nan
    made = EwmaForecaster(SMALL).forecast(grid, int(grid.times_ms[-1]), horizon_h)
    assert made.keys == (BINANCE, INJECTIVE)
    for row, key in enumerate(made.keys):
        mean, quantiles = by_hand(grid, row, SMALL, horizon_h)
        assert made.marginals[key].mean == pytest.approx(mean, abs=1e-15)
        assert made.marginals[key].quantiles == pytest.approx(quantiles, abs=1e-15)


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.integers(40, 90),
    st.integers(1, 24),
    st.sampled_from([1, 4, 8]),
    st.floats(-1, 1).filter(bool),
)
def test_the_future_does_not_reach_the_forecast(seed, now, horizon_h, interval_h, shock):
    """Backtests would look better than the daemon can be: later values must not move what was forecast at t."""
    rates = walk(seed, 100)
    later = rates.copy()
    later[:, now:] += shock  # also the prints that a careless realised mean at t would use
    forecaster = EwmaForecaster(SMALL)
    first, second = (
        forecaster.forecast(until(grid_of(r, interval_h), now), START_MS + now * HOUR_MS, horizon_h)
        for r in (rates, later)
    )
    assert same(first, second)


def test_forecasting_leaves_the_grid_alone():
    """The window is a view of the ring buffer: a forecaster that writes into it changes the daemon's memory."""
    grid = grid_of(walk(2, 100))
    grid.paid[0, 30] = np.nan
    kept = [part.copy() for part in (grid.paid, grid.level, grid.mark)]
    EwmaForecaster(SMALL).forecast(grid, 0, 24)
    assert all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(kept, (grid.paid, grid.level, grid.mark), strict=True)
    )


def test_too_short_a_history_leaves_the_series_out():
    """A market listed yesterday would be hedged on a band made from a handful of errors."""
    horizon_h = 24
    enough = SMALL.min_history_h + horizon_h
    grid = grid_of(walk(3, enough))
    assert EwmaForecaster(SMALL).forecast(grid, 0, horizon_h).keys == (BINANCE, INJECTIVE)
    grid.level[0, 0] = grid.paid[0, 0] = np.nan  # one hour less of the first series
    assert EwmaForecaster(SMALL).forecast(grid, 0, horizon_h).keys == (INJECTIVE,)


@pytest.mark.parametrize(("missing", "kept"), [(1, True), (2, False), (9, False)])
def test_an_overdue_print_leaves_the_series_out(missing, kept):
    """A venue that stopped printing would be forecast on its last word for ever; one hour's delay is normal."""
    grid = grid_of(walk(4, 100))
    grid.paid[0, -missing:] = np.nan
    grid.level[0, -missing:] = grid.level[0, -missing - 1]
    made = EwmaForecaster(SMALL).forecast(grid, 0, 24)
    assert (BINANCE in made.keys) is kept
    assert made.scenarios.shape == (SMALL.n_scenarios, len(made.keys))
    assert set(made.marginals) == set(made.keys)


@pytest.mark.parametrize("hours", [0, 1, 24])
@pytest.mark.parametrize("n_series", [0, 2])
@pytest.mark.parametrize("name", sorted(FORECASTERS))
def test_no_history_is_no_forecast(hours, n_series, name):
    """The first cycle of a daemon that starts without history would crash."""
    grid = grid_of(np.zeros((n_series, hours)))
    made = make_forecaster(name).forecast(grid, START_MS, 24)
    assert made.keys == ()
    assert made.scenarios.shape[1] == 0


def test_a_series_that_was_never_seen_is_left_out():
    """A configured venue that never answered would spoil the forecasts of all the others."""
    grid = grid_of(walk(5, 100))
    grid.level[0] = grid.paid[0] = np.nan
    alone = EwmaForecaster(SMALL).forecast(grid, 0, 24)
    assert alone.keys == (INJECTIVE,)
    assert alone.marginals[INJECTIVE].mean == pytest.approx(by_hand(grid, 1, SMALL, 24)[0])


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([1, 4, 8]), st.sampled_from(sorted(FORECASTERS)))
def test_every_forecast_is_a_proper_law(seed, interval_h, name):
    """Crossing quantiles, probabilities outside 0 … 1 or a mean outside all errors would reach the planner."""
    made = make_forecaster(name).forecast(grid_of(walk(seed, 120), interval_h), START_MS, 24)
    for key in made.keys:
        forecast = made.marginals[key]
        assert (np.diff(forecast.quantiles) >= 0).all()
        assert 0 <= forecast.p_up <= 1
        assert np.isfinite(made.column(key)).all()
        assert (forecast.made_at_ms, forecast.horizon_h) == (START_MS, 24)


def test_persistence_says_the_last_rate():
    """The baseline that every model must beat would be another one than the reports say."""
    grid = grid_of(walk(6, 200))
    made = make_forecaster("persistence").forecast(grid, 0, 24)
    for row, key in enumerate(made.keys):
        past = grid.level[row]
        bias = np.mean([grid.paid[row, t + 1 : t + 25].mean() - past[t] for t in range(200 - 24)])
        # the last rate, moved by what such a forecast missed on average, as the band around it is
        assert made.marginals[key].mean == pytest.approx(past[-1] + bias, abs=1e-15)


def test_a_constant_rate_is_forecast_exactly():
    """A market that sits at its interest would be forecast with a bias or a spread that it does not have."""
    made = EwmaForecaster().forecast(grid_of(np.full((2, 200), 1.25e-5), 8), 0, 24)
    for key in made.keys:
        assert made.marginals[key].mean == pytest.approx(1.25e-5)
        assert made.marginals[key].quantiles == pytest.approx(np.full(len(LEVELS), 1.25e-5))


def test_the_better_half_life_is_chosen():
    """The tuning would pick the worse memory: the long one is right for noise, the short one for a slow drift."""
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 1e-5, (1, 400))
    drift = np.linspace(0, 1e-3, 400)[None, :] + noise / 100
    both = EwmaConfig(half_lives_h=(1.0, 100.0))
    for rates, half_life_h in ((noise, 100.0), (drift, 1.0)):
        grid = grid_of(rates)
        alone = EwmaForecaster(replace(both, half_lives_h=(half_life_h,))).forecast(grid, 0, 24)
        tuned = EwmaForecaster(both).forecast(grid, 0, 24)
        assert tuned.marginals[BINANCE].mean == pytest.approx(alone.marginals[BINANCE].mean, rel=1e-12)


@pytest.mark.parametrize("spike", [-1.0, 1.0])
def test_after_a_spike_the_rate_is_expected_back(spike):
    """The direction of the forecast would be told the wrong way round."""
    rates = np.random.default_rng(10).normal(0, 1e-5, (1, 300))
    rates[0, -1] = spike * 2e-5
    forecast = (
        EwmaForecaster(EwmaConfig(half_lives_h=(100.0,))).forecast(grid_of(rates), 0, 24).marginals[BINANCE]
    )
    assert forecast.p_up == pytest.approx(0.5 - spike / 2, abs=0.06)


def test_markets_that_err_together_are_drawn_together():
    """The planner would see two venues of one coin as independent, and hedge one with the other for nothing."""
    rates = walk(8, 400, n_series=1)
    made = EwmaForecaster().forecast(grid_of(np.concatenate([rates, rates * 2])), 0, 24)
    ranks = made.scenarios.argsort(axis=0).argsort(axis=0)
    assert np.array_equal(ranks[:, 0], ranks[:, 1])


def test_a_forecast_is_deterministic():
    """The same window would give another decision on a second run, and no backtest could be checked."""
    grid = grid_of(walk(9, 200))
    assert same(*(EwmaForecaster().forecast(grid, 0, 24) for _ in range(2)))


def test_hashes_tell_models_apart():
    """The gate could not tell that a decision was made with another model than the one that is loaded."""
    configs = [
        EwmaConfig(),
        SMALL,
        EwmaConfig(half_lives_h=(8.0,)),
        EwmaConfig(min_history_h=73),
        EwmaConfig(n_scenarios=1),
    ]
    hashes = [EwmaForecaster(c).model_hash for c in configs] + [make_forecaster("persistence").model_hash]
    assert len(set(hashes)) == len(hashes)
    assert EwmaForecaster().model_hash == EwmaForecaster().model_hash == make_forecaster("ewma").model_hash


@pytest.mark.parametrize("name", sorted(FORECASTERS))
def test_the_feature_schema_is_carried_along(name):
    """A model made for another layout of the features would be served silently."""
    forecaster = make_forecaster(name)
    made = forecaster.forecast(grid_of(walk(1, 100)), 0, 24)
    assert forecaster.feature_hash == made.feature_hash == FEATURE_HASH
    assert made.model_hash == forecaster.model_hash


def test_an_unknown_forecaster_is_named_with_the_choice():
    """A typing error in the configuration would end in a KeyError without a remedy."""
    with pytest.raises(ConfigError, match=r"'lstm'.*ensemble, ewma, nowcast, persistence"):
        make_forecaster("lstm")
