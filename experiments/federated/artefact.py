"""A federated network as an artefact, beside the trees that an operator grew on its own rows."""

import gzip
from pathlib import Path

import numpy as np

from experiments.federated.learning import Agreement
from experiments.federated.measure import HONEST, Bench
from hedged.domain.clock import iso
from hedged.features.resample import FEATURE_HASH
from hedged.features.targets import HORIZONS
from hedged.forecast.adapt import CLASSES
from hedged.forecast.artefact import Artefact, Card, write_card
from hedged.training.export import export
from hedged.training.export_trees import export_trees
from hedged.training.trees import Growth, TreesConfig, fit_trees

SMALL = Growth(40, 15, 0.15, 300)


def write_artefact(bench: Bench, operator: int, path: Path) -> Artefact:
    """Write what one operator could add to its registry: the last round of the first federation, and small trees.

    An artefact holds trees always (`forecast/members.py`); trees cannot be averaged, so these are the operator's alone.
    """
    holding, rows = bench.holdings[operator], bench.rows[operator]
    folder = bench.out / "-".join(["run", "0", str(bench.size.rounds), "mean", *HONEST])
    agreement = Agreement.read(folder / "agreement.json")
    with np.load(folder / f"round-{agreement.rounds}.npz") as kept:
        network = agreement.network([kept[name] for name in kept.files])
    graph, weights, difference = export([network], rows)
    config = TreesConfig(SMALL, SMALL, SMALL, SMALL, max_rows=30_000)
    trees: dict[str, str] = {}
    for horizon in HORIZONS:
        trees |= fit_trees(rows, np.arange(len(rows)), horizon, config, 0)
    tree_graph, tree_difference = export_trees(trees, rows)
    first, last = int(holding.fitted.origin_ms.min()), holding.operator.to_ms
    card = Card(
        feature_hash=FEATURE_HASH, features=holding.fitted.names, venues=bench.vocabulary.venues,
        coins=bench.vocabulary.coins, members=("federated-mlp", "trees"),
        prior={kind: dict.fromkeys(HORIZONS, (0.7, 0.3)) for kind in CLASSES}, seed=agreement.seed,
        trained_from=iso(first), trained_to=iso(last), history_days=round((last - first) / 86_400_000, 1),
        samples=len(rows), data_hash="federated",
        metrics={"torch_onnx_difference": difference, "trees_onnx_difference": tree_difference},
    )  # fmt: skip
    files = {
        "networks.onnx": graph,
        "networks.safetensors": weights,
        "trees.onnx.gz": gzip.compress(tree_graph, 9, mtime=0),
    }
    return write_card(path, card, files)
