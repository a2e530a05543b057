"""The losses of two forecasters on the same targets: what a contest and the detectors of drift are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Paired:
    """One row per origin, the hour at which both forecast, oldest first. All arrays (n,).

    known_ms: when the last outcome of an origin was known, never before its horizon was over. loss, other: mean over
    `of` series of the pinball loss in units of s, a series' usual change, so that no series outweighs the others.
    right, called: of the forecasts of the first one that called a direction, how many were right. Horizons overlap:
    neighbouring origins are not independent, and what is made of them has to go by blocks.
    """

    origin_ms: NDArray[np.int64]
    known_ms: NDArray[np.int64]
    loss: NDArray[np.float64]
    other: NDArray[np.float64]
    of: NDArray[np.int64]
    right: NDArray[np.int64]
    called: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.origin_ms)

    @property
    def ratio(self) -> float:
        """Loss ÷ the other's, over all targets; NaN where the other lost nothing."""
        theirs = float((self.other * self.of).sum())
        return float((self.loss * self.of).sum()) / theirs if theirs > 0 else float("nan")
