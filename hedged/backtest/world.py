"""The world of a run: data sources and markets, from recorded tables or from the simulator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np

from hedged.adapters.replay.prices import FALLBACK_VENUES, prices_at
from hedged.adapters.replay.proxy import Proxy, ProxyRule, chain_constants, stand_in
from hedged.adapters.replay.series import SeriesData, series_of
from hedged.adapters.replay.tables import Tables, load_tables
from hedged.adapters.replay.venue import ReplayVenue, assumed_market
from hedged.config import Config
from hedged.domain.clock import iso
from hedged.domain.errors import DataError
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE, Market, SeriesKey

CEX_MARGINS = (Decimal("0.05"), Decimal("0.025"))
INJECTIVE_MARGINS = (
    Decimal("0.083333"),
    Decimal("0.05"),
)  # INJ, LINK … in the recorded snapshot; BTC and ETH are lower


@dataclass(frozen=True, slots=True)
class World:
    """All that is known of the outside: series, trading rules, and what stands in for Injective (if anything).

    `hourly_caps`: Injective's cap on the rate per hour by symbol, where a stand-in's rates were clamped to it.
    """

    series: Mapping[SeriesKey, SeriesData]
    markets: Mapping[SeriesKey, Market]
    proxy: Proxy | None
    hourly_caps: Mapping[str, float] = field(default_factory=dict)

    def venues(self, names: Sequence[str]) -> dict[str, ReplayVenue]:
        """Return a data source for each venue."""
        return {name: ReplayVenue(name, self.series, self.markets) for name in names}

    def price(self, key: SeriesKey, ts_ms: int) -> Decimal | None:
        """Return the price of a market as known at an instant."""
        found = float(prices_at(self.series, key, np.array([ts_ms], dtype=np.int64)).price[0])
        return Decimal(repr(found)) if found > 0 else None

    def last_price(self, key: SeriesKey, ts_ms: int) -> Decimal | None:
        """Return the price at an instant, else the last one known of the market before it, however old."""
        at = np.array([ts_ms], dtype=np.int64)
        fresh = self.price(key, ts_ms)
        closes = [
            self.series[k].close
            for v in (key.venue, *FALLBACK_VENUES)
            if (k := SeriesKey(v, key.symbol)) in self.series
        ]
        told = [
            (int(known[0]), float(price[0])) for price, known in (c.at(at) for c in closes) if price[0] > 0
        ]
        return fresh or (Decimal(repr(max(told, key=lambda t: t[0])[1])) if told else None)


def recorded_world(
    directory: Path,
    symbols: Sequence[str],
    venues: Sequence[str],
    proxy: Proxy | None,
    rule: ProxyRule,
    config: Config,
    at_ms: int,
) -> World:
    """Load a data directory; where it holds nothing of Injective's own, Hyperliquid stands in under `rule`.

    Raises DataError when a symbol has no Injective funding or no price at the start.
    """
    tables = load_tables(directory, symbols)
    _complain_of_unknown(tables, symbols, venues)
    if proxy is None and not _has_injective(tables):
        proxy = Proxy("hyperliquid", rule)
    if proxy is not None:
        if proxy.venue in venues:
            raise DataError(
                f"{proxy.venue} stands in for Injective and cannot be a hedge venue in the same run"
            )
        tables = stand_in(tables, proxy)
    return build_world(tables, symbols, venues, proxy, config, at_ms)


def build_world(
    tables: Tables,
    symbols: Sequence[str],
    venues: Sequence[str],
    proxy: Proxy | None,
    config: Config,
    at_ms: int,
) -> World:
    """Cut tables into series and give every market assumed trading rules (the recording holds none)."""
    series = series_of(tables)
    whom = f"{INJECTIVE} (stood in for by {proxy.venue})" if proxy else INJECTIVE
    beside = set(config.strategies.beside_the_book) - set(config.book.positions)
    for symbol in symbols:
        here = series.get(SeriesKey(INJECTIVE, symbol))
        if (here is None or not len(here.funding_ts)) and symbol not in beside:
            raise DataError(f"unknown symbol {symbol}: funding.parquet has none of it on {whom}")
    markets: dict[SeriesKey, Market] = {}
    for venue in (INJECTIVE, *venues):
        for symbol in symbols:
            key = SeriesKey(venue, symbol)
            if key not in series or not len(series[key].funding_ts):
                continue
            price = _first_price(series, key, at_ms)
            if price is None and venue == INJECTIVE and symbol not in beside:
                raise DataError(f"no price of {symbol} is known at {iso(at_ms)}: {_recorded(series, symbol)}")
            if price is not None:
                markets[key] = assumed_market(key, price, _template(key, config))
    return World(series, markets, proxy, _caps(tables, symbols) if proxy else {})


def _caps(tables: Tables, symbols: Sequence[str]) -> dict[str, float]:
    known = {symbol: cap for symbol, cap, _ in chain_constants(tables).iter_rows()}
    return {symbol: known.get(symbol, float(InjectiveRule().hourly_cap)) for symbol in symbols}


def _complain_of_unknown(tables: Tables, symbols: Sequence[str], venues: Sequence[str]) -> None:
    """Raise DataError for a symbol or hedge venue that the recording has never heard of."""
    for column, wanted in (("symbol", symbols), ("venue", venues)):
        have = set(tables["funding"][column])
        unknown = sorted(set(wanted) - have)
        if unknown:
            known = f"; for these symbols it has {', '.join(sorted(have))}" if column == "venue" else ""
            raise DataError(f"unknown {column} {', '.join(unknown)}: funding.parquet has none of it{known}")


def _has_injective(tables: Tables) -> bool:
    return bool((tables["funding"]["venue"] == INJECTIVE).any())


def _first_price(series: Mapping[SeriesKey, SeriesData], key: SeriesKey, at_ms: int) -> float | None:
    price = float(prices_at(series, key, np.array([at_ms], dtype=np.int64)).price[0])
    return price if price > 0 else None


def _recorded(series: Mapping[SeriesKey, SeriesData], symbol: str) -> str:
    """Say from when to when there are candles of a symbol."""
    known = [
        data.close.known_ms
        for key, data in series.items()
        if key.symbol == symbol and len(data.close.known_ms)
    ]
    if not known:
        return "ohlcv.parquet has no candle of it"
    return f"its candles reach from {iso(int(min(k[0] for k in known)))} to {iso(int(max(k[-1] for k in known)))}"


def _template(key: SeriesKey, config: Config) -> Market:
    initial, maintenance = INJECTIVE_MARGINS if key.venue == INJECTIVE else CEX_MARGINS
    minimum = Decimal(1) if key.venue == INJECTIVE else Decimal(5)
    one = Decimal(1)
    return Market(key, one, one, minimum, initial, maintenance, config.costs_of(key.venue))
