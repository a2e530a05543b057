"""AutoARIMA on a stated sample of series: order and parameters refitted monthly, states updated with each print.

Orders are searched by AICc (statsforecast's `auto_arima_f`, after Hyndman and Khandakar 2008, without seasons) on the
last 500 prints, per hour, before each month. Within the month the parameters stand and every new print passes through
the filter. A mean over a horizon is the mean of the steps in it. Bands are normal, from the fitted innovations alone.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri

from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.evaluation.baselines import Histories, answer, column_of
from hedged.evaluation.prints import Floats, Ints, by_series
from hedged.features.scale import MIN_SCALE
from hedged.features.targets import HORIZONS, HOURS, STEPS

LIBRARY = "statsforecast"
FIT_PRINTS = 500
MIN_PRINTS = 100
MIN_ORIGINS = 100
MAX_STEPS = 120
MAX_ROOT = 0.99


@dataclass(frozen=True, slots=True)
class Model:
    """phi(B)(w - mean) = theta(B)e with w the `d`-th difference of the rate per hour and e of deviation `sigma`.

    Signs as in R: phi(B) = 1 - ar1 B - ..., theta(B) = 1 + ma1 B + ...
    """

    ar: Floats
    ma: Floats
    d: int
    mean: float
    sigma: float


Fit = Callable[[Floats], Model]
"""Finds order and parameters for rates per hour, oldest first (n,)."""


def installed() -> bool:
    """Tell whether the library that searches orders is there; it is no dependency of the daemon."""
    return importlib.util.find_spec(LIBRARY) is not None


def sample_of(origins: pl.DataFrame, per_class: int, rng: np.random.Generator) -> list[SeriesKey]:
    """Draw series of each venue class at random among those with enough origins, in order of name."""
    counts = origins.filter(pl.col("horizon") == "s1").group_by("venue_class", "venue", "symbol").len()
    drawn: list[SeriesKey] = []
    for kind in ("slow", "hourly"):
        enough = counts.filter((pl.col("venue_class") == kind) & (pl.col("len") >= MIN_ORIGINS))
        keys = [SeriesKey(*pair) for pair in enough.select("venue", "symbol").sort("venue", "symbol").rows()]
        places = rng.permutation(len(keys))[:per_class]
        drawn += [keys[i] for i in places]
    return sorted(set(drawn))


def auto_arima(rate: Floats) -> Model:
    """Search by AICc. A rate that never changed keeps its value."""
    spread = float(rate.std())
    if spread < MIN_SCALE / 10:
        return Model(np.empty(0), np.empty(0), 1, 0.0, MIN_SCALE)
    library = importlib.import_module(f"{LIBRARY}.arima")
    with warnings.catch_warnings():
        # the search tries orders that do not converge, says so of each, and passes over them
        warnings.simplefilter("ignore")
        found = library.auto_arima_f(rate / spread, seasonal=False, period=1)
    coef = {name: float(value) for name, value in found["coef"].items()}
    p, q, *_, d, _ = (int(part) for part in found["arma"])
    ma, gain = invertible(np.array([coef[f"ma{i}"] for i in range(1, q + 1)]))
    return Model(
        ar=np.array([coef[f"ar{i}"] for i in range(1, p + 1)]),
        ma=ma,
        d=d,
        mean=coef.get("intercept", coef.get("drift", 0.0)) * spread,
        sigma=max(float(found["sigma2"]) ** 0.5 * spread * gain, MIN_SCALE),
    )


def invertible(ma: Floats) -> tuple[Floats, float]:
    """Return the moving average of the same law whose innovations can be read from the past, and their gain in sigma.

    The search may end on or beyond the unit circle, where the plain filter would explode: such roots are mirrored, and
    held within MAX_ROOT so that the start is forgotten.
    """
    roots = np.roots(np.r_[1.0, ma]).astype(complex)
    outside = np.abs(roots) > 1
    gain = float(np.prod(np.abs(roots[outside])))
    roots[outside] = 1 / np.conj(roots[outside])
    size = np.abs(roots)
    roots *= np.minimum(1.0, MAX_ROOT / np.maximum(size, MAX_ROOT))
    polynomial: Floats = np.atleast_1d(np.poly(roots)).real
    return polynomial[1:], gain


def arima(
    histories: Histories,
    origins: pl.DataFrame,
    sample: list[SeriesKey],
    fit: Fit = auto_arima,
    on_progress: Callable[[float], None] = lambda _: None,
) -> pl.DataFrame:
    """Answer the origins of the sampled series, as far as they have MIN_PRINTS prints before their month."""
    origin_ms = origins["origin_ts"].dt.epoch("ms").to_numpy()
    month_ms = origins["origin_ts"].dt.truncate("1mo").dt.epoch("ms").to_numpy()
    column, s_unit = column_of(origins), origins["unit_h"].to_numpy()
    quantiles, p_up = np.full((len(origins), len(LEVELS)), np.nan), np.full(len(origins), np.nan)
    of_series = {key: rows for key, rows in by_series(origins) if key in sample}
    for done, (key, rows) in enumerate(of_series.items()):
        history = histories[key]
        at = history.at(origin_ms[rows])
        for start_ms in np.unique(month_ms[rows]):
            end = int(np.searchsorted(history.ts, start_ms, side="left"))
            first = max(end - FIT_PRINTS, 0)
            if end - first < MIN_PRINTS:
                continue
            mine = month_ms[rows] == start_ms
            rate = history.per_hour[first : at[mine].max() + 1]
            model = fit(history.per_hour[first:end])
            steps = steps_of(column[rows[mine]], history.hours[at[mine]])
            mean, sd = predict(model, rate, at[mine] - first, steps)
            bands = mean[:, None] + sd[:, None] * ndtri(LEVELS)
            quantiles[rows[mine]] = bands * s_unit[rows[mine], None]
            p_up[rows[mine]] = ndtr((mean - history.per_hour[at[mine]]) / sd)
        on_progress((done + 1) / len(of_series))
    answered = answer(origins, quantiles, p_up)
    return answered.filter(pl.col("p_up").is_not_nan())


def steps_of(column: Ints, interval_h: Floats) -> tuple[Ints, Ints]:
    """Return the first and the last step ahead whose mean is the target, for each horizon number and interval. (n,)."""
    single = np.array([*STEPS.values(), *([0] * len(HOURS))])[column]
    hours = np.array([*([0] * len(STEPS)), *HOURS.values()])[column]
    assert len(HORIZONS) == len(STEPS) + len(HOURS)
    covered = np.clip(np.round(hours / interval_h), 1, MAX_STEPS).astype(np.int64)
    return np.where(single > 0, single, 1), np.where(single > 0, single, covered)


def predict(model: Model, rate: Floats, at: Ints, steps: tuple[Ints, Ints]) -> tuple[Floats, Floats]:
    """Forecast from places `at` (n,) in `rate` the mean over steps first..last ahead → mean and deviation, (n,).

    Only rate[: at + 1] is read for each place.
    """
    first, last = steps
    ahead = _ahead(model, rate, at, int(last.max()))  # (steps, n)
    total = np.concatenate((np.zeros((1, len(at))), np.cumsum(ahead, axis=0)))
    place = np.arange(len(at))
    mean = (total[last, place] - total[first - 1, place]) / (last - first + 1)
    psi = _psi(model, int(last.max()))
    single = np.sqrt(np.cumsum(psi**2))
    several = np.sqrt(np.cumsum(np.cumsum(psi) ** 2)) / np.arange(1, len(psi) + 1)
    sd = model.sigma * np.where(first == last, single[last - 1], several[last - 1])
    return mean, sd


def _ahead(model: Model, rate: Floats, at: Ints, steps: int) -> Floats:
    """Return the point forecasts 1..steps ahead of each place. (steps, n)."""
    w = np.diff(rate, n=model.d, prepend=np.full(model.d, rate[0])) if model.d else rate
    x = w - model.mean
    noise = lfilter(np.r_[1.0, -model.ar], np.r_[1.0, model.ma], x)
    padded_x, padded_e = (np.r_[np.zeros(MAX_STEPS), series] for series in (x, noise))
    past = [padded_x[at + MAX_STEPS - i] for i in range(len(model.ar))]  # newest first
    level, slope = rate[at].copy(), np.diff(rate, prepend=rate[0])[at]
    out = np.empty((steps, len(at)))
    for k in range(1, steps + 1):
        coming = np.zeros(len(at))
        for weight, value in zip(model.ar, past, strict=True):
            coming += weight * value
        for j in range(k, len(model.ma) + 1):
            coming += model.ma[j - 1] * padded_e[at + MAX_STEPS + k - j]
        past = [coming, *past][: len(model.ar)]
        step = coming + model.mean
        if model.d == 0:
            level = step
        else:
            slope = step if model.d == 1 else slope + step
            level = level + slope
        out[k - 1] = level
    return out


def _psi(model: Model, n: int) -> Floats:
    """Return what one innovation adds to the rates of its own and the following prints. (n,)."""
    poly = np.r_[1.0, -model.ar]
    for _ in range(model.d):
        poly = np.convolve(poly, [1.0, -1.0])
    weights: Floats = lfilter(np.r_[1.0, model.ma], poly, np.eye(1, n)[0])
    return weights
