"""How many hours a settlement covers, where the stream tells its instant alone."""

from hypothesis import given
from hypothesis import strategies as st

from hedged.collectors.intervals import Intervals
from hedged.collectors.updates import Settles
from hedged.domain.clock import HOUR_MS

AT_MS = 1_750_000_000_000 // (8 * HOUR_MS) * 8 * HOUR_MS


def test_a_changed_interval_is_seen_at_the_settlement() -> None:
    """If this fails, a market that goes from 8 h to 4 h is told with half its rate until REST is asked again."""
    told = {"BTC": 8.0}
    intervals = Intervals(told.get)
    assert intervals.settles("BTC", AT_MS, AT_MS - 1_000) == Settles(AT_MS, 8.0)
    after = intervals.settles("BTC", AT_MS + 4 * HOUR_MS, AT_MS + 1_000)
    assert after == Settles(AT_MS + 4 * HOUR_MS, 4.0)
    # REST is slow to say so, then says it, then something newer
    assert intervals.settles("BTC", AT_MS + 4 * HOUR_MS, AT_MS + 2_000) == after
    told["BTC"] = 4.0
    assert intervals.settles("BTC", AT_MS + 4 * HOUR_MS, AT_MS + 3_000) == after
    told["BTC"] = 2.0
    assert intervals.settles("BTC", AT_MS + 4 * HOUR_MS, AT_MS + 2 * HOUR_MS) == Settles(
        AT_MS + 4 * HOUR_MS, 2.0
    )


def test_after_a_long_silence_nothing_is_concluded() -> None:
    """If this fails, a feed that slept through a settlement takes two intervals for one."""
    intervals = Intervals(lambda _: 8.0)
    intervals.settles("BTC", AT_MS, AT_MS - HOUR_MS)
    late = intervals.settles("BTC", AT_MS + 16 * HOUR_MS, AT_MS + 9 * HOUR_MS)
    assert late == Settles(AT_MS + 16 * HOUR_MS, 8.0)


def test_an_interval_is_learnt_where_nobody_tells_it() -> None:
    """If this fails, a market whose interval REST does not tell stays without a rate for ever."""
    intervals = Intervals(lambda _: None)
    assert intervals.settles("BTC", AT_MS, AT_MS - 1) is None
    assert intervals.settles("BTC", AT_MS + HOUR_MS, AT_MS + 5) == Settles(AT_MS + HOUR_MS, 1.0)


@given(st.integers(1, 24), st.integers(0, 24 * HOUR_MS), st.integers(1, 24))
def test_no_interval_is_told_that_cannot_reach_its_settlement(hours: int, wait_ms: int, told: int) -> None:
    """If this fails, a rate is told per hour of an interval that is shorter than the time that is left of it."""
    intervals = Intervals(lambda _: float(told))
    intervals.settles("BTC", AT_MS, AT_MS - 1)
    settles = intervals.settles("BTC", AT_MS + hours * HOUR_MS, AT_MS + hours * HOUR_MS - wait_ms)
    assert settles is None or wait_ms <= settles.interval_h * HOUR_MS
