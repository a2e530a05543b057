"""The virtual loop over years."""

import asyncio

import pytest

from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import DAY_MS, SECOND_MS

DAY_S = DAY_MS // SECOND_MS


@pytest.mark.timeout(30)
@pytest.mark.parametrize("days", [100, 194, 195, 400, 4_000])
def test_timers_are_due_however_long_the_loop_has_run(days: int) -> None:
    """If this fails, a life of more than half a year turns on the spot: two floats are further apart than the clock's
    resolution."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(days * DAY_S + 0.1)
        at_s = []
        for wait_s in (1e-6, 0.1, 1 / 3, 7.7, 3_600.0):
            await asyncio.sleep(wait_s)
            at_s.append(loop.time() - days * DAY_S)
        return at_s

    assert run_virtually(main) == pytest.approx([0.1, 0.2, 0.5333333, 8.2333333, 3_608.2333333], abs=3e-6)
