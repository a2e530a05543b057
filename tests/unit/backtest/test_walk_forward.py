"""Walk-forward: models trained on the past alone, kept, and each used from its instant on."""

import json
from pathlib import Path

import numpy as np
import pytest
from worlds import START_MS, config, tables, world_of

from hedged.backtest.laws.build import Asked, precomputed
from hedged.backtest.laws.ensemble import ensemble_laws, succession_laws
from hedged.backtest.laws.table import LawTable
from hedged.backtest.runner import Window
from hedged.backtest.walk_forward import WalkForward, instants, models_told, trained_models
from hedged.domain.clock import DAY_MS, HOUR_MS, iso
from hedged.domain.errors import ConfigError
from hedged.forecast.artefact import SHIPPED, Artefact, load
from hedged.forecast.reign import Reign, reigning
from hedged.forecast.succession import Succession

WINDOW = Window(START_MS - HOUR_MS, START_MS + 2 * HOUR_MS)
ASKED = Asked(world_of(tables(2)), config(hedge={"forecaster": "ensemble"}), ("INJ", "BTC"), WINDOW)


def days(text: str) -> list[str]:
    """Instants of a window from 2024-02-10 to 2024-09-01."""
    window = Window(1_707_523_200_000, 1_725_148_800_000)
    return [iso(ts)[:10] for ts in instants(window, text)]


def test_when_models_are_trained() -> None:
    """If this fails, a model is trained at another time than was asked for."""
    assert days("monthly")[:3] == ["2024-02-10", "2024-03-01", "2024-04-01"]
    assert days("monthly")[-1] == "2024-08-01"
    assert days("quarterly") == ["2024-02-10", "2024-04-01", "2024-07-01"]
    assert days("100") == ["2024-02-10", "2024-05-20", "2024-08-28"]
    for wrong in ("weekly", "0", "-3", "1.5"):
        with pytest.raises(ConfigError, match="monthly, quarterly or a number of days"):
            days(wrong)


def changed(path: Path, **fields: object) -> Artefact:
    """The shipped model under another card."""
    path.mkdir(parents=True, exist_ok=True)
    for file in SHIPPED.iterdir():
        if not (path / file.name).exists():
            (path / file.name).symlink_to(file)
    card = json.loads((SHIPPED / "card.json").read_text())
    (path / "card.json").unlink()
    (path / "card.json").write_text(json.dumps(card | fields))
    return load(path)


class Trainer:
    """Writes the shipped model as if it had been trained to an instant; dies at the instants `fails`."""

    def __init__(self, fails: set[int]) -> None:
        self.fails, self.asked = fails, []  # type: ignore[var-annotated]

    def __call__(self, to_ms: int, out: Path) -> Artefact:
        self.asked.append(to_ms)
        made = changed(out, trained_to=iso(to_ms))
        if to_ms in self.fails:
            raise KeyboardInterrupt
        return made


def test_a_killed_run_goes_on_and_models_are_not_mixed_up(tmp_path: Path) -> None:
    """If this fails, hours of training are lost, or models of other data or settings are taken for these."""
    data, window = tmp_path / "data", Window(START_MS, START_MS + 25 * DAY_MS)
    data.mkdir()
    tables(2)["funding"].write_parquet(data / "funding.parquet")
    second = START_MS + 10 * DAY_MS

    def models(trainer: Trainer, recipe: str = "small") -> list[str]:
        plan = WalkForward("10", recipe, tmp_path / "models", trainer)
        return [one.reign.artefact.card.trained_to for one in trained_models(data, window, plan)]

    killed, again = Trainer({second}), Trainer(set())
    with pytest.raises(KeyboardInterrupt):
        models(killed)
    expected = [START_MS + days * DAY_MS for days in (0, 10, 20)]
    assert models(again) == [iso(ts) for ts in expected]
    assert killed.asked == expected[:2]
    assert again.asked == expected[1:]
    assert models(Trainer(set())) == [iso(ts) for ts in expected]
    with pytest.raises(ConfigError, match="another recipe or of other data"):
        models(Trainer(set()), "large")
    tables(2)["funding"][:-1].write_parquet(data / "funding.parquet")
    with pytest.raises(ConfigError, match="another recipe or of other data"):
        models(Trainer(set()))


def test_the_summary_tells_of_the_models(tmp_path: Path) -> None:
    """If this fails, a reader cannot tell which model said what, what it knew, and how good it was beforehand."""
    window = Window(START_MS, START_MS + 15 * DAY_MS)
    plan = WalkForward("10", "small", tmp_path / "models", Trainer(set()))
    first, second = models_told(trained_models(tmp_path, window, plan))
    assert (first["from"], first["to"], first["trained_to"]) == (
        iso(START_MS), iso(START_MS + 10 * DAY_MS), iso(START_MS),
    )  # fmt: skip
    assert second["to"] == iso(window.to_ms)
    assert first["model_hash"] != second["model_hash"]
    assert first["knows_days"] == second["knows_days"] == 0
    assert first["hold_out"]["slow m24h"]["mae"] < 1
    assert first["training_seconds"] is not None


@pytest.fixture(scope="module")
def reigns(tmp_path_factory: pytest.TempPathFactory) -> list[Reign]:
    """The shipped model, succeeded at midnight by one with the same members, weighed otherwise."""
    path = tmp_path_factory.mktemp("model")
    prior = json.loads((SHIPPED / "card.json").read_text())["prior"]
    other = {kind: {h: w[::-1] for h, w in cells.items()} for kind, cells in prior.items()}
    return [Reign(WINDOW.from_ms, load(SHIPPED)), Reign(START_MS, changed(path / "model", prior=other))]


@pytest.fixture(scope="module")
def alone() -> LawTable:
    """What the first model says all the time."""
    return ensemble_laws(ASKED, dtype=np.float64, threads=1)


def test_models_change_exactly_at_their_instant_in_both_engines(reigns: list[Reign], alone: LawTable) -> None:
    """If this fails, an hour is decided by a model trained on what came later, or backtests' engines differ."""
    batch = succession_laws(ASKED, reigns, dtype=np.float64, threads=1)
    daemons = precomputed(Succession(reigns, threads=1), ASKED, dtype=np.float64)
    before = alone.hours_ms < START_MS
    for name in ("means", "p_up", "quantiles", "coming"):
        np.testing.assert_allclose(getattr(batch, name), getattr(daemons, name), rtol=0, atol=1e-10)
        np.testing.assert_array_equal(getattr(batch, name)[before], getattr(alone, name)[before])
    first = int(np.flatnonzero(~before)[0])
    assert alone.hours_ms[first] == START_MS
    assert not np.array_equal(batch.quantiles[first], alone.quantiles[first], equal_nan=True)
    assert batch.facts.model_hash == daemons.facts.model_hash != alone.facts.model_hash


def test_a_successor_takes_over_the_memory(tmp_path: Path, alone: LawTable) -> None:
    """If this fails, a new model is calibrated by what it says of days that it was trained on."""
    twin = changed(tmp_path / "twin", trained_to="2026-01-01T00:00:00Z")
    both = [Reign(WINDOW.from_ms, load(SHIPPED)), Reign(START_MS, twin)]
    np.testing.assert_array_equal(
        succession_laws(ASKED, both, dtype=np.float64, threads=1).quantiles, alone.quantiles
    )


def test_nobody_speaks_before_the_first_model(reigns: list[Reign]) -> None:
    """If this fails, a window is forecast by a model that was trained later."""
    with pytest.raises(ConfigError, match="no model speaks"):
        reigning(reigns, WINDOW.from_ms - 1)
    assert [reigning(reigns, ts) for ts in (WINDOW.from_ms, START_MS - 1, START_MS)] == [0, 0, 1]
