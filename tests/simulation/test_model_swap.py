"""A daemon follows the registry: models take over between cycles, one that cannot is refused, a rollback is one act."""

from pathlib import Path

import pytest
from model_lives import ME, SHIPPED_HASH, lived, spoke, swaps
from tiny_models import tiny, twin

from hedged.forecast.models.registry import ModelRegistry
from hedged.risk.verdict import Reason


def test_models_take_over_between_cycles_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a promotion or a rollback needs a restart, decisions carry a hash of what did not make them, the
    gate refuses what the new model decides, or a broken model stops the daemon.
    """
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    registry = ModelRegistry.of(state)
    heir = registry.add(twin(tmp_path / "twin", width=1.5).path, ME).hash
    broken = registry.add(tiny(tmp_path / "broken").path, ME).hash
    app, reports = lived(
        state,
        monkeypatch,
        {
            2: lambda: registry.promote(heir, ME),
            5: lambda: registry.promote(broken, ME),
            8: lambda: registry.rollback(ME),
            10: lambda: registry.rollback(ME),
        },
    )
    told = [spoke(report) for report in reports]
    first = told.index(heir)
    last = len(told) - told[::-1].index(heir) - 1
    assert 2 <= first <= 3
    assert 9 <= last <= 10
    assert told == [SHIPPED_HASH] * first + [heir] * (last + 1 - first) + [SHIPPED_HASH] * (
        len(told) - last - 1
    )
    assert (swaps(app, "swapped"), swaps(app, "refused")) == (2, 1)
    refused = [one.reason for report in reports for one in report.review.refused]
    assert Reason.HASH_MISMATCH not in refused
    assert any(report.review.approved for report in reports[first : last + 1]), (
        "the new model must have traded"
    )
    spoken = {name for report in reports for name in report.forecasts.made_by.values()}
    assert spoken == {"ensemble"}, "it goes on with the memory of the one before it"
    running = registry.running()
    assert running is not None
    assert (running.model, running.refused) == ("shipped", "")
    assert running.hash == app.parts.forecaster.model_hash == app.cycle.desk.hashes.model
    labels = [m for f in app.metrics.registry.collect() if f.name == "hedged_info" for m in f.samples]
    assert [one.labels["model"] for one in labels] == [running.hash]
    sent = {one.intent.hashes.model for report in reports for one in report.review.approved}
    assert heir in {model.split("+")[0] for model in sent}


def test_a_champion_that_cannot_be_opened_is_stood_in_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a damaged model keeps a daemon from starting, and hedges stand unprotected."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    registry = ModelRegistry.of(state)
    broken = registry.add(tiny(tmp_path / "broken").path, ME).hash
    registry.promote(broken, ME)
    app, reports = lived(state, monkeypatch, {}, cycles=2)
    assert {spoke(report) for report in reports} == {SHIPPED_HASH}
    assert (swaps(app, "swapped"), swaps(app, "refused")) == (0, 1)
    running = registry.running()
    assert running is not None
    assert (running.model, running.champion) == ("shipped", broken)
    assert "lacks networks.onnx" in running.refused
