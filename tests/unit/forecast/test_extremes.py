"""Rates beyond what any member learned: what is said of what comes after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.forecast import LEVELS
from hedged.features.targets import HORIZONS
from hedged.forecast.extremes import FROM, LEFT, TO, tempered

MEDIAN = len(LEVELS) // 2
M24, M120 = HORIZONS.index("m24h"), HORIZONS.index("m120h")


def said(n: int = 1) -> np.ndarray:
    """Two members that say of every horizon: it stays where it is, within three usual changes."""
    return np.broadcast_to(np.linspace(-3, 3, len(LEVELS), dtype=np.float32), (2, n, 4, len(LEVELS))).copy()


@given(st.floats(-FROM, FROM) | st.just(np.nan), st.booleans())
def test_usual_rates_are_the_members_own(distance: float, slow: bool) -> None:
    """If this fails, forecasts change where the members know best, or where the usual level is unknown."""
    told = tempered(said(), np.array([distance]), np.array([slow]))
    assert (told == said()).all()


@given(st.floats(TO, 1e4), st.booleans(), st.sampled_from([-1, 1]))
def test_an_extreme_is_forecast_to_pass(distance: float, slow: bool, sign: int) -> None:
    """If this fails, a spike of an hour is hedged as if it stayed for days, or its law is no law."""
    told = tempered(said(), np.array([sign * distance]), np.array([slow]))
    assert (np.diff(told, axis=-1) >= 0).all()
    for horizon, most_left in ((M24, 0.35), (M120, 0.2)):
        left = 1 - told[0, 0, horizon, MEDIAN] / (sign * distance)
        assert -0.05 < left < most_left
    mirrored = tempered(-said()[..., ::-1], np.array([-sign * distance]), np.array([slow]))
    assert mirrored == pytest.approx(-told[..., ::-1])


def test_members_lose_their_say_gradually() -> None:
    """If this fails, a forecast jumps where a rate crosses a threshold, and hedges are turned over at it."""
    distance = np.linspace(FROM - 1, TO + 1, 400)
    told = tempered(said(400), distance, np.zeros(400, bool))[0, :, M24, MEDIAN]
    assert (np.abs(np.diff(told)) < 0.25).all()
    assert told[0] == 0
    assert told[-1] > 0.6 * distance[-1]


def test_the_table_is_a_law() -> None:
    """If this fails, a typing error in a measured constant goes unnoticed: a quantile out of order or missing."""
    for of_class in LEFT.values():
        assert tuple(of_class) == HORIZONS
        for quantiles in of_class.values():
            assert len(quantiles) == len(LEVELS)
            assert list(quantiles) == sorted(quantiles)
