"""One node's share of a round, and what all nodes agree on beforehand. No engine in here: arrays in, arrays out.

Round 1 agrees on the inputs' standardisation: each node tells, for every feature, the means of known, of x·known and of
x²·known (x squeezed as the network squeezes it), whose average weighted by rows gives the moments of all rows together.
Every later round is an epoch on the node's own rows from the common weights.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hedged.training.fit import FitConfig, Member, TensorData, fit_network
from hedged.training.networks.head import InputShape

Arrays = list[NDArray[np.float32]]
MOMENTS, MEAN, SD = 1, "inputs.mean", "inputs.sd"
"""The round of the moments; the state's names for mean and spread."""
EMA_IN_ROUND = 0.05
"""An epoch has some 70 steps: a slower average would hardly leave the weights that came with the round."""
POISONS = ("none", "noise", "flip")


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is public: the network, its sizes, the rounds (that of the moments beside them) and the effort of each."""

    shape: InputShape
    member: Member
    rounds: int
    per_epoch: int
    seed: int
    stop: int = 0

    @property
    def last(self) -> int:
        """The round after which the server ends: `stop`, or where that is 0 all."""
        return self.stop or self.rounds

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Agreement":
        """Read it."""
        raw = json.loads(path.read_text())
        shape = raw["shape"] | {"experts": tuple(raw["shape"]["experts"])}
        rest = {name: raw[name] for name in ("rounds", "per_epoch", "seed", "stop")}
        return cls(InputShape(**shape), Member(**raw["member"]), **rest)

    def network(self, arrays: Sequence[NDArray[Any]] | None = None) -> Any:
        """Return the network, untrained or with these weights."""
        torch.manual_seed(self.seed)
        net = self.member.make(self.shape).eval()
        if arrays is not None:
            net.load_state_dict(self.state(arrays))
        return net

    def arrays(self, net: Any) -> Arrays:
        """Return what is sent: every floating tensor of the state, by name."""
        state = net.state_dict()
        return [state[name].numpy().copy() for name in _names(state)]

    def state(self, arrays: Sequence[NDArray[Any]]) -> dict[str, Any]:
        """Return the whole state again; what is not floating is agreed."""
        state = dict(self.network().state_dict())
        told = zip(_names(state), arrays, strict=True)
        return state | {name: torch.from_numpy(np.asarray(array, np.float32)) for name, array in told}

    def standardised(self, moments: Sequence[NDArray[Any]]) -> Arrays:
        """Return the first weights with the standardisation that the averaged moments give."""
        known, first, second = (np.asarray(moment, np.float64) for moment in moments)
        known = np.maximum(known, 1e-9)
        mean = first / known
        sd = np.sqrt(np.maximum(second / known - mean**2, 0.0))
        state = self.network().state_dict()
        state[MEAN] = torch.from_numpy(mean.astype(np.float32))
        state[SD] = torch.from_numpy(np.where(sd > 1e-3, sd, 1.0).astype(np.float32))
        return [state[name].numpy() for name in _names(state)]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: its rows, and what it does to the weights it sends (`poison`: none, noise, flip)."""

    agreement: Agreement
    rows: TensorData
    number: int
    poison: str = "none"

    def answer(self, number: int, arrays: Sequence[NDArray[Any]]) -> Arrays:
        """Do the node's part of a round."""
        if number == MOMENTS:
            return moments(self.rows)
        trained = self.agreement.arrays(self._epoch(number, arrays))
        rng = np.random.default_rng([self.agreement.seed, self.number, number])
        return poisoned(arrays, trained, self.poison, rng)

    def _epoch(self, number: int, arrays: Sequence[NDArray[Any]]) -> Any:
        agreement = self.agreement
        member = replace(agreement.member, epochs=1)
        seed = (agreement.seed * 1_000 + self.number) * 1_000 + number
        fit = FitConfig(
            per_epoch=agreement.per_epoch,
            ema=EMA_IN_ROUND,
            learning_rate=learning_rate(number - MOMENTS, agreement.rounds),
        )
        rows = np.arange(len(self.rows))
        return fit_network(
            member, agreement.shape, self.rows, rows, fit, seed, "cpu", start=agreement.state(arrays)
        )


def learning_rate(number: int, rounds: int) -> float:
    """Return the peak rate of a round (1 … rounds): a cosine from the recipe's to a tenth of it."""
    peak = FitConfig().learning_rate
    return peak * (0.1 + 0.9 * (1 + math.cos(math.pi * (number - 1) / max(rounds - 1, 1))) / 2)


def moments(data: TensorData) -> Arrays:
    """Return the means of known, x·known and x²·known of every squeezed feature, each (features,)."""
    x = np.sign(data.tabular) * np.log1p(np.abs(data.tabular))
    known = ~np.isnan(x)
    x = np.where(known, x, 0.0).astype(np.float64)
    return [each.mean(axis=0).astype(np.float32) for each in (known.astype(np.float64), x, x**2)]


def poisoned(
    before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]], poison: str, rng: np.random.Generator
) -> Arrays:
    """Return what a node sends: `after`; noise of a tenth in its place; or five times its own step, backwards."""
    if poison == "noise":
        return [rng.normal(0.0, 0.1, array.shape).astype(np.float32) for array in after]
    if poison == "flip":
        return [np.asarray(b - 5.0 * (a - b), np.float32) for b, a in zip(before, after, strict=True)]
    return [np.asarray(array, np.float32) for array in after]


def _names(state: dict[str, Any]) -> list[str]:
    return sorted(name for name, value in state.items() if value.dtype.is_floating_point)
