"""Training: what leaves it is what serves, it can be killed, and the same seed makes the same model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from rates import tables
from safetensors.torch import load as load_weights
from small_tables import at, ms

from hedged.adapters.replay.series import series_of
from hedged.domain.errors import ConfigError, DataError
from hedged.features.samples import Samples
from hedged.features.sampling import Sampling, collect
from hedged.forecast import members
from hedged.forecast.artefact import Artefact, load
from hedged.forecast.members import Inputs, Members
from hedged.forecast.vocabulary import Vocabulary, vocabulary_of
from hedged.training import stage
from hedged.training.config import TrainConfig
from hedged.training.export import Together, export
from hedged.training.fit import FitConfig, Member, TensorData, fit_network, input_shape
from hedged.training.networks import NETWORKS, make_network
from hedged.training.train import train
from hedged.training.trees import Growth, TreesConfig

# the two networks that are exported quickest: that each kind is exported truly is shown one by one below
TINY = TrainConfig(
    networks=(Member("mlp", 0, 1, {"dropout": 0.3}), Member("transformer", 0, 1)),
    fit=FitConfig(per_epoch=2_000, batch=256),
    trees=TreesConfig(*(4 * [Growth(3, 4, 0.1, 20)])),
    sampling=Sampling(1.0, 1.0, 1.0, 0.0),
    hold_out_days=15,
    threads=1,
)
TO_H = 24 * 74


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with three venues and two coins."""
    path = tmp_path_factory.mktemp("data")
    for name, frame in tables().items():
        frame.write_parquet(path / f"{name}.parquet")
    return path


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """A tiny model, trained for real."""
    return train(data, ms(TO_H), tmp_path_factory.mktemp("model"), TINY)


@pytest.fixture(scope="module")
def samples() -> Samples:
    series = series_of(tables())
    return collect(series, ms(40 * 24), ms(TO_H), Sampling(1.0, 0.2, 0.2, 0.0))


def inputs_of(samples: Samples, vocabulary: Vocabulary) -> Inputs:
    venue, coin = vocabulary.encode(samples.keys)
    return Inputs(samples.tabular, samples.sequence, venue[samples.series], coin[samples.series])


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_learns_and_its_graph_says_the_same(name: str, samples: Samples) -> None:
    """If this fails, the network does not learn, its quantiles cross, or what serves is not what was trained."""
    vocabulary = vocabulary_of(samples.keys)
    data = TensorData.of(samples, vocabulary)
    shape = input_shape(samples, vocabulary)
    torch.manual_seed(0)
    untrained = make_network(name, shape).eval()
    rows = np.arange(len(data))
    config = FitConfig(batch=256, ema=0.05)
    trained = fit_network(Member(name, 0, 2), shape, data, rows, config, 0, "cpu")
    arrays = (data.tabular, data.sequence.astype(np.float32), data.venue, data.coin)
    with torch.no_grad():
        laws = [net(*(torch.from_numpy(a) for a in arrays))[0].numpy() for net in (untrained, trained)]
    before, after = (np.nanmean(np.abs(data.y - law[:, :, 4])) for law in laws)
    assert after < before
    assert (np.diff(laws[1], axis=2) >= 0).all()
    _, weights, difference = export([trained], data)
    assert difference < 1e-4
    restored = Together([make_network(name, shape)])
    restored.load_state_dict(load_weights(weights))


def test_an_artefact_is_whole(model: Artefact, samples: Samples) -> None:
    """If this fails, the artefact lacks what its card promises, or its members do not answer."""
    card = model.card
    assert card.members == ("mlp-1", "transformer-1", "trees")
    assert card.features == samples.names
    assert set(card.files) == {"networks.onnx", "networks.safetensors", "reference.json", "trees.onnx.gz"}
    assert card.width == pytest.approx(1.0 + 0.3 * (1 - card.history_days / 730), abs=1e-3)
    assert "injective" in card.venues  # the stand-in was trained on
    told = Members(model).ask(inputs_of(samples, card.vocabulary))
    assert told.quantiles.shape == (3, len(samples), 4, 9)
    assert np.isfinite(told.quantiles).all()
    assert (np.diff(told.quantiles, axis=3) >= -1e-5).all()
    for by_horizon in card.prior.values():
        for weights in by_horizon.values():
            assert sum(weights) == pytest.approx(1.0, abs=1e-3)


def test_the_graph_answers_one_row_as_many(model: Artefact, samples: Samples) -> None:
    """If this fails, a forecast depends on how many markets are forecast with it."""
    asked = Members(model)
    inputs = inputs_of(samples, model.card.vocabulary)
    together = asked.ask(inputs.part(slice(0, 40))).quantiles
    one = asked.ask(inputs.part(slice(7, 8))).quantiles
    np.testing.assert_allclose(one[:, 0], together[:, 7], atol=2e-5)


def members_of(
    seed: int, samples: Samples, work: Path
) -> tuple[list[dict[str, torch.Tensor]], dict[str, str]]:
    """What one stage fits with a seed: the networks' weights and the trees."""
    vocabulary = vocabulary_of(samples.keys)
    table, rows = TensorData.of(samples, vocabulary), np.arange(len(samples))
    config = replace(TINY, seed=seed)
    one = stage.Stage(
        table, rows, input_shape(samples, vocabulary), work, config, "", lambda _stage, _share: None
    )
    networks, trees = one.members()
    return [network.state_dict() for network in networks], trees


def test_another_seed_makes_other_members(samples: Samples, tmp_path: Path) -> None:
    """If this fails, a seed is only written on the card, and an ensemble of seeds is one model many times."""
    (nets, trees), (other_nets, other_trees) = (
        members_of(seed, samples, tmp_path / str(seed)) for seed in (0, 1)
    )
    for one, other in zip(nets, other_nets, strict=True):
        assert any(not torch.equal(one[key], other[key]) for key in one)
    assert trees.keys() == other_trees.keys()
    assert trees != other_trees


def test_threads_change_nothing(model: Artefact, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a replayed day decides otherwise on a machine with more cores, or rows get each other's law."""
    monkeypatch.setattr(members, "BATCH", 64)
    inputs = inputs_of(samples, model.card.vocabulary)
    assert len(inputs) > 3 * members.BATCH
    one, three = (Members(model, threads).ask(inputs).quantiles for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_a_killed_training_goes_on(
    model: Artefact, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a training killed late begins from nothing, or ends in another model."""
    finished: list[str] = []

    def killed_at(name: str) -> Callable[..., object]:
        def fit(member: Member, *args: object) -> object:
            if member.network == name and finished:
                raise KeyboardInterrupt
            finished.append(member.network)
            return fit_network(member, *args)

        return fit

    monkeypatch.setattr(stage, "fit_network", killed_at("transformer"))
    with pytest.raises(KeyboardInterrupt):
        train(data, ms(TO_H), tmp_path, TINY)
    assert not (tmp_path / "card.json").exists()
    with pytest.raises(ConfigError, match="no card"):
        load(tmp_path)
    refitted: list[str] = []
    monkeypatch.setattr(stage, "fit_network", lambda m, *a: refitted.append(m.network) or fit_network(m, *a))
    resumed = train(data, ms(TO_H), tmp_path, TINY)
    assert refitted == ["transformer", "mlp", "transformer"]  # the finished one of the first stage was kept
    assert resumed.hash == model.hash
    assert not (tmp_path / ".work").exists()


def test_the_same_seed_makes_the_same_model_and_nothing_after_the_date_enters(
    model: Artefact, data: Path, tmp_path: Path
) -> None:
    """If this fails, a model cannot be made again from its card, or was trained on what it is later tested on."""
    for name, frame in tables().items():
        # a candle is known when it closes, an hour after the instant that it is stamped with
        late = pl.col("ts") >= at(TO_H - 1 if name == "ohlcv" else TO_H)
        numbers = [c for c, kind in frame.schema.items() if kind == pl.Float64 and c != "interval_hours"]
        changed = frame.filter(late).with_columns(pl.col(c) * 3 + 1e-4 for c in numbers)
        assert len(changed)
        parts = [frame.filter(~late), changed]
        if {"venue", "symbol"} <= set(frame.columns):
            one = changed.filter((pl.col("venue") == "hyperliquid") & (pl.col("symbol") == "BTC"))
            newcomer = one.with_columns(venue=pl.lit("newcomer"), symbol=pl.lit("NEWCOIN"))
            parts.append(newcomer.select(frame.columns).cast(dict(frame.schema)))
        pl.concat(parts).write_parquet(tmp_path / f"{name}.parquet")
    again = train(tmp_path, ms(TO_H), tmp_path / "model", TINY)
    assert again.card.files == model.card.files
    assert again.hash == model.hash


def test_too_short_a_history_is_refused(data: Path, tmp_path: Path) -> None:
    """If this fails, a model is trained on a handful of prints."""
    with pytest.raises(DataError, match="too little to learn from"):
        train(data, ms(24 * 18), tmp_path, TINY)
