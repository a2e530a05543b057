"""The funding ahead: who pays, joint bands, what is not known; and whether hedging pays at all."""

import numpy as np
import pytest
from fakes import HASHES

from hedged.domain.forecast import ForecastSet, Span
from hedged.domain.market import SeriesKey
from hedged.strategy.outlook import Amount, outlook, verdict

BTC, ETH, THERE = SeriesKey("injective", "BTC"), SeriesKey("injective", "ETH"), SeriesKey("binance", "BTC")
N = 400


def forecasts(draws: np.ndarray, hours: int = 8) -> ForecastSet:
    keys = (BTC, ETH, THERE)
    return ForecastSet(
        0, 24, keys, {}, draws, HASHES.model, HASHES.features, spans=(Span(hours, draws, "draws"),)
    )


def drawn(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1e-5, 1e-5, size=(N, 3))


def test_a_long_pays_a_positive_rate_for_every_hour() -> None:
    """If this fails, a cost is shown as an income, or for the wrong time."""
    (ahead,) = outlook(forecasts(np.full((N, 3), 1e-5)), {"BTC": 100_000.0, "ETH": -50_000.0}, {})
    assert ahead.own["BTC"] == Amount(*[pytest.approx(-8.0)] * 3)
    assert ahead.own["ETH"].mean == pytest.approx(4.0)
    assert ahead.own_book.mean == pytest.approx(-4.0)
    assert ahead.own_book.times(3).low == pytest.approx(-12.0)


def test_a_hedge_is_counted_where_it_lies() -> None:
    """If this fails, the book as hedged is shown with the rates of another venue."""
    draws = np.full((N, 3), 1e-5)
    draws[:, 2] = 3e-5
    (ahead,) = outlook(forecasts(draws), {"BTC": 100_000.0}, {BTC: -20_000.0, THERE: 20_000.0})
    assert ahead.own["BTC"].mean == pytest.approx(-8.0)
    assert ahead.held["BTC"].mean == pytest.approx(-8.0 + 1.6 - 4.8)


def test_the_band_of_a_book_is_joint() -> None:
    """If this fails, independent markets are shown as if they all went wrong together, or opposite ones as risky."""
    (ahead,) = outlook(forecasts(drawn()), {"BTC": 1e5, "ETH": 1e5}, {})
    summed = sum(a.high - a.low for a in ahead.own.values())
    assert ahead.own_book.high - ahead.own_book.low < 0.85 * summed
    twins = drawn()
    twins[:, 1] = twins[:, 0]
    (ahead,) = outlook(forecasts(twins), {"BTC": 1e5, "ETH": -1e5}, {})
    assert ahead.own_book == Amount(0.0, 0.0, 0.0)


def test_what_is_not_forecast_is_named_and_in_no_sum() -> None:
    """If this fails, an unknown market counts as one that costs nothing."""
    (ahead,) = outlook(
        forecasts(drawn()), {"BTC": 1e5, "INJ": 1e5, "ETH": 1e5}, {SeriesKey("bybit", "ETH"): -1e4}
    )
    assert ahead.unknown == ("ETH", "INJ")
    assert set(ahead.own) == set(ahead.held) == {"BTC"}
    assert ahead.own_book == ahead.own["BTC"]


@pytest.mark.parametrize(
    ("months", "best", "says"),
    [
        ({"as forecast": 900.0}, 0.0, "there is nothing to protect it from"),
        ({"as forecast": -499.0}, 300.0, "does not pay here. At stake a month: 499 USD as forecast; below 500"),
        ({"as forecast": -700.0}, 300.0, "may pay here, barely"),
        ({"as forecast": -1_500.0, "last": None}, 600.0, "can pay here. At stake a month: 1,500 USD as forecast"),
        ({"as forecast": 10.0, "last": -1_500.0}, 600.0, "0 USD as forecast, 1,500 USD last"),
        ({"as forecast": -1_500.0}, 20.0, "does not pay here. At stake a month: 1,500 USD as forecast; but even"),
        ({"as forecast": -1_500.0}, None, "can pay here"),
        ({"as forecast": None}, None, "cannot be told"),
    ],
)  # fmt: skip
def test_the_verdict_has_its_figures(months: dict[str, float | None], best: float | None, says: str) -> None:
    """If this fails, somebody with 100 USD of funding a month is told to hedge, or one with thousands not to (A15)."""
    assert says in verdict(months, best)


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (None, "a forecast keeps a part"),
        (220.0, "kept 220 of it"),
        (-40.4, "would have lost 40 by hedging"),
    ],
)
def test_the_verdict_says_what_the_planner_kept(kept: float | None, says: str) -> None:
    """If this fails, a planner that lost money on this book is praised by what perfect foresight would have saved."""
    assert says in verdict({"as forecast": -1_500.0}, 600.0, kept)
