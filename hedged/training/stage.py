"""One stage of training: every member fitted on the same rows, each kept on disk as soon as it is finished.

LightGBM learns on one thread while torch learns on another: together they use two cores better than each does alone.
A stage that was killed goes on with the members that it lacks.
"""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from hedged.features.targets import HORIZONS
from hedged.training.fit import Member, TensorData, fit_network
from hedged.training.networks.head import InputShape
from hedged.training.trees import fit_trees

if TYPE_CHECKING:
    from hedged.training.config import TrainConfig

Progress = Callable[[str, float], None]


class Abandoned(Exception):
    """The other half of the stage failed or was interrupted."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is fitted, on which rows of the table, and where finished members are kept. `label` prefixes progress."""

    table: TensorData
    rows: NDArray[np.int64]
    shape: InputShape
    work: Path
    config: "TrainConfig"
    label: str
    on_progress: Progress
    _abandoned: threading.Event = field(default_factory=threading.Event)

    def members(self) -> tuple[list[Any], dict[str, str]]:
        """Fit every member that is not finished yet → (networks, LightGBM models by `horizon-level`)."""
        self.work.mkdir(parents=True, exist_ok=True)
        threads = self.config.threads
        torch.set_num_threads(max(threads - 1, 1))
        with ThreadPoolExecutor(1) as beside:
            trees: Future[dict[str, str]] | None = None
            try:
                if threads > 1:
                    trees = beside.submit(self._trees)
                networks = [self._network(i, member) for i, member in enumerate(self.config.networks)]
                return networks, trees.result() if trees else self._trees()
            except BaseException:
                self._abandoned.set()
                raise

    def _network(self, number: int, member: Member) -> Any:
        path = self.work / f"{number}-{member.name}.safetensors"
        if path.is_file():
            network = member.make(self.shape).eval()
            network.load_state_dict(load_file(path))
            self.on_progress(f"{self.label}{member.name}", 1.0)
            return network
        device = "cuda" if torch.cuda.is_available() else "cpu"
        told = partial(self.on_progress, f"{self.label}{member.name}")
        seed = self.config.seed * 1_000 + number
        network = fit_network(
            member, self.shape, self.table, self.rows, self.config.fit, seed, device, told
        )  # fmt: skip
        _atomically(path, partial(save_file, network.state_dict()))
        return network

    def _trees(self) -> dict[str, str]:
        models: dict[str, str] = {}
        for horizon in HORIZONS:
            path = self.work / f"trees-{horizon}.json"
            if not path.is_file():
                fitted = fit_trees(
                    self.table, self.rows, horizon, self.config.trees, self.config.seed,
                    partial(self._told, f"{self.label}trees {horizon}"),
                )  # fmt: skip
                _atomically(path, partial(_write, text=json.dumps(fitted)))
            else:
                self._told(f"{self.label}trees {horizon}", 1.0)
            models |= json.loads(path.read_text())
        return models

    def _told(self, what: str, share: float) -> None:
        """Report progress; end here when the networks were interrupted, for nobody waits for these trees."""
        if self._abandoned.is_set():
            raise Abandoned
        self.on_progress(what, share)


def _atomically(path: Path, write: Callable[[Path], object]) -> None:
    unfinished = path.with_suffix(".partial")
    write(unfinished)
    unfinished.replace(path)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
