"""Measures the market simulator beside recorded markets: funding, how it lasts and moves together, prices, interest.

    python benchmarks/measure_simulator.py DIR [FROM TO] [--seeds 12]

The recorded window is cut into half-years, and every seed lives one half-year, so that both spreads mean the same.
Each value is printed over the span of its half-years; one marked * lies outside what the recorded half-years span. For
Injective the record is the chain's formula on Hyperliquid's premiums, and the mean of its true cumulative funding.
Quantiles, deviations: bp per 8 h, whatever the interval; means: per cent a year. Prints only statistics, no data.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from hedged.adapters.replay.proxy import Proxy, stand_in
from hedged.adapters.replay.series import SeriesData, Track, series_of
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.funding import HYPERLIQUID_INTEREST
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.sandbox.market_simulator import simulate
from hedged.sandbox.markets import SYMBOLS

SIMULATED_START_MS = 1_735_689_600_000
SIMULATED_DAYS = 182
LEAST_DAYS = 30
"""A half-year of which less is recorded is no half-year."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS_H = (1, 3, 8, 24)
QUANTILE_NAMES = tuple(f"q{100 * q:02.0f}" for q in QUANTILES)
FUNDING = ("pin %", "% a year", "sd", *QUANTILE_NAMES, *(f"ac {h} h" for h in LAGS_H), "with price")
PRICES = ("sd 1 h %", "sd 24 h %", "kurtosis", "ac abs 1 h", "ac abs 24 h", "with BTC")
INTEREST = ("sd 1 h %", "sd 24 h %", "with price")
STAND_INS = ("DOGE", "SOL", "LINK")
"""Other volatile coins: INJ's own record on Binance and Bybit is a single half-year."""
YEAR_H = 8_760
TOTAL = "cumulative_funding_usdt_per_unit"

Series = Mapping[SeriesKey, SeriesData]


@dataclass(frozen=True, slots=True)
class World:
    """Series, and the spans of time (ms) that count as its half-years."""

    series: Series
    spans: Sequence[tuple[int, int]]


class Measured(NamedTuple):
    """Statistics (k,) of a whole record and of its half-years, (n, k)."""

    whole: np.ndarray
    halves: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("first", nargs="?", default="2023-05-12")
    parser.add_argument("last", nargs="?", default="2026-01-01")
    parser.add_argument("--seeds", type=int, default=12)
    args = parser.parse_args()
    seeds = [simulated(seed) for seed in range(1, args.seeds + 1)]
    tables = load_tables(args.directory, (*SYMBOLS, *STAND_INS))
    spans = half_years(args.first, args.last)
    venues = [World(series_of(tables), spans)]
    chain, level = (
        [World(series_of(stand_in(tables, Proxy("hyperliquid", rule))), spans)] for rule in ("chain", "level")
    )
    for symbol in SYMBOLS:
        print_funding(symbol, seeds, venues, chain, level)
    print_pairs(seeds, venues)
    print_prices(seeds, venues)
    print_truth(args.directory, venues[0].series, seeds)


def simulated(seed: int) -> World:
    """Let a seed live its half-year."""
    tables = simulate(seed, SIMULATED_START_MS, SIMULATED_DAYS)
    return World(series_of(tables), [(SIMULATED_START_MS, SIMULATED_START_MS + SIMULATED_DAYS * DAY_MS)])


def half_years(first: str, last: str) -> list[tuple[int, int]]:
    """Cut [first, last) at every January and July."""
    edges = [f"{year}-{month:02}-01" for year in range(2019, 2031) for month in (1, 7)]
    inner = [edge for edge in edges if first < edge < last]
    return list(pairwise(map(to_ms, [first, *inner, last])))


def to_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


Statistics = Callable[[Series, int, int], np.ndarray | None]


def measure(worlds: Sequence[World], statistics: Statistics) -> Measured | None:
    """Take the statistics of every half-year; the whole is their mean, so that each half-year counts the same."""
    found = [statistics(world.series, *span) for world in worlds for span in world.spans]
    halves = [one for one in found if one is not None]
    if not halves:
        return None
    stacked = np.array(halves)
    known = np.isfinite(stacked).any(axis=0)
    whole = np.full(len(known), np.nan)
    whole[known] = np.nanmean(stacked[:, known], axis=0)
    return Measured(whole, stacked)


def funding_of(key: SeriesKey) -> Statistics:
    """Return the statistics named FUNDING of one series' prints in a span, None where too little is recorded."""

    def take(series: Series, from_ms: int, to_ms: int) -> np.ndarray | None:
        found = prints(series, key, from_ms, to_ms)
        if found is None:
            return None
        hour, per_hour = found
        pin = float(InjectiveRule().hourly_interest if key.venue == INJECTIVE else HYPERLIQUID_INTEREST / 8)
        bp = per_hour * 8e4
        grid = np.full(hour[-1] - hour[0] + 1, np.nan)
        grid[hour - hour[0]] = bp
        return np.array(
            [
                100 * np.mean(np.abs(per_hour - pin) < 1e-10),
                100 * YEAR_H * per_hour.mean(),
                bp.std(),
                *np.quantile(bp, QUANTILES),
                *(correlation(grid[:-lag], grid[lag:]) for lag in LAGS_H),
                with_price(series, key.symbol, daily_means(hour, per_hour), from_ms, to_ms),
            ]
        )

    return take


def prints(series: Series, key: SeriesKey, from_ms: int, to_ms: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the hours of a series' prints in (from, to], and its rates per hour."""
    data = series.get(key)
    if data is None:
        return None
    use = (data.funding_ts > from_ms) & (data.funding_ts <= to_ms)
    if data.funding_hours[use].sum() < LEAST_DAYS * 24:
        return None
    hour, first = np.unique((data.funding_ts[use] + HOUR_MS // 2) // HOUR_MS, return_index=True)
    return hour, (data.funding_rate[use] / data.funding_hours[use])[first]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation over the places where both are known, NaN where these are few."""
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[both], b[both])[0, 1]) if both.sum() > LEAST_DAYS - 1 else np.nan


def daily_of(one: SeriesKey, other: SeriesKey) -> Statistics:
    """Return the correlation of two series' daily mean rates."""

    def take(series: Series, from_ms: int, to_ms: int) -> np.ndarray | None:
        found = [prints(series, key, from_ms, to_ms) for key in (one, other)]
        if any(x is None for x in found):
            return None
        days = [daily_means(*x) for x in found if x is not None]
        common = sorted(days[0].keys() & days[1].keys())
        value = correlation(*(np.array([day[d] for d in common]) for day in days))
        return np.array([value]) if np.isfinite(value) else None

    return take


def daily_means(hour: np.ndarray, per_hour: np.ndarray) -> dict[int, float]:
    """Return the mean rate of each day; a settlement belongs to the hour that it ends."""
    day, index = np.unique((hour - 1) // 24, return_inverse=True)
    means = np.bincount(index, per_hour) / np.bincount(index)
    return dict(zip(day.tolist(), means.tolist(), strict=True))


def with_price(series: Series, symbol: str, means: Mapping[int, float], from_ms: int, to_ms: int) -> float:
    """Return the correlation of a day's change of its mean rate with Binance's log return of that day."""
    close = series.get(SeriesKey("binance", symbol))
    if close is None:
        return np.nan
    days = range(from_ms // DAY_MS + 1, to_ms // DAY_MS)
    logs = hourly(close.close, from_ms, to_ms)[::24]
    rates = np.array([means.get(day, np.nan) - means.get(day - 1, np.nan) for day in days])
    moves = change(logs, 1)[1 : 1 + len(rates)]
    return correlation(rates[: len(moves)], moves)


def hourly(track: Track, from_ms: int, to_ms: int) -> np.ndarray:
    """Return log values at every full hour in [from, to], NaN where none was recorded then."""
    use = (track.known_ms >= from_ms) & (track.known_ms <= to_ms) & (track.known_ms % HOUR_MS == 0)
    grid = np.full((to_ms - from_ms) // HOUR_MS + 1, np.nan)
    grid[(track.known_ms[use] - from_ms) // HOUR_MS] = np.log(track.values[use])
    return grid


def change(logs: np.ndarray, hours: int) -> np.ndarray:
    return logs[hours:] - logs[:-hours]


def prices_of(key: SeriesKey) -> Statistics:
    """Return the statistics named PRICES: of log returns, and how long their size is remembered."""

    def take(series: Series, from_ms: int, to_ms: int) -> np.ndarray | None:
        if key not in series:
            return None
        logs = hourly(series[key].close, from_ms, to_ms)
        move = change(logs, 1)
        known = move[np.isfinite(move)]
        if len(known) < LEAST_DAYS * 24:
            return None
        size = np.abs(move)
        kurtosis = np.mean((known - known.mean()) ** 4) / known.var() ** 2 - 3
        clustering = [correlation(size[:-lag], size[lag:]) for lag in (1, 24)]
        bitcoin = change(hourly(series[SeriesKey(key.venue, "BTC")].close, from_ms, to_ms), 1)
        return np.array(
            [
                100 * known.std(),
                100 * np.nanstd(change(logs, 24)),
                kurtosis,
                *clustering,
                correlation(move, bitcoin) if key.symbol != "BTC" else np.nan,
            ]
        )

    return take


def interest_of(key: SeriesKey) -> Statistics:
    """Return the statistics named INTEREST, of log changes of open interest in coins. A step beyond 2× is an error."""

    def take(series: Series, from_ms: int, to_ms: int) -> np.ndarray | None:
        if key not in series:
            return None
        coins = hourly(series[key].open_interest, from_ms, to_ms)
        hour, day = change(coins, 1), change(coins, 24)
        if np.isfinite(day).sum() < LEAST_DAYS:
            return None
        move = change(hourly(series[SeriesKey("binance", key.symbol)].close, from_ms, to_ms), 24)
        deviations = [
            100 * np.std(x[np.abs(x) < np.log(2)]) if np.isfinite(x).sum() > LEAST_DAYS else np.nan
            for x in (hour, day)
        ]
        return np.array([*deviations, correlation(move, np.where(np.abs(day) < np.log(2), day, np.nan))])

    return take


def print_funding(
    symbol: str, seeds: list[World], venues: list[World], chain: list[World], level: list[World]
) -> None:
    injective = funding_of(SeriesKey(INJECTIVE, symbol))
    rules = [without_pin(measure(worlds, injective)) for worlds in (chain, level)]
    print(f"\n### {symbol}\n")
    header("", FUNDING)
    line("Injective, simulated", measure(seeds, injective), rules)
    line("chain formula on recorded premiums", rules[0])
    line("level rule on recorded rates", rules[1])
    for venue in ("binance", "bybit"):
        own = funding_of(SeriesKey(venue, symbol))
        real = [measure(venues, own)]
        if symbol == "INJ":
            real += [measure(venues, funding_of(SeriesKey(venue, other))) for other in STAND_INS]
        line(f"{venue.capitalize()}, simulated", measure(seeds, own), real)
        for name, found in zip((symbol, *STAND_INS), real, strict=False):
            line(f"{venue.capitalize()}, recorded" + (f" {name}" if name != symbol else ""), found)
    for venue in ("okx", "hyperliquid"):
        line(f"{venue.capitalize()}, recorded", measure(venues, funding_of(SeriesKey(venue, symbol))))


def without_pin(found: Measured | None) -> Measured | None:
    """Forget the pin's share: a stand-in has a trade in every hour, so that it never pays exactly the interest."""
    if found is not None:
        found.whole[0], found.halves[:, 0] = np.nan, np.nan
    return found


def print_pairs(seeds: list[World], venues: list[World]) -> None:
    print("\n### Correlation of daily means\n")
    header("", ("correlation",))
    pairs = [
        (SeriesKey(a, symbol), SeriesKey(b, symbol))
        for symbol in SYMBOLS
        for a, b in combinations((INJECTIVE, "binance", "bybit"), 2)
    ]
    pairs += [
        (SeriesKey(v, a), SeriesKey(v, b))
        for v in ("binance", INJECTIVE)
        for a, b in combinations(SYMBOLS, 2)
    ]
    for one, other in pairs:
        stand_ins = [SeriesKey("hyperliquid", k.symbol) if k.venue == INJECTIVE else k for k in (one, other)]
        real = measure(venues, daily_of(*stand_ins))
        line(f"{one}, {other}: simulated", measure(seeds, daily_of(one, other)), [real])
        line(
            "recorded" + (", Hyperliquid for Injective" if INJECTIVE in (one.venue, other.venue) else ""),
            real,
        )


def print_prices(seeds: list[World], venues: list[World]) -> None:
    for title, columns, of, keys in (
        ("Prices", PRICES, prices_of, [SeriesKey("binance", s) for s in SYMBOLS]),
        (
            "Open interest",
            INTEREST,
            interest_of,
            [SeriesKey("bybit", "BTC"), SeriesKey("bybit", "ETH")],
        ),
    ):
        print(f"\n### {title}\n")
        header("", columns)
        for key in keys:
            real = measure(venues, of(key))
            line(f"{key}, simulated", measure(seeds, of(key)), [real])
            line(f"{key}, recorded", real)


def print_truth(directory: Path, series: Series, seeds: list[World]) -> None:
    """Print Injective's true means: change of cumulative funding over the mean price, between recorded points."""
    print("\n### Injective's true mean, % a year\n")
    header("between", ("true", "simulated"))
    points = pl.read_csv(directory / "injective_points.csv").filter(pl.col("mainnet") == "yes")
    for symbol in SYMBOLS:
        simulated = measure(seeds, funding_of(SeriesKey(INJECTIVE, symbol)))
        mean = "" if simulated is None else f"{simulated.whole[FUNDING.index('% a year')]:.1f}"
        own = points.filter(pl.col("ticker") == f"{symbol}/USDT PERP").sort("ts_utc")
        known = [(to_ms(at), total) for at, total in own.select("ts_utc", TOTAL).rows()]
        for (from_ms, before), (until_ms, after) in pairwise(known):
            if until_ms - from_ms < LEAST_DAYS * DAY_MS:
                continue
            price = mean_price(series[SeriesKey("binance", symbol)], from_ms, until_ms)
            rate = (after - before) / price / (until_ms - from_ms) * YEAR_H * HOUR_MS
            ends = (datetime.fromtimestamp(ms / 1e3, UTC).strftime("%Y-%m") for ms in (from_ms, until_ms))
            print(f"| {symbol} {' … '.join(ends)} | {100 * rate:.1f} | {mean} |")
    snapshot = pl.read_parquet(directory / "injective_markets.parquet").filter(
        pl.col("next_funding_ts_s") > 0
    )
    silent = pl.col("last_ts_s") <= pl.col("next_funding_ts_s") - pl.col("funding_interval_seconds")
    print(
        f"\nWithout a trade so far in the recorded hour: {snapshot.filter(silent).height} of {snapshot.height}."
    )


def mean_price(data: SeriesData, from_ms: int, to_ms: int) -> float:
    """Return the mean close, each candle weighted by its length."""
    use = (data.close.known_ms > from_ms) & (data.close.known_ms <= to_ms)
    return float(np.average(data.close.values[use], weights=data.candle_ms[use]))


def header(first: str, columns: Sequence[str]) -> None:
    print("| " + " | ".join([first, *columns]) + " |")
    print("|---" * (len(columns) + 1) + "|")


def line(name: str, found: Measured | None, records: Sequence[Measured | None] = ()) -> None:
    """Print a row: each value over the span of its half-years, * where it is outside that of two or more recorded."""
    if found is None:
        return
    kept = [record.halves for record in records if record is not None]
    real = np.concatenate(kept) if kept else np.empty((0, len(found.whole)))
    cells = []
    for value, own, recorded in zip(found.whole, found.halves.T, real.T, strict=True):
        known = recorded[np.isfinite(recorded)]
        outside = len(known) > 1 and not known.min() <= value <= known.max()
        span = f" ({np.nanmin(own):.2g} … {np.nanmax(own):.2g})" if np.isfinite(own).sum() > 1 else ""
        cells.append(f"{value:.3g}{'*' * outside}{span}" if np.isfinite(value) else "")
    print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
