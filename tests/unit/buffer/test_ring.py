"""The ring buffer against a plain list of bars: same window, no copy, no growth, and nothing from the future."""

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.buffer.ring import RingBuffer
from hedged.domain.bars import BAR_MS, N_FIELDS, Field, Observation, blank_observation
from hedged.domain.market import SeriesKey

KEYS = (SeriesKey("binance", "BTC"), SeriesKey("injective", "BTC"), SeriesKey("injective", "INJ"))
START_MS = 1_756_684_800_000


def seen(key: SeriesKey, ts_ms: int, value: float, age_s: float = 0.0) -> Observation:
    values = np.full(N_FIELDS, value)
    values[Field.LIQUIDATIONS_USD] = np.nan
    known_at_ms = np.full(N_FIELDS, ts_ms - round(age_s * 1_000), dtype=np.int64)
    known_at_ms[Field.LIQUIDATIONS_USD] = 0
    return Observation(key, ts_ms, values, known_at_ms)


class ListOfBars:
    """The reference: every bar since the first, gaps included, in plain lists."""

    def __init__(self) -> None:
        self.bars: list[tuple[int, Sequence[Observation]]] = []

    def append(self, ts_ms: int, observations: Sequence[Observation]) -> None:
        while self.bars and self.bars[-1][0] + BAR_MS < ts_ms:
            self.bars.append((self.bars[-1][0] + BAR_MS, ()))
        self.bars.append((ts_ms, observations))

    def window(self, bars: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        tail = self.bars[max(0, len(self.bars) - bars) :]
        values = np.full((len(KEYS), len(tail), N_FIELDS), np.nan, dtype=np.float32)
        ages_s = np.full_like(values, np.nan)
        for at, (ts_ms, observations) in enumerate(tail):
            for o in observations:
                row = KEYS.index(o.key)
                values[row, at] = o.values
                for field in range(N_FIELDS):
                    if not np.isnan(o.values[field]):
                        ages_s[row, at, field] = (ts_ms - o.known_at_ms[field]) / 1_000
        return np.array([ts for ts, _ in tail], dtype=np.int64), values, ages_s


appends = st.lists(
    st.tuples(
        st.integers(1, 12),  # bars on from the one before: more than 1 leaves a gap
        st.lists(
            st.tuples(st.sampled_from(KEYS), st.floats(-1e6, 1e6, width=32)),
            max_size=3,
            unique_by=lambda o: o[0],
        ),
        st.integers(0, 40_000),
    ),
    max_size=30,
)


@given(st.integers(1, 9), appends, st.integers(1, 12))
def test_the_window_is_what_a_list_of_bars_would_hold(capacity, moves, bars):
    """A wrap, a gap longer than the buffer or a gap across the seam would show wrong bars, or bars out of order."""
    ring, reference, ts_ms = RingBuffer(KEYS, capacity, BAR_MS), ListOfBars(), START_MS
    for step, observations, age_s in moves:
        ts_ms += step * BAR_MS
        bar = [seen(key, ts_ms, value, age_s) for key, value in observations]
        ring.append(ts_ms, bar)
        reference.append(ts_ms, bar)
        assert ring.last_ms == ts_ms
        assert len(ring) == min(capacity, len(reference.bars))
        for wanted in (None, bars):
            window = ring.window(wanted)
            times_ms, values, ages_s = reference.window(capacity if wanted is None else min(wanted, capacity))
            assert np.array_equal(window.times_ms, times_ms)
            assert np.array_equal(window.values, values, equal_nan=True)
            assert np.array_equal(window.ages_s, ages_s, equal_nan=True)
            assert np.shares_memory(window.values, ring._values)
            assert np.shares_memory(window.ages_s, ring._ages_s)
            assert all(row.flags.c_contiguous for row in window.values)  # per series: one block of memory


def test_an_empty_buffer_has_an_empty_window():
    """The first cycle after a start without history would crash, or see bars of the year 1970."""
    ring = RingBuffer(KEYS, 4, BAR_MS)
    window = ring.window()
    assert (len(ring), ring.last_ms, len(window.times_ms)) == (0, None, 0)
    assert window.values.shape == (3, 0, N_FIELDS)


def test_a_gap_is_nan_and_has_no_age():
    """An outage would look like a market at zero, or like fresh data."""
    ring = RingBuffer(KEYS, 8, BAR_MS)
    ring.append(START_MS, [seen(KEYS[0], START_MS, 1.0)])
    ring.append(START_MS + 3 * BAR_MS, [seen(KEYS[0], START_MS + 3 * BAR_MS, 2.0)])
    window = ring.window()
    assert window.times_ms.tolist() == [START_MS + i * BAR_MS for i in range(4)]
    assert np.isnan(window.values[0, 1:3]).all()
    assert np.isnan(window.ages_s[0, 1:3]).all()
    assert np.isnan(window.values[1:]).all()  # series without an observation


def test_each_value_has_its_own_age():
    """A funding print of seven hours ago would pass for news because the mark beside it is fresh."""
    ring = RingBuffer(KEYS, 4, BAR_MS)
    observation = blank_observation(KEYS[0], START_MS)
    observation.values[[Field.MARK, Field.FUNDING_SETTLED]] = 5.0, 1e-5
    observation.known_at_ms[[Field.MARK, Field.FUNDING_SETTLED]] = START_MS - 250, START_MS - 7 * 3_600_000
    ring.append(START_MS, [observation])
    ages_s = ring.window().ages_s[0, -1]
    assert ages_s[Field.MARK] == pytest.approx(0.25)
    assert ages_s[Field.FUNDING_SETTLED] == 7 * 3_600
    assert np.isnan(np.delete(ages_s, [Field.MARK, Field.FUNDING_SETTLED])).all()


@pytest.mark.parametrize(
    ("ts_ms", "bar", "match"),
    [
        (START_MS + 9 * BAR_MS, [seen(KEYS[0], START_MS + 9 * BAR_MS, 1.0, age_s=-0.001)], "from after"),
        (START_MS + 8 * BAR_MS + 1, [], "multiple"),
        (START_MS + 7 * BAR_MS, [], "does not come after"),
        (START_MS + 6 * BAR_MS, [], "does not come after"),
        (START_MS + 8 * BAR_MS, [seen(SeriesKey("okx", "BTC"), START_MS, 1.0)], "no place"),
    ],
)
def test_a_refused_bar_changes_nothing(ts_ms, bar, match):
    """A value from the future, a time off the grid or going back would be stored, or half a bar left behind."""
    ring = RingBuffer(KEYS, 4, BAR_MS)
    for i in range(8):
        ring.append(START_MS + i * BAR_MS, [seen(key, START_MS + i * BAR_MS, float(i)) for key in KEYS])
    before = [np.array(part) for part in (ring.window().times_ms, ring.window().values, ring.window().ages_s)]
    good = [seen(KEYS[1], START_MS, 9.0)] if bar else []
    with pytest.raises(ValueError, match=match):
        ring.append(ts_ms, good + bar)
    after = (ring.window().times_ms, ring.window().values, ring.window().ages_s)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("keys", "capacity", "bar_ms"), [(KEYS, 0, BAR_MS), (KEYS, 4, 0), ((KEYS[0],) * 2, 4, BAR_MS)]
)
def test_a_senseless_buffer_is_refused(keys, capacity, bar_ms):
    """A capacity of zero or a series listed twice would fail later, at the first bar, with a riddle."""
    with pytest.raises(ValueError, match=r"positive|twice"):
        RingBuffer(keys, capacity, bar_ms)


def test_a_view_stays_what_it_was():
    """What writes a snapshot, or thinks beside the loop, would see bars change under its hands."""
    ring = RingBuffer(KEYS, 16, BAR_MS)
    held = []
    for i in range(60):
        ts_ms = START_MS + i * BAR_MS
        ring.append(ts_ms, [seen(key, ts_ms, float(i)) for key in KEYS])
        window = ring.window()
        held.append((window, [np.array(part) for part in (window.times_ms, window.values, window.ages_s)]))
    for window, then in held:
        now = (window.times_ms, window.values, window.ages_s)
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(now, then, strict=True))


def test_memory_does_not_grow_with_uptime():
    """A daemon that runs for months would run out of memory."""
    bars = [
        (START_MS + i * BAR_MS, [seen(key, START_MS + i * BAR_MS, 1.0) for key in KEYS]) for i in range(400)
    ]
    tracemalloc.start()
    try:
        ring = RingBuffer(KEYS, 32, BAR_MS)
        for ts_ms, bar in bars[:100]:
            ring.append(ts_ms, bar)
        size = ring._values.nbytes
        before, _ = tracemalloc.get_traced_memory()
        for ts_ms, bar in bars[100:]:
            ring.append(ts_ms, bar)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ring._values.nbytes == size
    assert after - before < 16_384


def test_a_long_outage_costs_no_more_than_the_buffer():
    """A laptop that wakes after a year would write 35,000 gap bars one by one before the first cycle."""
    ring = RingBuffer(KEYS, 4, BAR_MS)
    ring.append(START_MS, [])
    ring.append(START_MS + 10**9 * BAR_MS, [seen(KEYS[0], START_MS, 3.0)])
    window = ring.window()
    assert (np.diff(window.times_ms) == BAR_MS).all()
    assert np.isnan(window.values[0, :-1]).all()
    assert window.values[0, -1, Field.MARK] == 3.0
