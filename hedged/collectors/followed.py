"""The markets that the daemon follows: of every venue in use, those of the coins that are held or hedged."""

from collections.abc import Collection, Mapping

from hedged.config import Config
from hedged.domain.errors import ConfigError
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.ports import MarketData


async def followed_markets(
    config: Config, sources: Mapping[str, MarketData], symbols: Collection[str]
) -> dict[SeriesKey, Market]:
    """Return the markets of these coins, at Injective and the hedge venues.

    Raises ConfigError for a venue without a source, or a coin that Injective has no market for; Retryable.
    """
    wanted = set(symbols)
    found: dict[SeriesKey, Market] = {}
    for venue in [INJECTIVE, *config.hedge.venues]:
        if venue not in sources:
            raise ConfigError(f"hedge.venues names {venue!r}, for which there is no data source")
        for symbol, market in (await sources[venue].markets()).items():
            if symbol in wanted:
                found[SeriesKey(venue, symbol)] = market
    # what exchanges list is enough for a coin that is only traded beside the book, or was while that was on
    elsewhere = {*config.strategies.beside_the_book, *(key.symbol for key in found)} - {
        *config.book.positions
    }
    missing = sorted(wanted - elsewhere - {key.symbol for key in found if key.venue == INJECTIVE})
    if missing:
        raise ConfigError(f"Injective has no market for {', '.join(missing)}")
    return found
