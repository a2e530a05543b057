"""LightGBM's trees as an ONNX graph: ONNX Runtime walks them twice as fast, and serving needs no second library.

One tree ensemble per model and `PER_NODE` trees, so that what is walked stays in the processor's cache; sums of so few
float32 leaves are exact to a few millionths of s.
"""

from collections.abc import Iterator, Sequence

import lightgbm
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from hedged.features.targets import HORIZONS
from hedged.forecast.trees import FITTED, tree_inputs
from hedged.training.fit import TensorData

PER_NODE = 50
PARITY = 1e-4
"""Largest difference allowed between LightGBM and ONNX Runtime, in units of s (sums of float64 and float32)."""
DEFAULT_LEFT, MISSING_IS_NAN = 2, 8
"""Bits of LightGBM's decision type; without the second an unknown value is taken for 0."""
OPSETS = (helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3))


NAMES = tuple(f"{horizon}-{level:g}" for horizon in HORIZONS for level in FITTED)


def export_trees(models: dict[str, str], data: TensorData) -> tuple[bytes, float]:
    """Return the ONNX graph and its largest difference from LightGBM on real rows.

    models: LightGBM's text by `horizon-level`. Raises ArithmeticError when both disagree.
    """
    rows = np.linspace(0, len(data) - 1, min(512, len(data))).astype(int)
    inputs = tree_inputs(data.tabular[rows], data.venue[rows], data.coin[rows])
    graph = tree_graph(models, inputs.shape[1])
    told = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(
        None, {"inputs": inputs}
    )
    boosters = (lightgbm.Booster(model_str=models[name]) for name in NAMES)
    expected = np.stack([np.asarray(booster.predict(inputs, num_threads=1)) for booster in boosters], axis=1)
    difference = float(np.abs(told[0] - expected).max())
    if not difference <= PARITY:
        raise ArithmeticError(
            f"the trees' graph differs from LightGBM by {difference:.2g} s, allowed is {PARITY:g}"
        )
    return graph, difference


def tree_graph(models: dict[str, str], inputs: int) -> bytes:
    """Return the graph: `inputs` float32 (n, inputs) → `fitted` float32 (n, horizons × levels), as NAMES."""
    nodes = []
    for name in NAMES:
        trees = list(_trees(models[name]))
        parts = [_ensemble(trees[i : i + PER_NODE], f"{name}/{i}") for i in range(0, len(trees), PER_NODE)]
        nodes += [*parts, helper.make_node("Sum", [part.output[0] for part in parts], [name])]
    nodes.append(helper.make_node("Concat", NAMES, ["fitted"], axis=1))
    of_floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "trees", [helper.make_tensor_value_info("inputs", of_floats, ["n", inputs])],
        [helper.make_tensor_value_info("fitted", of_floats, ["n", len(NAMES)])],
    )  # fmt: skip
    made: bytes = helper.make_model(graph, opset_imports=OPSETS, ir_version=9).SerializeToString()
    return made


class _Tree:
    """One tree of LightGBM's text: arrays of its inner nodes, of which a negative child ~i is leaf i."""

    def __init__(self, text: str) -> None:
        told = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
        self.leaf = np.array(told["leaf_value"].split(), np.float64)
        # a tree that could not be split is one leaf, without any of these
        names = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
        column = {name: np.array(told.get(name, "").split(), np.float64) for name in names}
        threshold, kind = column["threshold"], column["decision_type"].astype(np.int64)
        self.feature = column["split_feature"].astype(np.int64)
        self.threshold = _not_above(threshold)
        self.left, self.right = (column[f"{side}_child"].astype(np.int64) for side in ("left", "right"))
        self.unknown_left = np.where(kind & MISSING_IS_NAN, (kind & DEFAULT_LEFT) > 0, threshold >= 0)


def _trees(model: str) -> Iterator[_Tree]:
    for text in model.split("\nTree=")[1:]:
        yield _Tree(text)


def _not_above(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold: float32 inputs fall on the same side of it."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _ensemble(trees: Sequence[_Tree], name: str) -> onnx.NodeProto:
    """Return one node that adds up these trees. A tree's leaves are numbered behind its inner nodes."""
    inner = [len(tree.feature) for tree in trees]
    leaves = [len(tree.leaf) for tree in trees]
    branch = np.concatenate([np.repeat([True, False], (i, n)) for i, n in zip(inner, leaves, strict=True)])

    def at_nodes(parts: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
        """Lay out what inner nodes have; 0 at the leaves."""
        told = np.concatenate(parts)
        out = np.zeros(len(branch), told.dtype)
        out[branch] = told
        return out

    def children(side: str) -> NDArray[np.generic]:
        each = [getattr(tree, side) for tree in trees]
        return at_nodes([np.where(to < 0, i + ~to, to) for to, i in zip(each, inner, strict=True)])

    tree_of = np.repeat(np.arange(len(trees)), np.add(inner, leaves))
    number = np.concatenate([np.arange(i + n) for i, n in zip(inner, leaves, strict=True)])
    none = np.zeros(int(np.sum(leaves)), np.int64)
    return helper.make_node(
        "TreeEnsembleRegressor", ["inputs"], [name], domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=tree_of.tolist(), nodes_nodeids=number.tolist(),
        nodes_modes=np.where(branch, "BRANCH_LEQ", "LEAF").tolist(),
        nodes_featureids=at_nodes([tree.feature for tree in trees]).tolist(),
        nodes_values=at_nodes([tree.threshold for tree in trees]).tolist(),
        nodes_truenodeids=children("left").tolist(), nodes_falsenodeids=children("right").tolist(),
        nodes_missing_value_tracks_true=at_nodes([tree.unknown_left for tree in trees]).astype(int).tolist(),
        target_treeids=tree_of[~branch].tolist(), target_nodeids=number[~branch].tolist(),
        target_ids=none.tolist(), target_weights=np.concatenate([tree.leaf for tree in trees]).tolist(),
    )  # fmt: skip
