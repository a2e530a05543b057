"""One market's history as arrays sorted by the instant from which each value was known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.adapters.replay.tables import Tables, bar_ms
from hedged.domain.market import SeriesKey

DAY_MS = 86_400_000
PREMIUM_KINDS = ("venue", "premium_index_1h")
"""Kinds of the premium table that are what the venue's funding formula reads; the others are the basis at a close."""

Parts = Mapping[str, Mapping[SeriesKey, pl.DataFrame]]
"""Tables cut by series; under `NOBODY` stands the table without rows."""
NOBODY = SeriesKey("", "")


class Track(NamedTuple):
    """Values with the ms from which each was known, ascending; both (n,)."""

    known_ms: NDArray[np.int64]
    values: NDArray[np.float64]

    def at(self, times_ms: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the last value known at each time and since when; NaN and 0 where nothing was known yet."""
        index = np.searchsorted(self.known_ms, times_ms, side="right") - 1
        if not len(self.values):
            return np.full(len(times_ms), np.nan), np.zeros(len(times_ms), np.int64)
        known = index >= 0
        return np.where(known, self.values[index], np.nan), np.where(known, self.known_ms[index], 0)


EMPTY = Track(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True)
class SeriesData:
    """`funding_*`: settled prints, rate per interval as printed, hours, the venue's mark at the print (NaN unknown),
    and last from when each was known (None: from the settlement on).

    `close`, `volume`: by candle close; `candle_ms`, `low`, `high`: of each candle, NaN where not told. Premium as the
    venue defines it; estimates as fraction per interval, with interval and next settlement.
    """

    key: SeriesKey
    funding_ts: NDArray[np.int64]
    funding_rate: NDArray[np.float64]
    funding_hours: NDArray[np.float64]
    funding_mark: NDArray[np.float64]
    close: Track = EMPTY
    volume: Track = EMPTY
    candle_ms: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    low: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    high: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    open_interest: Track = EMPTY
    premium: Track = EMPTY
    basis: Track = EMPTY
    bid_depth_usd: Track = EMPTY
    ask_depth_usd: Track = EMPTY
    long_short: Track = EMPTY
    liquidations: Track = EMPTY
    wallets: Track = EMPTY
    sentiment: Track = EMPTY
    macro: Track = EMPTY
    estimate: Track = EMPTY
    estimate_hours: Track = EMPTY
    estimate_next_ms: Track = EMPTY
    funding_known: NDArray[np.int64] | None = None

    @property
    def told_ms(self) -> NDArray[np.int64]:
        """From when each print was known, (n,)."""
        return self.funding_ts if self.funding_known is None else self.funding_known

    @property
    def last_word_ms(self) -> int:
        """When its own venue told anything of this market for the last time, ms; 0: never."""
        own = (
            self.volume, self.open_interest, self.premium, self.basis, self.bid_depth_usd, self.ask_depth_usd,
            self.estimate,
        )  # fmt: skip
        last = [int(track.known_ms[-1]) for track in own if len(track.known_ms)]
        return max([*last, int(self.told_ms.max(initial=0))])

    def settled(self, values: NDArray[np.float64]) -> Track:
        """Return what was known of the latest settlement over time; one told after its successor never is that."""
        if self.funding_known is None:
            return Track(self.funding_ts, values)
        order = np.lexsort((self.funding_ts, self.told_ms))
        due_ms = self.funding_ts[order]
        order = order[due_ms >= np.maximum.accumulate(due_ms)]
        return Track(self.told_ms[order], values[order])


def series_of(tables: Tables) -> dict[SeriesKey, SeriesData]:
    """Cut the tables into series. A series exists where there is funding or a candle."""
    keys: set[SeriesKey] = set()
    for name in ("funding", "ohlcv"):
        pairs = tables[name].select("venue", "symbol").unique()
        keys |= {SeriesKey(venue, symbol) for venue, symbol in pairs.iter_rows()}
    parts = {name: _by_series(table) for name, table in tables.items()}
    signals = tables.get("signals", pl.DataFrame())
    return {key: _series(key, parts, signals) for key in sorted(keys)}


def funded(tables: Tables) -> dict[SeriesKey, SeriesData]:
    """Cut the tables into the series that have funding: those a forecast can be about."""
    return {key: data for key, data in series_of(tables).items() if len(data.funding_ts)}


def _by_series(table: pl.DataFrame) -> dict[SeriesKey, pl.DataFrame]:
    """Cut a table once, by venue and symbol; rows of a table without venues belong to no series."""
    if not {"venue", "symbol"} <= set(table.columns):
        return {}
    cut = table.partition_by("venue", "symbol", as_dict=True, maintain_order=True)
    parts = {SeriesKey(str(venue), str(symbol)): part for (venue, symbol), part in cut.items()}
    return parts | {NOBODY: table.clear()}


def _series(key: SeriesKey, tables: Parts, signals: pl.DataFrame) -> SeriesData:
    funding = _rows(tables, "funding", key).sort("ts")
    candles = _rows(tables, "ohlcv", key)
    if "market" in candles.columns:
        candles = candles.filter(pl.col("market") == "perp")
    candles = _known(candles, bars=True)
    known = _ms(candles, "known")
    premium = _rows(tables, "premium", key)
    basis = premium
    if "kind" in premium.columns:
        told = pl.col("kind").is_in(PREMIUM_KINDS)
        premium, basis = premium.filter(told), premium.filter(~told)
    estimates = _rows(tables, "estimates", key)
    next_ms = (
        estimates.with_columns(pl.col("next_ts").dt.epoch("ms").cast(pl.Float64))
        if len(estimates)
        else estimates
    )
    return SeriesData(
        key=key,
        funding_ts=_ms(funding, "ts"),
        funding_rate=_floats(funding, "funding_rate"),
        funding_hours=_floats(funding, "interval_hours"),
        funding_mark=_floats(funding, "mark_price"),
        funding_known=_received(funding),
        close=Track(known, _floats(candles, "close")),
        volume=Track(known, _floats(candles, "volume")),
        candle_ms=_lengths(candles),
        low=_ends(candles, "low"),
        high=_ends(candles, "high"),
        open_interest=_track(_rows(tables, "open_interest", key), "open_interest_base", daily_late=True),
        premium=_track(premium, "premium"),
        basis=_track(basis, "premium"),
        bid_depth_usd=_side(_rows(tables, "liquidity", key), "bid_depth_50bps_usd"),
        ask_depth_usd=_side(_rows(tables, "liquidity", key), "ask_depth_50bps_usd"),
        long_short=_track(_rows(tables, "long_short", key), "long_short_ratio"),
        liquidations=_track(_rows(tables, "liquidations", key), "liquidations_usd", bars=True),
        wallets=_signal(signals, key, "wallet_concentration"),
        sentiment=_signal(signals, key, "sentiment"),
        macro=_signal(signals, key, "macro"),
        estimate=_track(estimates, "funding_estimate"),
        estimate_hours=_track(estimates, "interval_hours"),
        estimate_next_ms=_track(next_ms, "next_ts"),
    )


def _signal(signals: pl.DataFrame, key: SeriesKey, name: str) -> Track:
    """Return an outside signal; one without venue or symbol speaks of all of them."""
    if not len(signals):
        return EMPTY
    mine = pl.col("name") == name
    for column, value in (("venue", key.venue), ("symbol", key.symbol)):
        mine = mine & (pl.col(column).is_null() | (pl.col(column) == value))
    return _track(signals.filter(mine), "value")


def _rows(tables: Parts, name: str, key: SeriesKey) -> pl.DataFrame:
    table = tables.get(name, {})
    return table.get(key, table.get(NOBODY, pl.DataFrame()))


def _known(table: pl.DataFrame, *, bars: bool = False, daily_late: bool = False) -> pl.DataFrame:
    """Add `known` (ts plus the bar where a row describes a whole bar) and sort by it, longest bar first on ties."""
    if not len(table):
        return table
    length = pl.lit(0, pl.Int64)
    if "bar" in table.columns and (bars or daily_late):
        lengths = {bar: bar_ms(bar) for bar in table["bar"].unique()}
        length = pl.col("bar").replace_strict(lengths, return_dtype=pl.Int64)
        if daily_late:
            length = pl.when(length >= DAY_MS).then(length).otherwise(0)
    known = pl.col("ts") + pl.duration(milliseconds=length)
    known = known.cast(table.schema["ts"])
    if "known_ts" in table.columns:
        known = pl.coalesce(pl.col("known_ts").cast(table.schema["ts"]), known)
    return table.with_columns(known=known).sort("known", "ts")


def _received(funding: pl.DataFrame) -> NDArray[np.int64] | None:
    """Return when each print was received, its settlement where that is not told; None where none tells it."""
    if not len(funding) or "known_ts" not in funding.columns or funding["known_ts"].is_null().all():
        return None
    return _ms(funding.with_columns(known=pl.coalesce("known_ts", "ts")), "known")


def _lengths(candles: pl.DataFrame) -> NDArray[np.int64]:
    """Return the length of each candle, ms."""
    if not len(candles):
        return np.empty(0, np.int64)
    lengths = {bar: bar_ms(bar) for bar in candles["bar"].unique()}
    return candles["bar"].replace_strict(lengths, return_dtype=pl.Int64).to_numpy().astype(np.int64)


def _ends(candles: pl.DataFrame, column: str) -> NDArray[np.float64]:
    """Return one end of each candle, NaN where it is not told."""
    return _floats(candles, column) if column in candles.columns else np.full(len(candles), np.nan)


def _side(liquidity: pl.DataFrame, column: str) -> Track:
    """Return one side's depth, where only one figure is told that one."""
    if column in liquidity.columns:
        liquidity = liquidity.with_columns(pl.coalesce(column, "depth_50bps_usd").alias(column))
        return _track(liquidity, column)
    return _track(liquidity, "depth_50bps_usd")


def _track(table: pl.DataFrame, column: str, *, bars: bool = False, daily_late: bool = False) -> Track:
    if not len(table):
        return EMPTY
    rows = _known(table, bars=bars, daily_late=daily_late).filter(pl.col(column).is_not_null())
    return Track(_ms(rows, "known"), _floats(rows, column))


def _ms(table: pl.DataFrame, column: str) -> NDArray[np.int64]:
    if not len(table):
        return np.empty(0, np.int64)
    return table[column].dt.epoch("ms").to_numpy().astype(np.int64)


def _floats(table: pl.DataFrame, column: str) -> NDArray[np.float64]:
    if not len(table):
        return np.empty(0)
    return table[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
