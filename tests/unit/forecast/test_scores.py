"""Scores of forecasts beside the EWMA: the loss as defined, only of what is known, kept across restarts."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.bars import N_FIELDS
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS, STAND_IN, ForecastSet, RateForecast
from hedged.domain.market import SeriesKey
from hedged.features.resample import HourlyGrid
from hedged.forecast.scores import EVERY_MS, KEPT_MS, Score, Scores, pinball

START_MS = 1_756_684_800_000
INJ, ETH = SeriesKey("injective", "INJ"), SeriesKey("binance", "ETH")
RATE = 2e-5


def grid_to(hours: int, paid: float = RATE, keys: tuple[SeriesKey, ...] = (INJ, ETH)) -> HourlyGrid:
    """Every hour so far settled at `paid`."""
    shape = (len(keys), hours)
    full = np.full(shape, paid)
    times_ms = START_MS + np.arange(1, hours + 1) * HOUR_MS
    bars = np.full((*shape, N_FIELDS), np.nan, np.float32)
    return HourlyGrid(
        keys, times_ms, full, full, np.full(shape, 25.0), np.ones(shape), np.zeros(shape), bars, 1.0
    )


def told(rate: float, model: str = "m", made_by: dict[SeriesKey, str] | None = None) -> ForecastSet:
    """A forecast of the same sure rate for both markets."""
    sure = np.full(len(LEVELS), rate)
    laws = {key: RateForecast(key, 0, 24, rate, sure, 0.5) for key in (INJ, ETH)}
    return ForecastSet(0, 24, (INJ, ETH), laws, np.empty((1, 2)), model, "f", made_by or {})


def test_half_of_the_ewmas_error_is_half_of_its_loss() -> None:
    """If this fails, drift is measured on another scale than the one that is documented."""
    scores = Scores()
    scores.take(grid_to(48), told(RATE + 1e-6), told(RATE + 2e-6))
    scores.take(grid_to(71), told(RATE), told(RATE))
    assert scores.of_venues() == {}, "judged before the horizon was over"
    scores.take(grid_to(72), told(RATE), told(RATE))
    assert scores.of_venues() == {
        "injective": Score(pytest.approx(0.5), 1),
        "binance": Score(pytest.approx(0.5), 1),
    }


def test_what_is_not_known_is_not_judged() -> None:
    """If this fails, a missing settlement counts as one of zero and a sound model seems to drift."""
    scores, later = Scores(), grid_to(72)
    scores.take(grid_to(48), told(RATE), told(RATE))
    later.paid[0, 60] = np.nan
    scores.take(later, told(RATE), told(RATE))
    assert set(scores.of_venues()) == {"binance"}
    assert scores.of_venues()["binance"].ratio is None, "of an EWMA without any error there is no ratio"


def test_the_stand_in_is_not_compared_with_itself() -> None:
    """If this fails, young series draw the ratio towards 1 and hide that the model has grown old."""
    scores = Scores()
    scores.take(grid_to(48), told(RATE, made_by={INJ: "ensemble", ETH: STAND_IN}), told(RATE))
    scores.take(grid_to(72), told(RATE), told(RATE))
    assert set(scores.of_venues()) == {"injective"}


def test_another_model_begins_anew_and_old_outcomes_are_forgotten() -> None:
    """If this fails, a retrained model is blamed for what its predecessor did, or for last year."""
    scores = Scores()
    scores.take(grid_to(48), told(0.0), told(0.0))
    scores.take(grid_to(72), told(0.0), told(0.0))
    assert scores.of_venues()
    scores.take(grid_to(80), told(0.0, model="new"), told(0.0))
    assert scores.of_venues() == {}
    scores.take(grid_to(104), told(0.0, model="new"), told(0.0))
    assert scores.of_venues()
    scores.take(grid_to(104 + KEPT_MS // HOUR_MS), replace(told(0.0, model="new"), keys=()), told(0.0))
    assert scores.of_venues() == {}


def test_a_restart_goes_on_where_it_was() -> None:
    """If this fails, drift is never seen on a daemon that is restarted every few weeks."""
    scores = Scores()
    for hours in (48, 56, 72):
        scores.take(grid_to(hours), told(RATE + 1e-6), told(RATE + 2e-6))
    again = Scores.from_json(json.loads(json.dumps(scores.to_json())))
    for one in (scores, again):
        one.take(grid_to(80), told(RATE), told(RATE))
    assert again.to_json() == scores.to_json()
    assert again.of_venues()["injective"].of == 2


def test_forecasts_are_taken_a_few_times_a_day() -> None:
    """If this fails, the daemon scores at every look, or never again after a window without series."""
    scores = Scores()
    assert scores.due(START_MS)
    scores.take(grid_to(48), replace(told(0.0), keys=()), told(0.0))
    now_ms = START_MS + 48 * HOUR_MS
    assert not scores.due(now_ms)
    assert scores.due((now_ms // EVERY_MS + 1) * EVERY_MS)


@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9), st.floats(-1, 1))
def test_pinball_is_least_at_the_outcome(law: list[float], rate: float) -> None:
    """If this fails, the loss rewards a law that is further from what came."""
    quantiles = np.sort(np.array(law))
    by_hand = [
        max(level * (rate - q), (level - 1) * (rate - q)) for level, q in zip(LEVELS, quantiles, strict=True)
    ]
    assert pinball(quantiles, rate) == pytest.approx(sum(by_hand) / 9)
    assert pinball(quantiles, rate) >= pinball(np.full(9, rate), rate) == 0
