"""Whether a model is asked about other inputs than it was trained on: the population stability index of every feature.

PSI = Σ (a − e) ln(a ÷ e) over bins, a and e the shares of the last weeks and of training; bins are the training's
deciles, and one more for unknown. Above 0.1 a shift is moderate, above 0.25 large (Siddiqi 2006; for samples of this
size pure chance makes about 10 ÷ n). By venue class, for what is usual differs: series that settle hourly, and slow
ones. Features of the clock are left out: which hours are looked at decides them.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.domain.errors import ConfigError
from hedged.features.samples import Samples
from hedged.forecast.artefact import Artefact
from hedged.forecast.joint import remembered

REFERENCE = "reference.json"
CLASSES = ("hourly", "slow")
DECILES = np.arange(1, 10) / 10
BINS = len(DECILES) + 2
"""Ten by the deciles, the last for unknown."""
MODERATE, LARGE = 0.10, 0.25
LEAST_SHARE = 1e-3
"""An empty bin is taken to hold so much: PSI of nothing is infinite."""
KNOWN, SILENT = 0.9, 0.5
"""An input that was known in that share of the training, and is unknown in this share of late, has gone silent."""
MANY = 6
"""Who follows hourly venues alone never knows what slow ones tell: up to five inputs."""
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
            at = rows[mine]
            if len(at) >= LEAST_ROWS:
                # one feature after another: all at once would be another copy of what is learned from
                columns = (samples.tabular[at, i].astype(np.float64) for i in range(len(samples.names)))
                both = [(line := _deciles(column), _binned(column, line)) for column in columns]
                edges[name] = np.array([line for line, _ in both])
                shares[name] = np.array([counts for _, counts in both]) / len(at)
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


@dataclass(frozen=True, slots=True)
class Shifted:
    """`psi`: by (class, feature), largest first; `silent`: which were nearly always known in training, and mostly are
    not of late.
    """

    psi: Mapping[tuple[str, str], float] = field(default_factory=dict)
    silent: tuple[tuple[str, str], ...] = ()

    def large(self, name: str) -> int:
        """Count the features of a class whose shift is large."""
        return sum(value > LARGE for (of, _), value in self.psi.items() if of == name)

    @property
    def gone(self) -> bool:
        """Whether so many are silent that it is no matter of which venues are followed."""
        return len(self.silent) >= MANY

    @property
    def why(self) -> str:
        """Name the silent inputs; empty where there are none."""
        return ", ".join(f"{feature} ({name})" for name, feature in self.silent)


class Inputs:
    """What a model was asked about in the last weeks, as counts by day: the rows themselves are not kept."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._days: deque[tuple[int, dict[str, Floats]]] = deque()

    def forget(self) -> None:
        """Begin anew: other series are asked about, or hours are asked about again."""
        self._days.clear()

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

    def shifted(self) -> "Shifted":
        """Compare with the training; nothing is said of a class with too few rows."""
        found: dict[tuple[str, str], float] = {}
        silent: list[tuple[str, str]] = []
        for name, shares in self._reference.shares.items():
            parts = [counts[name] for _, counts in tuple(self._days) if name in counts]
            total = np.sum(parts, axis=0) if parts else np.zeros((1, BINS))
            n = total[0].sum()
            if n < LEAST_ROWS:
                continue
            index, unknown = psi(total / n, shares), total[:, -1] / n
            for i, feature in enumerate(self._reference.names):
                if feature not in CLOCK:
                    found[name, feature] = float(index[i])
                    if shares[i, -1] <= 1 - KNOWN and unknown[i] >= SILENT:
                        silent.append((name, feature))
        return Shifted(dict(sorted(found.items(), key=lambda item: -item[1])), tuple(silent))


def inputs_of(artefact: Artefact) -> Inputs | None:
    """Return what counts a model's inputs; None for one that tells nothing of its training's. Raises ConfigError."""
    if REFERENCE not in artefact.card.files:
        return None
    return Inputs(Reference.from_bytes(artefact.read(REFERENCE), artefact.card.features))


def psi(actual: Floats, expected: Floats) -> Floats:
    """Return Σ (a − e) ln(a ÷ e). Shares (features, bins) both → (features,)."""
    a, e = np.maximum(actual, LEAST_SHARE), np.maximum(expected, LEAST_SHARE)
    total: Floats = ((a - e) * np.log(a / e)).sum(axis=-1)
    return total


def counted(tabular: Floats, edges: Floats) -> Floats:
    """Count rows by bin: (n, features) and edges (features, 9) → (features, BINS). An edge belongs to the bin below."""
    return np.array([_binned(column, line) for column, line in zip(tabular.T, edges, strict=True)])


def _binned(column: Floats, edges: Floats) -> Floats:
    at = np.where(np.isnan(column), BINS - 1, np.searchsorted(edges, column, side="left"))
    return np.bincount(at, minlength=BINS).astype(np.float64)


def _deciles(column: Floats) -> Floats:
    known = column[~np.isnan(column)]
    # as it will be read again: a value at an edge must fall into the same bin
    return np.array([float(f"{x:.4g}") for x in np.quantile(known, DECILES)]) if len(known) else np.zeros(9)


def _by_class(interval_h: Floats) -> list[tuple[str, NDArray[np.bool_]]]:
    return list(zip(CLASSES, (interval_h <= 1, interval_h > 1), strict=True))


def _short(values: Floats, form: str) -> list[list[float]]:
    return [[float(form % x) for x in row] for row in values.tolist()]
