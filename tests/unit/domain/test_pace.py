"""The token bucket: never more than the rate and the burst allow, whatever the pattern of requests."""

from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.pace import TokenBucket

gaps = st.lists(st.floats(0, 90), min_size=1, max_size=60)


@given(gaps, st.integers(1, 60), st.integers(1, 10))
def test_no_window_holds_more_than_it_may(gaps_s: list[float], per_minute: int, burst: int) -> None:
    """If this fails, a source is asked more often than its plan allows, or a flood of signals gets through."""
    bucket, now_s, taken, waited = TokenBucket(per_minute, burst), 0.0, [], []
    queue = TokenBucket(per_minute, burst)
    for gap_s in gaps_s:
        now_s += gap_s
        if bucket.take(now_s):
            taken.append(now_s)
        waited.append(now_s + queue.wait_s(now_s))
    for times in (taken, waited):
        for i, start_s in enumerate(times):
            inside = [t for t in times[i:] if t < start_s + 60 - 1e-6]
            assert len(inside) <= burst + per_minute
    assert len(taken) >= 1


def test_a_burst_goes_at_once_and_then_evenly() -> None:
    """If this fails, a round of few requests is slowed down, or a long one is not."""
    bucket = TokenBucket(60, 3)
    assert [bucket.wait_s(100.0) for _ in range(5)] == [0, 0, 0, 1, 2]
    taking = TokenBucket(60, 2)
    assert [taking.take(t) for t in (0, 0, 0.5, 1.0, 1.5, 9, 9, 9)] == [1, 1, 0, 1, 0, 1, 1, 0]
