"""The batch engine alone: bars per CPU second, what became of the cycles, and the memory that it needs.

The work: 20 coins on Injective (hourly funding) and on one exchange (every 8 h), hourly candles, a book of both sides,
margin, gates and stops on, forecasts made before. A bar is one candle of one market that the engine is given, so one
hour of 20 coins on two venues is 40 bars. Prices and rates are made up here: rates wander about levels of their own
with half-lives of days, as recorded ones do, so that hedges are opened, held and closed.

    python benchmarks/bench_backtest.py                          # 20 coins x 10,000 hours, two venues
    python benchmarks/bench_backtest.py --bar-s 900 --hours 52560       # six years of quarter hours

As a module: `world = build(symbols, hours, venues)`, `laws = laws_of(world, ...)`, `measure(...)` → `Measured`; the
peers' benchmark calls the same.
"""

import argparse
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `hedged` does, before the first import of numpy

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData, Track
from hedged.adapters.replay.venue import assumed_market
from hedged.backtest.batch.engine import run_batch
from hedged.backtest.batch.judged import Judgement, judge_world
from hedged.backtest.runner import Window, own_quantities
from hedged.backtest.world import World, _template
from hedged.config import Config, parse_config
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast, joint_draws
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.resample import FEATURE_HASH
from hedged.telemetry.logs import configure_logs

START_MS = 1_609_459_200_000  # 2021-01-01
HISTORY_DAYS = 30
SCENARIOS = 200
BP_A_YEAR = 1e-4 / (365 * 24)
NORMAL = np.array([-1.645, -1.282, -0.674, -0.253, 0.0, 0.253, 0.674, 1.282, 1.645])


@dataclass(frozen=True)
class Table:
    """Laws as arrays: a forecaster that knows how rates return to their level, and how wrong it is."""

    keys: tuple[SeriesKey, ...]
    hours_ms: NDArray[np.int64]
    means: NDArray[np.float64]
    quantiles: NDArray[np.float32]
    coming: NDArray[np.float32]
    ranks: NDArray[np.int64]
    ranks_of: NDArray[np.int64]
    model_hash: str = "bench"

    def hour_of(self, now_ms: int) -> int:
        return int(np.searchsorted(self.hours_ms, now_ms, side="right")) - 1

    def at(self, now_ms: int) -> ForecastSet:
        hour = self.hour_of(now_ms)
        made_ms = int(self.hours_ms[hour])
        laws = self.quantiles[hour].astype(np.float64)
        means = self.means[hour].tolist()
        told = {k: RateForecast(k, made_ms, 24, means[i], laws[i], 0.5) for i, k in enumerate(self.keys)}
        draws = joint_draws(laws, self.ranks[self.ranks_of[hour]]).T
        coming = {key: self.coming[hour, i].astype(np.float64) for i, key in enumerate(self.keys)}
        return ForecastSet(made_ms, 24, self.keys, told, draws, self.model_hash, FEATURE_HASH, coming=coming)


@dataclass(frozen=True)
class Measured:
    """CPU seconds of the decisions and of judging the data, bars given, peak resident memory, MB, and the result."""

    judged_s: float
    decided_s: float
    bars: int
    peak_mb: float
    fills: int
    payments: int
    told: dict[str, int]

    @property
    def bars_per_s(self) -> float:
        return self.bars / self.decided_s


def rates_of(
    rng: np.random.Generator, hours: int, level_bp: float, half_life_h: float, spread_bp: float = 700.0
) -> NDArray[np.float64]:
    """Hourly rates that return to a level; `level_bp`: basis points a year."""
    keep = 0.5 ** (1 / half_life_h)
    from scipy.signal import lfilter

    noise = rng.standard_normal(hours) * spread_bp * BP_A_YEAR * (1 - keep**2) ** 0.5
    return level_bp * BP_A_YEAR + lfilter([1.0], [1.0, -keep], noise)


def build(symbols: int, hours: int, venues: Sequence[str] = ("binance",), seed: int = 7) -> World:
    """Make a world that begins HISTORY_DAYS before START_MS."""
    rng = np.random.default_rng(seed)
    total = hours + HISTORY_DAYS * 24
    ends_ms = START_MS - HISTORY_DAYS * DAY_MS + np.arange(1, total + 1) * HOUR_MS
    series, markets, config = {}, {}, Config()
    market_move = rng.standard_normal(total) * 0.004
    for number in range(symbols):
        symbol = f"C{number:02}"
        price = 50 * np.exp(
            np.cumsum(market_move * rng.uniform(0.5, 1.5) + rng.standard_normal(total) * 0.004)
        )
        coin = rates_of(
            rng, total, rng.normal(800, 300), 120.0, 500.0
        )  # venues agree on most of a coin's rate
        for venue in (INJECTIVE, *venues):
            key, every = SeriesKey(venue, symbol), 1 if venue == INJECTIVE else 8
            basis = np.exp(rates_of(rng, total, 0.0, 12.0) / BP_A_YEAR / 700 * 4e-4)
            rate = coin + rates_of(rng, total, rng.normal(0, 250), 60.0, 250.0)
            rate = rate.reshape(-1, every).mean(axis=1) if total % every == 0 else rate[::every]
            prints = ends_ms[every - 1 :: every]
            rate = rate[: len(prints)]
            series[key] = SeriesData(
                key, prints, rate * every, np.full(len(prints), float(every)), np.full(len(prints), np.nan),
                close=Track(ends_ms, price * basis), low=price * basis * 0.997, high=price * basis * 1.003,
                volume=Track(ends_ms, np.full(total, 1e4)),
                candle_ms=np.full(total, HOUR_MS),
            )  # fmt: skip
            markets[key] = assumed_market(key, float(price[0]), _template(key, config))
    return World(series, markets, None)


def laws_of(world: World, hours: int, seed: int = 8) -> Table:
    """Make the laws of every hour of the window: the last rate, drawn to its usual level, with an honest band."""
    rng = np.random.default_rng(seed)
    keys = tuple(sorted(world.series))
    hours_ms = START_MS + np.arange(hours, dtype=np.int64) * HOUR_MS
    quantiles = np.empty((hours, len(keys), len(LEVELS)), np.float32)  # as laws are kept
    coming = np.empty_like(quantiles)
    for i, key in enumerate(keys):
        data = world.series[key]
        per_hour = data.funding_rate / data.funding_hours
        last = per_hour[np.searchsorted(data.funding_ts, hours_ms, side="right") - 1]
        usual = np.cumsum(per_hour) / np.arange(1, len(per_hour) + 1)
        usual = usual[np.searchsorted(data.funding_ts, hours_ms, side="right") - 1]
        mean = usual + 0.85 * (last - usual)
        quantiles[:, i] = mean[:, None] + NORMAL * 250 * BP_A_YEAR
        coming[:, i] = last[:, None] + NORMAL * 300 * BP_A_YEAR
    sets = rng.standard_normal((hours // 24 + 1, SCENARIOS, len(keys)))
    sets += 0.7 * rng.standard_normal((hours // 24 + 1, SCENARIOS, 1))
    ranks = np.argsort(np.argsort(sets, axis=1), axis=1).astype(np.uint8)
    return Table(
        keys,
        hours_ms,
        quantiles.mean(axis=2, dtype=np.float64),
        quantiles,
        coming,
        ranks,
        np.arange(hours) // 24,
    )


def config_of(world: World, venues: Sequence[str], bar_s: int) -> Config:
    """A book of 50,000 USD in every coin, two thirds of them long."""
    symbols = sorted({key.symbol for key in world.series})
    positions = {s: {"usd": 50_000 if i % 3 else -50_000} for i, s in enumerate(symbols)}
    return parse_config({
        "book": {"positions": positions}, "hedge": {"venues": list(venues), "forecaster": "ewma"},
        "cycle": {"interval_s": bar_s, "bar_s": bar_s, "history_days": HISTORY_DAYS, "stale_after_s": 7_200},
    })  # fmt: skip


def measure(
    world: World, laws: Table, venues: Sequence[str], hours: int, bar_s: int = 3_600, *, judges: bool = True
) -> Measured:
    """Judge the data, or believe them, then play the window; CPU seconds of each."""
    config = config_of(world, venues, bar_s)
    window = Window(START_MS, START_MS + hours * HOUR_MS)
    book = own_quantities(config, lambda s: world.price(SeriesKey(INJECTIVE, s), START_MS) or Decimal(1))
    started = time.process_time()
    judgement = (
        judge_world(world, config, sorted(book), window) if judges else Judgement(tuple(sorted(world.series)))
    )
    judged_s = time.process_time() - started
    told: dict[str, int] = {}
    started = time.process_time()
    result = run_batch(config, world, book, window, laws, judgement=judgement, every_ms=DAY_MS, told=told)
    decided_s = time.process_time() - started
    bars = len(world.series) * (hours * 3_600 // bar_s)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    return Measured(judged_s, decided_s, bars, peak_mb, len(result.fills), len(result.payments), told)


def main() -> None:
    configure_logs(lambda: 0, "critical", "console")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--hours", type=int, default=10_000)
    parser.add_argument("--venues", default="binance")
    parser.add_argument("--bar-s", type=int, default=3_600)
    parser.add_argument("--believe", action="store_true", help="judge nothing: it takes long, and no memory")
    args = parser.parse_args()
    venues = args.venues.split(",")
    world = build(args.symbols, args.hours, venues)
    laws = laws_of(world, args.hours)
    begun_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    found = measure(world, laws, venues, args.hours, args.bar_s, judges=not args.believe)
    cycles = found.bars // len(world.series)
    print(f"{args.symbols} coins x {1 + len(venues)} venues x {cycles:,} bars of {args.bar_s} s")
    for name, spent_s in (("decisions", found.decided_s), ("with judging", found.decided_s + found.judged_s)):
        per_s, each_us = found.bars / spent_s, spent_s / cycles * 1e6
        print(f"{name:13}{spent_s:8.2f} CPU s{per_s:12,.0f} bars/s{each_us:8,.0f} us a cycle")
    print(f"cycles     {', '.join(f'{name} {n / cycles:.1%}' for name, n in found.told.items())}")
    print(f"fills {found.fills:,}, payments {found.payments:,}")
    print(f"peak {found.peak_mb:,.0f} MB, {begun_mb:,.0f} MB of it the data and the laws")


if __name__ == "__main__":
    main()
