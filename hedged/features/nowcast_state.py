"""What a nowcast's walk keeps between two hours, so that the next one is taken up where it stands.

All times are hours since 1970: a window that slides on changes nothing here.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.features.accrual import CHANNELS
from hedged.features.nowcast_fit import Lines, Rows
from hedged.features.points import Array

HABITS = (2.0, 8.0, 32.0)
"""Half-lives of a series' habit, in prints."""
N_INPUTS = len(HABITS) + 2 * len(CHANNELS) + 1


@dataclass(frozen=True, slots=True)
class Opening:
    """What is fixed when an interval of `n` hours begins at `start`, for r series (`rows`) of a venue.

    `u`, `s` (r,): premium per 8 h and its usual move; `habit` (r, habits): habits less u; `weights` (n, inputs) and
    `misses` (2 n, levels): the lines and the quantiles of their misses, as they were then.
    """

    venue: str
    n: int
    rows: Rows
    start: int
    u: Array
    s: Array
    habit: Array
    weights: Array
    misses: Array

    @property
    def end(self) -> int:
        """Hour of the settlement that ends it."""
        return self.start + self.n


@dataclass(slots=True)
class State:
    """What is known after `hour`, of a walk over n series that began at the hour `began`.

    `u` (n,): premium per 8 h behind the last rate; `habit` (n, habits): smoothed u; `unit` (n,): usual move of u;
    `prints` (n,): how many intervals were over; `lines` by venue and interval length; `running`: the intervals that
    `hour` lies in, oldest first. NaN unknown.
    """

    began: int
    hour: int
    u: Array
    habit: Array
    unit: Array
    prints: NDArray[np.int64]
    lines: dict[tuple[str, int], Lines]
    running: list[Opening]

    @classmethod
    def before(cls, hour: int, n: int) -> Self:
        """Return the state of n series of which nothing is known before `hour`."""
        u, unit = np.full((2, n), np.nan)
        return cls(hour, hour - 1, u, np.full((n, len(HABITS)), np.nan), unit, np.zeros(n, np.int64), {}, [])

    def copy(self) -> Self:
        """Return the same, which can be walked on with while this one stays."""
        return replace(
            self,
            u=self.u.copy(),
            habit=self.habit.copy(),
            unit=self.unit.copy(),
            lines={key: lines.copy() for key, lines in self.lines.items()},
        )
