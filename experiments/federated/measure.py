"""Everything that is compared on one split: the operators' own models, their average, all rows in one place, baselines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.federated.federation import Federation
from experiments.federated.learning import Agreement
from experiments.federated.splits import Holding, save_rows
from experiments.judging import Judge, Scored, mean_scored
from hedged.features.samples import Samples
from hedged.forecast.vocabulary import Vocabulary
from hedged.training.fit import FitConfig, Member, TensorData, fit_network, input_shape

ROUNDS, PER_EPOCH = 12, 30_000
MEMBER = Member("mlp", 0, ROUNDS, {"static": 192, "head": 192, "flat": 96, "dropout": 0.3})
"""The wide perceptron of the shipped ensemble: its strongest network, and the quickest to fit."""
SHOWN_ROUNDS = (1, 2, 4, 8, ROUNDS)
HOME = FitConfig(per_epoch=PER_EPOCH, learning_rate=5e-4, ema=0.05)
"""One more epoch on the operator's own rows, from the common weights."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A split made ready: each operator's rows in memory and on disk, and the hold-outs that can be asked."""

    holdings: Sequence[Holding]
    vocabulary: Vocabulary
    rows: Sequence[TensorData]
    files: Sequence[Path]
    judge: Judge
    out: Path

    @classmethod
    def of(cls, holdings: Sequence[Holding], vocabulary: Vocabulary, out: Path) -> "Bench":
        """Write every operator's rows to a file of its own."""
        rows = [TensorData.of(holding.fitted, vocabulary) for holding in holdings]
        files = [out / f"operator-{number}.npz" for number in range(len(rows))]
        for file, data in zip(files, rows, strict=True):
            save_rows(file, data)
        series = {key: data for holding in holdings for key, data in holding.series.items()}
        held = [holding.held for holding in holdings if holding.held is not None]
        return cls(holdings, vocabulary, rows, files, Judge.of(held, series), out)

    def agreement(self, seed: int) -> Agreement:
        """Return what the nodes of one run agree on."""
        shape = input_shape(self.holdings[0].fitted, self.vocabulary)
        return Agreement(shape, MEMBER, ROUNDS, PER_EPOCH, seed)

    def own(self, seed: int) -> list[Any]:
        """Fit each operator's model on its own rows: as many epochs as the federation has rounds."""
        fit = FitConfig(per_epoch=PER_EPOCH)
        return [_fitted(data, self.agreement(seed), fit, seed) for data in self.rows]

    def central(self, seed: int) -> Any:
        """Fit one model on everybody's rows, as many a round as all nodes read together."""
        per_epoch = sum(min(len(data), PER_EPOCH) for data in self.rows)
        return _fitted(joined(self.rows), self.agreement(seed), FitConfig(per_epoch=per_epoch), seed)

    def federated(self, seed: int, strategy: str = "mean", poisons: Sequence[str] = ()) -> list[Any]:
        """Run a federation of processes → the network after every round, from round 0."""
        name = "-".join(["run", str(seed), strategy, *poisons])
        agreement = self.agreement(seed)
        told = Federation(agreement, self.files, self.out / name).run(strategy, poisons)
        return [agreement.network(arrays) for arrays in told]

    def at_home(self, network: Any, seed: int) -> list[Any]:
        """Let each operator go on from the common network for an epoch of its own."""
        agreement, start = self.agreement(seed), network.state_dict()
        member = replace(MEMBER, epochs=1)
        return [
            fit_network(member, agreement.shape, data, np.arange(len(data)), HOME, seed, "cpu", start=start)
            for data in self.rows
        ]

    def score(self, networks: Sequence[Any]) -> Scored:
        """Score one network for each hold-out, or the same for all."""
        parts = self.judge.parts
        each = list(networks) if len(networks) > 1 else [networks[0]] * len(parts)
        laws = [said(net, part, self.vocabulary) for net, part in zip(each, parts, strict=True)]
        return self.judge.score(laws)


def said(network: Any, samples: Samples, vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Return the quantiles of samples in units of s, (n, horizons, levels)."""
    data = TensorData.of(samples, vocabulary)
    out = []
    with torch.no_grad():
        for at in range(0, len(data), 4_096):
            part = data.pick(np.arange(at, min(at + 4_096, len(data))))
            arrays = (part.tabular, part.sequence.astype(np.float32), part.venue, part.coin)
            law, _ = network(*(torch.from_numpy(array) for array in arrays))
            out.append(law.numpy().astype(np.float64))
    return np.concatenate(out)


def joined(rows: Sequence[TensorData]) -> TensorData:
    """Put everybody's rows in one place."""
    names = ("tabular", "sequence", "venue", "coin", "y")
    return TensorData(*(np.concatenate([getattr(data, name) for data in rows]) for name in names))


def compared(bench: Bench, seeds: Sequence[int], on_run: Any = print) -> dict[str, Scored]:
    """Fit and score everything of a split; losses are means over seeds. Keys: own …, central, federated …, at home."""
    runs: dict[str, list[Scored]] = {}
    asked = len(bench.judge.parts)

    def keep(name: str, networks: Sequence[Any]) -> None:
        runs.setdefault(name, []).append(bench.score(networks))

    for seed in seeds:
        own = bench.own(seed)
        for holding, network in zip(bench.holdings, own, strict=True):
            keep(f"own of {holding.operator.name}", [network])
        if asked > 1:
            keep("own", own)
        keep("central", [bench.central(seed)])
        on_run(f"seed {seed}: own and central fitted")
        rounds = bench.federated(seed)
        for number in SHOWN_ROUNDS:
            keep(f"federated {number}", [rounds[number]])
        homes = bench.at_home(rounds[-1], seed)
        if asked > 1:
            keep("at home", homes)
        else:
            for holding, network in zip(bench.holdings, homes, strict=True):
                keep(f"at home of {holding.operator.name}", [network])
        on_run(f"seed {seed}: federated")
    return dict(bench.judge.baselines) | {name: mean_scored(found) for name, found in runs.items()}


def attacked(bench: Bench, seed: int, on_run: Any = print) -> dict[str, Scored]:
    """Score the last round under each strategy, honest and with one poisoned node. The poisoned node is number 1."""
    found = {}
    for strategy in ("mean", "median", "krum"):
        for poison in ("none", "noise", "flip"):
            poisons = ("none", poison, "none")
            found[f"{strategy} {poison}"] = bench.score([bench.federated(seed, strategy, poisons)[-1]])
            on_run(f"{strategy}, {poison}")
    return found


def _fitted(data: TensorData, agreement: Agreement, fit: FitConfig, seed: int) -> Any:
    return fit_network(MEMBER, agreement.shape, data, np.arange(len(data)), fit, seed, "cpu")
