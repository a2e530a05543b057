"""Fitting the ensemble's LightGBM quantile models: one per horizon and fitted level, pooled over all series."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np

from hedged.features.targets import HORIZONS
from hedged.forecast.trees import FITTED
from hedged.training.fit import TensorData


@dataclass(frozen=True, slots=True)
class TreesConfig:
    """Size and learning of the trees; small enough that all twenty models fit into the artefact."""

    rounds: int = 160
    leaves: int = 31
    learning_rate: float = 0.08
    min_rows: int = 300
    feature_share: float = 0.5
    row_share: float = 0.7
    max_rows: int = 250_000


def fit_trees(
    data: TensorData, config: TreesConfig, seed: int, threads: int,
    on_progress: Callable[[float], None] = lambda _: None,
) -> dict[str, str]:  # fmt: skip
    """Return the models as LightGBM's text, by `horizon-level`."""
    rng = np.random.default_rng(seed)
    models: dict[str, str] = {}
    for h, horizon in enumerate(HORIZONS):
        rows = np.flatnonzero(~np.isnan(data.y[:, h]))
        if len(rows) > config.max_rows:
            rows = np.sort(rng.choice(rows, config.max_rows, replace=False))
        inputs = np.column_stack((data.tabular[rows], data.venue[rows], data.coin[rows])).astype(np.float32)
        table = lightgbm.Dataset(inputs, data.y[rows, h], params={"verbose": -1}, free_raw_data=True)
        for level in FITTED:
            model = lightgbm.train(_parameters(config, level, seed, threads), table, config.rounds)
            models[f"{horizon}-{level:g}"] = model.model_to_string()
            on_progress(len(models) / (len(HORIZONS) * len(FITTED)))
        del table, inputs
        gc.collect()
    return models


def _parameters(config: TreesConfig, level: float, seed: int, threads: int) -> dict[str, object]:
    return {
        "objective": "quantile", "alpha": level, "learning_rate": config.learning_rate,
        "num_leaves": config.leaves, "min_data_in_leaf": config.min_rows, "feature_fraction": config.feature_share,
        "bagging_fraction": config.row_share, "bagging_freq": 1, "seed": seed, "num_threads": threads,
        "deterministic": True, "force_row_wise": True, "verbose": -1,
    }  # fmt: skip
