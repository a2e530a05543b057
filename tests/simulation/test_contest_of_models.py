"""A daemon on a virtual clock with challengers in shadow: the better takes over, equal ones do not, broken ones go."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import tiny
from worlds import START_MS, config, tables, world_of

from hedged.app import App
from hedged.backtest.virtual_time import run_virtually
from hedged.cycle import CycleReport
from hedged.daemon import run_daemon
from hedged.domain.clock import DAY_MS, LoopClock
from hedged.domain.errors import ConfigError
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.forecast.artefact import Artefact
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.fallback import WithFallback
from hedged.forecast.models.history import Act, State
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.models.standings import read_contests
from hedged.forecast.port import Forecaster
from hedged.wiring.models import follower, serving, shadows
from hedged.wiring.models.shadows import DAEMON

ME = Author(START_MS, "a test", "to see")
HOURLY = {"history_days": 12, "bar_s": 3_600, "interval_s": 3_600, "stale_after_s": 7_200}


class Model:
    """An ensemble as far as the daemon knows: the EWMA's laws, off by so much per hour, under another name."""

    def __init__(self, name: str, by: float) -> None:
        self._ewma, self._by = EwmaForecaster(), by
        self.model_hash, self.feature_hash = name, self._ewma.feature_hash

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        told = self._ewma.forecast(grid, now_ms, horizon_h)
        laws = {key: replace(law, quantiles=law.quantiles + self._by) for key, law in told.marginals.items()}
        return replace(told, marginals=laws, model_hash=self.model_hash)

    def succeed(self, before: "Model") -> bool:
        return isinstance(before, Model)


def erring(monkeypatch: pytest.MonkeyPatch, off: dict[str, float]) -> None:
    """Let models, by hash, err by so much; others cannot be opened."""

    def speaking(
        artefact: Artefact, share: float | None, threads: int | None = None
    ) -> tuple[Model, Forecaster]:
        if artefact.hash not in off:
            raise ConfigError("it is no model")
        model = Model(artefact.hash, off[artefact.hash])
        return model, WithFallback(model, EwmaForecaster(), ("ensemble", STAND_IN))

    for module in (serving, follower, shadows):
        monkeypatch.setattr(module, "speaking", speaking)


def lived(state: Path, monkeypatch: pytest.MonkeyPatch, from_ms: int, to_ms: int) -> list[CycleReport]:
    """Run the daemon for a while."""
    reports, step = list[CycleReport](), App.step

    async def watched(self: App, now_ms: int) -> CycleReport:
        reports.append(await step(self, now_ms))
        return reports[-1]

    with monkeypatch.context() as patched:
        patched.setattr(App, "step", watched)
        settings = config(
            state_dir=str(state), telemetry={"port": 0, "log_level": "warning"}, cycle=HOURLY,
            hedge={"forecaster": "ensemble"}, models={"confidence": 0.5, "shadow_days": 3, "challengers": 3},
        )  # fmt: skip
        sources = world_of(tables(7)).venues(["injective", "binance", "bybit"])
        run_virtually(lambda: run_daemon(settings, LoopClock(from_ms), sources, to_ms))
    return reports


def test_the_better_challenger_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, shadows are never heard, an equal or a broken one serves, or a restart forgets the contest."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    registry = ModelRegistry.of(state)
    champion, equal, better, broken = (
        registry.add(tiny(tmp_path / f"made-{seed}", seed).path, ME).hash for seed in range(4)
    )
    registry.promote(champion, ME)
    erring(monkeypatch, {champion: 2e-5, equal: 2e-5, better: 0.0})
    lived(state, monkeypatch, START_MS, START_MS + 3 * DAY_MS)
    history = registry.read()
    assert history.champion == champion
    assert history.state(broken) is State.RETIRED
    assert "cannot be opened: it is no model" in history.of(broken)[-1].why
    begun = {one.model: one.days for one in read_contests(registry.directory)}
    assert begun[better] >= 1
    reports = lived(state, monkeypatch, START_MS + 3 * DAY_MS, START_MS + 6 * DAY_MS)
    history = registry.read()
    assert history.champion == better
    assert history.of(better)[-1].by == DAEMON
    assert State.CHAMPION not in (history.state(equal), history.state(champion))
    assert [one.model for one in history.events if one.act is Act.PROMOTED] == [champion, better]
    spoke = [report.forecasts.model_hash.split("+")[0] for report in reports]
    swapped = spoke.index(better)
    assert spoke == [champion] * swapped + [better] * (len(spoke) - swapped)
    told = {one.model: one.champion for one in read_contests(registry.directory)}
    assert told[champion] == better, "the one before has its contest too"
