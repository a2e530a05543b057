"""Walk-forward: a model is trained on what was known before each fold, forecasts the fold, and meets baselines that
were trained on the very same samples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS, iso
from hedged.domain.market import SeriesKey
from hedged.evaluation import lightgbm_baseline
from hedged.evaluation.ridge import ridge
from hedged.evaluation.trained import told
from hedged.features.samples import Samples
from hedged.features.sampling import FIRST_MS, Sampling, collect
from hedged.forecast.artefact import CARD, Artefact, load
from hedged.forecast.table import write_forecasts

TEST = Sampling(slow=0.5, hourly=0.25, hourly_alone=0.10, between=0.0, seed=1)
"""Origins on which the trained baselines answer: a random sample, the same of every model."""
PURGE_MS = 6 * DAY_MS
Progress = Callable[[str, float], None]
Trainer = Callable[[int, Path], Artefact]


@dataclass(frozen=True, slots=True)
class Fold:
    """Origins in [from_ms, to_ms), forecast by a model that knew nothing from `from_ms` on."""

    from_ms: int
    to_ms: int

    @property
    def name(self) -> str:
        """Its first day."""
        return iso(self.from_ms)[:10]


def folds_of(from_ms: int, to_ms: int, days: int) -> list[Fold]:
    """Cut a window into folds of at most `days`."""
    starts = range(from_ms, to_ms, days * DAY_MS)
    return [Fold(start, min(start + days * DAY_MS, to_ms)) for start in starts]


def forecast_folds(
    folds: Sequence[Fold],
    series: Mapping[SeriesKey, SeriesData],
    out: Path,
    trainer: Trainer,
    on_progress: Progress,
) -> pl.DataFrame:
    """Train and forecast every fold; what stands in `out` already from an earlier, killed run is taken as it is."""
    frames = []
    for number, fold in enumerate(folds):
        model, path = out / fold.name / "model", out / fold.name / "forecasts.parquet"
        artefact = load(model) if (model / CARD).is_file() else trainer(fold.from_ms, model)
        if not path.is_file():
            write_forecasts(
                artefact, series, list(series), fold.from_ms, fold.to_ms, path,
                partial(on_progress, f"forecast {fold.name}"),
            )  # fmt: skip
        frames.append(pl.read_parquet(path).with_columns(fold=pl.lit(number)))
    return pl.concat(frames)


def trained_baselines(
    folds: Sequence[Fold],
    series: Mapping[SeriesKey, SeriesData],
    trials: int,
    seed: int,
    on_progress: Progress,
) -> pl.DataFrame:
    """Answer with LightGBM, tuned by random search, and with linear regression, both on the ensemble's own inputs."""
    frames = []
    for fold in folds:
        past = collect(
            series, FIRST_MS, fold.from_ms, Sampling(), lambda f: on_progress("baseline samples", f)
        )
        test = _answerable(collect(series, fold.from_ms - 1, fold.to_ms + PURGE_MS, TEST), fold)
        rng = np.random.default_rng(seed)
        params = lightgbm_baseline.tune(
            past, trials, rng, on_trial=lambda n, _p: on_progress("tuning LightGBM", n / trials)
        )
        answer = lightgbm_baseline.fit_predict(
            past, test, params, on_progress=lambda f: on_progress("fitting LightGBM", f)
        )
        frames.append(told(test, "lightgbm", *answer))
        frames.append(told(test, "ridge", *ridge(past, test)))
    return pl.concat(frames)


def _answerable(test: Samples, fold: Fold) -> Samples:
    return test.pick((test.origin_ms >= fold.from_ms) & (test.origin_ms < fold.to_ms))
