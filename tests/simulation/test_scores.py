"""A daemon scores its own model and one in shadow, on a virtual clock, and goes on with the scores after a restart."""

from pathlib import Path
from typing import Any

import pytest
from worlds import START_MS, config, tables, world_of

from hedged import daemon
from hedged.app import App
from hedged.backtest.virtual_time import run_virtually
from hedged.cycle import CycleReport
from hedged.daemon import run_daemon
from hedged.domain.clock import HOUR_MS, LoopClock
from hedged.domain.forecast import STAND_IN
from hedged.forecast.record.measures import LEAST
from hedged.forecast.registry import make_forecaster
from hedged.wiring.models.life import ModelLife
from hedged.wiring.models.scoring import Scoring


def lived(state: Path, monkeypatch: pytest.MonkeyPatch, from_h: int, to_h: int) -> tuple[Scoring, App]:
    """Run the daemon from one hour to another, persistence in shadow of the nowcast."""
    made, apps, step = list[Scoring](), set[App](), App.step
    shadow = make_forecaster("persistence")

    class Shadowed(ModelLife):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.scoring.shadows = lambda: {"shadow": shadow}
            made.append(self.scoring)

    async def watched(self: App, now_ms: int) -> CycleReport:
        apps.add(self)
        return await step(self, now_ms)

    monkeypatch.setattr(daemon, "ModelLife", Shadowed)
    monkeypatch.setattr(App, "step", watched)
    settings = config(
        state_dir=str(state), telemetry={"port": 0, "log_level": "error"},
        hedge={"forecaster": "nowcast", "horizon_h": 8}, cycle={"interval_s": 3_600, "bar_s": 3_600},
    )  # fmt: skip
    sources = world_of(tables(3)).venues(["injective", "binance", "bybit"])
    clock = LoopClock(START_MS + from_h * HOUR_MS)
    run_virtually(lambda: run_daemon(settings, clock, sources, START_MS + to_h * HOUR_MS))
    monkeypatch.undo()
    return made[0], apps.pop()


def test_scores_of_the_model_and_of_a_shadow_appear_and_outlive_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, nobody knows how the model does, a challenger is never judged, or a restart forgets."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    scoring, app = lived(state, monkeypatch, 0, 12)
    assert scoring.book is not None
    first = scoring.book.paired("shadow", STAND_IN)
    assert len(first) == 1
    scoring, app = lived(state, monkeypatch, 13, 37)
    book, name = scoring.book, app.parts.forecaster.model_hash.split("+")[0]
    assert book is not None
    assert book.names() == (STAND_IN, name, "shadow")
    for one in (name, "shadow"):
        pair = book.paired(one, STAND_IN)
        assert len(pair) == 4, "of the hours 0, 8, 16 and 24; what was said before the restart counts"
        assert (pair.known_ms >= pair.origin_ms + 8 * HOUR_MS).all()
    assert book.paired("shadow", STAND_IN).loss[: len(first)].tolist() == first.loss.tolist()
    told = scoring.told
    assert told is not None
    assert told.serving == name
    assert told.measured[name].whole.pinball_ratio.of >= LEAST
    ratios = [
        app.metrics.registry.get_sample_value("hedged_model_loss_ratio", {"model": model})
        for model in (name, "shadow")
    ]
    assert all(ratio is not None and ratio > 0 for ratio in ratios)
    assert told.measured[name].whole.settled_direction.of > 0
