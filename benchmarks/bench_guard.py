"""CPU of the fast loop while hedges are held: 25 coins on Injective and three exchanges, boards kept current by hand.

What is measured is one look (every board told, every mark judged, every hedge valued) and its share of a core at the
default pace; the account is asked at its slow pace of venues in memory, so the venues' own answers cost nothing here.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hedged.adapters.cex.board import Board
from hedged.adapters.paper import PaperVenue
from hedged.app import App, Parts
from hedged.config import parse_config
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS, SystemClock
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey
from hedged.domain.orders import Purpose
from hedged.execution.journal.thread import Journal
from hedged.forecast.registry import make_forecaster
from hedged.strategy.snapshot import DesiredPosition
from hedged.telemetry.logs import configure_logs

COINS = 25
VENUES = (INJECTIVE, "binance", "bybit", "okx")
LOOKS = 400


class Followed:
    """A venue whose board is told every market's values, as its feed does."""

    def __init__(self, venue: str, clock: SystemClock) -> None:
        self.venue, self._clock = venue, clock
        self.symbols = [f"C{i}" for i in range(COINS)]
        self.board = Board(venue)
        costs = Costs(Decimal("0.0002"), Decimal("0.0005"), Decimal("0.0001"), Decimal(5_000_000))
        self._markets = {
            s: Market(SeriesKey(venue, s), Decimal("0.001"), Decimal("0.001"), Decimal(5), Decimal("0.05"),
                      Decimal("0.025"), costs)
            for s in self.symbols
        }  # fmt: skip

    def tell(self, tick: int) -> None:
        now_ms = self._clock.now_ms()
        for i, symbol in enumerate(self.symbols):
            mark = 10.0 + i + 0.001 * (tick % 7)
            values = {
                Field.MARK: mark, Field.INDEX: mark, Field.FUNDING_ESTIMATE: 1e-5, Field.OPEN_INTEREST: 1e6,
                Field.BID_DEPTH_USD: 1e6, Field.ASK_DEPTH_USD: 1e6, Field.VOLUME: 1e5, Field.PREMIUM: 1e-4,
                Field.FUNDING_SETTLED: 1e-5, Field.SETTLED_INTERVAL_H: 8.0, Field.LONG_SHORT_RATIO: 1.0,
            }  # fmt: skip
            self.board.put(symbol, now_ms, values)
            self.board.put_settlement(symbol, now_ms, (now_ms // HOUR_MS + 1) * HOUR_MS, 8.0)

    async def markets(self) -> Mapping[str, Market]:
        return self._markets

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        return [self.board.observation(symbol, now_ms) for symbol in self.symbols]

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        return [() for _ in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        return ()


async def measure(directory: Path) -> dict[str, float]:
    """Open a hedge in every coin, then look again and again; return figures by name."""
    clock = SystemClock()
    sources = {venue: Followed(venue, clock) for venue in VENUES}
    config = parse_config({
        "hedge": {"venues": list(VENUES[1:]), "forecaster": "ewma"}, "cycle": {"history_days": 7},
        "risk": {"max_orders_per_hour": 1_000, "max_notional_per_hour_usd": 10**9},
        "book": {"positions": {f"C{i}": {"quantity": 1_000} for i in range(COINS)}},
    })  # fmt: skip
    for source in sources.values():
        source.tell(0)
    trading = {v: PaperVenue(s, clock, Decimal(10**7), 0) for v, s in sources.items()}
    for i in range(COINS):
        trading[INJECTIVE].seed(f"C{i}", Decimal(1_000), Decimal(10 + i), clock.now_ms())
    journal = Journal.open(directory / "journal.sqlite")
    symbols = tuple(f"C{i}" for i in range(COINS))
    parts = Parts(
        config, clock, sources, trading, journal, make_forecaster("ewma", None), symbols, Decimal(10**6)
    )
    app = App(parts)
    await app.prepare()
    desk, now_ms = app.cycle.desk, clock.now_ms()
    await app.cycle.poller.poll(now_ms)
    account = await desk.accounts.refresh(now_ms)
    desk.stops.see(account, app.cycle.poller.believed(now_ms))
    desk.stops.plan(dict.fromkeys(symbols, 1e6))
    desired = [
        DesiredPosition(SeriesKey(VENUES[1 + i % 3], f"C{i}"), Decimal(-300), Purpose.HEDGE_OPEN, "")
        for i in range(COINS)
    ]
    marks = app.cycle.poller.fresh_marks(now_ms, 10**6)
    facts = replace(
        desk.gate_facts.reductions(now_ms, account, marks, desk.markets, desk.executor, desk.kill),
        closed={}, sigma=dict.fromkeys(symbols, 0.001), basis_sigma=dict.fromkeys(desk.markets, 1e-4),
        forecast_by=dict.fromkeys(desk.markets, "ewma"), forecast_made_ms=now_ms,
    )  # fmt: skip
    traded = await desk.trade(now_ms, desired, account, facts, desk.hashes)
    assert not traded.review.refused, traded.review.refused[0]
    held = sum(1 for q in desk.accounts.attributed.values() if q)
    look, ms = app.guard, []
    for tick in range(LOOKS):
        for source in sources.values():
            source.tell(tick)
        await asyncio.sleep(0.002)
        started = time.process_time()
        await look(clock.now_ms())
        ms.append((time.process_time() - started) * 1_000)
    started = time.process_time()
    desk.accounts.asked_ms = 0
    await asyncio.sleep(0.002)
    await look(clock.now_ms())
    asking = (time.process_time() - started) * 1_000
    journal.close()
    per_s = statistics.mean(ms) / config.cycle.guard_interval_s + asking / config.cycle.guard_accounts_s
    return {
        "hedges held": held,
        "one look, median ms of CPU": statistics.median(ms),
        "one look that asks for the account, ms of CPU": asking,
        "share of a core, %": per_s / 10,
    }


def main() -> None:
    """Measure and print."""
    configure_logs(SystemClock().now_ms, "critical", "console")
    with TemporaryDirectory() as directory:
        figures: dict[str, Any] = asyncio.run(measure(Path(directory)))
    for name, value in figures.items():
        print(f"{name:<50} {value:,.3f}")


if __name__ == "__main__":
    main()
