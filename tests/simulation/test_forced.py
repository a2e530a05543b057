"""What venues do by force, in a run of the daemon: it sees it, goes on, and every figure counts it."""

import json
from decimal import Decimal

import polars as pl
import pytest
from paper_world import check_money
from parity import assert_alike, both
from worlds import START_MS, config, crashed, dear, run, tables, world_of

from hedged.adapters.paper.record import Why
from hedged.backtest.gaps import find_gaps
from hedged.backtest.recorded import window_settlements
from hedged.backtest.runner import RunResult, Window
from hedged.backtest.summary import summarise
from hedged.cycle import CycleReport
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey

CRASH_MS = START_MS + 10 * HOUR_MS


@pytest.fixture(scope="module")
def crash() -> tuple[RunResult, list[CycleReport]]:
    """Everything falls by two thirds within a quarter of an hour, while long legs are held at exchanges."""
    reports: list[CycleReport] = []
    settings = config(paper={"margin_calls": "unmet"}, cycle={"history_days": 12, "interval_s": 3_600})
    return run(
        world_of(crashed(dear(tables(2)), 0.33, CRASH_MS)), settings, 0.75, on_cycle=reports.append
    ), reports


def test_a_liquidated_leg_is_seen_by_the_next_cycle(crash: tuple[RunResult, list[CycleReport]]) -> None:
    """If this fails, the daemon goes on as if it still held what a venue has taken, and sizes and closes by it."""
    result, reports = crash
    legs = {
        one.execution.key: one.execution
        for venue, record in result.accounts.items()
        for one in record.forced
        if venue != INJECTIVE
    }
    assert legs, "a leg must be liquidated, or nothing is shown"
    for key, execution in legs.items():
        before = [r for r in reports if r.now_ms <= execution.ts_ms][-1]
        after = next(r for r in reports if r.now_ms > execution.ts_ms)
        assert before.account.attributed[key] == -execution.signed_quantity
        assert after.account.attributed[key] == 0
        assert after.account.reconciled
        assert CRASH_MS <= execution.ts_ms < CRASH_MS + HOUR_MS


def test_every_figure_counts_what_was_forced(crash: tuple[RunResult, list[CycleReport]]) -> None:
    """If this fails, a penalty is no cost, a leg that is gone still gains, or funding is missed that none could get."""
    result, _ = crash
    for record in result.accounts.values():
        check_money(record)
        assert {one.why for one in record.forced} <= {Why.LIQUIDATION}
    world = world_of(crashed(dear(tables(2)), 0.33, CRASH_MS))
    summary = summarise(result, world, window_settlements(world, result.window), "backtest")
    json.dumps(summary, allow_nan=False)
    exchanges = [a for v, a in summary["accounts"].items() if v != INJECTIVE]
    taken = sum(a["penalties_usd"] - a["insured_usd"] for a in exchanges)
    assert summary["orders"]["forced"]["fees_usd"] == pytest.approx(taken)
    assert summary["orders"]["forced"]["fills"] == sum(len(a["forced"]) for a in exchanges)
    assert summary["orders"]["made"]["fills"] == 0
    fees = summary["orders"]["taken"]["fees_usd"] + taken
    assert summary["fees_usd"] == pytest.approx(fees)
    own = {one["symbol"]: one for one in summary["accounts"][INJECTIVE]["forced"]}
    assert set(own) == {"INJ", "BTC"}
    held: dict[SeriesKey, Decimal] = {}
    for fill in result.fills:
        held[fill.key] = held.get(fill.key, Decimal(0)) + fill.signed_quantity
    gone = {SeriesKey(v, f["symbol"]) for v, a in summary["accounts"].items() for f in a["forced"]}
    assert all(not held[key] for key in gone if key.venue != INJECTIVE)
    first = {
        one.execution.key.symbol: one.execution.ts_ms for one in reversed(result.accounts[INJECTIVE].forced)
    }
    quantity = {symbol: q for _, _, symbol, q in reversed(result.book)}
    price = {(p.settlement.key, p.settlement.ts_ms): p.settlement.price for p in result.payments}
    unhedged = sum(
        -float(quantity[s.key.symbol] * s.rate.rate * price[s.key, s.ts_ms])
        for s in window_settlements(world, result.window)
        if s.ts_ms <= first.get(s.key.symbol, 0)
    )
    assert summary["unhedged_funding_usd"] == pytest.approx(unhedged)


def test_a_market_whose_recording_ends_is_closed_and_pays_no_more() -> None:
    """If this fails, a leg at a delisted market is held, valued and funded to the end of the run (Lean#9801)."""
    frames = dear(tables(3))
    end_ms = START_MS + 6 * HOUR_MS
    gone = (pl.col("venue") == "bybit") & (pl.col("ts").dt.epoch("ms") > end_ms)
    for name, frame in frames.items():
        if {"venue", "ts"} <= set(frame.columns):
            frames[name] = frame.filter(~gone)
    settings = config(cycle={"history_days": 12, "interval_s": 3_600})
    result = run(world_of(frames), settings, 1.5)
    record = result.accounts["bybit"]
    assert record.forced, "a leg must be held there, or nothing is shown"
    for one in record.forced:
        assert one.why is Why.DELISTING
        e = one.execution
        assert end_ms + 24 * HOUR_MS < e.ts_ms <= end_ms + 26 * HOUR_MS
        assert one.penalty_usd == e.quantity * e.price * Decimal("0.005")
        later = [p for p in result.payments if p.settlement.key == e.key and p.settlement.ts_ms > end_ms]
        assert not later
        assert not [f for f in result.fills if f.key == e.key and f.execution.ts_ms > e.ts_ms]
    check_money(record)


def test_a_silence_that_ends_is_a_gap_and_no_delisting() -> None:
    """If this fails, a hole in a recording takes positions away, trades in it, or is not stated."""
    frames, settings = (
        dear(tables(3)),
        config(cycle={"history_days": 12, "bar_s": 3_600, "interval_s": 3_600}),
    )
    first_ms, last_ms = START_MS + 6 * HOUR_MS, START_MS + 40 * HOUR_MS
    ts = pl.col("ts").dt.epoch("ms")
    gone = (pl.col("venue") == "bybit") & (ts > first_ms) & (ts < last_ms)
    for name, frame in frames.items():
        if {"venue", "ts"} <= set(frame.columns):
            frames[name] = frame.filter(~gone)
    world, window = world_of(frames), Window(START_MS, START_MS + 2 * DAY_MS)
    daemon, batch = both(
        settings, world, ["injective", "binance", "bybit"], window, arrays=True, every_ms=DAY_MS
    )
    assert_alike(daemon, batch)
    there = [fill for fill in daemon.fills if fill.key.venue == "bybit"]
    assert sum(f.execution.signed_quantity for f in there if f.execution.ts_ms <= first_ms), (
        "a leg must be held there"
    )
    assert not [f for f in there if first_ms + 25 * HOUR_MS < f.execution.ts_ms < last_ms]
    assert not daemon.accounts["bybit"].forced
    paid_ms = [p.settlement.ts_ms for p in daemon.payments if p.settlement.key.venue == "bybit"]
    assert not [ms for ms in paid_ms if first_ms < ms < last_ms]
    assert max(paid_ms) >= last_ms, "what is held is paid again once the gap is over"
    gaps = find_gaps(world, sorted({fill.key for fill in there}), window)
    assert {gap.table for gap in gaps} >= {"funding"}
    summary = summarise(daemon, world, window_settlements(world, window), "test")
    said = [
        gap["detail"] for gap in summary["data_gaps"] if gap["venue"] == "bybit" and gap["table"] == "funding"
    ]
    assert any("held in it, unpaid" in detail for detail in said)
    check_money(daemon.accounts["bybit"])
