"""The planner over the month behind: it knows nothing of what came after, and pays what it costs."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from fakes import HASHES, HERE, THERE, market

from hedged.config import Config, parse_config
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import ForecastSet
from hedged.features.moments import moments
from hedged.features.resample import HourlyGrid
from hedged.forecast.ewma import EwmaForecaster
from hedged.strategy.snapshot import Snapshot
from hedged.wiring.last_month import EVERY_H, LEAST_H, TAUGHT_H, Kept, kept_lately

HOURS = TAUGHT_H + LEAST_H + 1
CONFIG: Config = parse_config(
    {"hedge": {"forecaster": "ewma", "venues": ["binance"], "delta_band": 0}, "book": {"positions": {}}}
)


def grid(here: float, there: float, hours: int = HOURS) -> HourlyGrid:
    """Hours of constant rates, settled every hour, under prices that wander together."""
    rng = np.random.default_rng(5)
    mark = 100 * np.exp(np.cumsum(0.004 * rng.standard_normal(hours)))
    rates = np.array([[here], [there]]) * (1 + 0.05 * rng.standard_normal((2, hours)))
    ones = np.ones((2, hours))
    bars = np.full((2, hours, len(Field)), np.nan, np.float32)
    times = (np.arange(hours, dtype=np.int64) + 490_000) * HOUR_MS
    return HourlyGrid((HERE, THERE), times, rates, rates, np.stack([mark, mark]), ones, 0 * ones, bars, 1.0)


def book(of: HourlyGrid) -> Snapshot:
    """A long of 100,000 USD."""
    told = EwmaForecaster().forecast(of, int(of.times_ms[-1]), 24)
    return Snapshot(
        int(of.times_ms[-1]), HASHES, told, moments(of, 24), {"BTC": Decimal(1_000)}, {},
        {HERE: Decimal(100), THERE: Decimal(100)}, {HERE: market(HERE), THERE: market(THERE)},
        {"binance": Decimal(50_000)}, Decimal(100_000),
    )  # fmt: skip


class Listening(EwmaForecaster):
    """The EWMA, and what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[HourlyGrid] = []

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        self.shown.append(grid)
        return super().forecast(grid, now_ms, horizon_h)


def kept(of: HourlyGrid) -> Kept:
    return kept_lately(of, EwmaForecaster(), book(of), CONFIG)["BTC"]


def test_a_dear_market_is_relocated_and_the_sums_are_right() -> None:
    """If this fails, the figure that a trader decides by leaves out a cost, or counts an hour that was not held."""
    of = grid(2e-4, 1e-5)
    one = kept(of)
    assert one.hours == LEAST_H
    assert one.most_usd == pytest.approx(0.4 * 100_000, rel=0.15)
    first = of.paid[:, TAUGHT_H + 1 :]
    most = one.most_usd * (first[0] - first[1]).sum()
    assert 0.9 * most < one.saved_usd <= most * (1 + 1e-9)
    assert 0 < one.closing_usd < one.cost_usd < 0.2 * one.saved_usd
    assert one.net_usd == one.saved_usd - one.cost_usd


def test_nothing_to_save_costs_nothing() -> None:
    """If this fails, the planner is said to have traded where it would not have."""
    assert kept(grid(-1e-5, 1e-5)) == Kept(0.0, 0.0, 0.0, 0.0, LEAST_H)


def test_a_decision_knows_no_later_hour() -> None:
    """If this fails, the planner is praised for what it could not have known."""
    of, ears = grid(2e-4, 1e-5), Listening()
    kept_lately(of, ears, book(of), CONFIG)
    assert [len(one.times_ms) for one in ears.shown] == list(range(TAUGHT_H + 1, HOURS, EVERY_H))
    for name in ("paid", "level", "mark"):
        assert all(
            (getattr(one, name) == getattr(of, name)[:, : len(one.times_ms)]).all() for one in ears.shown
        )
    # what came in the very last hours changes what was earned in them, and nothing that was decided before
    turned = replace(of, paid=of.paid.copy())
    turned.paid[0, -EVERY_H:] *= -1
    then = kept_lately(turned, EwmaForecaster(), book(of), CONFIG)["BTC"]
    now = kept(of)
    assert then.saved_usd < now.saved_usd
    assert (then.cost_usd, then.most_usd) == (now.cost_usd, now.most_usd)


def test_too_short_a_window_tells_nothing() -> None:
    """If this fails, a week's figure rests on a forecaster that knew nothing."""
    of = grid(2e-4, 1e-5, HOURS - 1)
    assert kept_lately(of, EwmaForecaster(), book(of), CONFIG) == {}
