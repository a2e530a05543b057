"""Time: boundaries that are aligned to UTC and always ahead."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS, FastClock, LoopClock, iso, next_boundary_ms


@given(st.integers(0, 4_000_000_000_000), st.sampled_from([30_000, 900_000, HOUR_MS, 8 * HOUR_MS, DAY_MS]))
def test_the_next_boundary_is_the_first_one_ahead(now_ms, period_ms):
    """A cycle would run twice in an instant, be skipped, or drift off the quarter hour."""
    boundary = next_boundary_ms(now_ms, period_ms)
    assert boundary % period_ms == 0
    assert now_ms < boundary <= now_ms + period_ms


def test_on_the_boundary_the_next_one_is_a_whole_period_away():
    """A cycle that ends within its own millisecond would start again at once, for ever."""
    assert next_boundary_ms(1_800_000, 900_000) == 2_700_000


def test_loop_clock_is_the_loops_own_time():
    """On a virtual loop the daemon would read another time than the one it sleeps by."""

    async def elapsed_ms() -> int:
        loop = asyncio.get_running_loop()
        clock = LoopClock(1_000_000)
        return clock.now_ms() - round(loop.time() * 1_000)

    assert asyncio.run(elapsed_ms()) == pytest.approx(1_000_000, abs=50)


def test_instants_are_written_in_utc():
    """Logs and reports would show local time under a Z."""
    assert iso(1_756_684_800_000) == "2025-09-01T00:00:00Z"


class Stopped:
    """A clock that stands where it is put."""

    slice_s = 1.0
    at_ms = 1_000_000

    def now_ms(self) -> int:
        return self.at_ms


def test_two_fast_clocks_of_the_same_origin_agree_and_start_at_it():
    """If this fails, a daemon rehearsing on a local chain takes its blocks for old or for the future."""
    here = Stopped()
    chain, daemon = FastClock(here, 60, 1_000_000), FastClock(here, 60, 1_000_000)
    assert chain.now_ms() == 1_000_000
    here.at_ms += 1_500
    assert chain.now_ms() == daemon.now_ms() == 1_090_000
    assert 0.01 < chain.slice_s < here.slice_s
