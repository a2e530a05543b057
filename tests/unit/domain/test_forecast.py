"""Forecasts: quantile functions that do not cross, and joint draws that keep marginals and dependence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast, joint_scenarios, quantile_function
from hedged.domain.market import SeriesKey

bands = st.lists(st.floats(-1e-3, 1e-3), min_size=len(LEVELS), max_size=len(LEVELS)).map(lambda v: np.sort(v))


@given(bands, st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_the_quantile_function_never_falls(band, levels):
    """A higher probability would have a lower rate, and expected savings could be of the wrong sign."""
    rates = quantile_function(band, np.sort(levels))
    assert (np.diff(rates) >= -1e-15).all()
    assert np.isfinite(rates).all()


@given(bands)
def test_the_quantile_function_passes_through_its_quantiles(band):
    """The scenarios would follow another law than the forecast that is shown."""
    assert quantile_function(band, LEVELS) == pytest.approx(band, abs=1e-15)


def test_the_tails_go_on_with_the_last_slope():
    """Rates beyond the 90 % band would never be drawn, and the planner would not see the tail."""
    band = LEVELS * 2.0
    assert quantile_function(band, np.array([0.0, 0.01, 0.99, 1.0])) == pytest.approx([0.0, 0.02, 1.98, 2.0])


@given(
    st.lists(bands, min_size=1, max_size=4),
    st.integers(0, 60),
    st.integers(1, 80),
    st.integers(0, 2**32 - 1),
)
def test_every_marginal_survives_the_joining(series, n_past, n_scenarios, seed):
    """Joining the markets would change what is said of each alone."""
    quantiles = np.stack(series)
    residuals = np.random.default_rng(seed).normal(size=(n_past, len(series)))
    draws = joint_scenarios(quantiles, residuals, n_scenarios)
    u = (np.arange(n_scenarios) + 0.5) / n_scenarios
    assert draws.shape == (n_scenarios, len(series))
    for column, band in enumerate(quantiles):
        assert np.array_equal(np.sort(draws[:, column]), np.sort(quantile_function(band, u)))


@pytest.mark.parametrize(
    ("n_past", "slack"), [(256, 1e-9), (97, 0.05), (1_000, 0.15)]
)  # the last: a sample of the rows
@pytest.mark.parametrize("rho", [-0.8, 0.0, 0.6, 0.95])
def test_the_draws_depend_on_each_other_like_the_residuals(n_past, slack, rho):
    """Two venues whose rates move together would be planned as a diversified pair, or the other way round."""
    rng = np.random.default_rng(3)
    past = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=n_past)
    quantiles = np.stack([LEVELS, LEVELS**3])  # of different shape: ranks alone count
    draws = joint_scenarios(quantiles, past, 256)
    expected = spearmanr(past[:, 0], past[:, 1]).statistic
    assert spearmanr(draws[:, 0], draws[:, 1]).statistic == pytest.approx(expected, abs=slack)


@pytest.mark.parametrize("n_past", [0, 1])
def test_without_a_past_the_draws_are_independent(n_past):
    """Rates that are drawn to move alike make exchanging one for the other, a relocation, look riskless."""
    draws = joint_scenarios(np.stack([LEVELS, LEVELS * 5, LEVELS]), np.zeros((n_past, 3)), 256)
    assert np.abs(np.corrcoef(draws, rowvar=False) - np.eye(3)).max() < 0.2
    assert np.std(draws[:, 0] - draws[:, 2]) > 0.1
    again = joint_scenarios(np.stack([LEVELS, LEVELS * 5, LEVELS]), np.zeros((n_past, 3)), 256)
    assert np.array_equal(draws, again)


def test_a_column_is_found_by_its_market():
    """A market would be planned with another market's rates."""
    keys = (SeriesKey("binance", "INJ"), SeriesKey("injective", "INJ"))
    made = ForecastSet(0, 24, keys, {}, np.array([[1.0, 2.0], [3.0, 4.0]]), "m", "f")
    assert made.column(keys[1]).tolist() == [2.0, 4.0]


@pytest.mark.parametrize(("p_up", "confidence"), [(0.5, 0.5), (0.9, 0.9), (0.1, 0.9)])
def test_direction_confidence_is_symmetric(p_up, confidence):
    """A forecast sure of a fall would be reported as unsure."""
    forecast = RateForecast(SeriesKey("okx", "INJ"), 0, 24, 0.0, LEVELS, p_up)
    assert forecast.direction_confidence == pytest.approx(confidence)
