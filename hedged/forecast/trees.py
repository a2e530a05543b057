"""LightGBM quantile models of the ensemble: which levels are fitted, and how the others follow from them.

Fitting five levels of nine keeps the artefact small; between them the law is interpolated with the weights of a
Laplace law, whose tails are the nearest simple ones to funding's.
"""

import numpy as np
from numpy.typing import NDArray

FITTED = (0.05, 0.25, 0.5, 0.75, 0.95)
_BETWEEN = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.57, 0.43, 0.0, 0.0, 0.0],  # 0.10: (ln 5 − ln 2) / (ln 10 − ln 2) of the way from 0.25 to 0.05
        [0.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 0.32, 0.68, 0.0, 0.0],  # 0.40: ln 1.25 / ln 2 of the way from 0.50 to 0.25
        [0.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.68, 0.32, 0.0],
        [0.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.43, 0.57],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ]
)


def all_levels(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn quantiles at FITTED (..., 5) into ascending ones at LEVELS (..., 9)."""
    out: NDArray[np.float64] = np.sort(fitted, axis=-1) @ _BETWEEN.T
    return out


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
