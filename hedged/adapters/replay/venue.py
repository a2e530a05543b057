"""A venue that tells recorded data: a `MarketData` port over series."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.prices import prices_at
from hedged.adapters.replay.series import SeriesData, Track
from hedged.domain.bars import BAR_MS, N_FIELDS, Field, Observation, Swing
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.market import Market, SeriesKey, decimal_of

Block = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Values (n, N_FIELDS) and the ms from which each was known (n, N_FIELDS)."""


class ReplayVenue:
    """What `venue` said, at any instant of the recording. A day of bars is computed at once and kept."""

    def __init__(
        self, venue: str, series: Mapping[SeriesKey, SeriesData], markets: Mapping[SeriesKey, Market]
    ) -> None:
        self.venue = venue
        self._series = series
        self._markets = {key.symbol: market for key, market in markets.items() if key.venue == venue}
        self._keys = sorted(key for key in series if key.venue == venue and key.symbol in self._markets)
        self._day = -1
        self._blocks: dict[SeriesKey, Block] = {}

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets."""
        return self._markets

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what was known of every market at `now_ms`."""
        if now_ms % BAR_MS:
            times = np.array([now_ms], dtype=np.int64)
            return [
                self._observation(key, now_ms, observe_at(self._series, key, times), 0) for key in self._keys
            ]
        day, within = divmod(now_ms, DAY_MS)
        if day != self._day:
            times = np.arange(day * DAY_MS, (day + 1) * DAY_MS, BAR_MS, dtype=np.int64)
            self._blocks = {key: observe_at(self._series, key, times) for key in self._keys}
            self._day = day
        return [self._observation(key, now_ms, self._blocks[key], within // BAR_MS) for key in self._keys]

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return what was known at each of these past instants."""
        times = np.asarray(times_ms, dtype=np.int64)
        blocks = {key: observe_at(self._series, key, times) for key in self._keys}
        return [
            [self._observation(key, ts, blocks[key], i) for key in self._keys]
            for i, ts in enumerate(times_ms)
        ]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return prints with since < ts ≤ until; one that cannot be priced is left out (a stated gap)."""
        found = []
        for key in self._keys:
            data = self._series[key]
            lo, hi = np.searchsorted(data.funding_ts, (since_ms, until_ms), side="right")
            if lo == hi:
                continue
            prices = prices_at(self._series, key, data.funding_ts[lo:hi], settling=True)
            for i, price in zip(range(lo, hi), prices.price, strict=True):
                if price > 0 and not np.isnan(data.funding_rate[i]):
                    hours = decimal_of(float(data.funding_hours[i]))
                    rate = FundingRate(self.venue, decimal_of(float(data.funding_rate[i])), hours)
                    found.append(Settlement(key, int(data.funding_ts[i]), rate, decimal_of(float(price))))
        return sorted(found, key=lambda s: (s.ts_ms, s.key))

    def swings(self, since_ms: int, until_ms: int) -> list[Swing]:
        """Return how far prices went in the candles of this venue that closed with since < close ≤ until."""
        found = []
        for key in self._keys:
            data = self._series[key]
            lo, hi = np.searchsorted(data.close.known_ms, (since_ms, until_ms), side="right")
            for i in range(lo, hi):
                low, high = float(data.low[i]), float(data.high[i])
                if low <= high:  # both are told
                    to_ms = int(data.close.known_ms[i])
                    from_ms = to_ms - int(data.candle_ms[i])
                    found.append(Swing(key.symbol, from_ms, to_ms, decimal_of(low), decimal_of(high)))
        return sorted(found, key=lambda s: (s.to_ms, s.symbol))

    def comes_back(self, symbol: str, now_ms: int) -> bool:
        """Tell whether the recording holds anything of this venue's own about a market after `now_ms`."""
        data = self._series.get(SeriesKey(self.venue, symbol))
        return data is not None and data.last_word_ms > now_ms

    @staticmethod
    def _observation(key: SeriesKey, ts_ms: int, block: Block, row: int) -> Observation:
        return Observation(key, ts_ms, block[0][row], block[1][row])


def observe_at(series: Mapping[SeriesKey, SeriesData], key: SeriesKey, times_ms: NDArray[np.int64]) -> Block:
    """Return what was known of one market at each time. Pure."""
    data = series[key]
    values = np.full((len(times_ms), N_FIELDS), np.nan)
    known_ms = np.zeros((len(times_ms), N_FIELDS), dtype=np.int64)

    def put(field: Field, told: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
        told_here = ~np.isnan(told[0])  # what is told later in this function replaces what was told before
        values[told_here, field], known_ms[told_here, field] = told[0][told_here], told[1][told_here]

    put(Field.FUNDING_SETTLED, data.settled(data.funding_rate / data.funding_hours).at(times_ms))
    hours = data.settled(data.funding_hours).at(times_ms)
    settled_ms, known = data.settled(data.funding_ts.astype(np.float64)).at(times_ms)
    put(Field.SETTLED_AGO_S, ((times_ms - settled_ms) / 1_000, known))
    put(Field.SETTLED_INTERVAL_H, hours)
    put(Field.INTERVAL_H, hours)
    put(Field.SETTLES_IN_S, ((settled_ms + hours[0] * HOUR_MS - times_ms) / 1_000, known))
    if len(data.estimate.values):
        coming_h, known = data.estimate_hours.at(times_ms)
        next_ms, _ = data.estimate_next_ms.at(times_ms)
        coming_h = np.where(
            next_ms > times_ms, coming_h, np.nan
        )  # one of a settlement that is over says nothing
        put(Field.FUNDING_ESTIMATE, (data.estimate.at(times_ms)[0] / coming_h, known))
        put(Field.INTERVAL_H, (coming_h, known))
        put(Field.SETTLES_IN_S, (np.where(np.isnan(coming_h), np.nan, (next_ms - times_ms) / 1_000), known))
    prices = prices_at(series, key, times_ms)
    put(Field.MARK, (prices.price, prices.known_ms))
    put(Field.PREMIUM, data.premium.at(times_ms))
    put(Field.BASIS, data.basis.at(times_ms))
    put(Field.OPEN_INTEREST, data.open_interest.at(times_ms))
    put(Field.VOLUME, _volume_per_bar(data, times_ms))
    put(Field.BID_DEPTH_USD, data.bid_depth_usd.at(times_ms))
    put(Field.ASK_DEPTH_USD, data.ask_depth_usd.at(times_ms))
    put(Field.LONG_SHORT_RATIO, data.long_short.at(times_ms))
    put(Field.LIQUIDATIONS_USD, data.liquidations.at(times_ms))
    put(Field.WALLET_CONCENTRATION, data.wallets.at(times_ms))
    put(Field.SENTIMENT, data.sentiment.at(times_ms))
    put(Field.MACRO, data.macro.at(times_ms))
    return values, known_ms


def _volume_per_bar(
    data: SeriesData, times_ms: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Spread a longer candle's volume evenly over its bars."""
    if not len(data.candle_ms):
        return data.volume.at(times_ms)
    per_bar = Track(data.volume.known_ms, data.volume.values * BAR_MS / np.maximum(data.candle_ms, BAR_MS))
    return per_bar.at(times_ms)


def assumed_market(key: SeriesKey, price: float, template: Market) -> Market:
    """Make a market where the recording holds no trading rules: ticks and steps of the usual size for its price."""
    magnitude = Decimal(price).adjusted()
    return Market(
        key=key,
        price_tick=Decimal(1).scaleb(magnitude - 5),
        quantity_step=Decimal(1).scaleb(-magnitude - 1),
        min_notional_usd=template.min_notional_usd,
        initial_margin_ratio=template.initial_margin_ratio,
        maintenance_margin_ratio=template.maintenance_margin_ratio,
        costs=template.costs,
    )
