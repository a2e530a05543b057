"""The market whose law turns: the same from the same seed, paid by the venues' own formulas, and another after it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.sandbox.turning import CAP_8H, COINS, LAG_H, VENUES, Course, turning, usual_course

LIVES_MS = 1_767_225_600_000
COURSE = usual_course(LIVES_MS, before_days=120, days=200)


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return turning(COURSE, 1)


def test_the_same_seed_is_the_same_history_however_long_it_goes_on(tables: dict[str, pl.DataFrame]) -> None:
    """If this fails, a rehearsal cannot be repeated, or what is to come changes what has been."""
    longer = turning(replace(COURSE, to_ms=COURSE.to_ms + 5 * DAY_MS), 1)
    for name, table in tables.items():
        until = longer[name].filter(pl.col("ts") <= table["ts"].max())
        assert until.equals(table), name
    assert not turning(COURSE, 2)["funding"].equals(tables["funding"])


def test_every_market_settles_when_its_venue_does(tables: dict[str, pl.DataFrame]) -> None:
    """If this fails, prints are missing or stand between the hours, or a rate passes its cap."""
    funding = tables["funding"]
    assert set(funding["venue"]) == set(VENUES)
    assert set(funding["symbol"]) == set(COINS)
    hours = pl.col("ts").dt.epoch("ms") // HOUR_MS
    assert funding.filter(hours % pl.col("interval_hours").cast(pl.Int64) != 0).is_empty()
    assert funding["funding_rate"].abs().max() <= CAP_8H
    bybit = funding.filter((pl.col("venue") == "bybit") & (pl.col("symbol") == "BTC"))
    faster = pl.col("ts").dt.epoch("ms") > COURSE.faster_ms
    assert set(bybit.filter(faster)["interval_hours"]) == {4.0}
    assert set(bybit.filter(~faster)["interval_hours"]) == {8.0}


def slope(tables: dict[str, pl.DataFrame], from_ms: int, to_ms: int) -> float:
    """How much of yesterday's return is in how the rate changes over the day that follows, as a correlation."""
    here = (pl.col("venue") == "injective") & (pl.col("symbol") == "INJ")
    ts = pl.col("ts").dt.epoch("ms")
    rate = (
        tables["funding"].filter(here & (ts > from_ms) & (ts <= to_ms)).sort("ts")["funding_rate"].to_numpy()
    )
    candles = tables["ohlcv"].filter(here & (ts >= from_ms) & (ts < to_ms)).sort("ts")
    price = np.log(candles["close"].to_numpy())
    at = np.arange(LAG_H, len(rate) - LAG_H, 24)
    gained = price[at] - price[at - LAG_H]
    return float(np.corrcoef(gained, rate[at + LAG_H] - rate[at])[0, 1])


def test_the_law_turns_for_good(tables: dict[str, pl.DataFrame]) -> None:
    """If this fails, nothing is planted that a model could have learnt and must unlearn."""
    assert slope(tables, COURSE.from_ms, COURSE.turn_ms) > 0.5
    assert slope(tables, COURSE.turn_ms + 5 * DAY_MS, COURSE.to_ms) < -0.5


def test_prices_move_three_times_as_much_for_a_while() -> None:
    """If this fails, there is no storm to be told from calm times."""
    course = Course(LIVES_MS, LIVES_MS + 40 * DAY_MS, LIVES_MS + 70 * DAY_MS, *[LIVES_MS + 90 * DAY_MS] * 2,
                    LIVES_MS + 100 * DAY_MS)  # fmt: skip
    candles = turning(course, 3)["ohlcv"].filter((pl.col("venue") == "binance") & (pl.col("symbol") == "ETH"))
    move = np.abs(np.diff(np.log(candles.sort("ts")["close"].to_numpy())))
    stormy = move[40 * 24 : 70 * 24].mean() / np.concatenate((move[: 40 * 24], move[70 * 24 :])).mean()
    assert 2.5 < stormy < 3.5
