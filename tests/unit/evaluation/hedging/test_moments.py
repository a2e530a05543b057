"""Risks and usual rates of a walk are those that the daemon would measure."""

from dataclasses import replace

import numpy as np
import pytest
from hedge_worlds import history

from hedged.evaluation.hedging.moments import moments_by_hour
from hedged.features.moments import moments
from hedged.features.resample import HourlyGrid

HOURS = 900


def test_every_hour_is_measured_as_a_grid_that_ends_there():
    """If this fails, the planner sees other risks or other usual rates in the yardstick than in the daemon."""
    rng = np.random.default_rng(0)
    own = np.cumsum(rng.normal(0, 0.01, HOURS))
    logs = np.stack([own, own + rng.normal(0, 0.002, HOURS)])
    level = rng.normal(1e-5, 1e-6, (2, HOURS))
    past = replace(history([1e-5] * HOURS, [1e-5] * HOURS), log_price=logs, level=level)
    blank, bars = np.zeros((2, HOURS)), np.zeros((2, HOURS, 1), np.float32)
    by_hour = moments_by_hour(past, 24, True)
    for end in (800, HOURS):
        grid = HourlyGrid(
            past.keys, past.ts_ms[:end], blank[:, :end], level[:, :end], np.exp(logs[:, :end]), blank[:, :end],
            blank[:, :end], bars[:, :end], 1.0,
        )  # fmt: skip
        whole, found = moments(grid, 24), by_hour.at(end - 1)
        # the first move of a month needs the hour before it, which a walk still knows
        assert found.sigma == pytest.approx(whole.sigma["BTC"], rel=2e-3)
        assert found.basis_sigma[0] == pytest.approx(whole.basis_sigma[past.keys[1]], rel=2e-3)
        assert found.usual == pytest.approx([whole.usual[key] for key in past.keys])


def test_without_a_price_nothing_is_risky():
    """If this fails, a setting that is to measure funding alone shies away from price moves."""
    found = moments_by_hour(history([1e-5] * 50, [1e-5] * 50), 24, False)
    assert not found.sigma.any()
    assert not found.basis_sigma.any()
    assert np.isnan(found.usual[:, 10]).all()
    assert found.usual[:, 40] == pytest.approx(1e-5)
