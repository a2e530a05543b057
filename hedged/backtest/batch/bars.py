"""The bars of a window in chunks, with the past that fills the buffer before it; and the markets that are followed."""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.config import Config
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.market import INJECTIVE, Market, SeriesKey

CHUNK_BARS = 1_440
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Instants = NDArray[np.int64]


def followed(world: World, config: Config, symbols: Collection[str]) -> dict[SeriesKey, Market]:
    """Return the markets of these coins at Injective and the hedge venues, in order."""
    venues = (INJECTIVE, *config.hedge.venues)
    return {
        key: market
        for key, market in sorted(world.markets.items())
        if key.symbol in symbols and key.venue in venues and key in world.series
    }


def chunks(config: Config, window: Window) -> Iterator[Instants]:
    """Return the ends of all bars, chunk by chunk; none reaches from the past into the window."""
    bar_ms = config.cycle.bar_s * SECOND_MS
    past_ms = window.from_ms - config.cycle.history_days * DAY_MS
    for from_ms, to_ms in ((past_ms, window.from_ms), (window.from_ms, window.to_ms)):
        ends_ms = np.arange(-(-from_ms // bar_ms) * bar_ms, to_ms, bar_ms, dtype=np.int64)
        for first in range(0, len(ends_ms), CHUNK_BARS):
            yield ends_ms[first : first + CHUNK_BARS]
