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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hedged.adapters.replay.series import funded
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import DAY_MS, iso
from hedged.domain.errors import DataError
from hedged.features.resample import FEATURE_HASH
from hedged.features.samples import Samples
from hedged.forecast.artefact import Artefact, Card, write_card
from hedged.forecast.drift.inputs import REFERENCE, Reference
from hedged.forecast.members import Inputs, Members
from hedged.forecast.vocabulary import Vocabulary
from hedged.training import cascade
from hedged.training.config import TrainConfig, with_effort
from hedged.training.export import export
from hedged.training.export_trees import export_trees
from hedged.training.fit import TensorData, input_shape
from hedged.training.stage import Progress, Stage
from hedged.training.table import Table, settled_by, table_of
from hedged.training.validation import by_symbol
from hedged.training.weigh import hold_out_metrics, weigh

TWO_YEARS_DAYS = 730.0


def train(
    data: Path,
    to_ms: int,
    out: Path,
    config: TrainConfig,
    on_progress: Progress = lambda _stage, _share: None,
    on_made: Callable[[Artefact, Samples, int], None] = lambda _made, _held, _cut_ms: None,
) -> Artefact:
    """Train everything on what was known before `to_ms` and write the artefact to `out`.

    `on_made` is handed it, the samples that its members were weighed by and the instant at which these begin, while
    what was finished is still kept. Raises DataError when the data are too short to learn from, ArithmeticError for a
    model that is none: numbers that are not finite, graphs that differ from what was trained.
    """
    # first, while there is room: it needs the tables, which would stand beside the samples
    cascades = _cascade(data, to_ms, config, on_progress)
    table = table_of(data, to_ms, config, on_progress)
    work = out / ".work" / _key(config, table.data_hash, to_ms)
    work.mkdir(parents=True, exist_ok=True)

    cut_ms, own = to_ms - config.hold_out_days * DAY_MS, len(table.own)
    # a target unknown at the cut is not one that never came
    before = (table.known_ms < cut_ms) & (table.origin_ms < cut_ms - 5 * DAY_MS)
    after = table.own.origin_ms >= cut_ms
    if before[:own].sum() < 2_000 or after.sum() < 200:
        raise DataError(
            f"too little to learn from: {before[:own].sum()} origins before the hold-out, {after.sum()} in it; "
            "give more history (two years are wanted, six months are the least)"
        )
    shape = input_shape(table.own, table.vocabulary)
    rows, half = np.flatnonzero(before), with_effort(config, config.hold_out_effort)
    stage = Stage(table.data, rows, shape, work / "hold-out", half, "hold-out: ", on_progress)
    nets, trees = stage.members()
    prior, metrics, symbols = _judge(nets, trees, table.own.pick(after), table.vocabulary, config)
    rows = np.arange(len(table.data))
    nets, trees = Stage(table.data, rows, shape, work / "final", config, "", on_progress).members()
    artefact = _write(nets, trees, cascades, table, prior, metrics, symbols, config, to_ms, out)
    on_made(artefact, table.own.pick(after), cut_ms)
    shutil.rmtree(out / ".work")
    return artefact


def _judge(
    nets: list[Any], trees: dict[str, str], held: Samples, vocabulary: Vocabulary, config: TrainConfig
) -> tuple[dict[str, dict[str, tuple[float, ...]]], dict[str, Any], dict[str, Any]]:  # fmt: skip
    """Weigh the members by the hold-out, through the very code that serves → weights, metrics, those by symbol."""
    data, names = TensorData.of(held, vocabulary), _names(config)
    members = Members.of(export(nets, data)[0], export_trees(trees, data)[0], names, config.threads)
    venue, coin = vocabulary.encode(held.keys)
    told = members.ask(Inputs(held.tabular, held.sequence, venue[held.series], coin[held.series])).quantiles
    if not np.isfinite(told).all():
        raise ArithmeticError("what the members say of the hold-out is no number")
    prior = weigh(told, held, np.random.default_rng(config.seed))
    return prior, hold_out_metrics(told, names, held, prior), by_symbol(told, held, prior)


def _cascade(data: Path, to_ms: int, config: TrainConfig, on_progress: Progress) -> dict[str, Any] | None:
    """Fit the cascade head; None where the data hold too few cascades, or no hourly prices."""
    on_progress("cascades", 0.0)
    series = settled_by(funded(load_tables(data, None)), to_ms)
    series = {key: found for key, found in series.items() if key.symbol not in config.without}
    try:
        rows = cascade.collect(series, config.first_ms(to_ms), to_ms)
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
    table: Table,
    prior: dict[str, dict[str, tuple[float, ...]]],
    metrics: dict[str, Any],
    symbols: dict[str, Any],
    config: TrainConfig,
    to_ms: int,
    out: Path,
) -> Artefact:
    graph, weights, difference = export(nets, table.data)
    tree_graph, tree_difference = export_trees(trees, table.data)
    from_ms = int(table.own.origin_ms.min())
    history_days = (to_ms - from_ms) / DAY_MS
    card = Card(
        feature_hash=FEATURE_HASH, features=table.own.names, venues=table.vocabulary.venues,
        coins=table.vocabulary.coins, members=_names(config), prior=prior, seed=config.seed,
        trained_from=iso(from_ms), trained_to=iso(to_ms), history_days=round(history_days, 1),
        samples=len(table.data), data_hash=table.data_hash,
        width=1.0 + 0.3 * max(0.0, 1.0 - history_days / TWO_YEARS_DAYS),
        metrics={
            "hold_out": metrics, "torch_onnx_difference": difference, "trees_onnx_difference": tree_difference,
            "config": asdict(config), "by_symbol": symbols,
        },
    )  # fmt: skip
    files = {
        "networks.onnx": graph,
        "networks.safetensors": weights,
        "trees.onnx.gz": gzip.compress(tree_graph, 9, mtime=0),
    }
    reference = Reference.of(table.own)
    if reference.edges:
        files[REFERENCE] = reference.to_bytes()
    if cascades is not None:
        files["cascade.json"] = json.dumps(cascades, sort_keys=True).encode()
    return write_card(out, card, files)


def _names(config: TrainConfig) -> tuple[str, ...]:
    return (*(member.name for member in config.networks), "trees")


def _key(config: TrainConfig, data_hash: str, to_ms: int) -> str:
    text = json.dumps([asdict(config), data_hash, to_ms, FEATURE_HASH], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
