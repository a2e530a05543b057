"""The limiter of requests, on virtual time."""

import asyncio

import pytest

from hedged.adapters.cex.throttle import Refilled
from hedged.backtest.virtual_time import run_virtually


@pytest.mark.parametrize(("idle_s", "left"), [(3.0, -5.0), (3.05, -4.5), (3_600.0, -4.0)])
def test_what_passes_while_nobody_asks_counts(idle_s: float, left: float) -> None:
    """If this fails, a stop waits for the weights of a request of long ago, or an hour's idleness is spent at once."""

    async def main() -> None:
        limiter = Refilled({"refillRate": 0.01, "tokens": 0})  # a weight every 100 ms
        await limiter(30)
        await asyncio.sleep(idle_s)
        await limiter(5)
        assert limiter.config["tokens"] == pytest.approx(left)

    run_virtually(main)


def test_the_limit_holds_all_the_same() -> None:
    """If this fails, requests follow faster than the exchange allows."""

    async def main() -> None:
        limiter = Refilled({"refillRate": 0.01, "tokens": 0})
        await limiter(30)
        await asyncio.sleep(1.0)
        waiting = limiter(5)
        assert limiter.config["tokens"] == pytest.approx(-20)
        limiter.running = False
        await asyncio.sleep(0)
        assert not waiting.done()

    run_virtually(main)
