"""The members of the ensemble, served: ONNX Runtime for networks and trees. No torch, no LightGBM."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.features.targets import HORIZONS
from hedged.forecast.artefact import Artefact
from hedged.forecast.trees import FITTED, all_levels, tree_inputs

BATCH = 512
"""Rows that go through the graphs at once: what they make of more does not fit the processor's cache."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model reads, n rows. tabular float32 (n, features), sequence float32 or float16 (n, steps, channels),
    venue and coin int64 (n,)."""

    tabular: NDArray[np.float32]
    sequence: NDArray[Any]
    venue: NDArray[np.int64]
    coin: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.venue)

    def part(self, rows: slice) -> "Inputs":
        """Return a run of rows."""
        return Inputs(self.tabular[rows], self.sequence[rows], self.venue[rows], self.coin[rows])


@dataclass(frozen=True, slots=True)
class Opinions:
    """What every member says: `quantiles` float32 (members, n, horizons, levels), ascending, in s from the last."""

    quantiles: NDArray[np.float32]


class Members:
    """Loaded once, asked every hour."""

    def __init__(self, artefact: Artefact, threads: int = 1) -> None:
        self._open(artefact.read("networks.onnx"), artefact.trees(), artefact.card.members, threads)

    @classmethod
    def of(cls, networks: bytes, trees: bytes, names: tuple[str, ...], threads: int = 1) -> Self:
        """Open members that are not an artefact yet."""
        members = cls.__new__(cls)
        members._open(networks, trees, names, threads)
        return members

    def _open(self, networks: bytes, trees: bytes, names: tuple[str, ...], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._networks, self._trees = (
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            for graph in (networks, trees)
        )
        self.names = names

    def ask(self, inputs: Inputs) -> Opinions:
        """Return the opinions of all members."""
        quantiles = np.empty((len(self.names), len(inputs), len(HORIZONS), len(LEVELS)), np.float32)
        for at in range(0, len(inputs), BATCH):
            rows = slice(at, min(at + BATCH, len(inputs)))
            part = inputs.part(rows)
            quantiles[:-1, rows] = self.networks(part)
            quantiles[-1, rows] = self.trees(part)
        return Opinions(quantiles)

    def networks(self, inputs: Inputs) -> NDArray[np.float32]:
        """Run the graph: quantiles (networks, n, horizons, levels).

        The graph's direction logits are left: what the calibrated law says of a rise proved better.
        """
        told = {
            "tabular": inputs.tabular, "sequence": inputs.sequence.astype(np.float32), "venue": inputs.venue,
            "coin": inputs.coin,
        }  # fmt: skip
        law: NDArray[np.float32] = self._networks.run(["quantiles"], told)[0]
        return law

    def trees(self, inputs: Inputs) -> NDArray[np.float32]:
        """Run the trees: quantiles (n, horizons, levels)."""
        told = {"inputs": tree_inputs(inputs.tabular, inputs.venue, inputs.coin)}
        fitted = self._trees.run(["fitted"], told)[0].reshape(-1, len(HORIZONS), len(FITTED))
        out: NDArray[np.float32] = all_levels(fitted.astype(np.float64)).astype(np.float32)
        return out
