"""One resampler for all bar lengths: a print counts once, in its own hour, and a missing one is unknown, not zero."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.domain.bars import Field, blank_observation
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.market import SeriesKey
from hedged.features.resample import FEATURE_HASH, HourlyGrid, hourly, settlements_of

KEY = SeriesKey("binance", "INJ")
START_MS = 1_756_684_800_000  # midnight UTC
QUARTER_MS = 15 * MINUTE_MS


class Print(NamedTuple):
    at_h: float  # hours after START_MS
    per_hour: float
    interval_h: float


def every(interval_h: float, hours: int, since_h: float = 0.0, first: int = 1) -> list[Print]:
    """Prints of one interval with rates that tell them apart."""
    count = int((hours - since_h) / interval_h)
    return [Print(since_h + k * interval_h, (k + 1) * 1e-5, interval_h) for k in range(first, count + 1)]


def bars_of(
    prints: Iterable[Print],
    bar_ms: int,
    from_h: float,
    to_h: float,
    lost: Sequence[int] = (),
    delay_ms: int = 0,
) -> BarWindow:
    """Show a history of settlements as bars, each with the last print known by then; `lost` bars are gaps."""
    history = sorted(prints)
    first, last = (START_MS + round(h * HOUR_MS) for h in (from_h, to_h))
    ring = RingBuffer([KEY], (last - first) // bar_ms + 1, bar_ms)
    for bar, ts_ms in enumerate(range(first, last + 1, bar_ms)):
        observation = blank_observation(KEY, ts_ms)
        known = [(START_MS + round(p.at_h * HOUR_MS) + delay_ms, p) for p in history]
        known = [(at_ms, p) for at_ms, p in known if at_ms <= ts_ms]
        if known:
            at_ms, newest = known[-1]
            observation.values[Field.FUNDING_SETTLED] = newest.per_hour
            observation.values[Field.SETTLED_INTERVAL_H] = newest.interval_h
            observation.known_at_ms[[Field.FUNDING_SETTLED, Field.SETTLED_INTERVAL_H]] = at_ms
            observation.values[Field.SETTLED_AGO_S] = (ts_ms - at_ms + delay_ms) / 1_000
            observation.known_at_ms[Field.SETTLED_AGO_S] = at_ms
        observation.values[Field.MARK] = 100.0 + (ts_ms - START_MS) / HOUR_MS
        observation.known_at_ms[Field.MARK] = ts_ms
        ring.append(ts_ms, () if bar in lost else [observation])
    return ring.window()


def at(grid: HourlyGrid, row: np.ndarray) -> dict[int, float]:
    """Values by hour after START_MS."""
    hours = (grid.times_ms - START_MS) // HOUR_MS
    return dict(zip(hours.tolist(), np.round(row[0], 10).tolist(), strict=True))


def amounts(prints: Iterable[Print]) -> dict[int, float]:
    """What each print paid, by hour."""
    return {int(p.at_h): pytest.approx(p.per_hour * p.interval_h, rel=1e-6) for p in prints}


@pytest.mark.parametrize("interval_h", [1, 4, 8])
def test_bars_of_any_length_tell_the_same_history(interval_h):
    """The model would see other numbers when serving (15-minute bars) than in training (hourly, 8-hourly history)."""
    prints = every(interval_h, 72, first=0)
    fine = hourly(bars_of(prints, QUARTER_MS, 8, 72))
    coarse = [hourly(bars_of(prints, HOUR_MS, 8, 72))]
    if interval_h == 8:  # longer bars than the interval cannot show every print
        coarse.append(hourly(bars_of(prints, 8 * HOUR_MS, 8, 72)))
    for other in coarse:
        assert np.array_equal(other.times_ms, fine.times_ms)
        assert np.array_equal(other.paid, fine.paid, equal_nan=True)
        assert np.array_equal(other.level, fine.level, equal_nan=True)
    assert not np.isnan(fine.paid).any()
    assert {h: v for h, v in at(fine, fine.paid).items() if v} == amounts(p for p in prints if p.at_h >= 8)


def test_bars_too_long_for_the_prints_leave_them_unknown():
    """Hours whose hourly print fell between two 8-hourly bars would be booked as free."""
    grid = hourly(bars_of(every(1, 48, first=0), 8 * HOUR_MS, 8, 48))
    fine = hourly(bars_of(every(1, 48, first=0), QUARTER_MS, 8, 48))
    seen = ~np.isnan(grid.paid[0])
    assert (grid.times_ms[seen] % (8 * HOUR_MS) == 0).all()
    assert np.array_equal(grid.paid[0, seen], fine.paid[0, seen])


def test_an_eight_hour_print_counts_once_and_whole():
    """It would be spread over its hours, or counted in each bar that still shows it."""
    grid = hourly(bars_of([Print(0, 1e-5, 8), Print(8, 2e-5, 8)], QUARTER_MS, 0, 12))
    assert at(grid, grid.paid) == {h: {0: 8e-5, 8: 16e-5}.get(h, 0.0) for h in range(13)}
    assert at(grid, grid.level) == {h: 1e-5 if h < 8 else 2e-5 for h in range(13)}


def test_a_print_lost_in_an_outage_is_unknown_not_zero():
    """Funding paid while the daemon was down would be learnt as no funding."""
    prints = every(1, 12, first=0)
    lost = range(
        4 * 3 + 1, 4 * 6
    )  # bars after 03:00 up to 05:45: the prints of 04:00 and 05:00 are never seen
    grid = hourly(bars_of(prints, QUARTER_MS, 0, 12, lost=lost))
    unknown = [h for h, v in at(grid, grid.paid).items() if np.isnan(v)]
    assert unknown == [4, 5]
    assert at(grid, grid.level)[5] == pytest.approx(prints[3].per_hour)  # the last one known by then


def test_an_outage_between_two_eight_hour_prints_loses_nothing():
    """A gap in the bars would be taken for a gap in the funding, though its age tells when the print was."""
    prints = every(8, 24, first=0)
    lost = [bar for bar in range(4 * 24) if 4 * 8 <= bar < 4 * 11]
    whole, holed = (hourly(bars_of(prints, QUARTER_MS, 0, 24, lost=gone)) for gone in ((), lost))
    assert np.array_equal(whole.paid, holed.paid)
    assert np.array_equal(whole.level, holed.level)


def test_an_overdue_print_is_unknown():
    """A venue that stopped printing would look like a venue whose funding fell to zero."""
    grid = hourly(bars_of([Print(0, 1e-5, 4), Print(4, 2e-5, 4)], QUARTER_MS, 0, 10))
    assert at(grid, grid.paid) == pytest.approx(
        {**dict.fromkeys(range(8), 0.0), 0: 4e-5, 4: 8e-5, 8: np.nan, 9: np.nan, 10: np.nan}, nan_ok=True
    )


def test_a_market_that_changes_its_interval():
    """A venue that goes from 8 h to 4 h to 1 h would be counted by the old interval: twice, or eight times."""
    prints = [
        Print(0, 1e-5, 8),
        Print(8, 2e-5, 8),
        Print(12, 3e-5, 4),
        Print(13, 4e-5, 1),
        Print(14, 5e-5, 1),
    ]
    for bar_ms in (QUARTER_MS, HOUR_MS):
        grid = hourly(bars_of(prints, bar_ms, 0, 14))
        due = {0: 8e-5, 8: 16e-5, 12: 12e-5, 13: 4e-5, 14: 5e-5}
        assert at(grid, grid.paid) == {h: due.get(h, 0.0) for h in range(15)}
        assert at(grid, grid.level)[11] == 2e-5
        assert at(grid, grid.level)[13] == 4e-5


def test_a_market_whose_interval_gets_longer():
    """From hourly to 8-hourly the hours in between would stay unknown for ever."""
    prints = [Print(0, 1e-5, 1), Print(1, 2e-5, 1), Print(9, 3e-5, 8)]
    grid = hourly(bars_of(prints, QUARTER_MS, 0, 9))
    assert at(grid, grid.paid) == {0: 1e-5, 1: 2e-5, **dict.fromkeys(range(2, 9), 0.0), 9: 24e-5}


@pytest.mark.parametrize("delay_ms", [1, 999, 29_000, 5 * 60_000])
@pytest.mark.parametrize("bar_ms", [QUARTER_MS, HOUR_MS])
def test_a_late_receipt_moves_no_print(delay_ms, bar_ms):
    """Binance prints at 08:00:00.003; the payment would slide into the next hour, or count twice."""
    prints = every(1, 30, first=0)
    jittered = hourly(bars_of(prints, bar_ms, 1, 30, delay_ms=delay_ms))
    exact = hourly(bars_of(prints, bar_ms, 1, 30))
    known = ~np.isnan(jittered.paid)
    assert known[0, :-1].all()  # the last print comes after the last bar
    assert np.array_equal(jittered.paid[known], exact.paid[known])


def test_a_lagging_node_does_not_count_a_print_twice():
    """A venue's replica that shows an older print again would double the funding and upset the order of prints."""
    window = bars_of(every(1, 6, first=0), HOUR_MS, 0, 6)
    again = window.values.copy(), window.ages_s.copy()
    again[0][:, 5] = window.values[:, 3]  # at 05:00 the print of 03:00, aged two hours more
    again[0][:, 5, Field.SETTLED_AGO_S] += 2 * 3_600
    grid = hourly(BarWindow(window.keys, window.bar_ms, window.times_ms, *again))
    paid, exact = hourly(window).paid, grid.paid
    assert np.array_equal(np.delete(paid, 5), np.delete(exact, 5))
    assert np.isnan(grid.paid[0, 5])  # the print of 05:00 itself was never seen


def test_a_print_without_its_interval_is_unknown():
    """A venue that does not tell the interval would crash the cycle, or be booked with an interval of garbage."""
    window = bars_of(every(1, 6, first=0), QUARTER_MS, 0, 6)
    values = window.values.copy()
    values[:, :, Field.SETTLED_INTERVAL_H] = np.nan
    grid = hourly(BarWindow(window.keys, window.bar_ms, window.times_ms, values, window.ages_s))
    assert np.isnan(grid.paid).all()


def test_an_empty_window_gives_an_empty_grid():
    """The first cycle of a daemon without history would crash."""
    grid = hourly(RingBuffer([KEY], 4, QUARTER_MS).window())
    assert grid.paid.shape == grid.level.shape == grid.mark.shape == (1, 0)


def test_a_window_within_one_hour_has_no_whole_hour():
    """Started at 00:05, the daemon would crash at 00:15: there are bars and a print, but no hour is complete."""
    grid = hourly(bars_of([Print(0, 1e-5, 1)], QUARTER_MS, 0.25, 0.75))
    assert grid.paid.shape == grid.level.shape == grid.mark.shape == (1, 0)


@pytest.mark.parametrize("to_h", [5.0, 5.25, 5.75])
def test_only_whole_hours_are_told(to_h):
    """The running hour would be learnt as if it were over."""
    grid = hourly(bars_of(every(1, 6, first=0), QUARTER_MS, 0.5, to_h))
    assert list(at(grid, grid.paid)) == [1, 2, 3, 4, 5]


def test_the_mark_is_the_one_at_the_hours_end():
    """Price moves would be measured a bar late or early, and with look-ahead in the worst case."""
    grid = hourly(bars_of([], QUARTER_MS, 0.25, 4.5))
    assert at(grid, grid.mark) == {1: 101.0, 2: 102.0, 3: 103.0, 4: 104.0}
    assert np.isnan(grid.paid).all()
    assert np.isnan(grid.level).all()


histories = st.lists(
    st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(-500, 500)), min_size=1, max_size=20
)


def chain(rows: list[tuple[int, int]]) -> list[Print]:
    """Prints one interval after the other from hour 0 on."""
    prints, at_h = [], 0
    for interval_h, rate in rows:
        at_h += interval_h
        prints.append(Print(at_h, rate * 1e-6, interval_h))
    return prints


@given(histories, st.sampled_from([5 * MINUTE_MS, QUARTER_MS, HOUR_MS]))
def test_nothing_is_lost_and_nothing_counted_twice(rows, bar_ms):
    """The funding of a period would not add up to the sum of its prints."""
    prints = chain(rows)
    grid = hourly(bars_of(prints, bar_ms, 0, prints[-1].at_h))
    assert not np.isnan(grid.paid[0, 1:]).any()
    total = sum(p.per_hour * p.interval_h for p in prints)
    assert np.nansum(grid.paid) == pytest.approx(total, abs=1e-9)


@given(histories, st.sets(st.integers(0, 160)))
def test_with_gaps_every_hour_is_right_or_unknown(rows, lost):
    """A gap in the bars would make an hour wrong instead of unknown."""
    prints = chain(rows)
    whole = hourly(bars_of(prints, HOUR_MS, 0, prints[-1].at_h))
    holed = hourly(bars_of(prints, HOUR_MS, 0, prints[-1].at_h, lost=sorted(lost)))
    told = ~np.isnan(holed.paid[0])
    after_last = whole.times_ms > settlements_of(
        bars_of(prints, HOUR_MS, 0, prints[-1].at_h, sorted(lost)), 0
    ).ts_ms.max(initial=0)
    sure = told & ~after_last  # after the last print that was seen, its interval is taken to go on
    assert np.array_equal(holed.paid[0, sure], whole.paid[0, sure])


@given(histories, st.integers(0, 160), st.integers(-500, 500))
def test_the_grid_up_to_now_does_not_depend_on_later_bars(rows, cut_h, rate):
    """A backtest would see prints before they were made."""
    prints = chain(rows)
    end_h = prints[-1].at_h
    cut_h = min(cut_h, end_h)
    changed = [p if p.at_h <= cut_h else p._replace(per_hour=rate * 1e-6) for p in prints]
    first, second = (hourly(bars_of(history, HOUR_MS, 0, end_h)) for history in (prints, changed))
    assert np.array_equal(first.paid[0, : cut_h + 1], second.paid[0, : cut_h + 1], equal_nan=True)
    assert np.array_equal(first.level[0, : cut_h + 1], second.level[0, : cut_h + 1], equal_nan=True)


def test_the_schema_hash_is_pinned():
    """Fields could be reordered without a new schema: an old artefact would read open interest as a price."""
    assert FEATURE_HASH == "ebcd6686995294c5"
