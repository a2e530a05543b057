"""An order is carried out: what it makes is judged by symbol and beside the champion; progress never falls."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rates import tables
from small_tables import at, ms

from hedged.adapters.replay.series import series_of
from hedged.domain.forecast import LEVELS
from hedged.features.samples import Samples
from hedged.features.sampling import FIRST_MS, Sampling, collect
from hedged.features.targets import HORIZONS
from hedged.forecast.adapt import CLASSES
from hedged.forecast.artefact import SHIPPED, Artefact, load
from hedged.forecast.models.trainings import Order
from hedged.training import validation
from hedged.training.carry_out import recipe
from hedged.training.config import TrainConfig, small, tiny
from hedged.training.progress import Whole
from hedged.training.table import table_of
from hedged.training.validation import MOST_SYMBOLS, by_symbol, judged

TO_H = 24 * 74


@pytest.fixture(scope="module")
def held() -> Samples:
    return collect(series_of(tables()), ms(60 * 24), ms(TO_H), Sampling(1.0, 0.5, 0.5, 0.0))


def test_progress_grows_to_the_whole() -> None:
    """If this fails, the page shows a training that goes back, or one that is never done."""
    for config in (TrainConfig(), small(TrainConfig()), tiny(TrainConfig())):
        whole = Whole(config)
        members = [one.name for one in config.networks] + [f"trees {horizon}" for horizon in HORIZONS]
        stages = [
            "cascades",
            "samples",
            "stand-in samples",
            *(f"hold-out: {one}" for one in members),
            *members,
        ]
        shares = [whole.told(stage, share) for stage in stages for share in (0.0, 0.5, 1.0)]
        assert shares == sorted(shares)
        assert (whole.told("unheard of", 1.0), shares[-1]) == (shares[-1], pytest.approx(1.0))


def test_what_is_recorded_later_changes_no_order(tmp_path: Path) -> None:
    """If this fails, a resumed training learns from other samples than it began with, as the recorder went on."""

    def read() -> str:
        return table_of(tmp_path, ms(TO_H), tiny(TrainConfig()), lambda _stage, _share: None).data_hash

    frames = tables()
    for name, frame in frames.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    late = timedelta(days=40)
    for name in ("funding", "ohlcv", "premium", "estimates"):
        # received after the order's end: of days before it, and of days after it; candles as the recorder has them
        before = frames[name].filter(pl.col("ts") < at(TO_H)).tail(200)
        if name == "ohlcv":
            before = before.with_columns(bar=pl.lit("15m"))
        rows = pl.concat([before, before.with_columns(pl.col("ts") + late)])
        if name == "funding":
            rows = rows.with_columns(pl.col("ts") + timedelta(minutes=30))
        path = tmp_path / name / "2025-12-31.parquet"
        path.parent.mkdir()
        rows.with_columns(known_ts=pl.lit(at(TO_H + 1)).cast(frames[name].schema["ts"])).write_parquet(path)
    with_more = read()
    for name in ("funding", "ohlcv", "premium", "estimates"):
        shutil.rmtree(tmp_path / name)
    assert with_more == read()


def test_every_symbol_is_measured(held: Samples) -> None:
    """If this fails, a model that is bad for one coin is hidden by the others."""
    y = np.nan_to_num(held.scaled_target)
    perfect = np.repeat(y[None, :, :, None], len(LEVELS), axis=3).astype(np.float32)
    wrong = np.where(
        np.array([key.symbol == "ETH" for key in held.keys])[held.series][:, None, None], 1.0, 0.0
    )
    prior = {name: dict.fromkeys(HORIZONS, (1.0,)) for name in CLASSES}
    cells = by_symbol(perfect + wrong.astype(np.float32), held, prior)
    assert {name.split()[0] for name in cells} == {"BTC", "ETH"}
    assert len(cells) <= MOST_SYMBOLS * len(HORIZONS)
    for name, cell in cells.items():
        assert cell["mae"] == pytest.approx(1.0 if name.startswith("ETH") else 0.0, abs=1e-4)
        assert cell["rows"] >= 30
        assert cell["ewma_mae"] > 0


def test_a_model_is_judged(held: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a model that lost to the average is taken in, or one is flattered by days that it has seen."""
    shipped = load(SHIPPED)
    good = {"rows": 500, "ensemble": {"mae": 0.8, "pinball": 0.2}, "ewma": {"mae": 0.9}}
    bad = good | {"ensemble": {"mae": 0.95, "pinball": 0.2}}

    def told(*cells: dict[str, object]) -> Artefact:
        names = [f"{name} {horizon}" for name in CLASSES for horizon in HORIZONS]
        metrics = {"hold_out": dict(zip(names, cells, strict=False))}
        return replace(shipped, card=replace(shipped.card, metrics=metrics))

    few = held.pick(slice(0, 260))
    said = validation._asked(shipped, few, 1)
    monkeypatch.setattr(validation, "_asked", lambda *_: said)
    verdict = judged(told(good, good, bad, bad), few, ms(60 * 24), shipped, 1)
    assert verdict.why == ""
    assert "better than the EWMA in 2 of 4 cells" in verdict.text
    assert "of the champion's on the same hold-out, of which it had seen the days to 20" in verdict.text
    assert verdict.rival
    fair = replace(shipped, card=replace(shipped.card, trained_to="2019-01-01T00:00:00Z"))
    assert "which it had not seen" in judged(told(good), few, ms(60 * 24), fair, 1).text
    assert "in 3 of 4 cells" in judged(told(good, bad, bad, bad), few, ms(60 * 24), None, 1).why
    assert "too few outcomes" in judged(told(), few, ms(60 * 24), None, 1).why


def test_the_last_days_alone_are_learnt_from(tmp_path: Path) -> None:
    """If this fails, models.learn_days is ignored, and a market whose law turned is never unlearnt."""
    for name, frame in tables().items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    order = Order(tmp_path, ms(TO_H), "tiny", 0, 1, 1_000, 0, ms(TO_H), "a test", "to see", learn_days=20)
    config = recipe(order)
    table = table_of(tmp_path, ms(TO_H), config, lambda _stage, _share: None)
    assert table.origin_ms.min() > ms(TO_H - 20 * 24)
    assert table.origin_ms.max() < ms(TO_H)
    assert recipe(replace(order, learn_days=None)).first_ms(ms(TO_H)) == FIRST_MS
