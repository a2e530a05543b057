"""Forecasting off the event loop: what hangs holds nothing up."""

import asyncio
import subprocess
import sys

from fakes import HERE, THERE

from hedged.backtest.virtual_time import VirtualLoop
from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.domain.bars import blank_observation
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.models.fitness import Heard
from hedged.thinking import AT_FIRST, HANGS, Thinking

SLOW_S = 20.0


def window() -> BarWindow:
    """Two series of which nothing is known."""
    buffer = RingBuffer([HERE, THERE], 96, 15 * MINUTE_MS)
    for bar in range(1, 9):
        buffer.append(
            bar * 15 * MINUTE_MS, [blank_observation(key, bar * 15 * MINUTE_MS) for key in (HERE, THERE)]
        )
    return buffer.window()


def asked(*takes_s: float, other: bool = False) -> tuple[list[Heard], list[float]]:
    """Ask a forecaster that takes so long, one time after the other; return how it went and how long one waited.

    `other`: another one each time.
    """
    works = iter([x for s in takes_s for x in (0.0, s)] + [0.0] * 9)
    heard, waited = list[Heard](), list[float]()

    async def main() -> None:
        loop, thinking, forecaster = asyncio.get_running_loop(), Thinking(SLOW_S), EwmaForecaster()
        for i in range(len(takes_s)):
            began_s = loop.time()
            await thinking.of(EwmaForecaster() if other else forecaster, window(), 2 * HOUR_MS + i, 24)
            waited.append(loop.time() - began_s)
            assert thinking.last is not None
            heard.append(thinking.last)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(None, lambda: next(works))) as runner:
        runner.run(main())
    return heard, waited


def test_the_first_forecast_may_take_longer_and_is_not_slow() -> None:
    """If this fails, every model is slow at its start, when it reads the past."""
    heard, waited = asked(SLOW_S * AT_FIRST - 1, SLOW_S + 1)
    assert [one.failed for one in heard] == ["", ""]
    assert [one.took_s > SLOW_S for one in heard] == [False, True]
    assert waited == [SLOW_S * AT_FIRST - 1, SLOW_S + 1]


def test_a_forecast_that_hangs_is_gone_on_without_and_not_waited_for_again() -> None:
    """If this fails, a model that hangs keeps the cycle, and with it the stops, waiting for ever."""
    heard, waited = asked(1.0, 1e9, 1.0)
    assert [one.hangs for one in heard] == [False, True, True]
    assert waited == [1.0, SLOW_S * HANGS, 0.0]


def test_another_forecaster_does_not_wait_for_one_that_hangs() -> None:
    """If this fails, the EWMA cannot take over from a model that hangs."""
    heard, waited = asked(1e9, 1.0, other=True)
    assert [one.hangs for one in heard] == [True, False]
    assert waited[1] == 1.0


HANGING = """
import asyncio, threading
from hedged.thinking import OwnThreads

async def main():
    begun = threading.Event()
    work = asyncio.get_running_loop().run_in_executor(OwnThreads(), lambda: (begun.set(), threading.Event().wait()))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    print("ended")

asyncio.run(main())
"""


def test_a_forecast_that_hangs_does_not_hold_up_the_exit() -> None:
    """If this fails, a daemon whose model hangs does not end when it is asked to."""
    done = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")
