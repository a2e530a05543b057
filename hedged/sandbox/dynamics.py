"""The hidden world behind the simulated tables: prices, mood, hot regimes and trades, minute by minute.

Everything random of a UTC day comes from generators seeded with (seed, day, stream), and only the state at the day's
end is carried on, so the first n days are the same however many follow. Row i of an array with MINUTES rows is the
instant i + 1 minutes after midnight; the last axis follows SYMBOLS (3) or SERIES (9).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hedged.sandbox.markets import INJECTIVE_COLUMNS, SERIES, SIMULATED_COINS, SYMBOLS, VENUES, SimulatedCoin

Floats = NDArray[np.float64]

MINUTES = 1_440
DAYLIGHT: Floats = 0.5 - 0.5 * np.cos(2.0 * np.pi * ((np.arange(MINUTES)[:, None] + 0.5) / 60.0 - 3.0) / 24.0)
"""How awake the world is: 0 at 03:00 UTC, 1 at 15:00; (MINUTES, 1)."""
# Every constant below and in `SIMULATED_COINS` is set by the table in docs/simulator.md, which says what was recorded.
CEX_DISCOUNT = 4.15e-4
"""CEX perpetuals trade a few bp below their USDT index in quiet times: at the lower edge of the dead band.

A third of the recorded prints of Binance and Bybit stand at the pin, and most others below it.
"""
CEX_MOOD = 0.12
CEX_OWN = 0.2
"""Shares of a coin's `sentiment` that move a CEX's premium: common to the venues, and its own."""
INJECTIVE_OWN = 0.8
"""The same of Injective's own part: what the chain's formula on Hyperliquid's premiums forgets within hours."""
HOT_OWN = 0.3
HOT_MOOD = 0.2
"""How far a venue's own part and mood move the premium of a hot regime, as shares of it."""
MOOD_FROM_PRICES = 0.7
"""Correlation of mood's shocks with those of prices: the market's for the common mood, the coin's own for its own."""
MOOD_WEIGHTS = {"season": 0.3, "mood": 0.5, "coin_mood": 0.2}
"""Shares of mood's variance: seasons set recorded half-years apart, the rest forgets within days."""
HOT_SIZE = (0.0024, 0.002)
"""Least premium of a hot regime and what a draw in [0, 1] adds: with the shares below INJ's true mean, 44 % a year."""
VOLATILITY_SPREAD = 0.4
FLURRY_SPREAD = 0.33
"""Standard deviations of log volatility over days and hours: recorded hourly returns have a kurtosis of 14 … 23."""
JUMPS_PER_DAY = 0.1
JUMP_SIZE = 0.05
"""Standard deviation of a jump's log return, as a share of the annual volatility; Laplace, as tails are heavy."""
WEEKEND_VOLATILITY = 0.75
NIGHT_VOLATILITY = 0.8
"""Volatility on Saturdays and Sundays, and at 03:00 UTC, relative to workdays and to 15:00."""


class Stream(IntEnum):
    """What a generator's numbers are for. Append, never reorder: the number is part of every seed."""

    START = 0
    FACTORS = 1
    JUMPS = 2
    REGIMES = 3
    TRADES = 4
    BOOKS = 5


def generator(seed: int, day: int, stream: Stream) -> np.random.Generator:
    """Return the generator of one day (0 = first simulated) and purpose: the same in any process."""
    return np.random.default_rng([seed, day, int(stream)])


# name, columns, half-life in minutes; each an Ornstein-Uhlenbeck process of unit variance
_FACTORS = (
    ("volatility", 1, 2_880.0),
    ("flurry", 1, 180.0),
    ("season", 1, 43_200.0),
    ("mood", 1, 4_320.0),
    ("coin_mood", len(SYMBOLS), 2_880.0),
    ("venue", len(SERIES), 150.0),
    ("basis", len(SERIES), 30.0),
    ("activity", len(SYMBOLS), 720.0),
    ("holdings", len(SERIES), 43_200.0),
    ("crowd", len(SERIES), 1_440.0),
)
_WIDTHS = [width for _, width, _ in _FACTORS]
_HALF_LIVES_MIN = np.repeat([half_life for _, _, half_life in _FACTORS], _WIDTHS)
_ENDS = np.cumsum(_WIDTHS).tolist()
_COLUMNS = {name: slice(end - width, end) for (name, width, _), end in zip(_FACTORS, _ENDS, strict=True)}


def relax(start: Floats, drive: Floats, half_life: Floats) -> Floats:
    """Run x_i = x_{i−1}·2^(−1/half_life) + drive_i from x_0 = start; half-lives (k,) in steps. (k,), (n, k) → (n, k).

    The closed form Σ drive·2^(age) is safe while n ÷ half-life stays far below 1,000, the range of a double.
    """
    decay = np.exp2(-np.arange(1, len(drive) + 1)[:, None] / half_life)
    out: Floats = decay * (start + np.cumsum(drive / decay, axis=0))
    return out


@dataclass(slots=True)
class Regime:
    """Whether a coin is hot: the premium that Injective is drawn to for `hot_scale` 1 (0 = cold), and for how long.

    `latest_sign` is that of the latest hot time. Never two negative ones in a row, and a negative one is short and
    soon followed by the next, so that INJ has a positive one in nearly any month.
    """

    level: float
    hours_left: int
    latest_sign: int

    def next_hour(self, coin: SimulatedCoin, rng: np.random.Generator) -> None:
        """Pass an hour, switching when it is time."""
        self.hours_left -= 1
        if self.hours_left > 0:
            return
        if self.level != 0.0:
            days = cold_days(coin, rng) * (1.0 if self.latest_sign > 0 else 0.25)
            self.level, self.hours_left = 0.0, 1 + round(24.0 * days)
            return
        self.latest_sign = -1 if self.latest_sign > 0 and rng.random() < 0.18 else 1
        size = HOT_SIZE[0] + HOT_SIZE[1] * rng.beta(1.0, 3.0)
        self.hours_left = 36 + round(rng.exponential(54.0))
        self.level = size
        if self.latest_sign < 0:
            self.level, self.hours_left = -0.5 * size, min(self.hours_left, 96)


def cold_days(coin: SimulatedCoin, rng: np.random.Generator) -> float:
    """Draw the length of a cold time."""
    return rng.uniform(0.3, 1.0) * coin.longest_cold_days


@dataclass(frozen=True, slots=True)
class DayPath:
    """One day of the hidden world.

    `index`: oracle price, USD (MINUTES, 3); `mark` (MINUTES, 9), with `mark_before` (9,) at midnight. `premium`: of
    the perpetual over what its venue compares it with, fraction (MINUTES, 9). `volatility`: multiple of the usual
    (MINUTES, 1). `mood`: standard normal, > 0 greedy (MINUTES, 3). `activity`: multiple of the usual (MINUTES, 3).
    `holdings` and `crowd`: standard normal (MINUTES, 9), behind open interest and long/short ratio.
    """

    index: Floats
    mark: Floats
    mark_before: Floats
    premium: Floats
    volatility: Floats
    mood: Floats
    activity: Floats
    holdings: Floats
    crowd: Floats


@dataclass(frozen=True, slots=True)
class DayTrades:
    """Blocks with trades on Injective, at most one a minute; all (MINUTES, 3).

    `second`: instant within the minute's hour, 1 … 3599, meaningful where `traded`. `premium`: of the block's VWAP
    over the mark; `usd`: its size, 0 where nothing traded.
    """

    traded: NDArray[np.bool_]
    second: NDArray[np.int64]
    premium: Floats
    usd: Floats


def coin_values(name: str) -> Floats:
    """Return one number of every coin, by its field in SimulatedCoin, (3,)."""
    return np.array([getattr(coin, name) for coin in SIMULATED_COINS], dtype=np.float64)


class Dynamics:
    """Produces the days one after the other; the only state between them is what is held here."""

    def __init__(self, seed: int, first_weekday: int) -> None:
        """Start in a typical state, all coins cold. `first_weekday`: 0 = Monday."""
        rng = generator(seed, 0, Stream.START)
        self._seed, self._first_weekday, self._day = seed, first_weekday, 0
        self._factors: Floats = rng.standard_normal(len(_HALF_LIVES_MIN))
        # The first cold time has begun some while ago.
        elapsed = rng.uniform(0.4, 0.9, len(SIMULATED_COINS))
        hours = [24.0 * cold_days(c, rng) * (1.0 - e) for c, e in zip(SIMULATED_COINS, elapsed, strict=True)]
        self._regimes = [Regime(0.0, 1 + round(left), latest_sign=-1) for left in hours]
        self._hot: Floats = np.zeros(len(SYMBOLS))
        self._index: Floats = coin_values("start_price")
        self._mark: Floats = np.tile(self._index, len(VENUES))

    def next_day(self) -> tuple[DayPath, DayTrades]:
        """Live through one more UTC day."""
        shocks, jumps = self._shocks()
        factors = self._run_factors(shocks, jumps)
        volatility = self._volatility(factors["volatility"], factors["flurry"])
        season, common, own = (np.sqrt(share) * factors[name] for name, share in MOOD_WEIGHTS.items())
        mood = season + common + own
        hot = self._run_regimes()
        minute_sd = coin_values("annual_volatility") / np.sqrt(365 * MINUTES)
        returns = minute_sd * volatility * shocks[:, : len(SYMBOLS)] + jumps
        index = self._index * np.exp(np.cumsum(returns, axis=0))
        premium = _premium(mood, hot, factors["venue"])
        # Injective marks at the oracle; a CEX marks near its own perpetual.
        mark = np.tile(index, len(VENUES)) * (1.0 + 3e-5 * factors["basis"])
        mark[:, INJECTIVE_COLUMNS.stop :] *= 1.0 + premium[:, INJECTIVE_COLUMNS.stop :]
        path = DayPath(
            index=index,
            mark=mark,
            mark_before=self._mark,
            premium=premium,
            volatility=volatility,
            mood=mood,
            activity=self._activity(factors["activity"], hot),
            holdings=factors["holdings"],
            crowd=factors["crowd"],
        )
        trades = _trades(generator(self._seed, self._day, Stream.TRADES), path)
        self._index, self._mark, self._hot = index[-1], mark[-1], hot[-1]
        self._day += 1
        return path, trades

    def _shocks(self) -> tuple[Floats, Floats]:
        """Draw the day's noise: (MINUTES, 3 + factors) standard normal, the first 3 correlated; jumps (MINUTES, 3)."""
        rng = generator(self._seed, self._day, Stream.FACTORS)
        noise = rng.standard_normal((MINUTES, 1 + len(SYMBOLS) + len(_HALF_LIVES_MIN)))
        market, own, factors = np.split(noise, [1, 1 + len(SYMBOLS)], axis=1)
        # Mood follows returns: a rally makes longs greedy, which is what lets funding be forecast from prices.
        for name, source in (("mood", market), ("coin_mood", own)):
            rest = np.sqrt(1 - MOOD_FROM_PRICES**2) * factors[:, _COLUMNS[name]]
            factors[:, _COLUMNS[name]] = MOOD_FROM_PRICES * source + rest
        loading = coin_values("market_loading")
        returns = loading * market + np.sqrt(1 - loading**2) * own
        rng = generator(self._seed, self._day, Stream.JUMPS)
        happens = rng.random((MINUTES, 1)) < JUMPS_PER_DAY / MINUTES
        sizes = rng.laplace(0.0, np.sqrt(0.5), (MINUTES, 1)) * JUMP_SIZE * coin_values("annual_volatility")
        return np.hstack([returns, factors]), np.where(happens, sizes, 0.0)

    def _run_factors(self, shocks: Floats, jumps: Floats) -> dict[str, Floats]:
        """Advance every factor by a day; a jump leaves volatility behind."""
        drive = shocks[:, len(SYMBOLS) :] * np.sqrt(1.0 - np.exp2(-2.0 / _HALF_LIVES_MIN))
        drive[:, _COLUMNS["volatility"]] += 1.2 * (jumps[:, :1] != 0.0)
        factors = relax(self._factors, drive, _HALF_LIVES_MIN)
        self._factors = factors[-1]
        return {name: factors[:, columns] for name, columns in _COLUMNS.items()}

    def _run_regimes(self) -> Floats:
        """Return Injective's regime premium (MINUTES, 3): drawn to each hour's level with a half-life of 6 h.

        A coin that follows another is hot when that one is, and its own regime goes unseen.
        """
        rng = generator(self._seed, self._day, Stream.REGIMES)
        levels = np.empty((24, len(SYMBOLS)))
        for hour in range(24):
            for coin, regime in zip(SIMULATED_COINS, self._regimes, strict=True):
                regime.next_hour(coin, rng)
            levels[hour] = [self._regimes[SYMBOLS.index(coin.hot_with)].level for coin in SIMULATED_COINS]
        levels *= coin_values("hot_scale")
        half_life = np.full(len(SYMBOLS), 360.0)
        return relax(self._hot, np.repeat(levels, 60, axis=0) * (1.0 - np.exp2(-1.0 / half_life)), half_life)

    def _activity(self, factor: Floats, hot: Floats) -> Floats:
        """Return how lively trading is (MINUTES, 3): quiet at night and at the weekend, busy in hot regimes."""
        night = coin_values("night_share")
        weekend = 0.6 if self._is_weekend else 1.0
        busy = np.exp(0.5 * factor - 0.125) * (1.0 + np.abs(hot) / 0.0025)
        out: Floats = weekend * (night + (1.0 - night) * DAYLIGHT) * busy
        return out

    def _volatility(self, slow: Floats, flurry: Floats) -> Floats:
        """Return the multiple of the usual volatility (MINUTES, 1); mean square of workdays 0.9, jumps add the rest."""
        day = NIGHT_VOLATILITY + (1.0 - NIGHT_VOLATILITY) * DAYLIGHT
        day *= WEEKEND_VOLATILITY if self._is_weekend else 1.0
        spread = VOLATILITY_SPREAD**2 + FLURRY_SPREAD**2
        out: Floats = 1.05 * day * np.exp(VOLATILITY_SPREAD * slow + FLURRY_SPREAD * flurry - spread)
        return out

    @property
    def _is_weekend(self) -> bool:
        return (self._first_weekday + self._day) % 7 >= 5


def _premium(mood: Floats, hot: Floats, venue: Floats) -> Floats:
    """Put the premiums together, (MINUTES, 9): slow mood, the venue's own noise, and the regime."""
    sentiment = coin_values("sentiment")
    own = venue.reshape(MINUTES, len(VENUES), len(SYMBOLS))
    heat = hot[:, None, :] * (1.0 + HOT_MOOD * mood[:, None, :] + HOT_OWN * own)
    premium = sentiment * (CEX_MOOD * mood[:, None, :] + CEX_OWN * own) - CEX_DISCOUNT
    premium += coin_values("cex_hot_share") * heat
    usual = coin_values("usual_premium") + sentiment * (mood + INJECTIVE_OWN * own[:, 0])
    premium[:, 0] = usual + heat[:, 0]
    return premium.reshape(MINUTES, len(SERIES))


def _trades(rng: np.random.Generator, path: DayPath) -> DayTrades:
    """Let blocks with trades happen at random minutes, Poisson with the day's activity."""
    shape = (MINUTES, len(SYMBOLS))
    traded = rng.random(shape) < -np.expm1(-coin_values("trades_per_hour") / 60.0 * path.activity)
    # Never on the minute itself: who trades in the block of a settlement belongs to neither hour for certain.
    second = np.arange(MINUTES)[:, None] % 60 * 60 + rng.integers(1, 60, shape)
    premium = path.premium[:, INJECTIVE_COLUMNS] + coin_values("trade_noise") * rng.standard_normal(shape)
    usd = np.where(traded, coin_values("trade_usd") * np.exp(1.2 * rng.standard_normal(shape)), 0.0)
    return DayTrades(traded, second, premium, usd)
