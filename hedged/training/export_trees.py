"""LightGBM's trees as an ONNX graph: ONNX Runtime walks them twice as fast, and serving needs no second library.

One tree ensemble per model and `PER_NODE` trees, so that sums of float32 leaves are exact to a few millionths of s.
"""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hedged.features.targets import HORIZONS
from hedged.forecast.boosted import Tree, trees_of
from hedged.forecast.trees import FITTED, tree_inputs
from hedged.training.fit import TensorData

PER_NODE = 50
PARITY = 1e-4
"""Largest difference allowed between LightGBM and ONNX Runtime, in units of s (sums of float64 and float32)."""
AT_MOST, SUM = 0, 1
"""The operator's codes for nodes that go left where the input is at most the threshold, and for adding up trees."""
OPSETS = (helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5))
NAMES = tuple(f"{horizon}-{level:g}" for horizon in HORIZONS for level in FITTED)
"""Models in the order of the graph's output."""


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
        trees = list(trees_of(models[name]))
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


def _not_above(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold: float32 inputs fall on the same side of it."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _ensemble(trees: Sequence[Tree], name: str) -> onnx.NodeProto:
    """Return one node that adds up these trees, all their inner nodes and all their leaves one behind the other."""
    inner = np.array([len(tree.feature) for tree in trees])
    leaves = np.array([len(tree.leaf) for tree in trees])
    first_node, first_leaf = np.cumsum(inner) - inner, np.cumsum(leaves) - leaves

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(tree, name) for tree in trees])

    def children(side: str) -> tuple[list[int], list[int]]:
        """Return where the children stand, and whether they are leaves."""
        child = joined(side)
        is_leaf = child < 0
        at = np.where(is_leaf, np.repeat(first_leaf, inner) + ~child, np.repeat(first_node, inner) + child)
        return at.tolist(), is_leaf.astype(int).tolist()

    (left, left_is_leaf), (right, right_is_leaf) = children("left"), children("right")
    threshold, leaf = _not_above(joined("threshold")), joined("leaf").astype(np.float32)
    return helper.make_node(
        "TreeEnsemble", ["inputs"], [name], domain="ai.onnx.ml", n_targets=1, aggregate_function=SUM,
        tree_roots=first_node.tolist(), nodes_featureids=joined("feature").tolist(),
        nodes_modes=numpy_helper.from_array(np.full(len(threshold), AT_MOST, np.uint8)),
        nodes_splits=numpy_helper.from_array(threshold),
        nodes_missing_value_tracks_true=joined("unknown_left").astype(int).tolist(),
        nodes_truenodeids=left, nodes_trueleafs=left_is_leaf,
        nodes_falsenodeids=right, nodes_falseleafs=right_is_leaf,
        leaf_targetids=np.zeros(len(leaf), np.int64).tolist(), leaf_weights=numpy_helper.from_array(leaf),
    )  # fmt: skip
