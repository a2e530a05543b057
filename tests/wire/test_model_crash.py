"""The real daemon, killed in the midst of its model's life; many more rounds, and places: `make crash-models`."""

import asyncio
from pathlib import Path

import pytest
from model_crash import Place, model_stage
from model_crash_checks import crash, report

PLACES = [Place.TRAINS, Place.TAKEN_IN, Place.PROMOTED, Place.EXCHANGED, Place.DEMOTED, Place.SCORED]


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_a_daemon_killed_while_it_trains_and_swaps_loses_no_model_and_no_order(tmp_path: Path) -> None:
    """If this fails, kill -9 damages the registry, loses a training, or a decision is made by a model nobody let in."""

    async def main() -> None:
        async with model_stage(tmp_path) as stage:
            await crash(stage, PLACES, rounds=len(PLACES), seed=3)
            print("\n".join(report(stage)))
            assert all(death.came for death in stage.deaths), "not every kill fell where it was meant to"
            assert max(one.attempts for one in stage.trainings.ended()) > 1, "no training was gone on with"
            assert stage.decisions, "nothing was decided"

    asyncio.run(main())
