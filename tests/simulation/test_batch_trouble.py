"""The batch engine where something goes wrong: legs that stand alone, halts, what venues do by force."""

import polars as pl
import pytest
from parity import assert_alike, both
from worlds import START_MS, VENUES, config, crashed, dear, tables, world_of

from hedged.adapters.paper.record import Why
from hedged.backtest.runner import RunResult, Window
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.domain.market import INJECTIVE

HOURLY = {"history_days": 12, "bar_s": 3_600, "interval_s": 3_600, "stale_after_s": 7_200}
SLOW = {"latency_ms": 15_000}
"""The second leg of a pair arrives half a minute after it was decided."""
BETWEEN_MS = 20_000
EXCHANGES = ("binance", "bybit")


def jumped(
    frames: dict[str, pl.DataFrame], factor: float, venues: tuple[str, ...]
) -> dict[str, pl.DataFrame]:
    """The same tables with a candle more at some venues, which closes between the arrivals of the first pair's legs."""
    candles = frames["ohlcv"]
    before = pl.col("ts").dt.epoch("ms").eq(START_MS - 15 * MINUTE_MS)
    last = candles.filter(before & pl.col("venue").is_in(venues))
    then = last.with_columns(
        pl.col("ts") + pl.duration(milliseconds=BETWEEN_MS), pl.col("open", "high", "low", "close") * factor
    )
    more = pl.concat([candles, then.select(candles.columns)]).sort("ts", maintain_order=True)
    return frames | {"ohlcv": more}


def ended(frames: dict[str, pl.DataFrame], venue: str, at_ms: int) -> dict[str, pl.DataFrame]:
    """A venue tells nothing any more from an instant on."""
    gone = (pl.col("venue") == venue) & pl.col("ts").dt.epoch("ms").gt(at_ms)
    return {n: f.filter(~gone) if {"venue", "ts"} <= set(f.columns) else f for n, f in frames.items()}


def played(frames: dict[str, pl.DataFrame], hours: int = 24, **sections: object) -> RunResult:
    """Play a window by the daemon and by the batch engine, which passes bars over where it can; both are alike."""
    window = Window(START_MS, START_MS + hours * HOUR_MS)
    settings, world = config(cycle=HOURLY, **sections), world_of(frames)
    daemon, batch = both(settings, world, VENUES, window, arrays=True, every_ms=DAY_MS)
    assert_alike(daemon, batch)
    return daemon


def first_hour(result: RunResult) -> dict[tuple[str, str], list[int]]:
    """Sides of the fills of the first cycle, by venue and coin."""
    sides: dict[tuple[str, str], list[int]] = {}
    for fill in result.fills:
        if fill.execution.ts_ms < START_MS + HOUR_MS:
            sides.setdefault(tuple(fill.key), []).append(fill.execution.side.sign)
    return sides


def test_a_leg_that_stands_alone_is_taken_back_alike() -> None:
    """If this fails, a relocation whose far side is refused ends with another position than the daemon's."""
    result = played(jumped(dear(tables(2)), 1.03, EXCHANGES), paper=SLOW)
    sides = first_hour(result)
    assert {venue for venue, _ in sides} == {INJECTIVE}
    assert all(mine == [-1, 1] for mine in sides.values()), "cut, and given back"
    assert any(row["rule"] == "order_failed" for row in result.decisions)
    later = [f for f in result.fills if f.execution.ts_ms > START_MS + HOUR_MS]
    assert later, "what was taken back is tried again"


def test_a_leg_that_cannot_be_taken_back_halts_alike() -> None:
    """If this fails, the batch engine goes on opening where the daemon halted, or halts at another time."""
    result = played(jumped(dear(tables(2)), 0.97, VENUES), paper=SLOW)
    assert first_hour(result), "a leg must be filled, or nothing is shown"
    assert not [f for f in result.fills if f.execution.ts_ms > START_MS + HOUR_MS]
    assert any("killed (reduce-only)" in row["reason"] for row in result.decisions)


@pytest.mark.parametrize("margin_calls", ["met", "unmet"])
def test_liquidations_are_played_alike(margin_calls: str) -> None:
    """If this fails, what a crash takes is taken at another time or price, or the coin is hedged on as if held."""
    frames = crashed(dear(tables(2)), 0.33, START_MS + 10 * HOUR_MS)
    result = played(frames, paper={"margin_calls": margin_calls})
    forced = {v: {one.why for one in r.forced} for v, r in result.accounts.items() if r.forced}
    taken = {INJECTIVE, "bybit"} if margin_calls == "unmet" else {"bybit"}
    assert forced == {venue: {Why.LIQUIDATION} for venue in taken}


def test_a_rally_is_played_alike() -> None:
    """If this fails, margin, caps or reasons after a wide move are not the daemon's."""
    result = played(crashed(dear(tables(2)), 1.6, START_MS + 10 * HOUR_MS))
    assert any(f.execution.ts_ms > START_MS + 10 * HOUR_MS for f in result.fills)


def test_a_delisting_is_played_alike() -> None:
    """If this fails, a leg at a market that ended is held on, or closed at another time or price."""
    result = played(ended(dear(tables(3)), "bybit", START_MS + 6 * HOUR_MS), hours=36)
    assert {one.why for one in result.accounts["bybit"].forced} == {Why.DELISTING}
