"""The real daemon, killed while it trains and while models take over; many more rounds: scripts/crash_models.py."""

import asyncio
from pathlib import Path

import pytest
from model_crash import crash, model_stage, report
from worlds import tables, write_directory


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_daemon_killed_while_it_trains_and_swaps_loses_no_model_and_no_order(tmp_path: Path) -> None:
    """If this fails, kill -9 damages the registry, loses a training, or a decision is made by a model nobody let in."""
    data = write_directory(tables(1), tmp_path / "data")

    async def main() -> None:
        async with model_stage(tmp_path, data, quick=True) as stage:
            await crash(stage, rounds=2, seed=11)
            print("\n".join(report(stage)))
            (training,) = stage.trainings.ended()
            assert training.outcome == "added"
            assert training.attempts > 1, "no kill fell into a training: this run has proven nothing"
            made = (stage.trainings.directory / "made.log").read_text().splitlines()
            assert len(made) == len(set(made)), "what was finished was made again"

    asyncio.run(main())
