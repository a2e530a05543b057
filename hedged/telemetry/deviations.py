"""Layer 3: settlements that came out far from what was forecast, each told once (`forecast/awaited.py`)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.config import AlertsConfig
from hedged.domain.bars import Observation
from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.forecast.awaited import Awaited

LOW, MEDIAN, HIGH = (int(np.flatnonzero(level == LEVELS)[0]) for level in (0.1, 0.5, 0.9))


@dataclass(frozen=True, slots=True)
class Deviation:
    """A settlement and its forecast: rates per 8 hours; `bands`: distance in half-widths of the 80 % band."""

    key: SeriesKey
    ts_ms: int
    realised: float
    forecast: float
    bands: float
    alarming: bool


class Deviations:
    """Compares every settlement with its forecast."""

    def __init__(self, config: AlertsConfig) -> None:
        self._config = config
        self._awaited = Awaited()

    def look(
        self,
        now_ms: int,
        latest: Iterable[Observation],
        coming: Mapping[SeriesKey, NDArray[np.float64]],
    ) -> list[Deviation]:
        """Compare what has settled since the last call; see `Awaited.look`."""
        settled = self._awaited.look(now_ms, latest, coming)
        return [self._compare(one.key, one.ts_ms, one.rate, one.law) for one in settled]

    def _compare(self, key: SeriesKey, ts_ms: int, rate: float, law: NDArray[np.float64]) -> Deviation:
        distance = abs(rate - float(law[MEDIAN]))
        half = float(law[HIGH] - law[LOW]) / 2
        bands = distance / half if half > 0 else (float("inf") if distance > 0 else 0.0)
        config = self._config
        alarming = bands > config.deviation_bands and distance * 8 > config.deviation_floor
        return Deviation(key, ts_ms, rate * 8, float(law[MEDIAN]) * 8, bands, alarming)
