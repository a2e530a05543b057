"""Venues and coins as numbers for the models' embeddings; 0 is one that was not seen in training."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import SeriesKey


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names in the order of their numbers, from 1."""

    venues: tuple[str, ...]
    coins: tuple[str, ...]

    def encode(self, keys: Iterable[SeriesKey]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of venues and coins, both (n,)."""
        keys = list(keys)
        venue = {name: i + 1 for i, name in enumerate(self.venues)}
        coin = {name: i + 1 for i, name in enumerate(self.coins)}
        venues = np.array([venue.get(key.venue, 0) for key in keys], dtype=np.int64)
        return venues, np.array([coin.get(key.symbol, 0) for key in keys], dtype=np.int64)


def vocabulary_of(keys: Iterable[SeriesKey]) -> Vocabulary:
    """Name every venue, and the coins that more than one series tells (a coin seen once teaches its embedding nothing
    that would carry over)."""
    keys = list(keys)
    symbols = [key.symbol for key in keys]
    coins = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    return Vocabulary(tuple(sorted({key.venue for key in keys})), tuple(coins))
