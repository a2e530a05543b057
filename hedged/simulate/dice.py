"""Dice: everything that is left to chance in a simulation, each question with a stream of its own."""

from collections.abc import Sequence
from typing import Any, TypeVar
from zlib import crc32

import numpy as np

T = TypeVar("T")


class Dice:
    """A stream of draws that depends on the seed and on what it is for: one more question changes no other."""

    def __init__(self, seed: int, what: str) -> None:
        self.numpy = np.random.default_rng([seed, crc32(what.encode())])
        self._drawn: list[float] = []

    def random(self) -> float:
        """Draw from [0, 1). Drawn ahead in bulk: one number at a time costs a hundred times as much."""
        if not self._drawn:
            self._drawn = self.numpy.random(512).tolist()
        return self._drawn.pop()

    def chance(self, p: float) -> bool:
        """Tell whether something of probability p happens."""
        return self.random() < p

    def between(self, low: float, high: float) -> float:
        """Draw from [low, high)."""
        return low + (high - low) * self.random()

    def below(self, n: int) -> int:
        """Draw from 0 … n − 1."""
        return int(self.random() * n)

    def pick(self, among: Sequence[T]) -> T:
        """Draw one of several."""
        return among[self.below(len(among))]

    def shuffle(self, items: list[Any]) -> None:
        """Bring a list into any order, in place."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
