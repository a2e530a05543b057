"""LightGBM's trees, read from its text and asked without it.

The daemon asks sixty small trees once an hour. For that the library, with what it imports, would hold as much memory as
a hundred series' history of a month, so it is for training alone.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hedged.domain.errors import DataError

CATEGORICAL, DEFAULT_LEFT, MISSING_IS_ZERO, MISSING_IS_NAN = 1, 2, 4, 8
"""Bits of LightGBM's decision type; without either of the last two an unknown value is taken for 0."""


class Tree:
    """One tree: arrays of its inner nodes, of which a negative child ~i is leaf i; `leaf` (leaves,).

    An input at most `threshold` goes left, an unknown one where `unknown_left`. Raises ValueError for text that is no
    tree, or one of a kind that is not read here.
    """

    def __init__(self, text: str) -> None:
        told = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
        if not (leaf := told.get("leaf_value", "").split()):
            raise ValueError("a tree without leaves")
        self.leaf = np.array(leaf, np.float64)
        names = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
        column = {name: np.array(told.get(name, "").split(), np.float64) for name in names}
        if not len(column["threshold"]):  # it could not be split: a node whose sides are both this leaf
            column |= dict.fromkeys(names, np.zeros(1)) | {
                "left_child": -np.ones(1),
                "right_child": -np.ones(1),
            }
        self.threshold, kind = column["threshold"], column["decision_type"].astype(np.int64)
        if (kind & (CATEGORICAL | MISSING_IS_ZERO)).any():
            raise ValueError("splits by category, or with 0 for unknown, are not read")
        self.feature = column["split_feature"].astype(np.int64)
        self.left, self.right = (column[f"{side}_child"].astype(np.int64) for side in ("left", "right"))
        self.unknown_left = np.where(kind & MISSING_IS_NAN, (kind & DEFAULT_LEFT) > 0, self.threshold >= 0)

    def leaves(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the leaf that each row of x (n, features) falls into, (n,)."""
        at = np.zeros(len(x), np.int64)
        while len(rows := np.flatnonzero(at >= 0)):
            node = at[rows]
            value = x[rows, self.feature[node]]
            left = np.where(np.isnan(value), self.unknown_left[node], value <= self.threshold[node])
            at[rows] = np.where(left, self.left[node], self.right[node])
        return self.leaf[~at]


def trees_of(text: str) -> Iterator[Tree]:
    """Walk through the trees of a model's text. Raises ValueError, see `Tree`."""
    for one in text.split("\nTree=")[1:]:
        yield Tree(one)


class Classifier:
    """A binary classifier. `features`: the names of what it reads."""

    def __init__(self, text: str) -> None:
        """Read LightGBM's text. Raises DataError for what is none, or of another objective."""
        try:
            told = dict(line.split("=", 1) for line in text.split("\nTree=")[0].split("\n") if "=" in line)
            objective, steepness = told["objective"].split(" sigmoid:")
            if objective != "binary":
                raise ValueError(f"objective {objective}")
            self.features = told["feature_names"].split()
            self._steepness, self._trees = float(steepness), list(trees_of(text))
        except (KeyError, ValueError) as error:
            raise DataError(f"no classifier of LightGBM: {type(error).__name__} {error}") from None

    def probability(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities (n,) of the event at x (n, features), NaN unknown."""
        raw = sum((tree.leaves(x) for tree in self._trees), np.zeros(len(x)))
        p: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-self._steepness * raw))
        return p
