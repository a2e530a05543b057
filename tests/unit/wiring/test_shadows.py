"""Challengers in shadow: how they are opened, watched and let go."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny
from worlds import START_MS, config

from hedged.domain.errors import ConfigError
from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast
from hedged.domain.market import SeriesKey
from hedged.forecast.models.history import SHIPPED, State
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models import shadows
from hedged.wiring.models.asking import PATIENCE_S
from hedged.wiring.models.shadows import STRIKES, Shadows

KEY = SeriesKey("injective", "INJ")


class Model:
    """Says one law, made by `by`; fails where it has none."""

    model_hash, feature_hash = "m", "f"

    def __init__(self, law: float | None = 1e-5, by: str = "ensemble") -> None:
        self.law, self.by, self.heard = law, by, object()

    def succeed(self, before: object) -> bool:
        self.heard = before
        return True

    def forecast(self, grid: Any, now_ms: int, horizon_h: int) -> ForecastSet:
        if self.law is None:
            raise ValueError("a graph that fails")
        law = RateForecast(KEY, now_ms, 24, self.law, np.full(len(LEVELS), self.law), 0.5)
        return ForecastSet(now_ms, 24, (KEY,), {KEY: law}, np.zeros((1, 1)), "m", "f", made_by={KEY: self.by})


class Daemon:
    """What Shadows sees: an app between two cycles, a registry, models that open as a test says."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, **models: Any) -> None:
        self.registry, self.path = ModelRegistry.of(path / "state"), path
        self.opens: dict[str, Model | Exception] = {}
        self.serving, self.begun = SimpleNamespace(model=SHIPPED, ensemble="memory", benched=None), []
        self.seconds = iter(np.arange(0.0, 1e6))
        settings = config(state_dir=str(path / "state"), hedge={"forecaster": "ensemble"}, models=models)
        cycle = SimpleNamespace(desk=SimpleNamespace(busy=asyncio.Lock()), thought=self.thought)
        app = SimpleNamespace(progress=SimpleNamespace(prepared=True), cycle=cycle)
        self.metrics = Metrics()
        self.shadows = Shadows(
            settings, SimpleNamespace(now_ms=lambda: START_MS), self.metrics, lambda: app,  # type: ignore[arg-type, return-value]
            lambda: self.serving, lambda: self.begun,  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        monkeypatch.setattr(shadows, "speaking", self.speaking)
        monkeypatch.setattr(shadows, "perf_s", lambda: next(self.seconds))

    async def thought(self) -> bool:
        return True

    def speaking(self, artefact: Any, share: float | None, threads: int | None = None) -> tuple[Any, Any]:
        assert threads == 1, "a shadow takes one core at most"
        made = self.opens[artefact.hash]
        if isinstance(made, Exception):
            raise made
        return made, made

    def added(self, seed: int, model: Model | Exception) -> str:
        taken = self.registry.add(tiny(self.path / f"made-{seed}", seed).path, Author(START_MS, "a test", ""))
        self.opens[taken.hash] = model
        return taken.hash

    def look(self) -> None:
        asyncio.run(self.shadows.look())

    def ask(self) -> None:
        for shadow in self.shadows.forecasters().values():
            try:
                shadow.forecast(None, START_MS, 24)  # type: ignore[arg-type]
            except ValueError:
                continue

    def state(self, model: str) -> tuple[State, str]:
        history = self.registry.read()
        return history.state(model), history.of(model)[-1].why


def test_the_newest_runs_with_the_memory_of_the_one_that_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, shadows start cold, old ones are never let go, or the one that serves is asked twice."""
    daemon = Daemon(tmp_path, monkeypatch)
    first, model = daemon.added(1, Model()), Model()
    second = daemon.added(2, model)
    daemon.look()
    assert list(daemon.shadows.forecasters()) == [second]
    assert model.heard == "memory"
    daemon.begun = [first]
    daemon.look()
    assert list(daemon.shadows.forecasters()) == [first], "whose contest has begun goes on"
    daemon.registry.promote(first, Author(START_MS, "a test", ""))
    daemon.serving.model = first
    assert not daemon.shadows.forecasters()
    daemon.look()
    assert list(daemon.shadows.forecasters()) == [second]


@pytest.mark.parametrize(
    ("model", "limit_s", "says"),
    [
        (Model(None), 20, "it fails: ValueError: a graph that fails"),
        (Model(float("nan")), 20, "is no law"),
        (Model(by="ewma"), 20, "it forecasts none of 1 series"),
        (Model(), 0.5, "it is slow: 1 s for a forecast"),
    ],
)
def test_one_that_is_at_fault_again_and_again_retires(
    model: Model, limit_s: float, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a model that cannot serve stays a challenger, or one fault of the machine ends a good one."""
    daemon = Daemon(tmp_path, monkeypatch, slow_s=limit_s)
    name = daemon.added(1, model)
    daemon.look()
    for _ in range(STRIKES):
        assert daemon.state(name)[0] is State.CHALLENGER
        daemon.ask()
        daemon.look()
    state, why = daemon.state(name)
    assert state is State.RETIRED
    assert says in why
    assert not daemon.shadows.forecasters()
    told = daemon.metrics.registry.get_sample_value("hedged_model_promotions_total", {"outcome": "retired"})
    assert told == 1


def test_one_that_hangs_retires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a model that never answers keeps the place of one that does."""
    daemon, model = Daemon(tmp_path, monkeypatch), Model()
    name = daemon.added(1, model)
    daemon.look()
    daemon.seconds = iter(np.arange(0.0, 1e6, PATIENCE_S + 1))
    told = model.forecast

    def meanwhile(*args: Any) -> ForecastSet:
        daemon.look()
        return told(*args)

    monkeypatch.setattr(model, "forecast", meanwhile)
    daemon.ask()
    assert daemon.state(name) == (State.RETIRED, "it hangs: no answer within 300 s")


def test_one_that_cannot_be_opened_retires_unless_the_machine_is_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a damaged model is tried for ever, or a full memory retires a sound one."""
    daemon = Daemon(tmp_path, monkeypatch)
    waits = daemon.added(1, MemoryError())
    daemon.look()
    assert daemon.state(waits)[0] is State.CHALLENGER
    daemon.opens[waits] = Model()
    daemon.look()
    assert list(daemon.shadows.forecasters()) == [waits]
    broken = daemon.added(2, ConfigError("it is no graph"))
    daemon.look()
    daemon.look()
    assert daemon.state(broken) == (State.RETIRED, "it cannot be opened: it is no graph")
    assert list(daemon.shadows.forecasters()) == [waits]


def test_a_registry_that_cannot_be_read_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a damaged registry ends the daemon or its contests."""
    daemon = Daemon(tmp_path, monkeypatch)
    name = daemon.added(1, Model())
    daemon.look()
    (daemon.registry.directory / "registry.json").write_text("{")
    daemon.look()
    assert list(daemon.shadows.forecasters()) == [name]
