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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
from hedged.training.export_trees import export_trees
from hedged.training.fit import FitConfig, Member, TensorData, input_shape
from hedged.training.stage import Progress, Stage
from hedged.training.trees import Growth, TreesConfig
from hedged.training.weigh import hold_out_metrics, weigh

TWO_YEARS_DAYS = 730.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What is trained. `threads`: of torch and LightGBM together. `hold_out_effort`: rows that members read for the
    hold-out, as share of what they read at the end: their order of merit is wanted there, not their best. `without`:
    coins left out, so that the model can be measured on coins it has never seen.

    What paid, measured on half-years that no member had seen: a wide perceptron with much dropout that learns long. The
    others cost five times as much per epoch and add variety; the weights by horizon choose among them.
    """

    networks: tuple[Member, ...] = (
        Member("mlp", 0, 24, {"static": 192, "head": 192, "flat": 96, "dropout": 0.3}),
        Member("mlp", 1, 24, {"static": 256, "head": 256, "flat": 128, "dropout": 0.4}),
        Member("lstm_attention", 0, 5),
        Member("cnn_gru", 0, 5),
        Member("transformer", 0, 4),
        Member("transformer", 1, 3),
    )
    fit: FitConfig = field(default_factory=FitConfig)
    trees: TreesConfig = field(default_factory=TreesConfig)
    sampling: Sampling = field(default_factory=Sampling)
    stand_in: Sampling = field(default_factory=lambda: Sampling(0.0, 0.05, 0.01, 0.0))
    hold_out_days: int = 90
    hold_out_effort: float = 0.4
    without: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 2


def small(config: TrainConfig) -> TrainConfig:
    """Shrink a configuration to what a machine with 2 GB can train."""
    sampling = Sampling(0.5, 0.08, 0.03, 0.04, config.sampling.seed)
    fit = replace(config.fit, per_epoch=60_000)
    near = Growth(100, 31, 0.12, 300)
    trees = TreesConfig(near, near, near, Growth(100, 8, 0.12, 2_000, 0.3), max_rows=100_000)
    networks = (
        Member("mlp", 0, 24, {"static": 192, "head": 192, "flat": 96, "dropout": 0.3}),
        Member("cnn_gru", 0, 5),
        Member("transformer", 0, 4),
    )
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
    samples, extra = _samples(data, to_ms, config, on_progress)
    vocabulary = vocabulary_of((*samples.keys, *(extra.keys if extra is not None else ())))
    data_hash = _hash(samples)
    own = len(samples)
    origins_ms = samples.origin_ms if extra is None else np.concatenate((samples.origin_ms, extra.origin_ms))
    table, samples, targets_ms = _table(samples, extra, vocabulary)
    del extra
    work = out / ".work" / _key(config, data_hash, to_ms)
    work.mkdir(parents=True, exist_ok=True)

    cut_ms = to_ms - config.hold_out_days * DAY_MS
    # a target unknown at the cut is not one that never came
    before = (targets_ms < cut_ms) & (origins_ms < cut_ms - 5 * DAY_MS)
    after = samples.origin_ms >= cut_ms
    if before[:own].sum() < 2_000 or after.sum() < 200:
        raise DataError(
            f"too little to learn from: {before[:own].sum()} origins before the hold-out, {after.sum()} in it; "
            "give more history (two years are wanted, six months are the least)"
        )
    shape = input_shape(samples, vocabulary)
    rows, half = np.flatnonzero(before), _with_effort(config, config.hold_out_effort)
    stage = Stage(table, rows, shape, work / "hold-out", half, "hold-out: ", on_progress)
    nets, trees = stage.members()
    prior, metrics = _judge(nets, trees, samples.pick(after), vocabulary, config)
    stage = Stage(table, np.arange(len(table)), shape, work / "final", config, "", on_progress)
    nets, trees = stage.members()
    cascades = _cascade(data, to_ms, config, on_progress)
    artefact = _write(
        nets, trees, cascades, table, samples, vocabulary, prior, metrics, config, to_ms, data_hash, out
    )  # fmt: skip
    shutil.rmtree(out / ".work")
    return artefact


def _with_effort(config: TrainConfig, share: float) -> TrainConfig:
    fit = replace(config.fit, per_epoch=round(config.fit.per_epoch * share))
    return replace(
        config, fit=fit, trees=replace(config.trees, max_rows=round(config.trees.max_rows * share))
    )


def _samples(
    data: Path, to_ms: int, config: TrainConfig, on_progress: Progress
) -> tuple[Samples, Samples | None]:
    tables = load_tables(data, None)
    tables = {name: _leave_out(table, config.without) for name, table in tables.items()}
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


def _leave_out(table: pl.DataFrame, symbols: tuple[str, ...]) -> pl.DataFrame:
    return table.filter(~pl.col("symbol").is_in(symbols)) if symbols and "symbol" in table.columns else table


def _table(
    samples: Samples, extra: Samples | None, vocabulary: Vocabulary
) -> tuple[TensorData, Samples, NDArray[np.int64]]:
    """Put the stand-in's rows behind the others → (table, samples as a view of it, last target of each row).

    One array after another, each old one let go: two copies of all would need twice the memory.
    """
    if extra is None or not len(extra):
        return TensorData.of(samples, vocabulary), samples, samples.target_ms.max(axis=1)
    n = len(samples)
    tabular = np.concatenate((samples.tabular, extra.tabular))
    samples, extra = replace(samples, tabular=tabular[:n]), replace(extra, tabular=tabular[n:])
    sequence = np.concatenate((samples.sequence, extra.sequence))
    samples, extra = replace(samples, sequence=sequence[:n]), replace(extra, sequence=sequence[n:])
    first, second = TensorData.of(samples, vocabulary), TensorData.of(extra, vocabulary)
    venue, coin, y = (
        np.concatenate((getattr(first, name), getattr(second, name))) for name in ("venue", "coin", "y")
    )
    last_ms = np.concatenate((samples.target_ms.max(axis=1), extra.target_ms.max(axis=1)))
    return TensorData(tabular, sequence, venue, coin, y), samples, last_ms


def _judge(
    nets: list[Any], trees: dict[str, str], held: Samples, vocabulary: Vocabulary, config: TrainConfig
) -> tuple[dict[str, dict[str, tuple[float, ...]]], dict[str, Any]]:  # fmt: skip
    """Weigh the members by the hold-out, through the very code that serves."""
    data, names = TensorData.of(held, vocabulary), _names(config)
    members = Members.of(export(nets, data)[0], export_trees(trees, data)[0], names, config.threads)
    venue, coin = vocabulary.encode(held.keys)
    told = members.ask(Inputs(held.tabular, held.sequence, venue[held.series], coin[held.series])).quantiles
    prior = weigh(told, held, np.random.default_rng(config.seed))
    return prior, hold_out_metrics(told, names, held, prior)


def _cascade(data: Path, to_ms: int, config: TrainConfig, on_progress: Progress) -> dict[str, Any] | None:
    """Fit the cascade head; None where the data hold too few cascades, or no hourly prices."""
    on_progress("cascades", 0.0)
    series = funded(load_tables(data, None))
    series = {key: found for key, found in series.items() if key.symbol not in config.without}
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
    tree_graph, tree_difference = export_trees(trees, data)
    history_days = (to_ms - int(samples.origin_ms.min())) / DAY_MS
    card = Card(
        feature_hash=FEATURE_HASH, features=samples.names, venues=vocabulary.venues, coins=vocabulary.coins,
        members=_names(config), prior=prior, seed=config.seed, trained_from=iso(int(samples.origin_ms.min())),
        trained_to=iso(to_ms), history_days=round(history_days, 1), samples=len(data.venue), data_hash=data_hash,
        width=1.0 + 0.3 * max(0.0, 1.0 - history_days / TWO_YEARS_DAYS),
        metrics={
            "hold_out": metrics, "torch_onnx_difference": difference, "trees_onnx_difference": tree_difference,
            "config": asdict(config),
        },
    )  # fmt: skip
    files = {
        "networks.onnx": graph,
        "networks.safetensors": weights,
        "trees.onnx.gz": gzip.compress(tree_graph, 9, mtime=0),
    }
    if cascades is not None:
        files["cascade.json"] = json.dumps(cascades, sort_keys=True).encode()
    return write_card(out, card, files)


def _names(config: TrainConfig) -> tuple[str, ...]:
    return (*(member.name for member in config.networks), "trees")


def _hash(samples: Samples) -> str:
    digest = hashlib.sha256()
    for array in (samples.tabular, samples.target, samples.origin_ms):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _key(config: TrainConfig, data_hash: str, to_ms: int) -> str:
    text = json.dumps([asdict(config), data_hash, to_ms, FEATURE_HASH], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
