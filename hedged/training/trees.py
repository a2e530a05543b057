"""Fitting the ensemble's LightGBM quantile models: one per horizon and fitted level, pooled over all series.

Near horizons bear large trees; the mean of the next days, of which history holds few independent outcomes, only small
ones: over five half-years 8 leaves beat 31 there, and at the next settlement 63 beat 31.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from hedged.features.targets import HORIZONS
from hedged.forecast.trees import FITTED, tree_inputs
from hedged.training.fit import TensorData


@dataclass(frozen=True, slots=True)
class Growth:
    """How the trees of one horizon grow."""

    rounds: int
    leaves: int
    learning_rate: float
    min_rows: int
    feature_share: float = 0.5


@dataclass(frozen=True, slots=True)
class TreesConfig:
    """Growth by horizon; `row_share` of at most `max_rows` rows is drawn for every tree.

    As for the networks, venue and coin are hidden (number 0) from a share of the rows, so that an unseen one has
    leaves of its own.
    """

    s1: Growth = Growth(300, 63, 0.06, 200)
    s3: Growth = Growth(300, 63, 0.06, 200)
    m24h: Growth = Growth(200, 31, 0.06, 600)
    m120h: Growth = Growth(250, 8, 0.06, 2_000, 0.3)
    row_share: float = 0.7
    max_rows: int = 300_000
    hide_venue: float = 0.1
    hide_coin: float = 0.3


BINNING = {"max_bin": 63, "feature_pre_filter": False, "num_threads": 1, "verbose": -1}


def fit_trees(
    data: TensorData, rows: NDArray[np.int64], horizon: str, config: TreesConfig, seed: int,
    on_progress: Callable[[float], None] = lambda _: None,
) -> dict[str, str]:  # fmt: skip
    """Return the models of one horizon as LightGBM's text, by `horizon-level`; one thread, which makes them the same.

    `on_progress` is called after every round; what it raises ends the fitting.
    """
    rng = np.random.default_rng(seed)
    h = HORIZONS.index(horizon)
    growth: Growth = getattr(config, horizon)
    rows = rows[~np.isnan(data.y[rows, h])]
    if len(rows) > config.max_rows:
        rows = np.sort(rng.choice(rows, config.max_rows, replace=False))
    venue = np.where(rng.random(len(rows)) < config.hide_venue, 0, data.venue[rows])
    coin = np.where(rng.random(len(rows)) < config.hide_coin, 0, data.coin[rows])
    inputs = tree_inputs(data.tabular[rows], venue, coin)
    table = lightgbm.Dataset(inputs, data.y[rows, h], params=BINNING).construct()
    del inputs
    gc.collect()
    models: dict[str, str] = {}
    for i, level in enumerate(FITTED):

        def told(env: lightgbm.callback.CallbackEnv, done: int = i) -> None:
            on_progress((done + env.iteration / growth.rounds) / len(FITTED))

        parameters = _parameters(config, growth, level, seed)
        model = lightgbm.train(parameters, table, growth.rounds, callbacks=[told])
        models[f"{horizon}-{level:g}"] = slim(model.model_to_string())
    on_progress(1.0)
    return models


def _parameters(config: TreesConfig, growth: Growth, level: float, seed: int) -> dict[str, object]:
    return BINNING | {
        "objective": "quantile", "alpha": level, "learning_rate": growth.learning_rate,
        "num_leaves": growth.leaves, "min_data_in_leaf": growth.min_rows, "feature_fraction": growth.feature_share,
        "bagging_fraction": config.row_share, "bagging_freq": 1, "seed": seed,
        "deterministic": True, "force_row_wise": True,
    }  # fmt: skip


_UNREAD = frozenset(
    (
        "split_gain",
        "internal_value",
        "internal_weight",
        "internal_count",
        "leaf_weight",
        "leaf_count",
        "tree_sizes",
    )
)
"""What LightGBM writes about how a tree came to be; predicting reads none of it."""
_DIGITS = {"threshold": 9, "leaf_value": 6}
"""Enough to tell float32 features apart, and a value to a millionth of s."""


def slim(text: str) -> str:
    """Return a model's text without what predicting does not read, at a third of its size."""
    kept = []
    for line in text.partition("\nfeature_importances:")[0].split("\n"):
        name, _, values = line.partition("=")
        if name in _DIGITS:
            line = f"{name}=" + " ".join(f"{float(x):.{_DIGITS[name]}g}" for x in values.split())
        if name not in _UNREAD:
            kept.append(line)
    return "\n".join(kept)
