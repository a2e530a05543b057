"""How long reconciliation takes: a start on a journal of N orders, each filled in two parts, and a look after it.

The venues answer from memory, so what is measured is the daemon's own part: reading the journal, folding the history,
holding positions, orders and payments against it. `python benchmarks/bench_reconcile.py`
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.book import Balance, Position
from hedged.domain.clock import MINUTE_MS
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Hashes, Intent, OrderState, Purpose, Side
from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.telemetry.logs import configure_logs

COUNTS = (1_000, 10_000)
VENUES = (INJECTIVE, "binance", "bybit")
COINS = ("BTC", "ETH", "INJ")
KEYS = [SeriesKey(venue, coin) for venue in VENUES for coin in COINS]
LOOKS = 20
NOW_MS = 1_760_000_000_000


class Venue:
    """A `Trading` port that knows every answer; its position is what its executions add up to."""

    def __init__(self, venue: str, executions: Sequence[Execution]) -> None:
        self.venue, self._executions = venue, executions
        self._positions: dict[str, Decimal] = {}
        for one in executions:
            symbol = one.key.symbol
            self._positions[symbol] = self._positions.get(symbol, Decimal(0)) + one.signed_quantity

    async def positions(self) -> Mapping[str, Position]:
        return {
            s: Position(SeriesKey(self.venue, s), q, Decimal(100)) for s, q in self._positions.items() if q
        }

    async def balance(self) -> Balance:
        return Balance(self.venue, Decimal(10**6), Decimal(10**6))

    async def open_orders(self) -> Sequence[OrderState]:
        return ()

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        return [one for one in self._executions if one.ts_ms >= since_ms]

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        return ()


async def write_history(path: Path, orders: int) -> list[Execution]:
    """Journal so many orders, one a minute, and what they filled; return their executions."""
    journal = Journal.open(path, durable=False)
    executions = []
    for number in range(orders):
        at_ms, key = NOW_MS - (orders - number) * MINUTE_MS, KEYS[number % len(KEYS)]
        side = Side.BUY if number // len(KEYS) % 2 else Side.SELL
        intent = Intent(
            at_ms,
            key,
            side,
            Decimal(2),
            Decimal(101),
            Decimal(100),
            Purpose.HEDGE_OPEN,
            False,
            Hashes("", "", ""),
        )
        approved = ApprovedIntent(intent, intent.client_id("bench"), GateSeal())
        await journal(JournalStore.record_attempt, approved, at_ms)
        await journal(JournalStore.record_event, approved.client_id, at_ms, "acknowledged", "")
        executions += [
            Execution(
                at_ms,
                key,
                f"{number}-{k}",
                approved.client_id,
                side,
                Decimal(1),
                Decimal(100),
                Decimal("0.05"),
            )
            for k in range(2)
        ]
    await journal(JournalStore.record_executions, executions)
    journal.close()
    return executions


async def measure(directory: Path, orders: int) -> dict[str, float]:
    """Return milliseconds by what took them."""
    path = directory / f"{orders}.sqlite"
    executions = await write_history(path, orders)
    trading = {v: Venue(v, [e for e in executions if e.key.venue == v]) for v in VENUES}
    journal = Journal.open(path)
    accounts = Accounts(trading, journal, NOW_MS, account="bench", markets=KEYS)  # type: ignore[arg-type]
    started = time.perf_counter()
    await accounts.load()
    loaded = time.perf_counter()
    state = await accounts.refresh(NOW_MS)
    first = time.perf_counter()
    assert state.reconciled
    assert not state.frozen
    looks = []
    for number in range(1, LOOKS + 1):
        before = time.perf_counter()
        await accounts.refresh(NOW_MS + number * MINUTE_MS)
        looks.append((time.perf_counter() - before) * 1_000)
    journal.close()
    return {
        "load, ms": (loaded - started) * 1_000,
        "first refresh, ms": (first - loaded) * 1_000,
        "a later refresh, median ms": statistics.median(looks),
    }


def main() -> None:
    """Measure and print."""
    configure_logs(lambda: NOW_MS, "critical", "console")
    with TemporaryDirectory() as directory:
        for orders in COUNTS:
            for name, value in asyncio.run(measure(Path(directory), orders)).items():
                print(f"{orders:>6,} orders  {name:<30} {value:,.1f}")


if __name__ == "__main__":
    main()
