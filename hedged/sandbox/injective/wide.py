"""The crowd of many markets: further coins live the lives of the simulator's three, in worlds of other seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from hedged.sandbox.injective.crowd import MARK_PLACES, Feed, Mood, Series, SimulatedFeed
from hedged.sandbox.markets import SYMBOLS
from hedged.sandbox.more_markets import ALL_SYMBOLS, START_PRICES

SEED_STEP = 1_000
"""Between the seeds of two worlds."""


class WideFeed:
    """One world of the simulator for every three coins; a further coin's prices are its double's, scaled."""

    def __init__(
        self, symbols: Sequence[str], seed: int, start_ms: int, hour_s: float, history_h: int = 0
    ) -> None:
        """Live through what was before in every world that one of `symbols` lies in."""
        self._doubles = {symbol: _double(symbol) for symbol in symbols}
        self._worlds = {
            world: SimulatedFeed(seed + world * SEED_STEP, start_ms, hour_s, history_h)
            for world in sorted({world for world, _ in self._doubles.values()})
        }
        self.past_rates: Mapping[str, Series] = {
            symbol: self._worlds[world].past_rates.get(base, ())
            for symbol, (world, base) in self._doubles.items()
        }
        self.past_prices: Mapping[str, Series] = {
            symbol: [_scaled(price, symbol, base) for price in self._worlds[world].past_prices.get(base, ())]
            for symbol, (world, base) in self._doubles.items()
        }

    def until(self, time_ms: int) -> Mapping[str, Mood]:
        """Return every market's mood at an instant, with the trades since the last call."""
        moods = {world: feed.until(time_ms) for world, feed in self._worlds.items()}
        found = {}
        for symbol, (world, base) in self._doubles.items():
            mood = moods[world][base]
            found[symbol] = replace(mood, mark=_scaled(mood.mark, symbol, base))
        return found


def simulated_feed(
    symbols: Sequence[str], seed: int, start_ms: int, hour_s: float, history_h: int = 0
) -> Feed:
    """Return the simulator itself for its own markets, as many worlds as it takes for more."""
    if set(symbols) <= set(SYMBOLS):
        return SimulatedFeed(seed, start_ms, hour_s, history_h)
    return WideFeed(symbols, seed, start_ms, hour_s, history_h)


def _double(symbol: str) -> tuple[int, str]:
    """Return the world that a coin lies in, and the coin of the simulator that it follows there."""
    world, column = divmod(ALL_SYMBOLS.index(symbol), len(SYMBOLS))
    return world, SYMBOLS[column]


def _scaled(price: Decimal, symbol: str, base: str) -> Decimal:
    if symbol == base:
        return price
    return (price * START_PRICES[symbol] / START_PRICES[base]).quantize(MARK_PLACES)
