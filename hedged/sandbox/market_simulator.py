"""The market simulator: Injective and two CEXs for INJ, BTC and ETH, as the tables of a recorded data directory.

A day's tables hold what becomes known in (midnight, next midnight]: snapshots and settlements carry ts in that span,
candles and liquidations the bar's open, so theirs lies a bar earlier. Rates > 0: longs pay. Rows are ordered by
(ts, venue, symbol) with the latter two as in `SERIES`. `estimates` and `long_short` are tables that recorded
directories need not have: the venue's running estimate of the coming settlement, and accounts long ÷ short (CEXs).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.bars import BAR_MS
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.domain.funding import DEAD_BAND, HYPERLIQUID_INTEREST
from hedged.domain.injective import InjectiveRule
from hedged.sandbox.dynamics import (
    MINUTES,
    DayPath,
    DayTrades,
    Dynamics,
    Floats,
    Stream,
    coin_values,
    generator,
    relax,
)
from hedged.sandbox.markets import INJECTIVE_COLUMNS, SERIES, SIMULATED_MARKETS, VENUES

_TS = pl.Datetime("ms", "UTC")
_TEXT, _NUMBER, _HOURS = pl.String(), pl.Float64(), pl.Float32()


def _schema(columns: Mapping[str, pl.DataType]) -> pl.Schema:
    return pl.Schema({"ts": _TS, "venue": _TEXT, "symbol": _TEXT, **columns, "source": _TEXT})


SCHEMAS: dict[str, pl.Schema] = {
    "funding": _schema(
        {"quote": _TEXT, "funding_rate": _NUMBER, "interval_hours": _HOURS, "mark_price": _NUMBER},
    ),
    "ohlcv": _schema(
        {"market": _TEXT, "bar": _TEXT}
        | dict.fromkeys(("open", "high", "low", "close", "volume"), _NUMBER)
        | {"volume_unit": _TEXT},
    ),
    "open_interest": _schema({"bar": _TEXT, "open_interest_base": _NUMBER, "open_interest_usd": _NUMBER}),
    "premium": _schema({"kind": _TEXT, "premium": _NUMBER}),
    "liquidity": _schema(dict.fromkeys(("depth_50bps_usd", "spread_bps", "mid_price"), _NUMBER)),
    "estimates": _schema({"funding_estimate": _NUMBER, "interval_hours": _HOURS, "next_ts": _TS}),
    "liquidations": _schema(
        {"bar": _TEXT}
        | dict.fromkeys(("liquidations_usd", "long_liquidations_usd", "short_liquidations_usd"), _NUMBER)
        | {"liq_count": pl.Int64()},
    ),
    "long_short": _schema({"long_short_ratio": _NUMBER}),
}
"""Columns and types of every table, in the order of the recorded ones."""

_CONSTANTS = {
    **{"quote": "USDT", "bar": "15m", "market": "perp", "volume_unit": "base"},
    **{"kind": "venue", "source": "simulator"},
}
_HOURLY_INTEREST = float(InjectiveRule().hourly_interest)
_INTERVALS_H = np.array([simulated.interval_h for simulated in SIMULATED_MARKETS])
_CAPS = np.array([float(simulated.rate_cap) for simulated in SIMULATED_MARKETS])
_DEPTH_USD = np.array([float(simulated.depth_usd) for simulated in SIMULATED_MARKETS])
_SPREAD_BPS = np.array([2e4 * float(simulated.half_spread) for simulated in SIMULATED_MARKETS])
_START_COINS = np.array([s.open_interest_usd for s in SIMULATED_MARKETS]) / np.tile(
    coin_values("start_price"), len(VENUES)
)
_BAR_MIN = BAR_MS // MINUTE_MS
_BARS = MINUTES // _BAR_MIN
_SNAPSHOTS = slice(_BAR_MIN - 1, None, _BAR_MIN)
_BAR_ENDS_MS = np.arange(1, _BARS + 1) * BAR_MS
_HOUR_ENDS_MS = np.arange(1, 25) * HOUR_MS
# In bars: after two days half of the liquidated open interest has been rebuilt.
_DAMAGE_HALF_LIFE = np.full(len(SERIES), 192.0)

Columns = dict[str, NDArray[np.float64] | NDArray[np.int64]]


def chain_twap(traded: NDArray[np.bool_], second: NDArray[np.int64], premium: Floats) -> Floats:
    """Run Injective's accumulators over whole hours; return the running mean premium after each minute, (n, k).

    All inputs (n, k), n a multiple of 60; `second` (1 … 3599) within the hour. A trade's premium counts backwards to
    the trade before, the mean runs to the last trade only, and is 0 while nothing traded in the hour.
    """
    hourly = (-1, 60, traded.shape[1])
    last = np.maximum.accumulate(np.where(traded, second, 0).reshape(hourly), axis=1)
    gap = np.diff(last, axis=1, prepend=0)  # 0 in minutes without a trade
    cum_price = np.cumsum(gap * premium.reshape(hourly), axis=1)
    twap: Floats = (cum_price / np.maximum(last, 1)).reshape(traded.shape)
    return twap


def interval_rates(premium: Floats) -> Floats:
    """Apply every venue's own rule to mean premiums (n, 9): rates per *interval* of each series, (n, 9).

    Injective: premium ÷ 24 + interest. CEX: dead band around the interest, printed with 8 decimals as they do.
    """
    interest = float(HYPERLIQUID_INTEREST)
    excess = premium - interest
    beyond = np.sign(excess) * np.maximum(np.abs(excess) - float(DEAD_BAND), 0.0)
    rates: Floats = (interest + beyond) * _INTERVALS_H / 8.0
    rates[:, INJECTIVE_COLUMNS] = premium[:, INJECTIVE_COLUMNS] / 24.0 + _HOURLY_INTEREST
    np.clip(rates, -_CAPS, _CAPS, out=rates)
    rates[:, INJECTIVE_COLUMNS.stop :] = np.round(rates[:, INJECTIVE_COLUMNS.stop :], 8)
    return rates


def running_premium(path: DayPath, trades: DayTrades) -> Floats:
    """Return each venue's mean premium so far in the interval that a minute belongs to, (MINUTES, 9).

    An interval is (start, end]: at the settlement itself this is the premium that settles.
    """
    out = np.empty_like(path.premium)
    out[:, INJECTIVE_COLUMNS] = chain_twap(trades.traded, trades.second, trades.premium)
    for column in range(INJECTIVE_COLUMNS.stop, len(SERIES)):
        length = int(_INTERVALS_H[column]) * 60
        sums = np.cumsum(path.premium[:, column].reshape(-1, length), axis=1)
        out[:, column] = (sums / np.arange(1, length + 1)).ravel()
    return out


def _funding_tables(path: DayPath, trades: DayTrades) -> dict[str, Columns]:
    """Settlements, running estimates and premiums. A row with NaN is none: not every series settles every hour."""
    mean = running_premium(path, trades)
    settles = (_HOUR_ENDS_MS[:, None] // HOUR_MS) % _INTERVALS_H == 0
    rates = np.where(settles, interval_rates(mean[59::60]), np.nan)
    # At a settlement the next interval begins: the chain knows nothing of it yet, a CEX its latest premium.
    fresh = path.premium[_SNAPSHOTS].copy()
    fresh[:, INJECTIVE_COLUMNS] = 0.0
    intervals_ms = _INTERVALS_H * HOUR_MS
    begins = _BAR_ENDS_MS[:, None] % intervals_ms == 0
    hours = np.broadcast_to(_INTERVALS_H.astype(np.float64), (_BARS, len(SERIES)))
    return {
        "funding": {"funding_rate": rates, "interval_hours": hours[:24], "mark_price": path.mark[59::60]},
        "premium": {"premium": mean[_SNAPSHOTS]},
        "estimates": {
            "funding_estimate": interval_rates(np.where(begins, fresh, mean[_SNAPSHOTS])),
            "interval_hours": hours,
            "next_ts": (_BAR_ENDS_MS[:, None] // intervals_ms + 1) * intervals_ms,
        },
    }


def _candles(path: DayPath, trades: DayTrades, turnover_usd: Floats) -> Columns:
    """Candles of the mark, (96, 9). Volume in coins: on Injective what really traded, so it can be nothing."""
    closes = path.mark.reshape(_BARS, _BAR_MIN, len(SERIES))
    close = closes[:, -1]
    open_ = np.vstack([path.mark_before, close[:-1]])
    usd = turnover_usd.copy()
    usd[:, INJECTIVE_COLUMNS] = trades.usd.reshape(_BARS, _BAR_MIN, -1).sum(axis=1)
    return {
        "open": open_,
        "high": np.maximum(closes.max(axis=1), open_),
        "low": np.minimum(closes.min(axis=1), open_),
        "close": close,
        "volume": usd / close,
    }


def _liquidity(path: DayPath, depth_noise: Floats, spread_noise: Floats) -> Columns:
    """One side's depth within 50 bp, USD; the whole spread, bp; and the book's mid, (96, 9): thin when volatile."""
    volatility = path.volatility[_SNAPSHOTS]
    mid = path.mark[_SNAPSHOTS].copy()
    # Injective's mark is the oracle's price; its book stands a premium above it.
    mid[:, INJECTIVE_COLUMNS] *= 1.0 + path.premium[_SNAPSHOTS, INJECTIVE_COLUMNS]
    return {
        "depth_50bps_usd": _DEPTH_USD * np.exp(0.2 * depth_noise) / volatility,
        "spread_bps": _SPREAD_BPS * np.exp(0.2 * spread_noise) * volatility,
        "mid_price": mid,
    }


def _liquidated_shares(path: DayPath, noise: Floats) -> tuple[Floats, Floats]:
    """Return the shares of open interest liquidated in each bar, longs and shorts, (96, 9) each, at most 8 %.

    A fall beyond one usual standard deviation takes out longs, more of them in a greedy market; a rise, shorts.
    """
    index = path.index[_SNAPSHOTS]
    before = np.vstack([path.mark_before[INJECTIVE_COLUMNS], index[:-1]])
    usual = coin_values("annual_volatility") * np.sqrt(_BAR_MIN / (365 * MINUTES))
    move = np.tile(np.log(index / before) / usual, len(VENUES))
    greed = np.tile(np.exp(0.3 * path.mood[_SNAPSHOTS]), len(VENUES))
    scale = 4e-5 * np.exp(0.5 * noise)
    longs, shorts = (scale * np.maximum(side * move - 1.0, 0.0) ** 2 for side in (-1.0, 1.0))
    return np.minimum(longs * greed, 0.08), np.minimum(shorts / greed, 0.08)


class MarketSimulator:
    """Produces the tables day by day. `seed` ≥ 0 decides everything; `start_ms` is a UTC midnight."""

    def __init__(self, seed: int, start_ms: int) -> None:
        if start_ms % DAY_MS:
            raise ValueError(f"the simulation starts at a UTC midnight, not at {start_ms}")
        self._seed, self._start_ms, self._day = seed, start_ms, 0
        # 1970-01-01 was a Thursday.
        self._dynamics = Dynamics(seed, first_weekday=(start_ms // DAY_MS + 3) % 7)
        self._damage: Floats = np.zeros(len(SERIES))

    @property
    def now_ms(self) -> int:
        """The instant up to which the tables have been produced."""
        return self._start_ms + self._day * DAY_MS

    def advance(self, days: int = 1) -> dict[str, pl.DataFrame]:
        """Produce the next `days` ≥ 1 days: a table by name, see the module's docstring for the span of ts."""
        if days < 1:
            raise ValueError(f"cannot advance by {days} days")
        blocks: dict[str, list[Columns]] = {name: [] for name in SCHEMAS}
        for _ in range(days):
            for name, columns in self._next_day().items():
                blocks[name].append(columns)
        return {name: _frame(name, block) for name, block in blocks.items()}

    def _next_day(self) -> dict[str, Columns]:
        midnight_ms = self.now_ms
        path, trades = self._dynamics.next_day()
        tables = _funding_tables(path, trades) | self._book_tables(path, trades)
        for name, columns in tables.items():
            ends_ms = _HOUR_ENDS_MS if name == "funding" else _BAR_ENDS_MS
            opened_ms = BAR_MS if name in ("ohlcv", "liquidations") else 0
            columns["ts"] = np.repeat((midnight_ms + ends_ms - opened_ms)[:, None], len(SERIES), axis=1)
        tables["estimates"]["next_ts"] += midnight_ms
        self._day += 1
        return tables

    def _book_tables(self, path: DayPath, trades: DayTrades) -> dict[str, Columns]:
        """Open interest, liquidations, depth, long/short and candles, (96, 9) each."""
        rng = generator(self._seed, self._day, Stream.BOOKS)
        noise = rng.standard_normal((4, _BARS, len(SERIES)))
        turnover = 0.02 * path.volatility[_SNAPSHOTS] * np.tile(path.activity[_SNAPSHOTS], len(VENUES))
        mood = np.tile(path.mood[_SNAPSHOTS], len(VENUES))
        long_share, short_share = _liquidated_shares(path, noise[0])
        damage = relax(self._damage, long_share + short_share, _DAMAGE_HALF_LIFE)
        self._damage = damage[-1]
        # Spread so that recorded hourly and daily changes come out, 0.9 and 3.9 %.
        coins = _START_COINS * np.exp(0.03 * mood + 0.175 * path.holdings[_SNAPSHOTS] - damage)
        usd = coins * path.mark[_SNAPSHOTS]
        ratio = np.exp(0.3 + 0.25 * mood + 0.15 * path.crowd[_SNAPSHOTS])
        ratio[:, INJECTIVE_COLUMNS] = np.nan  # the chain states no such ratio
        long_usd, short_usd = long_share * usd, short_share * usd
        return {
            "open_interest": {"open_interest_base": coins, "open_interest_usd": usd},
            "liquidations": {
                "liquidations_usd": long_usd + short_usd,
                "long_liquidations_usd": long_usd,
                "short_liquidations_usd": short_usd,
                "liq_count": np.ceil((long_usd + short_usd) / 20_000.0).astype(np.int64),
            },
            "liquidity": _liquidity(path, noise[1], noise[2]),
            "long_short": {"long_short_ratio": ratio},
            "ohlcv": _candles(path, trades, usd * turnover * np.exp(0.4 * noise[3])),
        }


def _frame(name: str, blocks: list[Columns]) -> pl.DataFrame:
    """Stack days of (n, 9) columns into one table of the stated schema, without the rows whose first value is NaN."""
    first = next(iter(blocks[0]))
    flat = {column: np.concatenate([block[column] for block in blocks]).ravel() for column in blocks[0]}
    rows = np.flatnonzero(~np.isnan(flat[first]))
    series = rows % len(SERIES)
    columns = {column: pl.Series(values[rows]) for column, values in flat.items()}
    columns["venue"] = pl.Series([key.venue for key in SERIES]).gather(series)
    columns["symbol"] = pl.Series([key.symbol for key in SERIES]).gather(series)
    schema = SCHEMAS[name]
    constants = [pl.lit(_CONSTANTS[column]).alias(column) for column in schema if column in _CONSTANTS]
    table = pl.DataFrame(columns).with_columns(constants)
    return table.select(pl.col(column).cast(kind) for column, kind in schema.items())


def simulate(seed: int, start_ms: int, days: int) -> dict[str, pl.DataFrame]:
    """Produce `days` days from the UTC midnight `start_ms` in one go; a prefix of any longer run."""
    return MarketSimulator(seed, start_ms).advance(days)
