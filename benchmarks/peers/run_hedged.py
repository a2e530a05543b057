"""The funding scenarios through hedged's own engine: recorded tables, replay, paper venue, the journal's ledger.

`python benchmarks/peers/run_hedged.py` prints what it makes of each. docs/funding-conformance.md is made from it and a
test runs it every time, so nothing of it is recorded.
"""

import asyncio
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from funding_scenarios import SCENARIOS, START, START_S, SYMBOL, Scenario, Trade

from hedged.adapters.paper import PaperVenue
from hedged.adapters.replay.series import series_of
from hedged.backtest.gaps import find_gaps
from hedged.backtest.runner import Window
from hedged.backtest.virtual_time import run_virtually
from hedged.backtest.world import World
from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.clock import LoopClock
from hedged.domain.market import Costs, Market, SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Side
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

KEY = SeriesKey("binance", SYMBOL)
START_MS, MINUTE_MS = START_S * 1_000, 60_000
COLLATERAL_USD = Decimal(100_000)
TS = pl.Datetime("ms", "UTC")
FREE = Costs(Decimal(0), Decimal(0), Decimal(0), depth_usd=Decimal("Infinity"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """USD at the end. `ledger_usd`: the same funding as the journal has it; `gaps`: what the report states."""

    funding_usd: Decimal
    ledger_usd: Decimal
    profit_usd: Decimal
    gaps: tuple[str, ...]


def world(scenario: Scenario) -> World:
    """Write the scenario as recorded tables, and cut them into series as any recording is."""
    names = {"venue": [KEY.venue], "symbol": [KEY.symbol]}
    when = [START_MS + p.minute * MINUTE_MS for p in scenario.prints]
    funding = pl.DataFrame(
        {
            "ts": pl.Series(when, dtype=pl.Int64).cast(TS),
            **{name: value * len(when) for name, value in names.items()},
            "funding_rate": [float(p.rate) for p in scenario.prints],
            "interval_hours": [float(p.hours) for p in scenario.prints],
            "mark_price": pl.Series([None] * len(when), dtype=pl.Float64),
        }
    )
    told = [START_MS + a.minute * MINUTE_MS for a in scenario.announced]
    estimates = pl.DataFrame(
        {
            "ts": pl.Series(told, dtype=pl.Int64).cast(TS),
            **{name: value * len(told) for name, value in names.items()},
            "funding_estimate": [float(a.coming.rate) for a in scenario.announced],
            "interval_hours": [float(a.coming.hours) for a in scenario.announced],
            "next_ts": pl.Series(
                [START_MS + a.coming.minute * MINUTE_MS for a in scenario.announced], dtype=pl.Int64
            ).cast(TS),
        }
    )
    minutes = range(-60, scenario.recorded_minutes)
    bars = pl.DataFrame(
        {
            "ts": pl.Series([START_MS + m * MINUTE_MS for m in minutes], dtype=pl.Int64).cast(TS),
            **{name: value * len(minutes) for name, value in names.items()},
            "bar": ["1m"] * len(minutes),
            "close": [float(scenario.price(max(m, 0))) for m in minutes],
            "volume": [1.0] * len(minutes),
        }
    )
    rules = Market(
        KEY, Decimal("0.01"), Decimal("0.001"), Decimal(0), Decimal("0.05"), Decimal("0.025"), FREE
    )
    return World(series_of({"funding": funding, "ohlcv": bars, "estimates": estimates}), {KEY: rules}, None)


def play(scenario: Scenario, *, watched: bool = False) -> Outcome:
    """Trade at the scenario's very instants on a virtual clock, without latency; read the account at the end.

    `watched`: the account is asked for at every trade as well, before and after, and a minute before it.
    """
    here = world(scenario)
    end_ms = START_MS + scenario.end * MINUTE_MS

    async def main() -> Outcome:
        clock = LoopClock(START_MS)
        venue = PaperVenue(here.venues([KEY.venue])[KEY.venue], clock, COLLATERAL_USD, 0)

        async def wait_for(minute: int) -> None:
            await asyncio.sleep(minute * 60 - asyncio.get_running_loop().time())
            if watched:
                await venue.funding_payments(START_MS)
                await venue.balance()

        for trade in scenario.trades:
            await wait_for(trade.minute - 1)
            await wait_for(trade.minute)
            await venue.place(_order(trade, clock.now_ms()))
            await wait_for(trade.minute)
        await wait_for(scenario.end)
        payments = await venue.funding_payments(START_MS)
        journal = Journal.open(None, durable=False)
        try:
            for _ in range(2):  # every reading overlaps the one before
                await journal(JournalStore.record_funding, payments)
            ledger = await journal(JournalStore.funding)
        finally:
            journal.close()
        return Outcome(
            sum((p.payment_usd for p in payments), Decimal(0)),
            sum((p.payment_usd for p in ledger), Decimal(0)),
            (await venue.balance()).total_usd - COLLATERAL_USD,
            tuple(
                f"{gap.table}: {gap.from_} to {gap.to}: {gap.detail}"
                for gap in find_gaps(here, [KEY], Window(START_MS, end_ms))
            ),
        )

    return run_virtually(main)


def _order(trade: Trade, now_ms: int) -> ApprovedIntent:
    coins = Decimal(trade.coins)
    intent = Intent(
        cycle_ts_ms=now_ms,
        key=KEY,
        side=Side.BUY if coins > 0 else Side.SELL,
        quantity=abs(coins),
        worst_price=Decimal(1_000) if coins > 0 else Decimal(1),
        reference_price=Decimal(100),
        purpose=Purpose.HEDGE_OPEN,
        reduce_only=False,
        hashes=Hashes("none", "none", "none"),
    )
    return ApprovedIntent(intent, intent.client_id("scenarios"), GateSeal())


if __name__ == "__main__":
    print(f"from {START:%Y-%m-%d %H:%M} UTC, USD: answer, funding, ledger, profit")
    for one in SCENARIOS:
        had = play(one)
        agrees = "" if had.funding_usd == had.ledger_usd == Decimal(one.usd) else "  DIFFERS"
        print(
            f"{one.name:20} {one.usd:>7} {had.funding_usd:>10f} {had.ledger_usd:>10f} {had.profit_usd:>10f}{agrees}"
        )
        for gap in had.gaps:
            print(f"{'':20} gap {gap}")
