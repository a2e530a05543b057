"""The nowcast that goes on from hour to hour: it says what one walk over all the hours says."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from premium_worlds import GRID_ARRAYS, World, premium_grid, until

from hedged.domain.bars import Field
from hedged.domain.market import SeriesKey
from hedged.features import nowcast_memory
from hedged.features.nowcast import Evidence, Nowcast, nowcast
from hedged.features.nowcast_memory import NowcastMemory
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid

DAYS = 40
HOURS = DAYS * 24
FIRST = 33 * 24  # hour of the first call
WINDOW = 32 * 24
WORLD = World(days=DAYS, coins=2, tells_estimate=True, twin="kraken")


@cache
def market() -> HourlyGrid:
    """Binance (8 h, tells estimates), Bybit (4 h, coin 0 turns hourly and back), Gate (8 h → 4 h → 1 h), Kraken (1 h).

    All of the same two coins, with prices. Gate's second coin is listed late, Bybit's second vanishes.
    """
    main = premium_grid(WORLD)
    bybit, gate = (
        replace(WORLD, venue=venue, twin=None, tells_estimate=False) for venue in ("bybit", "gate")
    )
    hourly = premium_grid(replace(bybit, interval_h=1))
    second = spliced([premium_grid(replace(bybit, interval_h=4)), hourly], [FIRST + 16, FIRST + 40])
    third = spliced([premium_grid(replace(gate, interval_h=n)) for n in (8, 4, 1)], [FIRST + 8, FIRST + 60])
    grid = joined(main, second, third)
    marks = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 1e-3, (2, HOURS)), axis=1))
    shown = np.nan_to_num(grid.level) * 8 + np.random.default_rng(2).normal(0, 1e-4, grid.level.shape)
    grid = replace(grid, mark=np.tile(marks, (4, 1)) * (1 + shown))
    blank(grid, SeriesKey("gate", "COIN1"), slice(0, FIRST - 20 * 24))
    blank(grid, SeriesKey("bybit", "COIN1"), slice(FIRST + 30, None))
    return grid


def joined(*grids: HourlyGrid) -> HourlyGrid:
    arrays = {name: np.concatenate([getattr(grid, name) for grid in grids]) for name in GRID_ARRAYS}
    return replace(grids[0], keys=tuple(key for grid in grids for key in grid.keys), **arrays)


def spliced(grids: list[HourlyGrid], cuts: list[int]) -> HourlyGrid:
    """The first grid up to the first cut, then the second …, then the first again where one is left over."""
    edges = [0, *cuts, HOURS]
    parts = [(grids[i % len(grids)], slice(*edges[i : i + 2])) for i in range(len(edges) - 1)]
    arrays = {
        name: np.concatenate([getattr(grid, name)[:, span] for grid, span in parts], axis=1)
        for name in GRID_ARRAYS
    }
    return replace(grids[0], **arrays)


def blank(grid: HourlyGrid, key: SeriesKey, span: slice) -> None:
    for name in GRID_ARRAYS:
        getattr(grid, name)[grid.row[key], span] = np.nan


def points(grid: HourlyGrid, cols: list[int]) -> Points:
    n = len(grid.keys)
    return Points(np.tile(np.arange(n), len(cols)), np.repeat(np.array(cols, int), n))


def gone_on(memory: NowcastMemory, grid: HourlyGrid, hours: list[int], window: int = HOURS) -> list[Nowcast]:
    """Ask at each of these hours about it and those since the call before."""
    out, before = [], hours[0] - 1
    for hour in hours:
        seen = until(grid, hour + 1).last(window)
        first = hour + 1 - len(seen.times_ms)
        out.append(memory.nowcast(seen, points(seen, [h - first for h in range(before + 1, hour + 1)])))
        before = hour
    return out


def agrees(said: list[Nowcast], whole: Nowcast) -> bool:
    """Compare to the last digits: sums that begin at another hour are rounded otherwise."""
    return all(
        np.allclose(
            np.concatenate([getattr(one, name) for one in said]),
            getattr(whole, name),
            rtol=1e-10,
            atol=1e-10 if name == "p_up" else 1e-14,
            equal_nan=True,
        )
        for name in Nowcast.__slots__
    )


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of hours that each walk reads."""
    read, lengths = nowcast_memory.read, []

    def counted(grid, rows=None, hours=None):
        lengths.append(hours or len(grid.times_ms))
        return read(grid, rows, hours)

    monkeypatch.setattr(nowcast_memory, "read", counted)
    return lengths


@pytest.mark.parametrize("window", [WINDOW, HOURS])
@pytest.mark.parametrize("seed", range(3))
def test_going_on_says_what_one_walk_says(seed, window):
    """What is traded would depend on when the daemon was started, and differ from what the model was trained on."""
    steps = np.random.default_rng(seed).choice([1, 1, 1, 2, 3, 9, 30], 40) if seed else np.ones(70, int)
    hours = [FIRST, *(hour for hour in (FIRST + np.cumsum(steps)).tolist() if hour < HOURS)]
    said = gone_on(NowcastMemory(), market(), hours, window)
    whole = until(market(), hours[-1] + 1).last(hours[-1] - FIRST + window)
    first = hours[-1] + 1 - len(whole.times_ms)
    assert agrees(said, nowcast(whole, points(whole, [h - first for h in range(FIRST, hours[-1] + 1)])))


def test_the_world_of_these_tests_holds_what_they_are_about():
    """The comparison above would pass on hours of which nothing is said."""
    grid = market()
    law = nowcast(grid, points(grid, list(range(FIRST, HOURS))))
    assert {Evidence.NONE, Evidence.SOURCES, Evidence.ESTIMATE} <= set(law.evidence.tolist())
    assert {4.0, 8.0} <= set(law.interval_h[law.evidence > 0].tolist())


def test_only_new_hours_are_read(walks):
    """A backtest would take two seconds an hour."""
    gone_on(NowcastMemory(), until(market(), FIRST + 16), list(range(FIRST, FIRST + 8)))
    assert walks[0] == FIRST + 1
    assert len(walks) == 8
    assert max(walks[1:]) <= 12


def test_a_known_hour_is_not_walked_again(walks):
    """The daemon asks about an hour more than once, each time at the price of a walk."""
    memory = NowcastMemory()
    a, b = (gone_on(memory, market(), [FIRST])[0] for _ in range(2))
    assert len(walks) == 1
    assert agrees([a], b)


@pytest.mark.parametrize("late_h", [0, 1, 5, 70])
def test_a_print_told_late_is_taken_in(late_h):
    """Venues tell a print minutes after the hour: the interval that began with it would never be nowcast."""
    grid, memory = market(), NowcastMemory()
    hour = FIRST + 24
    early = until(grid, hour + late_h + 1)
    for name, told in (("level", grid.level[:2, hour - 1 : hour]), ("since_h", 8.0 + np.arange(late_h + 1))):
        getattr(early, name)[:2, hour:] = told  # Binance's print of that hour is not told yet
    gone_on(memory, early, list(range(FIRST, hour + late_h + 1)))
    now = hour + late_h + (late_h > 0)
    told = until(grid, now + 1)
    said = memory.nowcast(told, points(told, [now]))
    assert agrees([said], nowcast(told, points(told, [now])))
    assert (said.interval_h[:2] == 8.0).all()


def test_a_revised_estimate_of_this_hour_is_read():
    """The cycle asks again when something was told within the hour, and would be answered with what stood before."""
    memory, grid = NowcastMemory(), until(market(), FIRST + 4)
    other = until(grid, FIRST + 4)
    other.bars[:2, -1, Field.FUNDING_ESTIMATE] += 5e-5
    gone_on(memory, grid, [FIRST + 3])
    said = memory.nowcast(other, points(other, [FIRST + 3]))
    assert agrees([said], nowcast(other, points(other, [FIRST + 3])))


@pytest.mark.parametrize("back", [1, 3, 100])
def test_going_back_starts_anew(back):
    """A second backtest with the same forecaster would know what had not come yet."""
    memory = NowcastMemory()
    gone_on(memory, market(), [FIRST + 100, FIRST + 108])
    earlier = FIRST + 108 - back
    said = gone_on(memory, market(), [earlier])
    seen = until(market(), earlier + 1)
    assert agrees(said, nowcast(seen, points(seen, [earlier])))


def test_hours_before_the_last_call_are_told_too():
    """What was said at past hours, which the ensemble learns from, would be left unknown or be another hour's."""
    memory, grid = NowcastMemory(), until(market(), FIRST + 50)
    gone_on(memory, grid, list(range(FIRST, FIRST + 50)))
    cols = [FIRST - 48, FIRST, FIRST + 30]
    assert agrees([memory.nowcast(grid, points(grid, cols))], nowcast(grid, points(grid, cols)))


def test_other_series_start_anew():
    """A market that is listed or left out would be given another one's habits."""
    memory, grid = NowcastMemory(), until(market(), FIRST + 9)
    gone_on(memory, until(market(), FIRST + 8), [FIRST + 7])
    fewer = replace(grid, keys=grid.keys[1:], **{name: getattr(grid, name)[1:] for name in GRID_ARRAYS})
    said = memory.nowcast(fewer, points(fewer, [FIRST + 8]))
    assert agrees([said], nowcast(fewer, points(fewer, [FIRST + 8])))


@pytest.mark.parametrize("hours", [0, 1, 2, 5])
def test_a_short_grid_says_nothing(hours):
    """The first cycle of a daemon that starts without history would crash."""
    memory, grid = NowcastMemory(), until(market(), hours)
    n = len(grid.keys) if hours else 0
    for _ in range(2):
        law = memory.nowcast(grid, Points(np.arange(n), np.full(n, hours - 1)))
        assert law.evidence.tolist() == [Evidence.NONE] * n
