"""Each node's share of a federation, without the engine: what is agreed, what is sent, what a liar sends."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.federated.learning import (
    MEAN,
    SD,
    Agreement,
    Node,
    learning_rate,
    moments,
    poisoned,
)
from hedged.training.fit import FitConfig, Member, TensorData, fit_network
from hedged.training.networks.head import InputShape

SHAPE = InputShape(features=5, steps=12, channels=3, venues=3, coins=4, experts=(0, 1))
TINY = Member("mlp", 0, 1, {"static": 8, "head": 8, "flat": 8})
AGREED = Agreement(SHAPE, TINY, rounds=2, per_epoch=64, seed=3)


def rows(n: int, seed: int) -> TensorData:
    """Random rows, a fifth of the features unknown."""
    rng = np.random.default_rng(seed)
    tabular = rng.normal(seed, 1 + seed, (n, SHAPE.features)).astype(np.float32)
    tabular[rng.random(tabular.shape) < 0.2] = np.nan
    sequence = rng.normal(size=(n, SHAPE.steps, SHAPE.channels)).astype(np.float16)
    venue, coin = rng.integers(0, 3, n), rng.integers(0, 4, n)
    return TensorData(tabular, sequence, venue, coin, rng.normal(size=(n, 4)).astype(np.float32))


@given(st.lists(st.integers(20, 200), min_size=2, max_size=4))
def test_moments_add_up(sizes: list[int]) -> None:
    """If this fails, nodes standardise by moments that are not those of all their rows together."""
    parts = [rows(n, i) for i, n in enumerate(sizes)]
    told = [moments(part) for part in parts]
    averaged = [np.average([m[i] for m in told], axis=0, weights=sizes) for i in range(3)]
    arrays = AGREED.standardised(averaged)
    state = AGREED.state(arrays)
    x = np.concatenate([part.tabular for part in parts]).astype(np.float64)
    x = np.sign(x) * np.log1p(np.abs(x))
    np.testing.assert_allclose(state[MEAN].numpy(), np.nanmean(x, axis=0), atol=1e-4)
    np.testing.assert_allclose(state[SD].numpy(), np.nanstd(x, axis=0), atol=1e-3)


def test_only_weights_are_sent(tmp_path: Path) -> None:
    """If this fails, what leaves a node has another shape than the common weights, or the agreement is lost on disk."""
    AGREED.write(tmp_path / "agreement.json")
    agreed = Agreement.read(tmp_path / "agreement.json")
    assert agreed == AGREED
    start = agreed.arrays(agreed.network())
    answer = Node(agreed, rows(100, 1), 0).answer(2, start)
    assert [a.shape for a in answer] == [a.shape for a in start]
    assert any(not np.array_equal(a, b) for a, b in zip(answer, start, strict=True))


def test_a_fit_goes_on_from_its_start() -> None:
    """If this fails, a round throws the common weights or their standardisation away and begins anew."""
    start = AGREED.network().state_dict()
    start[MEAN] = torch.full_like(start[MEAN], 0.25)
    still = FitConfig(per_epoch=64, batch=32, learning_rate=1e-12)
    data = rows(64, 2)
    net = fit_network(TINY, SHAPE, data, np.arange(64), still, 0, "cpu", start=start)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, start[name], msg=name)


@pytest.mark.parametrize("poison", ["flip", "noise"])
def test_a_poisoned_answer_leads_astray(poison: str) -> None:
    """If this fails, the attack that the documentation measures is none."""
    before, after = [np.zeros(200, np.float32)], [np.full(200, 0.1, np.float32)]
    (sent,) = poisoned(before, after, poison, np.random.default_rng(0))
    assert not np.allclose(sent, after[0])
    if poison == "flip":
        np.testing.assert_allclose(sent, -0.5)


def test_rounds_slow_down() -> None:
    """If this fails, late rounds undo what early ones learned."""
    rates = [learning_rate(n, 12) for n in range(1, 13)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(10 * rates[-1])
    assert learning_rate(1, 1) == rates[0]
