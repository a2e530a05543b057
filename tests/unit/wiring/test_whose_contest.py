"""The parts of the model's life put together: drift decides whose contest goes on."""

from dataclasses import replace
from pathlib import Path

import pytest
from worlds import START_MS, config

from hedged.domain.clock import LoopClock
from hedged.forecast.drift.verdict import DriftVerdict
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.models.fitness import Bench, Cause
from hedged.forecast.models.standings import Contest
from hedged.forecast.models.trainings import Training, Trainings
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.life import ModelLife
from hedged.wiring.models.serving import Served

OLD, FIRST = "0" * 16, "1" * 16
TRAINED = Training(START_MS, START_MS, START_MS, "tiny", "drift: CUSUM", "added", "", drift=True, model=FIRST)


@pytest.fixture
def life(tmp_path: Path) -> ModelLife:
    """A daemon's, with two contests under way; one challenger was trained because the model had drifted."""
    settings = config(state_dir=str(tmp_path), hedge={"forecaster": "ensemble"})
    trainings = Trainings.of(tmp_path)
    trainings.close(replace(TRAINED, ordered_ms=START_MS - 1, model=OLD, drift=False))
    trainings.close(TRAINED)
    served = Served("shipped", EwmaForecaster())
    found = ModelLife(settings, LoopClock(START_MS), Metrics(), lambda: None, served, in_real_time=False)
    found.contests.standings = tuple(Contest(one, "shipped", "not yet", "", 1.0, 7) for one in (OLD, FIRST))
    return found


def test_drift_lets_the_contest_of_its_own_challenger_go_on(life: ModelLife) -> None:
    """If this fails, no model takes over while drift lasts: each week's model ends the contest of the one before."""
    assert set(life.shadows.begun()) == {OLD, FIRST}
    life.drift.verdict = DriftVerdict(True, "CUSUM is 17")
    assert set(life.shadows.begun()) == {FIRST}


@pytest.mark.parametrize(("cause", "goes_on"), [(Cause.DRIFT, {FIRST}), (Cause.SLOW, {OLD, FIRST})])
def test_a_model_that_gave_way_for_drift_has_drifted(
    life: ModelLife, cause: Cause, goes_on: set[str]
) -> None:
    """If this fails, a restart forgets the drift; or a model that was slow for an hour ends all contests."""
    life.follower.demotion.bench = Bench(cause, "a test", START_MS)
    assert set(life.shadows.begun()) == goes_on
