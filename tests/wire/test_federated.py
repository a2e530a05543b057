"""A federation of four processes on loopback: three nodes, each with rows of its own, and a server that averages."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from experiments.federated.federation import PYTHON, QUIET, ROOT, Federation
from experiments.federated.learning import MOMENTS, Agreement, Node
from experiments.federated.splits import save_rows
from hedged.training.fit import Member, TensorData
from hedged.training.networks.head import InputShape

SHAPE = InputShape(features=5, steps=12, channels=3, venues=3, coins=4, experts=(0, 1))
AGREED = Agreement(
    SHAPE, Member("mlp", 0, 1, {"static": 8, "head": 8, "flat": 8}), rounds=1, per_epoch=64, seed=1
)
PEOPLE = (40, 80, 120)


def rows(n: int) -> TensorData:
    rng = np.random.default_rng(n)
    sequence = rng.normal(size=(n, SHAPE.steps, SHAPE.channels)).astype(np.float16)
    tabular, y = rng.normal(size=(n, SHAPE.features)), rng.normal(size=(n, 4))
    venue, coin = rng.integers(0, 3, n), rng.integers(0, 4, n)
    return TensorData(tabular.astype(np.float32), sequence, venue, coin, y.astype(np.float32))


@pytest.fixture(scope="module")
def engine() -> Path:
    """The python that has Flower; `experiments/federated/environment.sh` makes it, HEDGED_FLOWER names another one."""
    python = Path(os.environ.get("HEDGED_FLOWER") or PYTHON)
    if not python.is_file():
        pytest.skip("needs Flower: run experiments/federated/environment.sh (docs/experiments.md)")
    return python


@pytest.mark.timeout(600)  # four processes that import torch and Flower: a minute and a half at load 30
def test_three_nodes_are_averaged(engine: Path, tmp_path: Path) -> None:
    """If this fails, the server's weights are not the mean, by rows, of what three processes learned alone."""
    data = [rows(n) for n in PEOPLE]
    files = [tmp_path / f"rows-{n}.npz" for n in PEOPLE]
    for file, each in zip(files, data, strict=True):
        save_rows(file, each)
    told = Federation(AGREED, files, tmp_path / "run", engine).run(timeout_s=500.0)
    nodes = [Node(AGREED, each, number) for number, each in enumerate(data)]
    moments = [node.answer(MOMENTS, []) for node in nodes]
    start = AGREED.standardised(
        [np.average([m[i] for m in moments], axis=0, weights=PEOPLE) for i in range(3)]
    )
    learned = [node.answer(MOMENTS + 1, told[0]) for node in nodes]
    for i, (first, last) in enumerate(zip(told[0], told[1], strict=True)):
        np.testing.assert_allclose(first, start[i], atol=1e-5)
        expected = np.average([answer[i] for answer in learned], axis=0, weights=PEOPLE)
        np.testing.assert_allclose(last, expected, atol=1e-5)


def test_the_engine_reports_to_nobody(engine: Path) -> None:
    """If this fails, each run tells the engine's makers that it took place."""
    asked = (
        "import experiments.federated.server, flwr.supercore.telemetry as t; print(t.FLWR_TELEMETRY_ENABLED)"
    )
    told = subprocess.run(
        [engine, "-c", asked], cwd=ROOT, env=os.environ | QUIET, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "0"
