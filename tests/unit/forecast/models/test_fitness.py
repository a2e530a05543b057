"""Whether a model is fit to serve, by how its forecasts went."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.forecast.models.fitness import Bench, Cause, Fitness, Heard, benched

WELL = Heard(0, "m", 1.0, "", False, 10, 10)


def causes(*heard: Heard) -> list[Cause | None]:
    """What each forecast leads to, one after the other."""
    fitness = Fitness(slow_s=20.0)
    found = [fitness.hear(replace(one, at_ms=i)) for i, one in enumerate(heard)]
    return [one[0] if one else None for one in found]


def test_each_fault_counts_in_a_row_of_its_own_length() -> None:
    """If this fails, one slow forecast sends a model away, or a model that hangs is asked again and again."""
    slow, raises = replace(WELL, took_s=21.0), replace(WELL, failed="ValueError", spoke=0)
    silent, hangs = replace(WELL, spoke=4), replace(WELL, failed="no answer", hangs=True, spoke=0)
    assert causes(slow, slow, WELL, slow, slow, slow) == [None] * 5 + [Cause.SLOW]
    assert causes(raises, WELL, raises, raises) == [None, None, None, Cause.RAISES]
    assert causes(WELL, silent, silent) == [None, None, Cause.SILENT]
    assert causes(WELL, hangs) == [None, Cause.HANGS]
    assert causes(WELL, replace(WELL, spoke=5), replace(WELL, spoke=5)) == [None] * 3


def test_silence_is_measured_on_what_could_be_forecast() -> None:
    """If this fails, a venue that is down has a good model sent away."""
    outage, nothing = replace(WELL, spoke=3, of=3), replace(WELL, spoke=0, of=0)
    assert causes(WELL, outage, outage, nothing, nothing) == [None] * 5


def test_one_forecast_counts_once() -> None:
    """If this fails, a forecast that is looked at twice is two in a row."""
    fitness, raises = Fitness(20.0), replace(WELL, failed="ValueError")
    assert [fitness.hear(raises) for _ in range(3)] == [None] * 3


@given(st.lists(st.integers(0, 3 * DAY_MS), min_size=1, max_size=30))
def test_a_model_that_flaps_waits_longer_and_longer(served: list[int]) -> None:
    """If this fails, a model that fails every hour takes turns with the EWMA for ever, or is never tried again."""
    now_ms, last = 0, None
    for served_ms in served:
        before, began_ms = last, now_ms
        now_ms += served_ms
        last = benched(Cause.SLOW, "it is slow", now_ms, before, began_ms)
        wait_ms = last.again_ms - now_ms
        assert HOUR_MS <= wait_ms <= DAY_MS
        if before is not None and served_ms < DAY_MS:
            assert wait_ms == min(2 * (before.again_ms - before.since_ms), DAY_MS)
        else:
            assert wait_ms == HOUR_MS
        now_ms = last.again_ms
    assert Bench(Cause.SLOW, "", 0, times=10_000).again_ms == DAY_MS
