"""Recalibrating a probability by a logistic map of its logit (Platt scaling), only where it helps."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MEMORY = 20_000
"""Most recent pairs that are kept."""
AT_ONCE = 200
"""Of pairs that come together so many are kept, evenly: hundreds of hourly series would fill the memory in days."""
ENOUGH = 1_000
RIDGE = 1.0
SURE = 0.02
"""Probabilities nearer to 0 or 1 are taken as this near: a few boastful ones must not bend the map of all others."""


@dataclass(frozen=True, slots=True)
class Platt:
    """p ↦ sigmoid(slope · logit(p) + shift), p taken as at least `sure` away from 0 and 1."""

    slope: float
    shift: float
    sure: float = SURE

    def map(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the map."""
        return _sigmoid(self.slope * logit(p, self.sure) + self.shift)


IDENTITY = Platt(1.0, 0.0)


@dataclass(slots=True)
class Pairs:
    """Recent raw probabilities and what came: 1 up, ½ unchanged, 0 down."""

    p: list[NDArray[np.float64]] = field(default_factory=list)
    outcome: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, p_up: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        """Add pairs and forget the oldest beyond the memory."""
        kept = np.linspace(0, len(y) - 1, min(len(y), AT_ONCE)).astype(np.int64)
        self.p.append(p_up[kept].astype(np.float64))
        self.outcome.append((np.sign(y[kept]) + 1.0) / 2.0)
        while sum(map(len, self.p)) - len(self.p[0]) > MEMORY:
            self.p.pop(0)
            self.outcome.pop(0)

    def fit(self, before: Platt) -> Platt:
        """Fit the map on the older two thirds; keep it if the newest third prefers it to the raw probability."""
        count = sum(map(len, self.p))
        if count < ENOUGH:
            return before
        x, outcome = logit(np.concatenate(self.p)), np.concatenate(self.outcome)
        cut = 2 * count // 3
        tried = _newton(x[:cut], outcome[:cut])
        if _log_loss(x[cut:], outcome[cut:], tried) < _log_loss(x[cut:], outcome[cut:], IDENTITY):
            return _newton(x, outcome)
        return IDENTITY


def _newton(x: NDArray[np.float64], outcome: NDArray[np.float64]) -> Platt:
    """Fit slope and shift by Newton's method, drawn a little towards the identity."""
    design = np.stack((x, np.ones_like(x)), axis=1)
    theta = np.zeros(2)  # from no slope Newton converges; from an overconfident one it may not
    for _ in range(12):
        p = _sigmoid(design @ theta)
        gradient = design.T @ (p - outcome) + RIDGE * (theta - (1.0, 0.0))
        hessian = (design * (p * (1.0 - p))[:, None]).T @ design + RIDGE * np.eye(2)
        theta = theta - np.linalg.solve(hessian, gradient)
    return Platt(float(np.clip(theta[0], 0.2, 5.0)), float(np.clip(theta[1], -2.0, 2.0)))


def _log_loss(x: NDArray[np.float64], outcome: NDArray[np.float64], platt: Platt) -> float:
    p = np.clip(_sigmoid(platt.slope * x + platt.shift), 1e-6, 1.0 - 1e-6)
    return float(-(outcome * np.log(p) + (1.0 - outcome) * np.log(1.0 - p)).mean())


def logit(p: NDArray[np.float64], sure: float = SURE) -> NDArray[np.float64]:
    """Return log(p / (1 − p)), p taken as at least `sure` away from 0 and 1."""
    p = np.clip(p, sure, 1.0 - sure)
    out: NDArray[np.float64] = np.log(p / (1.0 - p))
    return out


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(x, -50, 50)))
    return out
