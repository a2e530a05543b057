"""The members of the ensemble, served: ONNX Runtime for networks and trees. No torch, no LightGBM."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hedged.domain.errors import ConfigError
from hedged.domain.forecast import LEVELS
from hedged.features.targets import HORIZONS
from hedged.forecast.artefact import Artefact
from hedged.forecast.trees import FITTED, all_levels, tree_inputs

BATCH = 128
"""Rows that go through the graphs at once: of more, what they make does not fit the processor's cache, and the runtime
keeps the memory for good (of 512 rows 120 MB a thread, of 128 rows 30)."""


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
    """Loaded once, asked every hour. A batch is computed by one thread, so that what is said depends on no number of
    threads; `threads` batches at once, by default one on each core."""

    def __init__(self, artefact: Artefact, threads: int | None = None) -> None:
        networks, trees = artefact.read("networks.onnx"), artefact.trees()
        try:
            self._open(networks, trees, artefact.card.members, threads)
        except Exception as error:  # of ONNX Runtime's own kinds, which have no common root
            raise ConfigError(
                f"{artefact.path} holds no model that can be opened: {str(error).splitlines()[0][:200]}; train it anew "
                "with `hedged train`"
            ) from None

    @classmethod
    def of(cls, networks: bytes, trees: bytes, names: tuple[str, ...], threads: int | None = None) -> Self:
        """Open members that are not an artefact yet."""
        members = cls.__new__(cls)
        members._open(networks, trees, names, threads)
        return members

    def _open(self, networks: bytes, trees: bytes, names: tuple[str, ...], threads: int | None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._networks, self._trees = (
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            for graph in (networks, trees)
        )
        self._threads = threads or len(os.sched_getaffinity(0))
        self.names = names

    def ask(self, inputs: Inputs) -> Opinions:
        """Return the opinions of all members."""
        quantiles = np.empty((len(self.names), len(inputs), len(HORIZONS), len(LEVELS)), np.float32)

        def fill(at: int) -> None:
            rows = slice(at, min(at + BATCH, len(inputs)))
            part = inputs.part(rows)
            quantiles[:-1, rows] = self.networks(part)
            quantiles[-1, rows] = self.trees(part)

        batches = range(0, len(inputs), BATCH)
        if len(batches) == 1:
            fill(0)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(fill, batches))
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
