"""The walk of a nowcast through a grid: at each hour with settlements it learns, then speaks for the hours to come.

Only what was known at an hour is used for it, weights included. A rate inside the dead band tells no premium: there u
is what the last nowcast of that interval expects of it, so a venue that rests for days still drifts with the market.

A walk can be taken up where another one ended (`nowcast_state.py`): then it says what one walk over all the hours says.
"""

import numpy as np

from hedged.domain.forecast import LEVELS
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
from hedged.features.nowcast_state import HABITS, N_INPUTS, Opening, State
from hedged.features.points import Array
from hedged.features.scale import MIN_SCALE

INPUT_LIMIT = 10.0
"""Inputs are cut here, in units of the series' usual move."""


class Walk:
    """What is said at each hour, (rows, columns of `seen`), NaN where nothing is: `center` u, `law` (…, levels) its
    quantiles, `length` hours of the running interval, `prints` how many intervals of the series were over by then.

    It holds for the columns from `first` on, those after the hour of the state that the walk began with.
    """

    def __init__(self, seen: Read, state: State | None = None) -> None:
        """Begin after `state`, which is written to; by default before the first column, knowing nothing."""
        self.seen = seen
        n, hours = seen.rate.shape
        self.state = State.before(seen.first_hour, n) if state is None else state
        self.first = self.state.hour + 1 - seen.first_hour
        self.center = np.full((n, hours), np.nan)
        self.law = np.full((n, hours, len(LEVELS)), np.nan)
        self.length = np.zeros((n, hours), np.int64)
        new = np.arange(hours) >= self.first
        self.prints = self.state.prints[:, None] + np.cumsum(seen.settled & new, axis=1)
        self._running = [(opening, self._say(opening)) for opening in self.state.running]

    def to(self, col: int) -> None:
        """Take in the columns up to `col`; none where it is not new."""
        state = self.state
        begin = state.hour + 1 - self.seen.first_hour
        if col < begin:
            return
        for more in np.flatnonzero(self.seen.settled[:, begin : col + 1].any(axis=0)):
            self._settle(begin + int(more))
        state.hour, state.prints = self.seen.first_hour + col, self.prints[:, col]
        state.running = [opening for opening, _ in self._running if opening.end > state.hour]

    def _settle(self, col: int) -> None:
        """Take in the prints of one hour, then say what the intervals that begin with it will charge."""
        hour = self.seen.first_hour + col
        here = np.flatnonzero(self.seen.settled[:, col])
        low, high = self.seen.premiums(here, col, self.seen.rate[here, col])
        u = (low + high) / 2
        for opening, over in self._running:
            if opening.end != hour:
                continue
            which, at = np.nonzero(over.rows[:, None] == here[None, :])
            fits = self.seen.lasted[here[at], col] == opening.n
            which, at = which[fits], at[fits]
            if len(which):
                lines = self.state.lines[opening.venue, opening.n]
                u[at] = lines.expected(over, which, low[at], high[at])
                lines.learn(over, which, u[at], low[at], high[at])
                self._measure(here[at], np.abs(u[at] - over.u[which]), lines.n)
        self._running = [(opening, over) for opening, over in self._running if opening.end > hour]
        self._remember(here, u)
        ready = here[~np.isnan(self.seen.s[here, col])]
        groups: dict[tuple[str, int], list[int]] = {}
        for row in ready:
            n = int(self.seen.coming[row, col])
            if 1 < n <= MAX_INTERVAL:
                groups.setdefault((self.seen.venues[row], n), []).append(int(row))
        for (venue, n), rows in groups.items():
            opening = self._open(venue, n, np.array(rows), col)
            self._running.append((opening, self._say(opening)))

    def _remember(self, rows: Rows, u: Array) -> None:
        self.state.u[rows] = u
        for j, half_life in enumerate(HABITS):
            before = self.state.habit[rows, j]
            moved = before + (1.0 - 0.5 ** (1.0 / half_life)) * (u - before)
            self.state.habit[rows, j] = np.where(np.isnan(before), u, moved)

    def _measure(self, rows: Rows, move: Array, hours: int) -> None:
        """Follow the usual |move| of u: a rate that rests at its interest hides most of it."""
        unit = self.state.unit[rows]
        move = np.minimum(move, MOVE_LIMIT * unit)
        self.state.unit[rows] = np.maximum(
            unit + (1.0 - 0.5 ** (hours / HALF_LIFE_H)) * (move - unit), 8 * MIN_SCALE
        )

    def _open(self, venue: str, n: int, rows: Rows, col: int) -> Opening:
        """Fix what will be read in an interval that begins at `col` by what is known then."""
        state = self.state
        lines = state.lines.setdefault((venue, n), Lines(n, N_INPUTS, state.began))
        state.unit[rows] = np.where(np.isnan(state.unit[rows]), self.seen.s[rows, col], state.unit[rows])
        u, start = state.u[rows], self.seen.first_hour + col
        habit = state.habit[rows] - u[:, None]
        return Opening(
            venue, n, rows, start, u, state.unit[rows], habit, lines.weights, lines.misses.quantiles()
        )

    def _say(self, opening: Opening) -> Interval:
        """Speak for those hours of an interval that the grid holds."""
        seen, rows, u, s = self.seen, opening.rows, opening.u, opening.s
        col = opening.start - seen.first_hour
        n = min(opening.n, self.center.shape[1] - col)
        inputs = self._inputs(opening, col, n)
        line = u + np.einsum("kri,ki->kr", inputs, opening.weights[:n]) * s
        z = opening.misses
        law = line[..., None] + s[None, :, None] * z[:n, None, :]
        span = slice(col, col + n)
        rate, decided = seen.estimate[rows, span].T, seen.decided[rows, span].T
        hours = np.arange(col, col + n)[:, None]
        low, high = seen.premiums(rows[None, :], hours, rate)
        told = Estimates(low, high, decided)
        weighting = seen.rules[int(rows[0])].weighting
        expected, beside = with_estimates(line, law, z[opening.n : opening.n + n], u, s, told, weighting)
        known = ~np.isnan(expected)
        self.center[rows, span] = np.where(known, expected, line).T
        self.law[rows, span] = np.where(known[..., None], beside, law).transpose(1, 0, 2)
        self.length[rows, span] = opening.n
        return Interval(rows, opening.start, u, s, inputs, line, expected, 1.0 - decided)

    def _inputs(self, opening: Opening, col: int, n: int) -> Array:
        """Return what the lines read at the n hours from `col`, (n, rows, inputs), in units; unknown is no move."""
        rows = opening.rows
        sources = self.seen.inputs[rows, col : col + n].transpose(1, 0, 2)
        habit = np.broadcast_to(opening.habit, (n, *opening.habit.shape))
        moves = np.concatenate((habit, sources), axis=2) / opening.s[None, :, None]
        moves = np.clip(np.nan_to_num(moves), -INPUT_LIMIT, INPUT_LIMIT)
        return np.concatenate((moves, np.ones((n, len(rows), 1))), axis=2)
