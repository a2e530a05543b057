"""How long an order takes from the signal to its fill, or a cancel to its effect: drawn from a stated law. Pure."""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Literal

NORMAL = NormalDist()
Z95 = NORMAL.inv_cdf(0.95)
What = Literal["place", "cancel"]


@dataclass(frozen=True)
class Latency:
    """A lognormal law by its median and 95th percentile, ms; nothing is quicker than the floor.

    ln X is normal with mean ln(median) and σ = ln(p95 ÷ median) ÷ 1.645. With p95 = median it is a constant.
    """

    median_ms: int
    p95_ms: int
    floor_ms: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.floor_ms <= self.median_ms <= self.p95_ms:
            raise ValueError("a latency needs 0 ≤ floor ≤ median ≤ p95")

    @classmethod
    def constant(cls, ms: int) -> "Latency":
        """Return the law of one constant."""
        return cls(ms, ms, ms)

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of ln X."""
        return math.log(self.p95_ms / self.median_ms) / Z95 if self.median_ms else 0.0

    def draw_ms(self, client_id: str, seed: int, what: What = "place") -> int:
        """Return how long this order takes, ms: a function of its id and the seed, whatever else happened."""
        if self.p95_ms == self.median_ms or not self.median_ms:
            return self.median_ms
        digest = hashlib.sha256(f"{seed}|{what}|{client_id}".encode()).digest()
        uniform = (int.from_bytes(digest[:6]) + 0.5) / 2**48  # exact in a float, never 0 or 1
        return max(self.floor_ms, round(self.median_ms * math.exp(self.sigma * NORMAL.inv_cdf(uniform))))
