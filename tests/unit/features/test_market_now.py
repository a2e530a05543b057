"""What markets show now: running rates over a day, open interest, and how far two venues' prices drift apart."""

import numpy as np
import pytest

from hedged.buffer.ring import BarWindow
from hedged.domain.bars import N_FIELDS, Field
from hedged.domain.market import SeriesKey
from hedged.features.market_now import MIN_SIGMA, MarketsNow, completed, markets_now
from hedged.features.moments import Moments

A, B = SeriesKey("binance", "IMX"), SeriesKey("okx", "IMX")
BAR_MS = 900_000
DAY = 96  # bars


def window(bars: int = 10 * DAY, **fields: tuple[np.ndarray, np.ndarray]) -> BarWindow:
    """Two venues' bars; each field as a pair of (bars,)."""
    values = np.full((2, bars, N_FIELDS), np.nan, np.float32)
    values[:, :, Field.MARK] = 2.0
    for name, pair in fields.items():
        values[0, :, Field[name]], values[1, :, Field[name]] = pair
    times = (np.arange(bars, dtype=np.int64) + 1) * BAR_MS
    return BarWindow((A, B), BAR_MS, times, values, np.zeros_like(values))


def read(told: BarWindow) -> MarketsNow:
    return markets_now(told, {"IMX"}, 24.0)


def test_the_estimate_comes_before_the_settled_rate() -> None:
    """If this fails, a divergence is seen hours after it has shown."""
    flat = np.full(10 * DAY, 1e-5)
    spike = np.where(np.arange(10 * DAY) >= 10 * DAY - 4, -1.5e-4, 1e-5)
    found = read(window(FUNDING_SETTLED=(flat, flat), FUNDING_ESTIMATE=(spike, np.full(10 * DAY, np.nan))))
    assert found.readings[A].rate == pytest.approx(-1.5e-4)
    assert found.readings[B].rate == pytest.approx(1e-5)
    assert found.readings[A].range_8h == pytest.approx(1.6e-4)
    assert found.readings[A].mean_24h == pytest.approx((93 * 1e-5 - 4 * 1.5e-4) / 97)
    assert found.readings[A].least_24h == 0.0, "it changed its sign within the day"
    assert found.readings[B].least_24h == pytest.approx(1e-5)


def test_what_is_not_told_now_is_unknown() -> None:
    """If this fails, yesterday's rate or interest passes for today's."""
    gone = np.where(np.arange(10 * DAY) < 10 * DAY - 1, 1e-5, np.nan)
    found = read(window(FUNDING_SETTLED=(gone, gone), OPEN_INTEREST=(gone, gone), MARK=(gone, gone)))
    assert np.isnan([found.readings[A].rate, found.readings[A].interest_change, found.readings[A].move]).all()


def test_changes_are_those_of_a_day() -> None:
    """If this fails, rising interest is told of a market whose interest falls."""
    grow = np.exp(np.linspace(0, 1, 10 * DAY))
    found = read(window(OPEN_INTEREST=(grow, 1 / grow)))
    assert found.readings[A].interest_change == pytest.approx(0.1, rel=0.02)
    assert found.readings[B].interest_change == pytest.approx(-0.1, rel=0.02)


def test_the_basis_is_what_two_prices_do_against_each_other() -> None:
    """If this fails, a hedge of two legs is sized by the price, or by nothing."""
    rng = np.random.default_rng(1)
    price = 2 * np.exp(np.cumsum(rng.normal(0, 0.01, 10 * DAY)))
    other = price * np.exp(0.003 * rng.standard_normal(10 * DAY))
    found = read(window(MARK=(price, other)))
    assert found.basis_of(B, A) == found.basis_of(A, B) == pytest.approx(0.003 * 2**0.5, rel=0.15)
    assert found.sigma[A] > 0.05
    assert read(window(MARK=(price, price))).basis_of(A, B) == MIN_SIGMA, "never riskless"
    assert read(window(20)).basis_of(A, B) is None, "too short to tell"


def test_a_coin_that_injective_does_not_have_gets_moments_of_its_own() -> None:
    """If this fails, the gate takes a traded coin's risk for unknown, or for none."""
    rng = np.random.default_rng(1)
    price = 2 * np.exp(np.cumsum(rng.normal(0, 0.01, 10 * DAY)))
    now = read(window(MARK=(price, price * np.exp(0.003 * rng.standard_normal(10 * DAY)))))
    plain = Moments(24.0, ("BTC",), {"BTC": 0.02}, {}, np.ones((1, 1)))
    found = completed(plain, now)
    assert found.sigma["IMX"] == max(now.sigma.values())
    assert found.sigma["BTC"] == 0.02
    assert found.basis_sigma[A] + found.basis_sigma[B] == pytest.approx(now.basis_of(A, B))
    here = Moments(24.0, ("IMX",), {"IMX": 0.02}, {A: 0.001}, np.ones((1, 1)))
    assert completed(here, now) == here, "what is known against Injective stands"
