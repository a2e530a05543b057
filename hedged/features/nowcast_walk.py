"""The walk of a nowcast through a grid: at each hour with settlements it learns, then speaks for the hours to come.

Only what was known at an hour is used for it, weights included. A rate inside the dead band tells no premium: there u
is what the last nowcast of that interval expects of it, so a venue that rests for days still drifts with the market.
"""

import numpy as np

from hedged.domain.forecast import LEVELS
from hedged.features.accrual import CHANNELS
from hedged.features.nowcast_fit import (
    HALF_LIFE_H,
    MOVE_LIMIT,
    Estimates,
    Interval,
    Lines,
    Rows,
    with_estimates,
)
from hedged.features.nowcast_read import MAX_INTERVAL, Read
from hedged.features.points import Array
from hedged.features.scale import MIN_SCALE

HABITS = (2.0, 8.0, 32.0)
"""Half-lives of a series' habit, in prints."""
INPUT_LIMIT = 10.0
"""Inputs are cut here, in units of the series' usual move."""
N_INPUTS = len(HABITS) + 2 * len(CHANNELS) + 1


class Walk:
    """What is said at each hour, (rows, hours), NaN where nothing is: `center` u, `law` (…, levels) its quantiles,
    `length` hours of the running interval, `prints` how many intervals of the series were over by then.
    """

    def __init__(self, seen: Read) -> None:
        self.seen = seen
        n, hours = seen.rate.shape
        self.center = np.full((n, hours), np.nan)
        self.law = np.full((n, hours, len(LEVELS)), np.nan)
        self.length = np.zeros((n, hours), np.int64)
        self.prints = np.cumsum(seen.settled, axis=1)
        self._u = np.full(n, np.nan)
        self._habit = np.full((n, len(HABITS)), np.nan)
        self._unit = np.full(n, np.nan)
        self._lines: dict[tuple[str, int], Lines] = {}
        self._running: list[tuple[Lines, Interval]] = []
        for hour in np.flatnonzero(seen.settled.any(axis=0)):
            self._settle(int(hour))

    def _settle(self, hour: int) -> None:
        """Take in the prints of one hour, then say what the intervals that begin with it will charge."""
        here = np.flatnonzero(self.seen.settled[:, hour])
        low, high = self.seen.premiums(here, hour, self.seen.rate[here, hour])
        u = (low + high) / 2
        for lines, over in self._running:
            if over.start + lines.n != hour:
                continue
            which, at = np.nonzero(over.rows[:, None] == here[None, :])
            fits = self.seen.lasted[here[at], hour] == lines.n
            which, at = which[fits], at[fits]
            if len(which):
                u[at] = lines.expected(over, which, low[at], high[at])
                lines.learn(over, which, u[at], low[at], high[at])
                self._measure(here[at], np.abs(u[at] - over.u[which]), lines.n)
        self._running = [(lines, over) for lines, over in self._running if over.start + lines.n > hour]
        self._remember(here, u)
        ready = here[~np.isnan(self.seen.s[here, hour])]
        groups: dict[tuple[str, int], list[int]] = {}
        for row in ready:
            n = int(self.seen.coming[row, hour])
            if 1 < n <= MAX_INTERVAL:
                groups.setdefault((self.seen.venues[row], n), []).append(int(row))
        for key, rows in groups.items():
            lines = self._lines.setdefault(key, Lines(key[1], N_INPUTS))
            self._open(lines, np.array(rows), hour)

    def _remember(self, rows: Rows, u: Array) -> None:
        self._u[rows] = u
        for j, half_life in enumerate(HABITS):
            before = self._habit[rows, j]
            moved = before + (1.0 - 0.5 ** (1.0 / half_life)) * (u - before)
            self._habit[rows, j] = np.where(np.isnan(before), u, moved)

    def _measure(self, rows: Rows, move: Array, hours: int) -> None:
        """Follow the usual |move| of u: a rate that rests at its interest hides most of it."""
        unit = self._unit[rows]
        move = np.minimum(move, MOVE_LIMIT * unit)
        self._unit[rows] = np.maximum(
            unit + (1.0 - 0.5 ** (hours / HALF_LIFE_H)) * (move - unit), 8 * MIN_SCALE
        )

    def _open(self, lines: Lines, rows: Rows, hour: int) -> None:
        """Speak for those hours of an interval beginning at `hour` that the grid holds."""
        seen, n = self.seen, min(lines.n, self.center.shape[1] - hour)
        self._unit[rows] = np.where(np.isnan(self._unit[rows]), seen.s[rows, hour], self._unit[rows])
        u, s = self._u[rows], self._unit[rows]
        inputs = self._inputs(rows, hour, n, u, s)
        line = u + np.einsum("kri,ki->kr", inputs, lines.weights[:n]) * s
        z = lines.misses.quantiles()
        law = line[..., None] + s[None, :, None] * z[:n, None, :]
        span = slice(hour, hour + n)
        rate, decided = seen.estimate[rows, span].T, seen.decided[rows, span].T
        hours = np.arange(hour, hour + n)[:, None]
        low, high = seen.premiums(rows[None, :], hours, rate)
        told = Estimates(low, high, decided)
        weighting = seen.rules[int(rows[0])].weighting
        expected, beside = with_estimates(line, law, z[lines.n : lines.n + n], u, s, told, weighting)
        known = ~np.isnan(expected)
        self.center[rows, span] = np.where(known, expected, line).T
        self.law[rows, span] = np.where(known[..., None], beside, law).transpose(1, 0, 2)
        self.length[rows, span] = lines.n
        interval = Interval(rows, hour, u, s, inputs, line, expected, 1.0 - decided)
        self._running.append((lines, interval))

    def _inputs(self, rows: Rows, hour: int, n: int, u: Array, s: Array) -> Array:
        """Return what the lines read at the n hours from `hour`, (n, rows, inputs), in units; unknown is no move."""
        sources = self.seen.inputs[rows, hour : hour + n].transpose(1, 0, 2)
        habit = np.broadcast_to(self._habit[rows] - u[:, None], (n, len(rows), len(HABITS)))
        moves = np.concatenate((habit, sources), axis=2) / s[None, :, None]
        moves = np.clip(np.nan_to_num(moves), -INPUT_LIMIT, INPUT_LIMIT)
        return np.concatenate((moves, np.ones((n, len(rows), 1))), axis=2)
