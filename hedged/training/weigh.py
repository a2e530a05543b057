"""Weights of the ensemble's members, and what a hold-out says of each of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.features.samples import Samples
from hedged.features.targets import HORIZONS
from hedged.forecast.adapt import CLASSES

SMOOTHING = 0.15
"""Share of equal weights that is mixed in: a few months' ranking of members is not the future's."""
MAX_ROWS = 40_000


def weigh(
    quantiles: NDArray[np.float32], samples: Samples, rng: np.random.Generator
) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return the weights with the least pinball loss, by venue class and horizon.

    quantiles: (members, n, horizons, levels) in s. A class without outcomes gets equal weights.
    """
    y = samples.scaled_target
    out: dict[str, dict[str, tuple[float, ...]]] = {}
    for c, name in enumerate(CLASSES):
        mine = (samples.interval_h > 1.0) == (c == 0)
        out[name] = {}
        for h, horizon in enumerate(HORIZONS):
            rows = np.flatnonzero(mine & ~np.isnan(y[:, h]))
            rows = rng.choice(rows, min(len(rows), MAX_ROWS), replace=False)
            best = _least_pinball(quantiles[:, rows, h].astype(np.float64), y[rows, h].astype(np.float64))
            mixed = (1.0 - SMOOTHING) * best + SMOOTHING / len(best)
            out[name][horizon] = tuple(round(float(w), 4) for w in mixed)
    return out


def _least_pinball(quantiles: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise over the simplex by exponentiated gradient; quantiles (members, n, levels), y (n,)."""
    members = len(quantiles)
    weight = np.full(members, 1.0 / members)
    if len(y) < 100:
        return weight
    average = np.zeros(members)
    rounds = 150
    for step in range(rounds):
        law = np.einsum("mnl,m->nl", quantiles, weight)
        slope = np.where(y[:, None] < law, 1.0 - LEVELS, -LEVELS)  # of pinball by the quantile
        gradient = np.einsum("mnl,nl->m", quantiles, slope) / law.size
        weight = weight * np.exp(-20.0 / (1.0 + step) ** 0.5 * (gradient - gradient.min()))
        weight /= weight.sum()
        average += weight / rounds
    return average


def hold_out_metrics(quantiles: NDArray[np.float32], members: tuple[str, ...], samples: Samples,
                     prior: dict[str, dict[str, tuple[float, ...]]]) -> dict[str, Any]:  # fmt: skip
    """Return MAE against persistence and pinball in s of every member, the ensemble and simple baselines."""
    y = samples.scaled_target.astype(np.float64)
    baselines = {
        "ewma": _column(samples, "ewm4"),
        "ewma_slow": _column(samples, "ewm16"),
        "seasonal": _column(samples, "seasonal"),
    }
    out: dict[str, Any] = {}
    for c, name in enumerate(CLASSES):
        mine = (samples.interval_h > 1.0) == (c == 0)
        for h, horizon in enumerate(HORIZONS):
            rows = np.flatnonzero(mine & ~np.isnan(y[:, h]))
            if len(rows) < 100:
                continue
            true = y[rows, h]
            law = quantiles[:, rows, h].astype(np.float64)
            laws = dict(zip(members, law, strict=True))
            laws["ensemble"] = np.einsum("mnl,m->nl", law, np.array(prior[name][horizon]))
            here: dict[str, Any] = {"rows": len(rows)}
            for who, q in laws.items():
                here[who] = {
                    "mae": _relative(true, q[:, 4], samples.series[rows]),
                    "pinball": pinball(true, q),
                }
            for who, column in baselines.items():
                here[who] = {"mae": _relative(true, column[rows], samples.series[rows])}
            out[f"{name} {horizon}"] = here
    return out


def _column(samples: Samples, name: str) -> NDArray[np.float64]:
    return np.nan_to_num(samples.tabular[:, samples.names.index(name)].astype(np.float64))


def _relative(true: NDArray[np.float64], told: NDArray[np.float64], series: NDArray[np.int64]) -> float:
    """Return MAE relative to persistence (which tells 0), geometric mean over series with 50 rows or more."""
    ratios = []
    for one in np.unique(series):
        mine = series == one
        usual = np.abs(true[mine]).mean()
        if mine.sum() >= 50 and usual > 0:
            ratios.append(np.log(max(np.abs(true[mine] - told[mine]).mean(), 1e-9) / usual))
    return round(float(np.exp(np.mean(ratios))), 4) if ratios else 1.0


def pinball(true: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return the mean pinball loss of quantiles (n, levels) on outcomes (n,)."""
    error = true[:, None] - q
    return round(float(np.maximum(LEVELS * error, (LEVELS - 1.0) * error).mean()), 5)
