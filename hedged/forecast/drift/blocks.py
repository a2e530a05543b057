"""Losses added up over blocks of time as long as the horizon, at least a day: what the detectors go by.

Outcomes of forecasts whose horizons overlap are nearly the same; those of blocks overlap with their neighbours' alone.
A loss below EASE of a series' usual change matters to nobody, but where a rate rests for weeks the EWMA's is nothing,
and a ratio to nothing anything: no loss is taken to be less.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.forecast.paired import Paired

WINDOW_D = 28
"""Days that the rolling figures look back: four whole weeks, for funding has a week's course."""

EASE = 0.02
"""In s, per target; the EWMA loses 0.2 to 0.9."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Blocks:
    """One row per block that is over, oldest first; all (n,). loss, other: sums over targets; right of `called`."""

    length_ms: int
    from_ms: Ints
    loss: Floats
    other: Floats
    right: Ints
    called: Ints

    def __len__(self) -> int:
        return len(self.from_ms)

    @property
    def ratio(self) -> float:
        """Loss ÷ the other's; NaN where the other lost nothing."""
        theirs = float(self.other.sum())
        return float(self.loss.sum()) / theirs if theirs > 0 else float("nan")

    def pick(self, which: NDArray[np.bool_] | slice) -> Self:
        """Return some of the blocks."""
        rows = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.name != "length_ms"}
        return type(self)(self.length_ms, **rows)

    def since(self, from_ms: int) -> Self:
        """Return those that begin then or later."""
        return self.pick(self.from_ms >= from_ms)

    @property
    def lately(self) -> Self:
        """Return those of the last weeks before the end of the last."""
        if not len(self):
            return self
        return self.since(int(self.from_ms[-1]) + self.length_ms - WINDOW_D * DAY_MS)


def blocks_of(paired: Paired) -> Blocks:
    """Add up by blocks, which begin at multiples of their length since 1970; the last one is not over, so left out."""
    horizon_ms = int(np.median(paired.known_ms - paired.origin_ms)) if len(paired) else 0
    # outcomes are known minutes after the horizon: these are no day more
    length_ms = max(DAY_MS, -(-(horizon_ms - DAY_MS // 4) // DAY_MS) * DAY_MS)
    number, at = np.unique(paired.origin_ms // length_ms, return_inverse=True)
    over = slice(max(len(number) - 1, 0))

    def added(values: NDArray[np.float64] | Ints) -> Floats:
        return np.bincount(at, values, len(number))[over].astype(np.float64)

    return Blocks(
        length_ms, number[over] * length_ms,
        added(np.maximum(paired.loss, EASE) * paired.of), added(np.maximum(paired.other, EASE) * paired.of),
        added(paired.right).astype(np.int64), added(paired.called).astype(np.int64),
    )  # fmt: skip
