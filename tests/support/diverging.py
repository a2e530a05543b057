"""Snapshots in which two exchanges disagree on the funding of a coin that the trader does not hold."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from fakes import HASHES, NOW_MS, market

from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Strategy
from hedged.features.market_now import MarketsNow, Reading
from hedged.features.moments import Moments
from hedged.strategy.snapshot import Snapshot

A, B = SeriesKey("binance", "IMX"), SeriesKey("okx", "IMX")
PRICE = Decimal("1.87")


def reading(rate_8h: float, **changes: float) -> Reading:
    """A market at its mean of a day, with nothing else to say. Rates in the changes are per 8 hours too."""
    per_hour = {
        name: changes.pop(name) / 8 for name in ("mean_24h", "range_8h", "least_24h") if name in changes
    }
    rate = rate_8h / 8
    usual = Reading(rate, rate, 0.0, 0.0, float("nan"), 0.0)
    return replace(usual, **per_hour, **changes)


def forecasts(
    means_8h: dict[SeriesKey, float], coming_8h: dict[SeriesKey, float] | None = None
) -> ForecastSet:
    """Forecasts of the mean rate of the next day, and of the next settlement where it is told."""
    keys = tuple(means_8h)
    rates = np.array([means_8h[key] / 8 for key in keys])
    scenarios = rates + np.zeros((50, 1))
    marginals = {k: RateForecast(k, NOW_MS, 24.0, float(r), np.full(len(LEVELS), r), 0.5) for k, r in zip(keys, rates, strict=True)}  # fmt: skip  # noqa: E501
    coming = {key: np.full(len(LEVELS), rate / 8) for key, rate in (coming_8h or {}).items()}
    return ForecastSet(NOW_MS, 24.0, keys, marginals, scenarios, "model", "features", coming=coming)


def snapshot(
    now_8h: dict[SeriesKey, float] | None = None,
    means_8h: dict[SeriesKey, float] | None = None,
    held: dict[SeriesKey, str] | None = None,
    readings: dict[SeriesKey, Reading] | None = None,
    basis_sigma: float = 0.002,
    **changes: Any,
) -> Snapshot:
    """The seed's example: −0.12 % on one exchange, −0.03 % on the other; equity 100,000 USD."""
    now = now_8h or {A: -0.0012, B: -0.0003}
    attributed = {key: Decimal(q) for key, q in (held or {}).items()}
    keys = tuple(now)
    usual = Snapshot(
        now_ms=NOW_MS,
        hashes=HASHES,
        forecasts=forecasts(means_8h or now),
        moments=Moments(24.0, (), {}, {}, np.empty((0, 0))),
        own={},
        attributed=attributed,
        owners=dict.fromkeys(attributed, Strategy.DIVERGENCE),
        marks=dict.fromkeys(keys, PRICE),
        markets={key: replace(market(key), quantity_step=Decimal(1)) for key in keys},
        collateral_usd={key.venue: Decimal(25_000) for key in keys},
        equity_usd=Decimal(100_000),
        now=MarketsNow(
            {key: reading(rate) for key, rate in now.items()} | (readings or {}),
            dict.fromkeys(keys, 0.05),
            {(min(keys), max(keys)): basis_sigma} if len(keys) > 1 else {},
        ),
    )
    return replace(usual, **changes)
