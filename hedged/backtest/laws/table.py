"""Laws as arrays, in memory or as a directory of files that a second run reads instead of forecasting again.

```
laws.json                series, horizon, hashes, the key it was made for; written last: the table is whole or absent
hours_ms, made_by, means, p_up, quantiles, coming .npy    by hour and series, read as they are needed
ranks_of.npy, ranks.bin  the order of the joint draws, once for all hours that share it, and which hours those are
cascades.npy             probability, crowded side and evidence by hour and coin, where a model tells them
```
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import iso
from hedged.domain.errors import DataError
from hedged.domain.forecast import CascadeView, ForecastSet, RateForecast, joint_draws
from hedged.domain.market import SeriesKey

CARD = "laws.json"
FORMAT = 1
RANKS = "ranks.bin"
ARRAYS = ("hours_ms", "made_by", "means", "p_up", "quantiles", "coming", "ranks_of", "cascades")
NOBODY = -1
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What all laws of a table have in common. `key`: names model, data and window that it was made of; `forecasters`:
    by number in `made_by`, without a name where the forecasts tell none; `scenarios`: how many joint draws; `coins`,
    `evidence`: of the cascades, `cascade_h`, `down_share` what they all say.
    """

    keys: tuple[SeriesKey, ...]
    horizon_h: int
    model_hash: str
    feature_hash: str
    key: str = ""
    forecasters: tuple[str, ...] = ("",)
    scenarios: int = 0
    coins: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ("",)
    cascade_h: float = 0.0
    down_share: float = 0.0


@dataclass(frozen=True, slots=True)
class LawTable:
    """The laws of a window. All arrays by (hours, series, …), rates per hour, NaN where a series has no forecast.

    `made_by`: int8 (hours, series), number of the forecaster, NOBODY without a forecast; `quantiles`, `coming`:
    (hours, series, levels), of the mean over the horizon and of the coming settlement; `ranks` (sets, scenarios,
    series) as of `joint_ranks`, `ranks_of` (hours,) which of the sets; `cascades` float32 (hours, coins, 3):
    probability, crowded side, number of the evidence, NaN in the last where a coin has no view.
    """

    facts: Facts
    hours_ms: NDArray[np.int64]
    made_by: NDArray[np.int8]
    means: NDArray[np.float64]
    p_up: Floats
    quantiles: Floats
    coming: Floats
    ranks_of: NDArray[np.int64]
    ranks: NDArray[np.uint8]
    cascades: NDArray[np.float32]

    @property
    def keys(self) -> tuple[SeriesKey, ...]:
        """The series, in the order of the columns."""
        return self.facts.keys

    def hour_of(self, now_ms: int) -> int:
        """Return the row of the law that stands at an instant. Raises DataError before the first."""
        hour = int(np.searchsorted(self.hours_ms, now_ms, side="right")) - 1
        if hour < 0:
            raise DataError(
                f"no forecast stands at {iso(now_ms)}: the first is of {iso(int(self.hours_ms[0]))}"
            )
        return hour

    def at(self, now_ms: int) -> ForecastSet:
        """Return the law that stands at an instant, joint scenarios included. Raises DataError before the first."""
        return self.of_hour(self.hour_of(now_ms))

    def of_hour(self, hour: int) -> ForecastSet:
        """Return the law of one hour by its row."""
        facts, made_ms = self.facts, int(self.hours_ms[hour])
        by = np.asarray(self.made_by[hour])
        # a forecaster's series lie side by side, the first one's first
        columns = np.argsort(by, kind="stable")
        columns = columns[by[columns] != NOBODY]
        keys = tuple(facts.keys[c] for c in columns)
        laws, means, p_up, coming = (
            np.asarray(x[hour, columns], np.float64)
            for x in (self.quantiles, self.means, self.p_up, self.coming)
        )
        marginals = {
            key: RateForecast(key, made_ms, facts.horizon_h, float(means[i]), laws[i], float(p_up[i]))
            for i, key in enumerate(keys)
        }
        ranks = np.asarray(self.ranks[self.ranks_of[hour]][:, columns], np.int64)
        told = ~np.isnan(coming[:, 0])
        named = facts.forecasters != ("",)
        return ForecastSet(
            made_ms, facts.horizon_h, keys, marginals, joint_draws(laws, ranks).T, facts.model_hash, facts.feature_hash,
            made_by={key: facts.forecasters[by[c]] for key, c in zip(keys, columns, strict=True)} if named else {},
            coming={key: coming[i] for i, key in enumerate(keys) if told[i]},
            cascades=self._cascades(hour),
        )  # fmt: skip

    def _cascades(self, hour: int) -> dict[str, CascadeView]:
        facts, views = self.facts, {}
        for coin, (p, crowd, number) in zip(facts.coins, self.cascades[hour], strict=True):
            if not np.isnan(number):
                side = None if np.isnan(crowd) else int(crowd)
                views[coin] = CascadeView(
                    facts.cascade_h, float(p), facts.down_share, side, facts.evidence[int(number)]
                )
        return views

    @classmethod
    def load(cls, directory: Path, key: str) -> Self | None:
        """Open the laws of a directory if they are whole and were made for `key`; None otherwise."""
        try:
            raw = json.loads((directory / CARD).read_text(encoding="utf-8"))
            if raw.pop("format", None) != FORMAT or raw["key"] != key:
                return None
            arrays = {name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
            shape = (-1, raw["scenarios"], len(raw["keys"]))
            ranks = np.memmap(directory / RANKS, np.uint8, "r").reshape(shape)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        names = tuple(SeriesKey(venue, symbol) for venue, symbol in raw.pop("keys"))
        rest: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()
        }
        return cls(Facts(keys=names, **rest), ranks=ranks, **arrays)
