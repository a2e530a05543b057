"""Payments and margins of many bars in one step are the ledger's own, bar by bar."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.adapters.paper.course import LATE_MS, Course
from hedged.adapters.paper.expiry import Expiry
from hedged.adapters.paper.latency import Latency
from hedged.adapters.paper.ledger import Ledger
from hedged.adapters.paper.terms import Backing, Terms
from hedged.adapters.replay.prices import prices_at
from hedged.adapters.replay.series import SeriesData, Track
from hedged.backtest.batch.course import BatchCourse
from hedged.backtest.batch.judged import Doubt
from hedged.backtest.batch.seen import Seen
from hedged.backtest.batch.source import Source
from hedged.backtest.world import World
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import Costs, Market, SeriesKey
from hedged.domain.orders import Execution, Side
from hedged.domain.quarantine import Doubted, Fault, Quarantine

START_MS = 1_767_225_600_000
BARS = 40
COINS = ("AAA", "BBB")
INTERVALS_MS = (HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS)


@dataclass(frozen=True)
class Trade:
    bar: int
    coin: int
    coins: int
    travels_ms: int


TRADES = st.lists(
    st.builds(
        Trade, st.integers(0, BARS - 1), st.integers(0, 1), st.integers(-9, 9).filter(bool),
        st.sampled_from((0, 400)),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


def series_of(rng: np.random.Generator, key: SeriesKey, wild: float) -> SeriesData:
    """Hourly candles, and prints whose interval changes on the way, some of them off the hour."""
    ends_ms = START_MS + np.arange(-2, BARS + 1) * HOUR_MS
    price = 100 * np.exp(np.cumsum(rng.standard_normal(len(ends_ms)) * wild))
    spread = 1 + np.abs(rng.standard_normal(len(ends_ms))) * wild
    first, then = rng.choice(INTERVALS_MS, 2)
    middle = START_MS + rng.integers(1, BARS) * HOUR_MS
    prints = np.unique(
        np.concatenate((np.arange(START_MS, middle, first), np.arange(middle, ends_ms[-1], then)))
    )
    hours = np.where(prints < middle, first, then) / HOUR_MS
    prints = prints + rng.choice((0, 0, 0, 200, 1_700_000), len(prints))
    rate = rng.standard_normal(len(prints)) * 1e-3
    return SeriesData(
        key, prints, rate, hours, np.full(len(prints), np.nan), close=Track(ends_ms, price), low=price / spread,
        high=price * spread, volume=Track(ends_ms, np.ones(len(ends_ms))),
        candle_ms=np.full(len(ends_ms), HOUR_MS),
    )  # fmt: skip


def seen_of(
    rng: np.random.Generator, world: World, keys: tuple[SeriesKey, ...], times_ms: np.ndarray
) -> Seen:
    """What was seen of some bars; a few prices are in doubt."""
    found = [prices_at(world.series, key, times_ms) for key in keys]
    mark, mark_ms = np.stack([f.price for f in found]), np.stack([f.known_ms for f in found])
    doubted, doubts = rng.random(mark.shape) < 0.03, {}
    for row, bar in np.argwhere(doubted).tolist():
        one = Quarantine(next(iter(f for f in Fault if f.doubts_price)), "", START_MS)
        mark[row, bar] = rng.choice((mark[row, bar] * 0.99, np.nan))
        doubts.setdefault(int(times_ms[bar]), {})[keys[row]] = Doubt(
            one, mark[row, bar], int(mark_ms[row, bar])
        )
    none = np.empty((0, 0))
    return Seen(
        keys, times_ms, mark, mark_ms, doubted, none, none, none, none, doubts, none, none, none, none
    )  # fmt: skip


@dataclass
class Played:
    ledger: Ledger
    course: Course
    source: Source
    doubted: Doubted

    def look(self, ms: int, bar: int | None = None) -> None:
        if bar is not None:
            self.doubted.clear()
            self.doubted.update(self.source.doubts(bar))
        asyncio.run(self.course.look(ms))

    def trade(self, ms: int, key: SeriesKey, coins: Decimal, market: Market) -> None:
        self.course.begin(ms)
        price = Decimal(100 + len(self.ledger.executions))
        side = Side.BUY if coins > 0 else Side.SELL
        number = str(len(self.ledger.executions))
        self.ledger.fill(Execution(ms, key, number, number, side, abs(coins), price, Decimal("0.05")), market)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31), trades=TRADES, wild=st.sampled_from((0.002, 0.03)),
    backing=st.sampled_from((Backing.CROSS, Backing.TOPPED_UP, Backing.ISOLATED)),
    cash=st.sampled_from((120, 500, 100_000)), looks=st.sets(st.integers(0, BARS - 1), max_size=6),
    chunk=st.sampled_from((BARS, 17)),
)  # fmt: skip
def test_one_step_is_what_every_bar_comes_to(
    seed: int, trades: list[Trade], wild: float, backing: Backing, cash: int, looks: set[int], chunk: int
) -> None:
    """If this fails, money after bars that were passed over is not what the daemon's account would hold."""
    keys = tuple(SeriesKey("binance", coin) for coin in COINS)
    rng = np.random.default_rng(seed)
    rules = (Decimal("0.01"), Decimal("0.001"), Decimal(1), Decimal("0.1"), Decimal("0.05"))
    market = {key: Market(key, *rules, Costs(*[Decimal(0)] * 3, Decimal(1))) for key in keys}
    world = World({key: series_of(rng, key, wild) for key in keys}, market, None)
    terms = Terms(
        Latency.constant(0), backing=backing, liquidation_fee=Decimal("0.01"), expiry=Expiry(7_200, 6 * 3_600)
    )
    times_ms = START_MS + np.arange(BARS) * HOUR_MS
    chunks = [seen_of(rng, world, keys, times_ms[i : i + chunk]) for i in range(0, BARS, chunk)]
    sides = []
    for batch in (False, True):
        source, doubted = Source("binance", world, keys), {}
        source.wanted = set(COINS)
        ledger = Ledger("binance", Decimal(cash), terms)
        course = (
            BatchCourse(source, ledger, doubted) if batch else Course(source, ledger, doubted, live=False)
        )
        played = Played(ledger, course, source, doubted)
        sides.append(played)
        now_ms = START_MS
        for part in chunks:
            source.then(part, now_ms - LATE_MS, HOUR_MS)
            for bar, ms in enumerate(part.times_ms.tolist()):
                number = (ms - START_MS) // HOUR_MS
                mine = [one for one in trades if one.bar == number]
                if not batch or mine or number in looks or bar == len(part.times_ms) - 1:
                    played.look(ms, bar)
                    now_ms = ms
                for one in mine:
                    if ms + one.travels_ms > now_ms:
                        now_ms = ms + one.travels_ms
                        played.look(now_ms)
                    played.trade(now_ms, keys[one.coin], Decimal(one.coins) / 7, market[keys[one.coin]])
    (one, other) = sides
    assert list(other.course.paid) == one.ledger.payments  # type: ignore[attr-defined]
    names = (
        "cash_usd",
        "funding_usd",
        "realised_usd",
        "fees_usd",
        "added_usd",
        "margins",
        "forced",
        "executions",
    )
    assert {n: getattr(other.ledger, n) for n in names} == {n: getattr(one.ledger, n) for n in names}
