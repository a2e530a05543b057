"""The statistical forecaster: a tuned exponentially weighted mean, with bands from its own past errors.

Per series the half-life is the one of a small grid whose mean absolute error on the realised means of the window was
least; the band is the empirical law of those errors. Everything in the window was known at the time of the forecast,
and an error counts only once its horizon has passed. The series' errors, kept together hour by hour, give the
dependence between series.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.forecast import (
    LEVELS,
    SPANS_H,
    Drivers,
    ForecastSet,
    RateForecast,
    Span,
    joint_scenarios,
    quantile_function,
)
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.forecast.port import parameter_hash

VERSION = 1


@dataclass(frozen=True, slots=True)
class EwmaConfig:
    """Parameters. `half_lives_h`: candidates; a half-life of 0 is persistence (the last settled rate)."""

    half_lives_h: tuple[float, ...] = (8.0, 24.0, 72.0, 168.0)
    min_history_h: int = 72  # past errors needed beyond the horizon before a series is forecast at all
    n_scenarios: int = 256


@dataclass(frozen=True, slots=True)
class _Fit:
    mean: float
    errors: NDArray[np.float64]  # (hours,), realised − forecast, NaN where the horizon is not over
    half_life_h: float
    smooth: NDArray[np.float64]  # (hours,), the forecasts behind the errors


class EwmaForecaster:
    """Exponentially weighted mean of the rate per hour; persistence when its only half-life is 0."""

    def __init__(self, config: EwmaConfig | None = None, name: str = "ewma") -> None:
        self._config = config or EwmaConfig()
        self.model_hash = parameter_hash(name, VERSION, asdict(self._config))
        self.feature_hash = FEATURE_HASH

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`."""
        fits: dict[SeriesKey, _Fit] = {}
        smooth = _ewma(grid.level, self._config.half_lives_h)
        for row, key in enumerate(grid.keys):
            fit = self._fit(grid.level[row], grid.paid[row], smooth[:, row], horizon_h)
            if fit is not None:
                fits[key] = fit
        keys = tuple(fits)
        quantiles = np.array([_band(fit) for fit in fits.values()]).reshape(len(keys), len(LEVELS))
        marginals = {}
        for key, band in zip(keys, quantiles, strict=True):
            last = float(grid.level[grid.keys.index(key), -1])
            marginals[key] = RateForecast(
                key, now_ms, horizon_h, _mean(fits[key]), band, _p_above(band, last)
            )
        return ForecastSet(
            made_at_ms=now_ms,
            horizon_h=horizon_h,
            keys=keys,
            marginals=marginals,
            scenarios=self._scenarios(fits, quantiles),
            model_hash=self.model_hash,
            feature_hash=self.feature_hash,
            spans=tuple(self._span(fits, grid, hours) for hours in SPANS_H),
            drivers={key: _drivers(fit, grid, key) for key, fit in fits.items() if key.venue == INJECTIVE},
        )

    def _span(self, fits: dict[SeriesKey, _Fit], grid: HourlyGrid, hours: int) -> Span:
        """Forecast another span by the same means, with the errors that they made over it.

        A series that settles more seldom accrues its rate meanwhile.
        """
        row, again = grid.row, {}
        for key, fit in fits.items():
            covered = max(hours, int(grid.interval_h[row[key], -1]))
            errors = _realised(grid.paid[row[key]], covered) - fit.smooth
            enough = (~np.isnan(errors)).sum() >= self._config.min_history_h
            again[key] = replace(fit, errors=errors) if enough else fit
        quantiles = np.array([_band(fit) for fit in again.values()]).reshape(len(again), len(LEVELS))
        text = f"the same mean, with the errors it made over {hours} h"
        return Span(hours, self._scenarios(again, quantiles), text)

    def _fit(
        self,
        level: NDArray[np.float64],
        paid: NDArray[np.float64],
        smooth: NDArray[np.float64],
        horizon_h: int,
    ) -> _Fit | None:
        """Choose the half-life by past error; None without history enough or while the last print is overdue.

        level, paid: (hours,); smooth: (half_lives, hours).
        """
        if np.isnan(level[-1:]).all() or np.isnan(paid[-2:]).all():
            return None  # nothing known, or the last print is more than an hour overdue: unknown, not zero
        errors = _realised(paid, horizon_h) - smooth  # (half_lives, hours)
        usable = ~np.isnan(errors[0])
        if usable.sum() < self._config.min_history_h:
            return None
        best = int(np.abs(errors[:, usable]).mean(axis=1).argmin())
        half_life_h = self._config.half_lives_h[best]
        return _Fit(float(smooth[best, -1]), errors[best], half_life_h, smooth[best])

    def _scenarios(self, fits: dict[SeriesKey, _Fit], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
        if not fits:
            return np.empty((self._config.n_scenarios, 0))
        errors = np.stack([fit.errors for fit in fits.values()], axis=1)  # (hours, series)
        together = errors[~np.isnan(errors).any(axis=1)]
        return joint_scenarios(quantiles, together, self._config.n_scenarios)


def _drivers(fit: _Fit, grid: HourlyGrid, key: SeriesKey) -> Drivers:
    """Say in a sentence what the forecast is made of."""
    what = "the last settled rate is carried on"
    if fit.half_life_h > 0:
        what = f"an exponentially weighted mean of its past rates (half-life {fit.half_life_h:g} h, the best of late)"
    moved = {"its mean error of late": _mean(fit) - fit.mean}
    last = float(grid.level[grid.row[key], -1])
    if fit.half_life_h > 0:
        moved = {"its own past rates": fit.mean - last} | moved
    return Drivers(what, last, 0.0, moved)


def _realised(paid: NDArray[np.float64], horizon_h: int) -> NDArray[np.float64]:
    """Return at each hour the mean rate per hour of the `horizon_h` hours after it; NaN unless all are known."""
    out = np.full(len(paid), np.nan)
    if len(paid) > horizon_h:
        unknown = np.concatenate(([0], np.cumsum(np.isnan(paid))))
        total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(paid))))
        complete = unknown[horizon_h + 1 :] == unknown[1:-horizon_h]
        mean = (total[horizon_h + 1 :] - total[1:-horizon_h]) / horizon_h
        out[:-horizon_h] = np.where(complete, mean, np.nan)
    return out


def _ewma(level: NDArray[np.float64], half_lives_h: tuple[float, ...]) -> NDArray[np.float64]:
    """Smooth hourly levels (series, hours) by each half-life → (half_lives, series, hours).

    A level is carried forward, so NaN stands only before the first print; 0 means no smoothing.
    """
    frame = pl.DataFrame(level.T).fill_nan(None)
    return np.stack(
        [
            frame.select(pl.all().ewm_mean(half_life=h, adjust=False)).to_numpy().T if h > 0 else level
            for h in half_lives_h
        ]
    )


def _band(fit: _Fit) -> NDArray[np.float64]:
    errors = fit.errors[~np.isnan(fit.errors)]
    band: NDArray[np.float64] = fit.mean + np.quantile(errors, LEVELS)
    return band


def _mean(fit: _Fit) -> float:
    """Expected rate: the smoothed one plus the mean of its past errors, so that mean and band agree."""
    return fit.mean + float(np.nanmean(fit.errors))


def _p_above(band: NDArray[np.float64], rate: float) -> float:
    """Probability that the mean exceeds `rate`, by the same piecewise-linear law as the scenarios.

    A market that sits at its interest ties with its own band; a tie counts half.
    """
    grid = np.concatenate(([0.0], LEVELS, [1.0]))
    law = quantile_function(band, grid)
    tie = 1e-12
    below, upto = (np.interp(rate + shift, law, grid, left=0.0, right=1.0) for shift in (-tie, tie))
    return float(1.0 - (below + upto) / 2)
