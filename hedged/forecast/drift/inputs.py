"""Whether a model is asked about other inputs than it was trained on: the population stability index of every feature.

PSI = Σ (a − e) ln(a ÷ e) over bins, a and e the shares of the last weeks and of training; bins are the training's
deciles, and one more for unknown. Above 0.1 a shift is moderate, above 0.25 large (Siddiqi 2006; for samples of this
size pure chance makes about 10 ÷ n). By venue class, for what is usual differs: series that settle hourly, and slow
ones. Features of the clock are left out: which hours are looked at decides them.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.domain.errors import ConfigError
from hedged.features.samples import Samples
from hedged.forecast.joint import remembered

REFERENCE = "reference.json"
CLASSES = ("hourly", "slow")
DECILES = np.arange(1, 10) / 10
BINS = len(DECILES) + 2
"""Ten by the deciles, the last for unknown."""
MODERATE, LARGE = 0.10, 0.25
LEAST_SHARE = 1e-3
"""An empty bin is taken to hold so much: PSI of nothing is infinite."""
LEAST_ROWS = 200
"""Rows without which a PSI is mostly chance."""
KEPT_D = 28
CLOCK = frozenset({"hour_sin", "hour_cos", "hour_of_8", "weekday", "phase"})

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reference:
    """The inputs of a training. `names` (features,); by class `edges` (features, 9), NaN-free, and `shares` (features,
    BINS). Classes of which there was too little are absent.
    """

    names: tuple[str, ...]
    edges: Mapping[str, Floats]
    shares: Mapping[str, Floats]

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Lay down what a model was trained on, by those origins at which a daemon's inputs are looked at."""
        rows = np.flatnonzero(remembered(samples.origin_ms))
        edges, shares = {}, {}
        for name, mine in _by_class(samples.interval_h[rows]):
            tabular = samples.tabular[rows[mine]].astype(np.float64)
            if len(tabular) >= LEAST_ROWS:
                edges[name] = np.array([_deciles(column) for column in tabular.T])
                shares[name] = counted(tabular, edges[name]) / len(tabular)
        return cls(samples.names, edges, shares)

    def to_bytes(self) -> bytes:
        """Write it for an artefact: four digits, about 40 kB."""
        classes = {
            name: {"edges": _short(edges, "%.4g"), "shares": _short(self.shares[name], "%.4f")}
            for name, edges in self.edges.items()
        }
        return json.dumps({"features": self.names, "classes": classes}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes, names: tuple[str, ...]) -> Self:
        """Read what `to_bytes` wrote. Raises ConfigError for what is none, or of other features than `names`."""
        try:
            body: dict[str, Any] = json.loads(content)
            edges = {name: np.array(one["edges"], np.float64) for name, one in body["classes"].items()}
            shares = {name: np.array(one["shares"], np.float64) for name, one in body["classes"].items()}
            n = len(names)
            sound = tuple(body["features"]) == names and all(
                edges[name].shape == (n, len(DECILES)) and shares[name].shape == (n, BINS) for name in edges
            )
        except (LookupError, RecursionError, TypeError, ValueError, AttributeError):
            raise ConfigError(f"{REFERENCE} cannot be read") from None
        if not sound:
            raise ConfigError(f"{REFERENCE} tells of other inputs than this model's")
        return cls(names, edges, shares)


class Inputs:
    """What a model was asked about in the last weeks, as counts by day: the rows themselves are not kept."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._days: deque[tuple[int, dict[str, Floats]]] = deque()

    def take(self, samples: Samples) -> None:
        """Count rows that were asked about, of hours in their order."""
        days = samples.origin_ms // DAY_MS
        for day in np.unique(days).tolist():
            if not self._days or day > self._days[-1][0]:
                self._days.append((day, {}))
            rows = np.flatnonzero(days == day)
            for name, mine in _by_class(samples.interval_h[rows]):
                if name in self._reference.edges and mine.any():
                    counts = counted(
                        samples.tabular[rows[mine]].astype(np.float64), self._reference.edges[name]
                    )
                    held = self._days[-1][1]
                    held[name] = held[name] + counts if name in held else counts
        while self._days and self._days[0][0] <= self._days[-1][0] - KEPT_D:
            self._days.popleft()

    def psi(self) -> dict[tuple[str, str], float]:
        """Return the index of every feature by (class, feature), largest first; of no class with too few rows."""
        found: dict[tuple[str, str], float] = {}
        for name, shares in self._reference.shares.items():
            parts = [counts[name] for _, counts in tuple(self._days) if name in counts]
            total = np.sum(parts, axis=0) if parts else np.zeros((1, BINS))
            n = total[0].sum()
            if n < LEAST_ROWS:
                continue
            index = psi(total / n, shares)
            found |= {
                (name, feature): float(value)
                for feature, value in zip(self._reference.names, index, strict=True)
                if feature not in CLOCK
            }
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def psi(actual: Floats, expected: Floats) -> Floats:
    """Return Σ (a − e) ln(a ÷ e). Shares (features, bins) both → (features,)."""
    a, e = np.maximum(actual, LEAST_SHARE), np.maximum(expected, LEAST_SHARE)
    total: Floats = ((a - e) * np.log(a / e)).sum(axis=-1)
    return total


def counted(tabular: Floats, edges: Floats) -> Floats:
    """Count rows by bin: (n, features) and edges (features, 9) → (features, BINS). An edge belongs to the bin below."""
    at = (tabular[:, :, None] > edges[None]).sum(axis=2)
    at[np.isnan(tabular)] = BINS - 1
    return np.stack([(at == bin_).sum(axis=0) for bin_ in range(BINS)], axis=1).astype(np.float64)


def _deciles(column: Floats) -> Floats:
    known = column[~np.isnan(column)]
    # as it will be read again: a value at an edge must fall into the same bin
    return np.array([float(f"{x:.4g}") for x in np.quantile(known, DECILES)]) if len(known) else np.zeros(9)


def _by_class(interval_h: Floats) -> list[tuple[str, NDArray[np.bool_]]]:
    return list(zip(CLASSES, (interval_h <= 1, interval_h > 1), strict=True))


def _short(values: Floats, form: str) -> list[list[float]]:
    return [[float(form % x) for x in row] for row in values.tolist()]
