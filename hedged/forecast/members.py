"""The members of the ensemble, served: ONNX Runtime for the networks, LightGBM for the trees. No torch."""

from dataclasses import dataclass
from typing import Any, Self

import lightgbm
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.features.targets import HORIZONS
from hedged.forecast.artefact import Artefact
from hedged.forecast.trees import FITTED, all_levels

BATCH = 4_096
"""Rows that go through the graph at once: bounds memory when years are forecast."""


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
    def of(cls, graph: bytes, trees: dict[str, str], names: tuple[str, ...], threads: int = 1) -> Self:
        """Open members that are not an artefact yet."""
        members = cls.__new__(cls)
        members._open(graph, trees, names, threads)
        return members

    def _open(self, graph: bytes, trees: dict[str, str], names: tuple[str, ...], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._networks = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._trees = [
            [lightgbm.Booster(model_str=trees[f"{horizon}-{level:g}"]) for level in FITTED]
            for horizon in HORIZONS
        ]
        self._threads = threads
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
        table = np.column_stack((inputs.tabular, inputs.venue, inputs.coin)).astype(np.float32)
        fitted = np.array(
            [
                [np.asarray(m.predict(table, num_threads=self._threads)) for m in models]
                for models in self._trees
            ]
        )
        out: NDArray[np.float32] = all_levels(fitted.transpose(2, 0, 1)).astype(np.float32)
        return out
