"""The statistical forecaster: a tuned exponentially weighted mean, with bands from its own past errors.

Per series the half-life is the one of a small grid whose mean absolute error on the realised means of the window was
least; the band is the empirical law of those errors. Everything in the window was known at the time of the forecast,
and an error counts only once its horizon has passed. The series' errors, kept together hour by hour, give the
dependence between series.
"""

from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast, joint_scenarios
from hedged.domain.market import SeriesKey
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


class EwmaForecaster:
    """Exponentially weighted mean of the rate per hour; persistence when its only half-life is 0."""

    def __init__(self, config: EwmaConfig | None = None, name: str = "ewma") -> None:
        self._config = config or EwmaConfig()
        self.model_hash = parameter_hash(name, VERSION, asdict(self._config))
        self.feature_hash = FEATURE_HASH

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`."""
        fits: dict[SeriesKey, _Fit] = {}
        for row, key in enumerate(grid.keys):
            fit = self._fit(grid.level[row], grid.paid[row], horizon_h)
            if fit is not None:
                fits[key] = fit
        keys = tuple(fits)
        quantiles = np.array([_band(fit) for fit in fits.values()]).reshape(len(keys), len(LEVELS))
        marginals = {}
        for key, band in zip(keys, quantiles, strict=True):
            last = float(grid.level[grid.keys.index(key), -1])
            marginals[key] = RateForecast(key, now_ms, horizon_h, _mean(fits[key]), band, _p_above(band, last))
        return ForecastSet(
            made_at_ms=now_ms,
            horizon_h=horizon_h,
            keys=keys,
            marginals=marginals,
            scenarios=self._scenarios(fits, quantiles),
            model_hash=self.model_hash,
            feature_hash=self.feature_hash,
        )

    def _fit(
        self, level: NDArray[np.float64], paid: NDArray[np.float64], horizon_h: int
    ) -> _Fit | None:
        """Choose the half-life by past error; None without history enough or while the last print is overdue."""
        known = np.flatnonzero(~np.isnan(level))
        if len(known) < self._config.min_history_h + horizon_h or np.isnan(paid[-2:]).all():
            return None  # too short, or the last print is more than an hour overdue: unknown, not zero
        start = known[0]
        # a realised mean needs every hour of its horizon known: NaN spreads through the cumulative sum's gaps
        unknown = np.concatenate(([0], np.cumsum(np.isnan(paid))))
        total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(paid))))
        realised = np.full(len(paid), np.nan)
        complete = unknown[horizon_h + 1 :] == unknown[1:-horizon_h]
        realised[:-horizon_h] = np.where(complete, (total[horizon_h + 1 :] - total[1:-horizon_h]) / horizon_h, np.nan)
        best: _Fit | None = None
        best_mae = np.inf
        for half_life_h in self._config.half_lives_h:
            smooth = np.full(len(level), np.nan)
            smooth[start:] = _ewma(level[start:], half_life_h)
            errors = realised - smooth
            usable = ~np.isnan(errors)
            if usable.sum() < self._config.min_history_h:
                return None
            mae = float(np.abs(errors[usable]).mean())
            if mae < best_mae:
                best, best_mae = _Fit(float(smooth[-1]), errors), mae
        return best

    def _scenarios(self, fits: dict[SeriesKey, _Fit], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
        if not fits:
            return np.empty((self._config.n_scenarios, 0))
        errors = np.stack([fit.errors for fit in fits.values()], axis=1)  # (hours, series)
        together = errors[~np.isnan(errors).any(axis=1)]
        return joint_scenarios(quantiles, together, self._config.n_scenarios)


def _ewma(values: NDArray[np.float64], half_life_h: float) -> NDArray[np.float64]:
    """Smooth hourly values (no leading NaN; the level is carried forward, so none inside)."""
    if half_life_h <= 0:
        return values
    return pl.Series(values).ewm_mean(half_life=half_life_h, adjust=False).to_numpy()


def _band(fit: _Fit) -> NDArray[np.float64]:
    errors = fit.errors[~np.isnan(fit.errors)]
    band: NDArray[np.float64] = fit.mean + np.quantile(errors, LEVELS)
    return band


def _mean(fit: _Fit) -> float:
    """Expected rate: the smoothed one plus the mean of its past errors, so that mean and band agree."""
    return fit.mean + float(np.nanmean(fit.errors))


def _p_above(band: NDArray[np.float64], rate: float) -> float:
    """Probability that the mean exceeds `rate`, from the band by linear interpolation."""
    return float(1.0 - np.interp(rate, band, LEVELS, left=0.0, right=1.0))

