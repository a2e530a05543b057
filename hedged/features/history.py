"""A data directory as hourly grids: chunks of time, each with the past that features need, all series together.

The same resampler that serves makes these grids, from hourly bars of what was known at each hour.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.adapters.replay.venue import observe_at
from hedged.buffer.ring import BarWindow
from hedged.domain.bars import N_FIELDS
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.resample import HourlyGrid, hourly
from hedged.features.tabular import LOOKBACK_H

CHUNK_MS = 60 * DAY_MS
"""Time that one chunk adds: 280 series need about 400 MB while it is made."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A grid of which the hours in (from_ms, to_ms] are new and the hours before are their past."""

    grid: HourlyGrid
    from_ms: int
    to_ms: int


def chunks(series: Mapping[SeriesKey, SeriesData], from_ms: int, to_ms: int) -> Iterator[Chunk]:
    """Walk through (from_ms, to_ms]; only series that were alive in a chunk or its past stand in its grid."""
    start = from_ms // HOUR_MS * HOUR_MS
    while start < to_ms:
        end = min(start + CHUNK_MS, to_ms // HOUR_MS * HOUR_MS)
        if end <= start:
            return
        past_ms = start - LOOKBACK_H * HOUR_MS
        alive = [key for key in sorted(series) if _alive(series[key], past_ms, end)]
        if alive:
            times_ms = np.arange(past_ms, end + 1, HOUR_MS, dtype=np.int64)
            yield Chunk(grid_at(series, alive, times_ms), start, end)
        start = end


def grid_at(
    series: Mapping[SeriesKey, SeriesData], keys: Sequence[SeriesKey], times_ms: NDArray[np.int64]
) -> HourlyGrid:
    """Return the grid of these hours (a run of whole hours) as it was known then."""
    values = np.empty((len(keys), len(times_ms), N_FIELDS), np.float32)
    for row, key in enumerate(keys):
        values[row] = observe_at(series, key, times_ms)[0]
    return hourly(BarWindow(tuple(keys), HOUR_MS, times_ms, values, values[:, :, :0]))


def _alive(data: SeriesData, from_ms: int, to_ms: int) -> bool:
    """Tell whether a series settled or traded in (from_ms, to_ms]: prices without prints are evidence for others."""
    ends = (from_ms, to_ms)
    return any(
        np.diff(np.searchsorted(known_ms, ends, side="right"))[0] > 0
        for known_ms in (data.funding_ts, data.close.known_ms)
    )
