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


def tree_inputs(
    tabular: NDArray[np.float32], venue: NDArray[np.int64], coin: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return what trees read: (n, features), (n,), (n,) → float32 (n, features + 2)."""
    out = np.empty((len(tabular), tabular.shape[1] + 2), np.float32)
    out[:, :-2], out[:, -2], out[:, -1] = tabular, venue, coin
    return out
