"""`hedged train`: from a data directory to an artefact.

1. Samples known before the date; beside them, a share in which Hyperliquid stands in for Injective.
2. All members on the samples whose targets settled before the hold-out (the last 90 days): their pinball there gives
   the weights and the card's metrics.
3. All members again on everything; export with parity check; card.

Every finished member is kept in a work folder until the end, so a killed training goes on where it was.
"""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from hedged.adapters.replay.proxy import Proxy, stand_in
from hedged.adapters.replay.series import funded
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import DAY_MS, iso
from hedged.domain.errors import DataError
from hedged.features.resample import FEATURE_HASH
from hedged.features.samples import FIRST_MS, Samples, Sampling, collect
from hedged.forecast.artefact import Artefact, Card, write_card
from hedged.forecast.members import Inputs, Members
from hedged.forecast.vocabulary import Vocabulary, vocabulary_of
from hedged.training import cascade
from hedged.training.export import export
from hedged.training.fit import FitConfig, TensorData, fit_network, input_shape
from hedged.training.networks import make_network
from hedged.training.trees import TreesConfig, fit_trees
from hedged.training.weigh import hold_out_metrics, weigh

TWO_YEARS_DAYS = 730.0
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What is trained. `networks`: name and seed offset of each. `threads`: of torch and LightGBM."""

    networks: tuple[tuple[str, int], ...] = (
        ("mlp", 0), ("mlp", 1), ("lstm_attention", 0), ("cnn_gru", 0), ("transformer", 0), ("transformer", 1),
    )  # fmt: skip
    fit: FitConfig = field(default_factory=FitConfig)
    trees: TreesConfig = field(default_factory=TreesConfig)
    sampling: Sampling = field(default_factory=Sampling)
    stand_in: Sampling = field(default_factory=lambda: Sampling(0.0, 0.05, 0.01, 0.0))
    hold_out_days: int = 90
    seed: int = 0
    threads: int = 2


def small(config: TrainConfig) -> TrainConfig:
    """Shrink a configuration to what a machine with 2 GB can train."""
    sampling = Sampling(0.5, 0.08, 0.03, 0.02, config.sampling.seed)
    fit = FitConfig(epochs=config.fit.epochs, per_epoch=60_000)
    trees = TreesConfig(rounds=100, learning_rate=0.12, max_rows=100_000)
    networks = (("mlp", 0), ("cnn_gru", 0), ("transformer", 0))
    fewer = Sampling(0.0, 0.02, 0.004, 0.0)
    return replace(config, networks=networks, fit=fit, trees=trees, sampling=sampling, stand_in=fewer)


def train(
    data: Path,
    to_ms: int,
    out: Path,
    config: TrainConfig,
    on_progress: Progress = lambda _stage, _share: None,
) -> Artefact:
    """Train everything on what was known before `to_ms` and write the artefact to `out`.

    Raises DataError when the data are too short to learn from.
    """
    torch.set_num_threads(config.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    samples, extra = _samples(data, to_ms, config, on_progress)
    vocabulary = vocabulary_of((*samples.keys, *(extra.keys if extra is not None else ())))
    everything = TensorData.of(samples, vocabulary)
    data_hash = _hash(samples)
    work = out / ".work" / _key(config, data_hash, to_ms)
    work.mkdir(parents=True, exist_ok=True)
    shape = input_shape(samples, vocabulary)

    cut_ms = to_ms - config.hold_out_days * DAY_MS
    before = samples.target_ms.max(axis=1) < cut_ms
    before &= (
        samples.origin_ms < cut_ms - 5 * DAY_MS
    )  # a target unknown at the cut is not one that never came
    after = samples.origin_ms >= cut_ms
    if before.sum() < 2_000 or after.sum() < 200:
        raise DataError(
            f"too little to learn from: {before.sum()} origins before the hold-out, {after.sum()} in it; "
            "give more history (two years are wanted, six months are the least)"
        )
    alongside = TensorData.of(extra, vocabulary) if extra is not None and len(extra) else None
    early = extra.target_ms.max(axis=1) < cut_ms if extra is not None else None
    first = _join(_part(everything, before), _part(alongside, early))
    nets, trees = _members(
        first, shape, config, work / "hold-out", device, lambda s, f: on_progress(f"hold-out: {s}", f)
    )
    held = samples.pick(after)
    prior, metrics = _judge(nets, trees, held, vocabulary, config)
    del first
    nets, trees = _members(_join(everything, alongside), shape, config, work / "final", device, on_progress)
    cascades = _cascade(data, to_ms, config, on_progress)
    artefact = _write(
        nets, trees, cascades, everything, samples, vocabulary, prior, metrics, config, to_ms, data_hash, out
    )  # fmt: skip
    shutil.rmtree(out / ".work")
    return artefact


def _samples(
    data: Path, to_ms: int, config: TrainConfig, on_progress: Progress
) -> tuple[Samples, Samples | None]:
    tables = load_tables(data, None)
    series = funded(tables)
    samples = collect(series, FIRST_MS, to_ms, config.sampling, lambda f: on_progress("samples", f))
    if not any(key.venue == "hyperliquid" for key in series):
        return samples, None
    proxied = funded(stand_in(tables, Proxy("hyperliquid", "chain")))
    try:
        extra = collect(
            proxied, FIRST_MS, to_ms, config.stand_in, lambda f: on_progress("stand-in samples", f)
        )
    except DataError:
        return samples, None
    return samples, extra


def _members(
    data: TensorData, shape: Any, config: TrainConfig, work: Path, device: str, on_progress: Progress
) -> tuple[list[Any], dict[str, str]]:  # fmt: skip
    """Fit every member, or take it from the work folder where it is finished already."""
    work.mkdir(parents=True, exist_ok=True)
    nets = []
    for number, (name, offset) in enumerate(config.networks):
        path = work / f"{number}-{name}.safetensors"
        if path.is_file():
            net = make_network(name, shape).eval()
            net.load_state_dict(load_file(path))
        else:
            told = partial(on_progress, f"{name} {offset + 1}")
            net = fit_network(name, shape, data, config.fit, config.seed * 1_000 + number, device, told)
            _atomically(path, partial(save_file, net.state_dict()))
        nets.append(net)
    path = work / "trees.json"
    if not path.is_file():
        trees = fit_trees(data, config.trees, config.seed, config.threads, lambda f: on_progress("trees", f))
        _atomically(path, lambda p: p.write_text(json.dumps(trees)))
    models: dict[str, str] = json.loads(path.read_text())
    return nets, models


def _judge(
    nets: list[Any], trees: dict[str, str], held: Samples, vocabulary: Vocabulary, config: TrainConfig
) -> tuple[dict[str, dict[str, tuple[float, ...]]], dict[str, Any]]:  # fmt: skip
    """Weigh the members by the hold-out, through the very code that serves."""
    graph, _, _ = export(nets, TensorData.of(held, vocabulary))
    names = _names(config)
    members = Members.of(graph, trees, names, config.threads)
    venue, coin = vocabulary.encode(held.keys)
    told = members.ask(Inputs(held.tabular, held.sequence, venue[held.series], coin[held.series])).quantiles
    prior = weigh(told, held, np.random.default_rng(config.seed))
    return prior, hold_out_metrics(told, names, held, prior)


def _cascade(data: Path, to_ms: int, config: TrainConfig, on_progress: Progress) -> dict[str, Any] | None:
    """Fit the cascade head; None where the data hold too few cascades, or no hourly prices."""
    on_progress("cascades", 0.0)
    series = funded(load_tables(data, None))
    try:
        rows = cascade.collect(series, FIRST_MS, to_ms)
        text, card = cascade.fit(rows, to_ms, config.seed, config.threads)
    except DataError:
        return None
    finally:
        on_progress("cascades", 1.0)
    return {"model": text, "card": card}


def _write(
    nets: list[Any],
    trees: dict[str, str],
    cascades: dict[str, Any] | None,
    data: TensorData, samples: Samples, vocabulary: Vocabulary,
    prior: dict[str, dict[str, tuple[float, ...]]], metrics: dict[str, Any], config: TrainConfig, to_ms: int,
    data_hash: str, out: Path,
) -> Artefact:  # fmt: skip
    graph, weights, difference = export(nets, data)
    history_days = (to_ms - int(samples.origin_ms.min())) / DAY_MS
    card = Card(
        feature_hash=FEATURE_HASH, features=samples.names, venues=vocabulary.venues, coins=vocabulary.coins,
        members=_names(config), prior=prior, seed=config.seed, trained_from=iso(int(samples.origin_ms.min())),
        trained_to=iso(to_ms), history_days=round(history_days, 1), samples=len(data.venue), data_hash=data_hash,
        width=1.0 + 0.3 * max(0.0, 1.0 - history_days / TWO_YEARS_DAYS),
        metrics={"hold_out": metrics, "torch_onnx_difference": difference, "config": asdict(config)},
    )  # fmt: skip
    files = {
        "networks.onnx": graph,
        "networks.safetensors": weights,
        "trees.json.gz": gzip.compress(json.dumps(trees, sort_keys=True).encode(), 9, mtime=0),
    }
    if cascades is not None:
        files["cascade.json"] = json.dumps(cascades, sort_keys=True).encode()
    return write_card(out, card, files)


def _names(config: TrainConfig) -> tuple[str, ...]:
    return (*(f"{name}-{offset + 1}" for name, offset in config.networks), "trees")


def _part(data: TensorData | None, which: Any) -> TensorData | None:
    if data is None:
        return None
    return TensorData(
        data.tabular[which], data.sequence[which], data.venue[which], data.coin[which], data.y[which]
    )


def _join(*parts: TensorData | None) -> TensorData:
    known = [part for part in parts if part is not None]
    names = ("tabular", "sequence", "venue", "coin", "y")
    return TensorData(*(np.concatenate([getattr(part, name) for part in known]) for name in names))


def _hash(samples: Samples) -> str:
    digest = hashlib.sha256()
    for array in (samples.tabular, samples.target, samples.origin_ms):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _key(config: TrainConfig, data_hash: str, to_ms: int) -> str:
    text = json.dumps([asdict(config), data_hash, to_ms, FEATURE_HASH], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _atomically(path: Path, write: Callable[[Path], object]) -> None:
    unfinished = path.with_suffix(".partial")
    write(unfinished)
    unfinished.replace(path)
