"""What is compared on one split: the operators' own models, their average, all rows in one place, baselines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.federated.federation import Federation
from experiments.federated.learning import Agreement
from experiments.federated.splits import Holding, save_rows
from experiments.judging import Judge, Scored, mean_scored
from experiments.keeping import Unit, kept
from hedged.features.samples import Samples
from hedged.forecast.vocabulary import Vocabulary
from hedged.training.fit import FitConfig, Member, TensorData, fit_network, input_shape

MEMBER = Member("mlp", 0, 0, {"static": 192, "head": 192, "flat": 96, "dropout": 0.3})
"""The wide perceptron of the shipped ensemble: its strongest network, and the quickest to fit. Epochs: the rounds."""
HONEST = ("none", "none", "none")
Law = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: rounds, rows of an epoch, rounds that are judged; attacks as (strategy, what node 1 does).

    `attacked`: the round at which attacks are judged, of `rounds`: one that works is seen at once.
    """

    rounds: int = 12
    per_epoch: int = 20_480
    shown: tuple[int, ...] = (1, 2, 4, 8, 12)
    attacked: int = 4
    attacks: tuple[tuple[str, str], ...] = tuple(
        (strategy, poison) for strategy in ("mean", "median", "krum") for poison in ("none", "noise", "flip")
    )


WHOLE = Size()
SMALL = Size(2, 1_024, (1, 2), 1, (("mean", "none"), ("median", "flip")))
"""Enough to see that everything runs; its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A split made ready: each operator's rows in memory and on disk, and the hold-outs that can be asked."""

    holdings: Sequence[Holding]
    vocabulary: Vocabulary
    rows: Sequence[TensorData]
    files: Sequence[Path]
    judge: Judge
    out: Path
    size: Size = WHOLE

    @classmethod
    def of(
        cls, holdings: Sequence[Holding], vocabulary: Vocabulary, out: Path, size: Size = WHOLE
    ) -> "Bench":
        """Write every operator's rows to a file of its own."""
        rows = [TensorData.of(holding.fitted, vocabulary) for holding in holdings]
        files = [out / f"operator-{number}.npz" for number in range(len(rows))]
        for file, data in zip(files, rows, strict=True):
            save_rows(file, data)
        series = {key: data for holding in holdings for key, data in holding.series.items()}
        held = [holding.held for holding in holdings if holding.held is not None]
        return cls(holdings, vocabulary, rows, files, Judge.of(held, series), out, size)

    def agreement(self, seed: int, stop: int = 0) -> Agreement:
        """Return what the nodes of one run agree on."""
        shape = input_shape(self.holdings[0].fitted, self.vocabulary)
        member = replace(MEMBER, epochs=self.size.rounds)
        return Agreement(shape, member, self.size.rounds, self.size.per_epoch, seed, stop)

    def own(self, operator: int, seed: int) -> Any:
        """Fit an operator's model on its own rows: as many epochs as the federation has rounds."""
        return _fitted(self.rows[operator], self.agreement(seed), self.size.per_epoch)

    def central(self, seed: int) -> Any:
        """Fit one model on everybody's rows, as many a round as all nodes read together."""
        per_epoch = sum(min(len(data), self.size.per_epoch) for data in self.rows)
        return _fitted(joined(self.rows), self.agreement(seed), per_epoch)

    def federated(self, seed: int, strategy: str, poisons: Sequence[str], stop: int = 0) -> list[Any]:
        """Run a federation of processes → the network after every round, from round 0."""
        agreement = self.agreement(seed, stop)
        name = "-".join(["run", str(seed), str(agreement.last), strategy, *poisons])
        told = Federation(agreement, self.files, self.out / name).run(strategy, poisons)
        return [agreement.network(arrays) for arrays in told]

    def at_home(self, network: Any, operator: int, seed: int) -> Any:
        """Let an operator go on from the common network for one more epoch, on its own rows."""
        agreement, start, data = self.agreement(seed), network.state_dict(), self.rows[operator]
        member, rows = replace(MEMBER, epochs=1), np.arange(len(data))
        fit = FitConfig(per_epoch=self.size.per_epoch, learning_rate=5e-4, ema=0.05)
        return fit_network(member, agreement.shape, data, rows, fit, seed, "cpu", start=start)

    def units(self, seeds: Sequence[int]) -> dict[Path, Unit]:
        """Return what is to be fitted, each unit as what its networks say of every hold-out, in the order of `laws`."""
        units: dict[Path, Unit] = {}
        for seed in seeds:
            for operator in range(len(self.rows)):
                units[self.file(f"own-{operator}", seed)] = partial(self._own, operator, seed)
            units[self.file("central", seed)] = partial(self._central, seed)
            units[self.file("federated", seed)] = partial(self._federated, seed)
        return units

    def attacks(self, seed: int) -> dict[Path, Unit]:
        """Return federations under each strategy, honest and with node 1 poisoned."""
        return {
            self.file(f"{strategy} {poison}", seed): partial(self._attacked, seed, strategy, poison)
            for strategy, poison in self.size.attacks
        }

    def file(self, name: str, seed: int) -> Path:
        """Return where a unit is kept."""
        return self.out / "laws" / f"{name} {seed}.npz"

    def _own(self, operator: int, seed: int) -> list[Law]:
        return self._said([self.own(operator, seed)])

    def _central(self, seed: int) -> list[Law]:
        return self._said([self.central(seed)])

    def _federated(self, seed: int) -> list[Law]:
        rounds = self.federated(seed, "mean", HONEST)
        homes = [self.at_home(rounds[-1], operator, seed) for operator in range(len(self.rows))]
        return self._said([*(rounds[number] for number in self.size.shown), *homes])

    def _attacked(self, seed: int, strategy: str, poison: str) -> list[Law]:
        return self._said(self.federated(seed, strategy, ("none", poison, "none"), self.size.attacked)[-1:])

    def _said(self, networks: Sequence[Any]) -> list[Law]:
        parts = self.judge.parts
        return [said(network, part, self.vocabulary) for network in networks for part in parts]


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


def compared(
    bench: Bench, seeds: Sequence[int], jobs: int, on_done: Callable[[str], None], until_s: float
) -> dict[str, Scored]:
    """Fit and score everything of a split; losses are means over the seeds of which all is there by `until_s`.

    Keys: own …, central, federated …, at home.
    """
    laws = kept(bench.units(seeds), jobs, on_done, until_s)
    seeds = [seed for seed in seeds if bench.units([seed]).keys() <= laws.keys()]
    on_done(f"seeds {seeds} are whole")
    runs: dict[str, list[Scored]] = {}
    parts, operators = len(bench.judge.parts), len(bench.rows)

    def keep(name: str, told: Sequence[Law]) -> None:
        runs.setdefault(name, []).append(bench.judge.score(told))

    def each(name: str, told: Sequence[Sequence[Law]]) -> None:
        """Score every operator's model on everything, and all of them, each on what is its own."""
        for holding, mine in zip(bench.holdings, told, strict=True):
            keep(f"{name} of {holding.operator.name}", mine)
        if parts == operators:
            keep(name, [mine[part] for part, mine in enumerate(told)])

    for seed in seeds:
        each("own", [laws[bench.file(f"own-{operator}", seed)] for operator in range(operators)])
        keep("central", laws[bench.file("central", seed)])
        told = laws[bench.file("federated", seed)]
        by_network = [told[at : at + parts] for at in range(0, len(told), parts)]
        for number, mine in zip(bench.size.shown, by_network, strict=False):
            keep(f"federated {number}", mine)
        each("at home", by_network[len(bench.size.shown) :])
    return dict(bench.judge.baselines) | {name: mean_scored(found) for name, found in runs.items()}


def attacked(
    bench: Bench, seed: int, jobs: int, on_done: Callable[[str], None], until_s: float
) -> dict[str, Scored]:
    """Score the last round of every attack that is there by `until_s`."""
    laws = kept(bench.attacks(seed), jobs, on_done, until_s)
    return {path.stem.rpartition(" ")[0]: bench.judge.score(told) for path, told in laws.items()}


def _fitted(data: TensorData, agreement: Agreement, per_epoch: int) -> Any:
    rows, fit = np.arange(len(data)), FitConfig(per_epoch=per_epoch)
    return fit_network(agreement.member, agreement.shape, data, rows, fit, agreement.seed, "cpu")
