"""The real daemon, killed in the middle of what it does; 200 rounds of the same: `make crash`."""

import asyncio
from pathlib import Path

import pytest
from crash_checks import crash, report
from crash_stage import Moment, crash_stage


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_daemon_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    """If this fails, a crash doubles an order, loses one, leaves one in a book, or the ledger is not the venues'."""

    async def main() -> None:
        async with crash_stage(tmp_path) as stage:
            await crash(stage, rounds=12, seed=11)
            print("\n".join(report(stage)))
            open_ = [death for death in stage.deaths if death.unresolved]
            rested = [death for death in stage.deaths if death.moment is Moment.RESTS and death.came]
            assert rested, "no kill fell between rest and cancel: this run has proven nothing"
            assert open_, "no kill fell between an order and its answer: this run has proven nothing"

    asyncio.run(main())
