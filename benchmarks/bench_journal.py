"""The journal: how long a write takes before an order may leave, how large it grows, how long a start looks through it.

Beside it the same rows as a plain sqlite3 connection writes them, in WAL mode with synchronous=NORMAL, as peers do:
that is quicker by the fsync and loses the last commits in a power cut.
"""

import asyncio
import json
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.clock import DAY_MS
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Side
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

WRITES = 1_000
START_MS = 1_760_000_400_000
KEY = SeriesKey("binance", "BTC")
CYCLE_MS = 900_000


def order(n: int) -> ApprovedIntent:
    """Return the n-th order; the benchmark stands where the gate does."""
    intent = Intent(
        START_MS + n * CYCLE_MS, KEY, Side.SELL, Decimal("0.123"), Decimal("99.8"), Decimal(100),
        Purpose.HEDGE_OPEN, False, Hashes("model", "features", "config"),
    )  # fmt: skip
    return ApprovedIntent(intent, intent.client_id("bench"), GateSeal())


async def timed(write: Callable[[ApprovedIntent, int], Awaitable[None]], offset: int) -> list[float]:
    """Return ms of each write."""
    took = []
    for n in range(offset, offset + WRITES):
        one = order(n)
        started = time.perf_counter()
        await write(one, n)
        took.append((time.perf_counter() - started) * 1_000)
    return took


def plain(path: Path) -> Callable[[ApprovedIntent, int], Awaitable[None]]:
    """Write the same two rows with a connection as it comes, on the event loop."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(
        "CREATE TABLE intents (client_id TEXT PRIMARY KEY, " + ", ".join(f"c{i}" for i in range(16)) + ")"
    )
    db.execute("CREATE TABLE order_events (client_id TEXT, ts_ms INTEGER, event TEXT, detail TEXT)")

    async def write(one: ApprovedIntent, n: int) -> None:
        i = one.intent
        row = (
            one.client_id, n, i.cycle_ts_ms, *i.key, i.side, str(i.quantity), str(i.worst_price),
            str(i.reference_price), i.purpose, 0, "m", "f", "c", one.client_id, 0, "take",
        )  # fmt: skip
        with db:
            db.execute(f"INSERT INTO intents VALUES ({','.join('?' * 17)})", row)
            db.execute("INSERT INTO order_events VALUES (?,?,?,?)", (one.client_id, n, "attempt", ""))

    return write


async def latencies(folder: Path) -> dict[str, list[float]]:
    """Measure the three in turns, so that a busy machine bothers all alike."""
    durable, memory = Journal.open(folder / "journal.sqlite"), Journal.open(None)

    def through(journal: Journal) -> Callable[[ApprovedIntent, int], Awaitable[None]]:
        async def write(one: ApprovedIntent, n: int) -> None:
            await journal(JournalStore.record_attempt, one, n)

        return write

    ways = {
        "journal: thread, WAL, FULL": through(durable),
        "journal in memory": through(memory),
        "plain sqlite3, WAL, NORMAL": plain(folder / "plain.sqlite"),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(3):
        for name, write in ways.items():
            found[name] += await timed(write, turn * WRITES)
    durable.close()
    memory.close()
    return found


def month(folder: Path, symbols: int) -> tuple[Path, int]:
    """Write the decisions of 30 days of 15-minute cycles; return the file and its bytes.

    Rows are as long as a live daemon's with two venues: 1.0 kB, and 2.3 kB with details, which are said once an hour.
    """
    path = folder / f"month{symbols}.sqlite"
    store = JournalStore(str(path), durable=False)
    leg = {"kind": "opposite", "venue": "binance", "rule": "plan", "why": "x" * 330}
    row = {"action": "hold", "reason": "y" * 700, "current": '{"binance": -755.8}', "target": "z" * 150}
    told = row | {"detail": json.dumps({"legs": [leg] * 3})}
    for n in range(30 * 96):
        body = json.dumps(row if n % 4 else told)
        rows = [(START_MS + n * CYCLE_MS, f"C{i}", body) for i in range(symbols)]
        store.write([("INSERT INTO decisions VALUES (?,?,?)", one) for one in rows])
    store.close()
    return path, path.stat().st_size


def opening(path: Path) -> float:
    """Return seconds that opening takes, its look for damage included."""
    started = time.perf_counter()
    JournalStore(str(path), durable=True, check=True).close()
    return time.perf_counter() - started


def grown(path: Path, megabytes: int) -> None:
    """Make a journal that large."""
    db = sqlite3.connect(path)
    body = json.dumps({"reason": "z" * 1_500})
    first_ms, per_row = START_MS + megabytes * DAY_MS, 1_600
    rows = ((first_ms + n, "C0", body) for n in range(megabytes * 1_000_000 // per_row))
    db.executemany("INSERT INTO decisions VALUES (?,?,?)", rows)
    db.commit()
    db.close()


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile, as `share` of 1."""
    return statistics.quantiles(values, n=1_000)[round(share * 1_000) - 1]


def main() -> None:
    """Measure and print. The folder, where one is named, says which disk."""
    where = sys.argv[1] if len(sys.argv) > 1 else None
    with TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        found = asyncio.run(latencies(folder))
        base = quantile(found["plain sqlite3, WAL, NORMAL"], 0.5)
        for way, ms in found.items():
            middle, worst = quantile(ms, 0.5), quantile(ms, 0.99)
            print(f"{way:<30} p50 {middle:7.3f} ms   p99 {worst:7.3f} ms   ÷ plain {middle / base:5.2f}")
        for symbols in (3, 25):
            path, size = month(folder, symbols)
            print(
                f"{symbols} symbols, 30 days of cycles   {size / 1e6:6.1f} MB, opened in {opening(path) * 1_000:.0f} ms"
            )
        for megabytes in (100, 500):
            grown(path, megabytes)
            print(f"{path.stat().st_size / 1e6:,.0f} MB: opened in {opening(path):.2f} s")


if __name__ == "__main__":
    main()
