"""Linear regression on the tabular features: the "statistical baseline" of the requirement, with a ridge penalty.

One regression per horizon, pooled over all series; unknown features are taken as average. Bands are those of its past
errors on each series, the first of them from a fit that had not seen them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hedged.domain.forecast import LEVELS
from hedged.evaluation.bands import Record, band_of
from hedged.evaluation.prints import Floats, Ints
from hedged.evaluation.trained import scaled_targets, time_split
from hedged.features.samples import Samples
from hedged.features.targets import HORIZONS

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Per row, features being in standard deviations."""
FEATURE_CLIP = 5.0
TUNED_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Linear:
    """x → weights · clip((x − mean) / sd) + bias. mean, sd: (features,); weights (features, horizons)."""

    mean: Floats
    sd: Floats
    weights: Floats
    bias: Floats

    def __call__(self, samples: Samples) -> Floats:
        """Return the change to come in units of s. (n, horizons)."""
        return _standard(samples, self.mean, self.sd) @ self.weights + self.bias


def ridge(train: Samples, test: Samples) -> tuple[Floats, Floats]:
    """Fit on `train`, answer `test` → quantiles per hour (n, horizons, levels) and p_up (n, horizons).

    A target of `test` is read only for the bands of days after it settled.
    """
    early, late = time_split(train, TUNED_SHARE)
    models = fits(train.pick(early), PENALTIES)
    held_out, target = train.pick(late), scaled_targets(train)[late]
    said = [model(held_out) for model in models]
    best = int(np.argmin([np.abs(change - target).mean() for change in said]))
    whole = np.flatnonzero(~np.isnan(train.target).any(axis=1))
    (final,) = fits(train.pick(whole), PENALTIES[best : best + 1])
    return _banded(held_out, said[best], test, final(test))


def fits(samples: Samples, penalties: Sequence[float]) -> list[Linear]:
    """Solve the penalised normal equations for all horizons at once; every target must be known."""
    x = samples.tabular
    known = np.isfinite(x)
    number = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0, dtype=np.float64) / number
    sd = np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(axis=0, dtype=np.float64) / number)
    sd = np.where(sd > 0, sd, 1.0)
    z, y = _standard(samples, mean, sd), scaled_targets(samples).astype(np.float64)
    centre, bias = z.mean(axis=0), y.mean(axis=0)
    gram = z.T @ z / len(z) - np.outer(centre, centre)
    cross = z.T @ (y - bias) / len(z)
    found = []
    for penalty in penalties:
        weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), cross)
        found.append(Linear(mean, sd, weights, bias - centre @ weights))
    return found


def _standard(samples: Samples, mean: Floats, sd: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        z = np.clip((samples.tabular - mean) / sd, -FEATURE_CLIP, FEATURE_CLIP)
    return np.nan_to_num(z, nan=0.0)


def _banded(past: Samples, past_change: Floats, test: Samples, change: Floats) -> tuple[Floats, Floats]:
    quantiles, p_up = np.empty((len(test), len(HORIZONS), len(LEVELS))), np.empty((len(test), len(HORIZONS)))
    for series in np.unique(test.series):
        mine, before = (np.flatnonzero(part.series == series) for part in (test, past))
        for h in range(len(HORIZONS)):
            record = _record([(past, past_change, before), (test, change, mine)], h)
            last, s = test.last[mine], test.s[mine]
            band = band_of(record, test.origin_ms[mine], last + s * change[mine, h], last, s)
            quantiles[mine, h], p_up[mine, h] = band.quantiles, band.p_up
    return quantiles, p_up


def _record(parts: list[tuple[Samples, Floats, Ints]], h: int) -> Record:
    """Join what a series' forecasts of one horizon came to. parts: samples, changes said, rows."""
    last, s, target, said = (
        np.concatenate(values)
        for values in zip(
            *((x.last[rows], x.s[rows], x.target[rows, h], change[rows, h]) for x, change, rows in parts),
            strict=True,
        )
    )
    known_ms = np.concatenate([samples.target_ms[rows, h] for samples, _, rows in parts])
    return Record.of(last + s * said, target, last, s, known_ms)
