"""The limiter of requests, on virtual time."""

import asyncio

import pytest

from hedged.adapters.cex.throttle import Refilled
from hedged.backtest.virtual_time import run_virtually
from hedged.domain.urgency import at_once


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


def test_what_is_urgent_passes_what_waits_on_credit() -> None:
    """If this fails, a kill waits behind the weights of what was asked before it."""

    async def main() -> None:
        limiter = Refilled({"refillRate": 0.01, "tokens": 0})
        await limiter(30)
        waiting = limiter(1)
        with at_once():
            assert limiter(40).done()
        assert not waiting.done()
        assert limiter.config["tokens"] == pytest.approx(-70)
        limiter.running = False
        await asyncio.sleep(0)

    run_virtually(main)


def test_credit_ends_and_is_paid_back() -> None:
    """If this fails, a kill that goes on and on is banned by the exchange, or the debt is forgotten."""

    async def main() -> None:
        limiter = Refilled({"refillRate": 0.01, "tokens": 0})
        with at_once():
            assert all(limiter(40).done() for _ in range(2))
            beyond = limiter(40)
            assert not beyond.done()
        limiter.running = False
        await asyncio.sleep(0.01)
        limiter.queue.clear()
        limiter._idle_since_s = asyncio.get_running_loop().time()
        await asyncio.sleep(3.0)
        limiter._refill()
        assert limiter.config["tokens"] == pytest.approx(-50, abs=1)

    run_virtually(main)


def test_beyond_its_credit_what_is_urgent_is_the_next() -> None:
    """If this fails, the closing order stands at the end of the queue."""

    async def main() -> None:
        limiter = Refilled({"refillRate": 1.0, "tokens": -5, "capacity": 1})
        passed, one = list[str](), asyncio.Event()
        for name in ("first", "second"):
            limiter(1).add_done_callback(lambda _, name=name: passed.append(name))
        with at_once():
            limiter(20_000).add_done_callback(lambda _: (passed.append("urgent"), one.set()))
        await one.wait()
        limiter.running = False
        assert passed == ["urgent"]

    asyncio.run(main())
