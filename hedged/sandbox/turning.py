"""A market whose law turns for good: made-up history, hour by hour, as the tables of a recorded data directory.

Until the turn longs are many and follow prices: what a coin gained half a day ago makes its longs pay today. After it
shorts are many and lean against prices: the same gain makes longs receive, and noise is forgotten sooner. What learned
the first law is then wrong about the sign, more so than a forecaster that knows of no law at all. Before the turn there
is a month in which prices move three times as much, and one exchange begins to settle twice as often.

Rates follow the venues' own formulas from the premium of each hour. All that is random comes from the seed; instants
after `to_ms` never change what is before it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE
from hedged.sandbox.market_simulator import SCHEMAS

Floats = NDArray[np.float64]

COINS = ("BTC", "ETH", "INJ", "SOL")
PRICES = (60_000.0, 3_000.0, 20.0, 150.0)
VENUES = (INJECTIVE, "binance", "bybit")
SETTLES_H = (1, 8, 8)
CAP_8H = 0.0075
INTEREST_8H, BAND = 0.0001, 0.0005
"""Of the exchanges, as in `domain.funding`; the same of every coin."""
USUAL_SD = 0.006
"""Standard deviation of an hour's log return in usual times."""
LAG_H = 24
FOLLOWS_H = 24.0
"""Half-life of what a return does to the premium, once it begins."""
PREMIUM = 0.0010
"""Premium for one standard deviation of what drives it."""
OWN = 0.25
"""Share of a venue's own noise in the premium."""


@dataclass(frozen=True, slots=True)
class Law:
    """`level`: premium in quiet times; `follows`: what gains do to it, in standard deviations; `noise_h`: half-life."""

    level: float
    follows: float
    noise_h: float


FIRST = Law(level=0.0002, follows=1.0, noise_h=24.0)
SECOND = Law(level=-0.0010, follows=-1.0, noise_h=12.0)
SEASON, SEASON_H = 0.0006, 480.0
"""How far, in premium, and how slowly the level wanders about the law's: the first law knows low levels too."""


@dataclass(frozen=True, slots=True)
class Course:
    """When what happens, ms: history [from, to), the storm, the exchange's new interval, the turn."""

    from_ms: int
    storm_ms: int
    calm_again_ms: int
    faster_ms: int
    turn_ms: int
    to_ms: int


def usual_course(lives_ms: int, before_days: int = 550, days: int = 365) -> Course:
    """Return a course whose history begins `before_days` before a life of `days`; all happens in that life."""

    def at(share: float) -> int:
        return lives_ms + round(days * share) * DAY_MS

    return Course(
        lives_ms - before_days * DAY_MS, at(0.12), at(0.20), at(0.27), at(0.36), lives_ms + days * DAY_MS
    )


@dataclass(frozen=True, slots=True)
class _Hours:
    """Ends of hours (hours,); price (hours, coins); premium (hours, venues, coins)."""

    ends_ms: NDArray[np.int64]
    price: Floats
    premium: Floats
    noise: Floats


def turning(course: Course, seed: int) -> dict[str, pl.DataFrame]:
    """Return the tables `funding`, `ohlcv`, `premium` and `open_interest`."""
    hours = _lived(course, np.random.default_rng(seed))
    return {
        "funding": _funding(hours, course),
        "ohlcv": _candles(hours),
        "premium": _premiums(hours),
        "open_interest": _interest(hours),
    }


def write_turning(directory: Path, course: Course, seed: int) -> Path:
    """Write the tables as a data directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in turning(course, seed).items():
        table.write_parquet(directory / f"{name}.parquet")
    return directory


def _lived(course: Course, rng: np.random.Generator) -> _Hours:
    """Live through the hours one after the other."""
    ends_ms = np.arange(course.from_ms + HOUR_MS, course.to_ms + 1, HOUR_MS, dtype=np.int64)
    n, coins, venues = len(ends_ms), len(COINS), len(VENUES)
    draws = rng.standard_normal((n, 2 + 3 * coins + venues * coins))
    market, season, own, drive, noise, spare = np.split(
        draws, np.cumsum([1, 1, coins, coins, venues * coins]).tolist(), axis=1
    )
    stormy = (ends_ms > course.storm_ms) & (ends_ms <= course.calm_again_ms)
    shocks = (np.sqrt(0.2) * market + np.sqrt(0.8) * own) * np.where(stormy, 3.0, 1.0)[:, None]
    price = np.array(PRICES) * np.exp(np.cumsum(USUAL_SD * (shocks - USUAL_SD / 2), axis=0))
    heard = np.vstack([np.zeros((LAG_H, coins)), shocks])[:n]
    followed = _smoothed(heard, np.full(n, FOLLOWS_H))
    turned = ends_ms > course.turn_ms
    kept_h = np.where(turned, SECOND.noise_h, FIRST.noise_h)
    follows = np.where(turned, SECOND.follows, FIRST.follows)[:, None]
    level = np.where(turned, SECOND.level, FIRST.level)[:, None]
    level = level + SEASON * _smoothed(season, np.full(n, SEASON_H))
    common = level + PREMIUM * (follows * followed + 0.25 * _smoothed(drive, kept_h))
    apart = _smoothed(noise, np.full(n, 6.0)).reshape(n, venues, coins)
    return _Hours(ends_ms, price, common[:, None, :] + PREMIUM * OWN * apart, spare)


def _smoothed(drive: Floats, half_life_h: Floats) -> Floats:
    """Return Ornstein-Uhlenbeck processes of unit variance, (hours, k), whose half-life (hours,) may change."""
    keep = np.exp2(-1.0 / half_life_h)
    new = np.sqrt(1.0 - keep**2)
    out, last = np.empty_like(drive), np.zeros(drive.shape[1])
    for i in range(len(drive)):
        last = keep[i] * last + new[i] * drive[i]
        out[i] = last
    return out


def _funding(hours: _Hours, course: Course) -> pl.DataFrame:
    """Settle every market at its hours, by the mean premium of the interval."""
    rule = InjectiveRule()
    rows = []
    for v, venue in enumerate(VENUES):
        interval_h = np.full(len(hours.ends_ms), SETTLES_H[v])
        if venue == VENUES[-1]:
            interval_h[hours.ends_ms > course.faster_ms] = SETTLES_H[v] // 2
        due = (hours.ends_ms // HOUR_MS) % interval_h == 0
        for c, coin in enumerate(COINS):
            mean = _mean_of(hours.premium[:, v, c], interval_h)
            if venue == INJECTIVE:
                cap = float(rule.hourly_cap)
                rate = np.clip(mean / 24.0 + float(rule.hourly_interest), -cap, cap)
            else:
                cap = CAP_8H
                rate = mean + np.clip(INTEREST_8H - mean, -BAND, BAND)
                rate = np.clip(rate * interval_h / 8.0, -cap, cap)
            rows.append(
                pl.DataFrame(
                    {
                        "ts": hours.ends_ms[due],
                        "funding_rate": rate[due],
                        "interval_hours": interval_h[due].astype(np.float32),
                        "mark_price": hours.price[due, c],
                    }
                ).with_columns(venue=pl.lit(venue), symbol=pl.lit(coin), quote=pl.lit("USDT"))
            )
    return _table(rows, "funding")


def _mean_of(premium: Floats, interval_h: NDArray[np.int_]) -> Floats:
    """Return the mean of the last `interval_h` hours at each hour, (hours,)."""
    total = np.concatenate(([0.0], np.cumsum(premium)))
    ends = np.arange(1, len(total))
    begins = np.maximum(ends - interval_h, 0)
    out: Floats = (total[ends] - total[begins]) / (ends - begins)
    return out


def _candles(hours: _Hours) -> pl.DataFrame:
    rows = []
    for v, venue in enumerate(VENUES):
        for c, coin in enumerate(COINS):
            close = hours.price[:, c] * (1.0 + 0.1 * hours.premium[:, v, c])
            begin = np.concatenate((close[:1], close[:-1]))
            busy = np.abs(np.log(close / begin)) / USUAL_SD
            frame = pl.DataFrame(
                {
                    "ts": hours.ends_ms - HOUR_MS,
                    "open": begin,
                    "high": np.maximum(begin, close) * 1.001,
                    "low": np.minimum(begin, close) * 0.999,
                    "close": close,
                    "volume": 1e6 / PRICES[c] * np.exp(0.3 * busy + 0.2 * hours.noise[:, c]),
                }
            )
            names = {"venue": venue, "symbol": coin, "market": "perp", "bar": "1h", "volume_unit": "base"}
            rows.append(frame.with_columns(**{name: pl.lit(value) for name, value in names.items()}))
    return _table(rows, "ohlcv")


def _premiums(hours: _Hours) -> pl.DataFrame:
    rows = []
    for v, venue in enumerate(VENUES):
        for c, coin in enumerate(COINS):
            frame = pl.DataFrame({"ts": hours.ends_ms, "premium": hours.premium[:, v, c]})
            rows.append(frame.with_columns(venue=pl.lit(venue), symbol=pl.lit(coin), kind=pl.lit("venue")))
    return _table(rows, "premium")


def _interest(hours: _Hours) -> pl.DataFrame:
    rows = []
    for v, venue in enumerate(VENUES):
        for c, coin in enumerate(COINS):
            coins = 2e7 / PRICES[c] * np.exp(20.0 * hours.premium[:, v, c])
            frame = pl.DataFrame(
                {
                    "ts": hours.ends_ms,
                    "open_interest_base": coins,
                    "open_interest_usd": coins * hours.price[:, c],
                }
            )
            rows.append(frame.with_columns(venue=pl.lit(venue), symbol=pl.lit(coin), bar=pl.lit("1h")))
    return _table(rows, "open_interest")


def _table(parts: list[pl.DataFrame], name: str) -> pl.DataFrame:
    """Put the parts together, in order of time, with the columns that a recorded table has."""
    whole = pl.concat(parts).with_columns(source=pl.lit("made up")).sort("ts", "venue", "symbol")
    columns = [pl.col(column).cast(kind) for column, kind in SCHEMAS[name].items()]
    return whole.select(columns)
