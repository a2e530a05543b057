"""The same recipe with and without a column: LightGBM and a perceptron, on the same rows with the same seeds."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from experiments.federated.measure import said
from experiments.judging import Judge, Scored, mean_scored
from experiments.keeping import Unit, kept
from hedged.domain.forecast import LEVELS
from hedged.features.points import Array
from hedged.features.samples import Samples
from hedged.features.targets import HORIZONS
from hedged.forecast.trees import FITTED, all_levels, tree_inputs
from hedged.forecast.vocabulary import Vocabulary
from hedged.training.fit import FitConfig, Member, TensorData, fit_network, input_shape
from hedged.training.trees import Growth, TreesConfig, fit_trees

GROWTH = Growth(60, 31, 0.15, 300)
TREES = TreesConfig(GROWTH, GROWTH, GROWTH, GROWTH, max_rows=40_000)
ASKED = ("s1", "m24h")
"""Horizons whose trees are grown: the next settlement, and a day, which is what a daily number could speak of."""
MODELS = ("trees", "mlp")
Columns = Mapping[str, Array]
"""Values by the name of the feature they stand in for, over fitted and held rows together."""
Make = Callable[[int], Columns]
"""The columns of a seed."""
MEMBER = Member("mlp", 0, 10, {"static": 192, "head": 192, "flat": 96, "dropout": 0.3})
FIT = FitConfig(per_epoch=20_480)


@dataclass(frozen=True, slots=True)
class Bench:
    """Rows to fit and rows to judge by, `both` in this order."""

    fitted: Samples
    held: Samples
    vocabulary: Vocabulary
    judge: Judge

    def with_columns(self, columns: Columns) -> tuple[Samples, Samples]:
        """Put columns in the place of features."""
        parts = []
        for samples, rows in (
            (self.fitted, slice(len(self.fitted))),
            (self.held, slice(len(self.fitted), None)),
        ):
            tabular = samples.tabular.copy()
            for name, values in columns.items():
                tabular[:, samples.names.index(name)] = values[rows]
            parts.append(replace(samples, tabular=tabular))
        return parts[0], parts[1]

    def trees(self, columns: Columns, seed: int, *, of_fitted: bool = False) -> list[Array]:
        """Grow trees → quantiles of held rows in s, (n, horizons, levels), behind them those of fitted ones if wanted.

        Horizons that are not asked are 0.
        """
        fitted, held = self.with_columns(columns)
        data, other = (TensorData.of(part, self.vocabulary) for part in (fitted, held))
        parts = [other, data] if of_fitted else [other]
        out = [np.zeros((len(part), len(HORIZONS), len(LEVELS))) for part in parts]
        for horizon in ASKED:
            models = fit_trees(data, np.arange(len(data)), horizon, TREES, seed)
            for part, law in zip(parts, out, strict=True):
                inputs = tree_inputs(part.tabular, part.venue, part.coin)
                told = [
                    lightgbm.Booster(model_str=models[f"{horizon}-{level:g}"]).predict(inputs, num_threads=1)
                    for level in FITTED
                ]
                law[:, HORIZONS.index(horizon)] = all_levels(np.stack([np.asarray(t) for t in told], axis=1))
        return out

    def mlp(self, columns: Columns, seed: int) -> Array:
        """Fit the perceptron → quantiles of held rows."""
        fitted, held = self.with_columns(columns)
        data = TensorData.of(fitted, self.vocabulary)
        shape = input_shape(fitted, self.vocabulary)
        rows = np.arange(len(data))
        net = fit_network(MEMBER, shape, data, rows, FIT, seed, "cpu")
        return said(net, held, self.vocabulary)

    def unit(self, model: str, make: "Make", seed: int) -> list[Array]:
        """Return what a recipe of one seed says of the held rows, at the horizons that are asked."""
        columns = make(seed)
        law = self.trees(columns, seed)[0] if model == "trees" else self.mlp(columns, seed)
        return [law[:, [HORIZONS.index(horizon) for horizon in ASKED]]]

    def scored(self, runs: Sequence[Sequence[Array]]) -> Scored:
        """Score a recipe: what each of its seeds said."""
        found = []
        for (told,) in runs:
            law = np.zeros((len(told), len(HORIZONS), len(LEVELS)))
            law[:, [HORIZONS.index(horizon) for horizon in ASKED]] = told
            found.append(self.judge.score([law]).filter(pl.col("horizon").is_in(ASKED)))
        return mean_scored(found)


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe: the columns of each seed, the first seed, and the rows that it is judged on (None: all)."""

    make: "Make"
    first: int = 0
    only: pl.Expr | None = None


def fitted(
    bench: Bench, variants: Mapping[str, Variant], out: Path, seeds: int, jobs: int,
    on_done: Callable[[str], None], until_s: float,
) -> dict[str, dict[str, Scored]]:  # fmt: skip
    """Fit every variant by every model, seed after seed → losses by variant and model, of the seeds that are whole."""

    def file(name: str, model: str, number: int) -> Path:
        return out / f"{name} {model} {variants[name].first + number}.npz"

    units: dict[Path, Unit] = {}
    for number in range(seeds):
        for model in MODELS:
            for name, variant in variants.items():
                seed = variant.first + number
                units[file(name, model, number)] = partial(bench.unit, model, variant.make, seed)
    laws = kept(units, jobs, on_done, until_s)
    found: dict[str, dict[str, Scored]] = {}
    for model in MODELS:
        whole = [n for n in range(seeds) if all(file(name, model, n) in laws for name in variants)]
        on_done(f"{model}: seeds {whole} are whole")
        for name in variants if whole else ():
            runs = [laws[file(name, model, number)] for number in whole]
            found.setdefault(name, {})[model] = bench.scored(runs)
    return found


def gains(
    judge: Judge, ours: Mapping[str, Scored], base: Mapping[str, Scored], only: Any = None
) -> list[dict[str, Any]]:
    """Return loss ÷ that without the column by model and horizon, and the weeks until one could tell."""
    rows = []
    for model in ours:
        mine = ours[model] if only is None else ours[model].filter(only)
        for horizon in ASKED:
            row: dict[str, Any] = {"model": model, "horizon": horizon}
            for column in ("abs_error", "pinball"):
                ratio = judge.against(mine, base[model], column)["all", horizon]
                row[column] = [round(v, 5) for v in (ratio.value, ratio.low, ratio.high)]
            row["weeks"] = weeks_to_tell(mine, base[model], horizon)
            rows.append(row)
    return rows


def weeks_to_tell(ours: Scored, base: Scored, horizon: str) -> float:
    """Return after how many weeks the mean weekly gain in pinball stands two standard errors above none; inf: never."""
    both = ours.filter(pl.col("horizon") == horizon).join(base.select("row", base="pinball"), on="row")
    weekly = (
        both.with_columns(loss=pl.col("pinball") / pl.col("s"), theirs=pl.col("base") / pl.col("s"))
        .group_by("block")
        .agg(pl.col("loss", "theirs").mean())
    )
    gain = 1.0 - (weekly["loss"] / weekly["theirs"]).to_numpy()
    mean, sd = float(gain.mean()), float(gain.std(ddof=1))
    return round((1.96 * sd / mean) ** 2, 1) if mean > 0 else math.inf


def shown(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write gains as lines."""
    return "\n".join(
        f"{name:28} {row['model']:6} {row['horizon']:5} "
        + "  ".join(
            f"{c} {row[c][0]:.4f} ({row[c][1]:.4f} … {row[c][2]:.4f})" for c in ("abs_error", "pinball")
        )
        + f"  weeks {row['weeks']:g}"
        for row in rows
    )


def written(found: Mapping[str, Any]) -> str:
    """Write everything as JSON; inf is null."""
    text = json.dumps(found, indent=1, default=str)
    return text.replace("Infinity", "null") + "\n"


def residual(samples: Samples, law: NDArray[np.float64], horizon: str) -> Array:
    """Return what came less the median that was told, in s; NaN unknown. (n,)."""
    h = HORIZONS.index(horizon)
    out: Array = samples.scaled_target[:, h].astype(np.float64) - law[:, h, len(LEVELS) // 2]
    return out
