"""AutoARIMA: the filter and the forecasts made with what the search finds."""

import numpy as np
import pytest

from hedged.evaluation import arima as module
from hedged.evaluation.arima import Model, arima, auto_arima, invertible, predict, sample_of, steps_of
from hedged.evaluation.prints import histories
from hedged.evaluation.truth import settle

MODELS = {
    "AR(2)": Model(np.array([0.5, 0.3]), np.empty(0), 0, 2.0, 1.0),
    "ARMA(1,2)": Model(np.array([0.8]), np.array([0.4, -0.2]), 0, -1.0, 1.0),
    "ARIMA(0,1,1) with drift": Model(np.empty(0), np.array([-0.6]), 1, 0.05, 1.0),
    "ARIMA(1,2,1)": Model(np.array([0.3]), np.array([-0.7]), 2, 0.0, 1.0),
}


def simulate(model, n, rng, start=None, steps=0):
    """Rates that follow the model; with `start` (rates, innovations), their continuations (n of `steps`)."""
    w, e = [], []
    for _ in range(n):
        e.append(rng.normal())
        x = sum(a * (w[-i - 1] - model.mean) for i, a in enumerate(model.ar) if i < len(w))
        w.append(
            model.mean + x + e[-1] + sum(m * e[-j - 2] for j, m in enumerate(model.ma) if j + 1 < len(e))
        )
    rate = np.array(w)
    for _ in range(model.d):
        rate = np.cumsum(rate)
    return rate, np.array(e)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_one_step_errors_are_the_innovations(model):
    """The filter must recover what drove the series, or states drift within the month."""
    rate, innovations = simulate(model, 400, np.random.default_rng(0))
    at = np.arange(150, 399)
    one = np.ones(len(at), int)
    mean, sd = predict(model, rate, at, (one, one))
    np.testing.assert_allclose(rate[at + 1] - mean, innovations[at + 1], atol=1e-6)
    np.testing.assert_allclose(sd, 1.0)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_band_of_a_mean_of_steps_is_as_wide_as_its_errors(model):
    """Errors of successive steps go together: a band that forgot it would be far too narrow at 24 hours."""
    rng = np.random.default_rng(1)
    steps = 6
    errors, sds = [], []
    for _ in range(400):
        rate, _ = simulate(model, 160, rng)
        at = np.array([153])
        mean, sd = predict(model, rate, at, (np.array([1]), np.array([steps])))
        errors.append(rate[154 : 154 + steps].mean() - mean[0])
        sds.append(sd[0])
    assert abs(np.mean(errors)) < 0.25 * np.mean(sds)
    assert np.std(errors) == pytest.approx(np.mean(sds), rel=0.12)


def test_only_the_past_is_filtered():
    """A forecast must not change when a later print does."""
    model = MODELS["ARMA(1,2)"]
    rate, _ = simulate(model, 200, np.random.default_rng(2))
    at, one = np.array([120]), np.array([3])
    before = predict(model, rate, at, (one, one))
    rate[121:] += 5
    assert predict(model, rate, at, (one, one)) == before


def test_a_filter_that_would_explode_is_mirrored():
    """The search can end beyond the unit circle; the plain filter then grows without bound within the month."""
    ma, gain = invertible(np.array([-2.0]))
    assert ma == pytest.approx([-0.5])
    assert gain == pytest.approx(2.0)
    assert np.abs(np.roots(np.r_[1.0, invertible(np.array([-1.0000057]))[0]])).max() < 0.995
    same, one = invertible(np.array([0.4, -0.2]))
    assert same == pytest.approx([0.4, -0.2])
    assert one == 1.0
    assert len(invertible(np.empty(0))[0]) == 0


def test_a_mean_covers_the_settlements_in_it():
    """24 hours are three prints of a slow series and 24 of an hourly one."""
    column, interval = np.array([0, 1, 2, 3, 2]), np.array([8.0, 8.0, 8.0, 8.0, 1.0])
    first, last = steps_of(column, interval)
    assert first.tolist() == [1, 3, 1, 1, 1]
    assert last.tolist() == [1, 3, 3, 15, 24]


def test_parameters_are_fitted_on_prints_before_the_month(series, make):
    """Refitting with the month's own prints would be a look ahead at its first forecasts."""
    truth = settle(make.forecasts(series, make.last_rate), series)
    past = histories(series, truth.origins)
    key = next(iter(series))
    fitted = []

    def fit(rate):
        fitted.append(rate)
        return MODELS["AR(2)"]

    frame = arima(past, truth.origins, [key], fit=fit)
    months = frame["origin_ts"].dt.truncate("1mo").unique().sort().dt.epoch("ms").to_list()
    assert len(fitted) == len(months) >= 2
    for rate, month_ms in zip(fitted, months, strict=True):
        end = np.searchsorted(past[key].ts, month_ms)
        np.testing.assert_array_equal(rate, past[key].per_hour[max(end - 500, 0) : end])
    assert set(frame["symbol"]) == {key.symbol}


def test_the_sample_is_drawn_from_both_classes_and_named(series, make):
    """A hand-picked sample could be picked to lose."""
    origins = settle(make.forecasts(series, make.last_rate), series).origins
    drawn = sample_of(origins, 1, np.random.default_rng(0))
    assert {key.venue == "hyperliquid" for key in drawn} == {True, False}
    assert drawn == sample_of(origins, 1, np.random.default_rng(0))
    assert len(sample_of(origins, 9, np.random.default_rng(0))) == len(series)


def test_a_rate_that_never_moved_keeps_its_value():
    """A constant series must not end in a division by zero."""
    model = auto_arima(np.full(200, 1.25e-5))
    at = np.array([150])
    mean, sd = predict(model, np.full(200, 1.25e-5), at, (np.array([3]), np.array([3])))
    assert mean[0] == pytest.approx(1.25e-5)
    assert sd[0] > 0


def test_the_search_finds_a_model_that_forecasts():
    """Signs of the library's coefficients taken wrongly would make AutoARIMA a straw man."""
    pytest.importorskip(module.LIBRARY, exc_type=ImportError)
    rng = np.random.default_rng(4)
    rate, innovations = simulate(MODELS["ARMA(1,2)"], 560, rng)
    scaled = 1e-6 * rate
    model = auto_arima(scaled[:500])
    at = np.arange(500, 559)
    one = np.ones(len(at), int)
    mean, sd = predict(model, scaled, at, (one, one))
    error = np.abs(scaled[at + 1] - mean).mean()
    assert error < 1.15e-6 * np.abs(innovations[at + 1]).mean()
    assert sd[0] == pytest.approx(1e-6, rel=0.1)
