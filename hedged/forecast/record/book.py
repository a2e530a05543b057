"""The book of scores: what every forecaster said of the same hours, and how its losses compare with another's.

Sheets are taken every eight hours. Neighbouring forecasts of a day's mean have most of their outcome in common, so a
sheet an hour would cost eight times as much and show hardly more; three a day meet every venue's settlements at the
same place of its interval. A forecaster is known by its name, also after another one has taken over.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.forecast.paired import Paired
from hedged.forecast.record.losses import called, moved, pinball
from hedged.forecast.record.sheet import Sheet

EVERY_MS = 8 * HOUR_MS
KEPT_MS = 125 * DAY_MS
"""The longest contest of two models, with the days of its last outcomes."""
MOST = 400
"""Sheets that are kept at most: those of 125 days, and a few more where a clock was set."""


class ScoreBook:
    """`sheets`: oldest first, never changed in place, so that whoever reads them has a whole book."""

    def __init__(self, sheets: Iterable[Sheet] = ()) -> None:
        self.sheets: tuple[Sheet, ...] = tuple(sorted(sheets, key=lambda one: one.origin_ms))[-MOST:]

    @property
    def since_ms(self) -> int:
        """The oldest hour that is kept."""
        return self.sheets[0].origin_ms if self.sheets else 0

    def due(self, now_ms: int) -> bool:
        """Tell whether other forecasts are to be taken."""
        return not self.sheets or now_ms // EVERY_MS > self.sheets[-1].origin_ms // EVERY_MS

    def awaited_ms(self, now_ms: int) -> int | None:
        """Return the oldest hour of which the outcome may be known by now and is not; None where there is none."""
        return next((one.origin_ms for one in self.sheets if not one.closed and one.end_ms <= now_ms), None)

    def take(self, grid: HourlyGrid, horizon_h: int, said: Mapping[str, ForecastSet]) -> Sheet | None:
        """Write down what forecasters said, by name, of the last hour of a grid that all of them read.

        None, and nothing is written, where that hour is not after the last one.
        """
        if not len(grid.times_ms) or (self.sheets and grid.times_ms[-1] <= self.sheets[-1].origin_ms):
            return None
        sheet = Sheet.of(grid, horizon_h, said)
        kept = (one for one in self.sheets if one.origin_ms > sheet.origin_ms - KEPT_MS)
        self.sheets = (*kept, sheet)[-MOST:]
        return sheet

    def judge(self, grid: HourlyGrid, now_ms: int) -> Sequence[Sheet]:
        """Judge what is over by a grid of `now_ms`. Return the sheets that are other ones now."""
        judged = [one.judged(grid, now_ms) for one in self.sheets] if len(grid.times_ms) else []
        changed = [one for one, before in zip(judged, self.sheets, strict=False) if one is not before]
        if changed:
            self.sheets = tuple(judged)
        return changed

    def put(self, sheet: Sheet) -> None:
        """Put a sheet in the place of the one of its hour."""
        self.sheets = tuple(sheet if one.origin_ms == sheet.origin_ms else one for one in self.sheets)

    def names(self, since_ms: int = 0) -> tuple[str, ...]:
        """Return who forecast from an hour on, the stand-in first, the others as they came."""
        found = dict.fromkeys(
            [STAND_IN, *(name for one in self.sheets if one.origin_ms >= since_ms for name in one.laws)]
        )
        return tuple(found)

    def paired(
        self, name: str, other: str, *, venue: str | None = None, symbol: str | None = None, since_ms: int = 0
    ) -> Paired:
        """Return the losses of two forecasters on the same outcomes, of origins from `since_ms` on.

        Only of series that both forecast and of which s is known; of hours of which nothing is waited for any more, so
        that a row never changes.
        """
        rows = [
            row
            for one in self.sheets
            if one.closed and one.origin_ms >= since_ms and (row := _row(one, name, other, venue, symbol))
        ]
        columns = np.array(rows, dtype=np.float64).reshape(len(rows), 7).T
        origin, known, loss, theirs, of, right, calls = columns
        whole = [column.astype(np.int64) for column in (origin, known, of, right, calls)]
        return Paired(whole[0], whole[1], loss, theirs, *whole[2:])


def _row(
    sheet: Sheet, name: str, other: str, venue: str | None, symbol: str | None
) -> tuple[float, ...] | None:
    """Return one row of a `Paired`; None where there is none."""
    if name not in sheet.laws or other not in sheet.laws:
        return None
    mine, theirs = sheet.laws[name], sheet.laws[other]
    both = mine.told & theirs.told & ~np.isnan(sheet.outcome) & ~np.isnan(sheet.s) & sheet.rows(venue, symbol)
    if not both.any():
        return None
    y, s = sheet.outcome[both], sheet.s[both]
    loss, base = (float((pinball(law.quantiles[both], y) / s).mean()) for law in (mine, theirs))
    hit = called(mine.p_up[both]) * moved(sheet.last[both], y)
    known_ms = int(sheet.known_ms[both].max())
    return sheet.origin_ms, known_ms, loss, base, int(both.sum()), int((hit > 0).sum()), int((hit != 0).sum())
