"""A model that is not fit gives way to the EWMA and comes back, while the daemon goes on."""

from pathlib import Path
from typing import Any

import pytest
from model_lives import CYCLES, ME, SHIPPED_HASH, lived, spoke, swaps
from worlds import START_MS

from hedged.domain.clock import HOUR_MS
from hedged.forecast import artefact
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.models import registry as registry_module
from hedged.forecast.models.history import Act
from hedged.forecast.models.registry import ModelRegistry
from hedged.risk.verdict import Reason
from hedged.wiring.models.demotion import Demotion
from hedged.wiring.models.drift import Drift

EWMA = EwmaForecaster().model_hash


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory."""
    found = tmp_path / "state"
    found.mkdir(mode=0o700)
    return found


def demotions(app: Any, cause: str) -> float | None:
    return app.metrics.registry.get_sample_value("hedged_model_demotions_total", {"cause": cause})  # type: ignore[no-any-return]


def failing(monkeypatch: pytest.MonkeyPatch, hours: range) -> None:
    """Let the ensemble raise in some hours after the start."""
    forecast = EnsembleForecaster.forecast

    def fails(self: Any, grid: Any, now_ms: int, horizon_h: int) -> Any:
        if (now_ms - START_MS) // HOUR_MS in hours:
            raise ValueError("a shape that it was not made for")
        return forecast(self, grid, now_ms, horizon_h)

    monkeypatch.setattr(EnsembleForecaster, "forecast", fails)


def test_a_model_that_raises_gives_way_and_comes_back_after_a_trial(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a model that raises leaves every hedge as it is until somebody wakes up, or never serves again."""
    failing(monkeypatch, range(1, 2))
    app, reports = lived(state, monkeypatch, {})
    told = [spoke(report) for report in reports]
    first, last = told.index(EWMA), len(told) - told[::-1].index(EWMA) - 1
    assert told == [SHIPPED_HASH] * first + [EWMA] * (last + 1 - first) + [SHIPPED_HASH] * (CYCLES - last - 1)
    assert 6 <= first <= 7, "two in a row, at the fifth and the sixth cycle"
    assert 4 <= last + 1 - first <= 6, "it is tried again after an hour"
    assert (demotions(app, "raises"), swaps(app, "restored")) == (1, 1)
    assert {name for report in reports[first : last + 1] for name in report.forecasts.made_by.values()} == {
        "ewma"
    }
    assert all("stands in for the model" in body["reason"] for body in reports[first].decisions.values())
    refused = [one.reason for report in reports for one in report.review.refused]
    assert Reason.HASH_MISMATCH not in refused
    sent = {one.intent.hashes.model for report in reports[first : last + 1] for one in report.review.approved}
    assert sent <= {EWMA}
    running = ModelRegistry.of(state).running()
    assert running is not None
    assert (running.model, running.refused) == ("shipped", "")
    assert app.metrics.registry.get_sample_value("hedged_model_stood_in") == 0


def drifting(monkeypatch: pytest.MonkeyPatch, verdict: str) -> list[list[str]]:
    """Have this verdict on drift for every model; returns whom the scores would ask in shadow, look by look."""
    shadows, look = list[list[str]](), Demotion.look

    async def looked(self: Demotion, app: Any) -> None:
        await look(self, app)
        shadows.append(list(self.shadows()))

    monkeypatch.setattr(Drift, "worse", lambda *_: verdict)
    monkeypatch.setattr(Demotion, "look", looked)
    return shadows


def test_a_model_that_drifts_goes_on_in_shadow_and_a_restart_remembers(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a model worse than the EWMA goes on sizing hedges, is served again by a restart, or a promotion by
    hand does not bring it back.
    """
    registry = ModelRegistry.of(state)
    shadows = drifting(monkeypatch, "direction right in 41 of 100")
    with monkeypatch.context() as once:
        _, reports = lived(state, once, {}, cycles=3)
    assert [spoke(one) for one in reports][-1] == EWMA
    assert shadows[-1] == ["shipped"]
    history = registry.read()
    assert history.demoted is not None
    assert (history.demoted.act, history.demoted.model, history.demoted.why) == (
        Act.DEMOTED, "shipped", "direction right in 41 of 100",
    )  # fmt: skip
    with monkeypatch.context() as once:
        drifting(once, "")
        app, reports = lived(state, once, {2: lambda: registry.promote("shipped", ME)}, cycles=6)
    told = [spoke(one) for one in reports]
    assert told[:2] == [EWMA, EWMA]
    assert told[-1] == SHIPPED_HASH
    assert registry.read().demoted is None
    assert app.parts.forecaster.model_hash.startswith(SHIPPED_HASH)


def test_where_no_model_can_be_opened_the_ewma_serves(
    state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If this fails, a damaged installation does not start, and hedges stand without stops."""
    gone = tmp_path / "nowhere"
    monkeypatch.setattr(registry_module, "SHIPPED_PATH", gone)
    monkeypatch.setattr(artefact, "SHIPPED", gone)
    monkeypatch.setattr(ModelRegistry, "path", lambda *_: gone)
    app, reports = lived(state, monkeypatch, {}, cycles=2)
    assert {spoke(report) for report in reports} == {EWMA}
    running = ModelRegistry.of(state).running()
    assert running is not None
    assert (running.model, running.champion) == ("ewma", "shipped")
    assert "is not a model" in running.refused
    assert app.metrics.registry.get_sample_value("hedged_model_stood_in") == 1
