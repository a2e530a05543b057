"""The hourly grids of a window as the daemon's ring buffer shows them, one hour after another.

The same observations, judge and resampler as in the daemon, laid out once for many hours: a grid is a slice of what was
known later, in which prints that its own hour did not know yet are taken out again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.venue import observe_at
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.buffer.ring import BarWindow
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.domain.bars import N_FIELDS, Field, Observation
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.errors import ConfigError
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.resample import HourlyGrid, Prints, course_of, first_shown

CHUNK_H = 240
"""Hours that are laid out at once: of 60 series and 90 days about 25 MB."""
Ints = NDArray[np.int64]
NEVER_MS = -(2**62)


@dataclass(frozen=True, slots=True)
class Seen:
    """Settlements of one series, and `seen_ms` (n,): the end of the first bar that shows each."""

    prints: Prints
    seen_ms: Ints

    def with_bars(self, window: BarWindow, row: int) -> "Seen":
        """Return these and those that later bars show, in the order in which they settled."""
        new, seen_ms = first_shown(window, row)
        fresh = ~np.isin(new.ts_ms, self.prints.ts_ms)
        mine, late = self.prints, _pick(new, fresh)
        both = Prints(
            np.concatenate((mine.ts_ms, late.ts_ms)),
            np.concatenate((mine.per_hour, late.per_hour)),
            np.concatenate((mine.interval_h, late.interval_h)),
        )
        order = np.argsort(both.ts_ms, kind="stable")
        return Seen(_pick(both, order), np.concatenate((self.seen_ms, seen_ms[fresh]))[order])

    def since(self, from_ms: int) -> "Seen":
        """Return what a window from this instant on shows: the last print before it, and all later ones."""
        first = int(np.searchsorted(self.prints.ts_ms, from_ms, side="right")) - 1
        which = slice(max(first, 0), None)
        return Seen(_pick(self.prints, which), self.seen_ms[which])

    def by(self, now_ms: int) -> Prints:
        """Return what had been seen by an instant."""
        return _pick(self.prints, self.seen_ms <= now_ms)

    def late_in(self, hours_ms: Ints) -> NDArray[np.bool_]:
        """Tell at which hours' ends a print that had settled was not known yet. (hours,)."""
        late = np.zeros(len(hours_ms), np.bool_)
        for ts_ms, seen_ms in zip(self.prints.ts_ms, self.seen_ms, strict=True):
            if seen_ms > -(-ts_ms // HOUR_MS) * HOUR_MS:
                late |= (hours_ms >= ts_ms) & (hours_ms < seen_ms)
        return late


def _pick(prints: Prints, which: Ints | NDArray[np.bool_] | slice) -> Prints:
    return Prints(prints.ts_ms[which], prints.per_hour[which], prints.interval_h[which])


NOTHING = Seen(Prints(np.empty(0, np.int64), np.empty(0), np.empty(0)), np.empty(0, np.int64))


class Chunk:
    """Hours laid out together: `grid` as known at the end of the last; the columns from `first` on are its own."""

    def __init__(self, grid: HourlyGrid, first: int, window_h: int, seen: Sequence[Seen]) -> None:
        self.hours_ms: Ints = grid.times_ms[first:]
        self._grid, self._first, self._window_h, self._seen = grid, first, window_h, seen
        self._late = np.array([one.late_in(self.hours_ms) for one in seen]).reshape(len(seen), -1)
        self._last_ms, self._due_ms = np.full((2, len(seen), len(self.hours_ms)), NEVER_MS)
        for row, one in enumerate(seen):
            at = np.searchsorted(one.prints.ts_ms, self.hours_ms, side="right") - 1
            some = at >= 0
            ts_ms, hours = one.prints.ts_ms[at[some]], one.prints.interval_h[at[some]]
            self._last_ms[row, some] = ts_ms
            self._due_ms[row, some] = ts_ms + (hours * HOUR_MS).astype(np.int64)

    def at(self, hour: int) -> HourlyGrid:
        """Return the grid that the window showed at the end of the chunk's hour of this number."""
        grid = self._grid.first(self._first + hour + 1).last(self._window_h)
        grid = replace(grid, paid=self._paid(grid, hour))
        late = np.flatnonzero(self._late[:, hour])
        return self._without_later(grid, late) if len(late) else grid

    def _paid(self, grid: HourlyGrid, hour: int) -> NDArray[np.float64]:
        """Return what was paid as it was known: after the last print nothing, until the next one is due."""
        paid, times_ms = grid.paid.copy(), grid.times_ms
        last_ms, due_ms = self._last_ms[:, hour, None], self._due_ms[:, hour, None]
        begin = int(np.searchsorted(times_ms, last_ms.min(initial=times_ms[-1]), side="right"))
        tail = times_ms[None, begin:]
        running = np.where(tail < due_ms, 0.0, np.nan)
        paid[:, begin:] = np.where(tail > last_ms, running, paid[:, begin:])
        return paid

    def _without_later(self, grid: HourlyGrid, rows: Ints) -> HourlyGrid:
        """Lay these series out anew by the prints that were known."""
        now_ms = int(grid.times_ms[-1])
        level, interval_h, since_h = grid.level.copy(), grid.interval_h.copy(), grid.since_h.copy()
        for row in rows:
            course = course_of(self._seen[row].by(now_ms), grid.times_ms, now_ms)
            grid.paid[row], level[row], interval_h[row], since_h[row] = course
        return replace(grid, level=level, interval_h=interval_h, since_h=since_h)


def followed(world: World, config: Config, symbols: Sequence[str]) -> tuple[SeriesKey, ...]:
    """Return the markets that the daemon follows, in the order of its buffer."""
    venues = {INJECTIVE, *config.hedge.venues}
    return tuple(sorted(key for key in world.markets if key.venue in venues and key.symbol in symbols))


def chunks_of(
    world: World, keys: Sequence[SeriesKey], config: Config, window: Window, chunk_h: int = CHUNK_H
) -> Iterator[Chunk]:
    """Walk through the hours in [window.from_ms, window.to_ms), chunk by chunk.

    Raises ConfigError for a window that does not begin on the hour.
    """
    if window.from_ms % HOUR_MS:
        raise ConfigError("forecasts are precomputed for windows that begin on the hour")
    bar_ms, hours = config.cycle.bar_s * SECOND_MS, config.cycle.history_days * 24
    judge = Judge(config.quality)
    seen = [NOTHING] * len(keys)
    held = np.empty((len(keys), 0, N_FIELDS), np.float32)
    begin_ms = window.from_ms - hours * HOUR_MS + bar_ms  # the first bar of the window at its first hour
    last_h = (window.to_ms - 1) // HOUR_MS
    for first_h in range(window.from_ms // HOUR_MS, last_h + 1, chunk_h):
        end_ms = min(first_h + chunk_h - 1, last_h) * HOUR_MS
        times_ms = np.arange(begin_ms, end_ms + 1, bar_ms, dtype=np.int64)
        bars = _bars(world, keys, times_ms, judge, bar_ms)
        seen = [
            one.since(first_h * HOUR_MS - hours * HOUR_MS).with_bars(bars, row)
            for row, one in enumerate(seen)
        ]
        held = np.concatenate((held, bars.values[:, times_ms % HOUR_MS == 0]), axis=1)
        own = end_ms // HOUR_MS - first_h + 1
        held = held[:, -(hours + own - 1) :].copy()
        hours_ms = end_ms - HOUR_MS * np.arange(held.shape[1], dtype=np.int64)[::-1]
        yield Chunk(_grid(keys, hours_ms, held, seen, bar_ms), held.shape[1] - own, hours, seen)
        begin_ms = end_ms + bar_ms


def _bars(world: World, keys: Sequence[SeriesKey], times_ms: Ints, judge: Judge, bar_ms: int) -> BarWindow:
    """Return the bars as they were believed."""
    values = np.full((len(keys), len(times_ms), N_FIELDS), np.nan, np.float32)
    told = {
        row: observe_at(world.series, key, times_ms) for row, key in enumerate(keys) if key in world.series
    }
    for row, (seen, _) in told.items():
        values[row] = seen
    for i, ts_ms in enumerate(times_ms.tolist()):
        here = [Observation(keys[row], ts_ms, seen[i], known[i]) for row, (seen, known) in told.items()]
        for row, raw, believed in zip(told, here, judge.look(ts_ms, here).bars, strict=True):
            if believed is not raw:
                values[row, i] = believed.values
    return BarWindow(tuple(keys), bar_ms, times_ms, values, values[:, :, :0])


def _grid(
    keys: Sequence[SeriesKey], hours_ms: Ints, bars: NDArray[np.float32], seen: Sequence[Seen], bar_ms: int
) -> HourlyGrid:
    courses = [course_of(one.prints, hours_ms, int(hours_ms[-1])) for one in seen]
    paid, level, interval_h, since_h = (
        np.ascontiguousarray(x) for x in np.array(courses).reshape(len(keys), 4, -1).swapaxes(0, 1)
    )
    mark = bars[:, :, Field.MARK].astype(np.float64)
    return HourlyGrid(tuple(keys), hours_ms, paid, level, mark, interval_h, since_h, bars, bar_ms / HOUR_MS)
