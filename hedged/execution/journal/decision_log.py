"""Decisions read back: which was in force at an instant, and what was traded because of it.

A journal is opened read-only: beside the daemon that writes it, or after it ended.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Protocol, Self
from urllib.parse import quote

from hedged.domain.clock import HOUR_MS, MINUTE_MS, iso
from hedged.domain.errors import ConfigError

Row = Mapping[str, Any]
RECENT = 8
"""Cycles whose distance tells how long a decision is in force."""
LEAST_MS = 15 * MINUTE_MS


class DecisionLog(Protocol):
    """Decisions by instant (ms since the epoch) and symbol, wherever they were written."""

    name: str

    def times(self, until_ms: int | None, limit: int) -> list[int]:
        """Return the latest instants of decisions ≤ `until_ms` (None: of all), newest first."""
        ...

    def after(self, ts_ms: int) -> int | None:
        """Return the first instant of decisions > ts_ms."""
        ...

    def rows(self, ts_ms: int) -> dict[str, dict[str, Any]]:
        """Return the decisions of an instant by symbol."""
        ...

    def details(self, symbol: str, ts_ms: int) -> tuple[int, str] | None:
        """Return the details that stand for a decision, and when they were written: the last at or before it."""
        ...

    def trades(self, symbol: str, from_ms: int, to_ms: int | None) -> list[dict[str, Any]]:
        """Return the fills of a symbol's orders with from ≤ ts < to, oldest first."""
        ...


def in_force(log: DecisionLog, at_ms: int | None) -> int:
    """Return when the decisions in force then (None: the last) were made. Raises ConfigError naming the nearest."""
    recent = log.times(at_ms, RECENT + 1)
    first_after = log.after(at_ms) if at_ms is not None else None
    if not recent:
        if first_after is None:
            raise ConfigError(f"{log.name} holds no decision yet: the daemon's first cycle writes the first")
        raise ConfigError(
            f"nothing was decided at {iso(at_ms or 0)} yet; the first decision is of {iso(first_after)}"
        )
    last = recent[0]
    steps = [later - earlier for later, earlier in pairwise(recent)]
    reach_ms = 2 * max(int(median(steps)) if steps else LEAST_MS, MINUTE_MS)
    if at_ms is not None and at_ms - last > reach_ms:
        after = f", the next of {iso(first_after)}" if first_after is not None else ", and no later one"
        raise ConfigError(
            f"no decision was in force at {iso(at_ms)}: the nearest before is of {iso(last)}{after}; name one with --at"
        )
    return last


def told(log: DecisionLog, ts_ms: int, symbols: Sequence[str]) -> list[dict[str, Any]]:
    """Return the decisions of an instant whole: JSON parsed, details as last written, what was traded.

    Raises ConfigError for a symbol of which nothing was decided then.
    """
    rows = log.rows(ts_ms)
    missing = sorted(set(symbols) - set(rows))
    if missing:
        raise ConfigError(
            f"nothing was decided of {', '.join(missing)} at {iso(ts_ms)}; of {', '.join(sorted(rows))}"
        )
    until_ms = log.after(ts_ms)
    return [_whole(log, symbol, ts_ms, until_ms, rows[symbol]) for symbol in symbols or sorted(rows)]


def _whole(
    log: DecisionLog, symbol: str, ts_ms: int, until_ms: int | None, row: dict[str, Any]
) -> dict[str, Any]:
    body = {name: value for name, value in row.items() if value is not None}
    for name in ("current", "target"):
        if name in body:
            body[name] = json.loads(body[name])
    found = log.details(symbol, ts_ms)
    body["detail"] = json.loads(found[1]) if found else {}
    detail_ms = found[0] if found else ts_ms
    trades = log.trades(symbol, ts_ms, until_ms)
    return {"ts": iso(ts_ms), "symbol": symbol, **body, "detail_ts": iso(detail_ms), "trades": trades}


class JournalLog:
    """The journal of a daemon."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where there is none, or it cannot be read."""
        self.name = f"the journal {path}"
        if not path.is_file():
            raise ConfigError(
                f"there is no journal {path}: `hedged run` writes it; name another configuration with --config, a "
                "journal with --journal, or what a backtest wrote with --run"
            )
        self._db = read_only(path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def times(self, until_ms: int | None, limit: int) -> list[int]:
        """See `DecisionLog`."""
        until = 2**62 if until_ms is None else until_ms
        sql = "SELECT DISTINCT ts_ms FROM decisions WHERE ts_ms <= ? ORDER BY ts_ms DESC LIMIT ?"
        return [ts for (ts,) in self._db.execute(sql, (until, limit))]

    def after(self, ts_ms: int) -> int | None:
        """See `DecisionLog`."""
        (found,) = self._db.execute("SELECT min(ts_ms) FROM decisions WHERE ts_ms > ?", (ts_ms,)).fetchone()
        return found if found is None else int(found)

    def rows(self, ts_ms: int) -> dict[str, dict[str, Any]]:
        """See `DecisionLog`."""
        found = self._db.execute("SELECT symbol, body FROM decisions WHERE ts_ms = ?", (ts_ms,))
        return {symbol: json.loads(body) for symbol, body in found}

    def details(self, symbol: str, ts_ms: int) -> tuple[int, str] | None:
        """See `DecisionLog`. An hour holds details, so no more is looked through."""
        found = self._db.execute(
            "SELECT ts_ms, body FROM decisions WHERE ts_ms <= ? AND ts_ms >= ? AND symbol = ? ORDER BY ts_ms DESC",
            (ts_ms, ts_ms - HOUR_MS, symbol),
        )
        for at_ms, body in found:
            if "detail" in (row := json.loads(body)):
                return int(at_ms), str(row["detail"])
        return None

    def trades(self, symbol: str, from_ms: int, to_ms: int | None) -> list[dict[str, Any]]:
        """See `DecisionLog`. An order belongs to the cycle that decided it, however late it was filled."""
        found = self._db.execute(
            "SELECT e.ts_ms, e.venue, e.side, e.quantity, e.price, e.fee_usd, i.purpose FROM executions e"
            " JOIN intents i ON i.client_id = e.client_id"
            " WHERE i.symbol = ? AND i.cycle_ts_ms >= ? AND i.cycle_ts_ms < ? ORDER BY e.ts_ms, e.rowid",
            (symbol, from_ms, 2**62 if to_ms is None else to_ms),
        )
        names = ("venue", "side", "quantity", "price", "fee_usd", "purpose")
        return [{"ts": iso(ts), **dict(zip(names, rest, strict=True))} for ts, *rest in found]


def read_only(path: Path) -> sqlite3.Connection:
    """Open a journal for reading. One that nobody has open is read as it lies there: beside it, nothing is left."""
    in_use = path.with_name(f"{path.name}-wal").exists()
    how = "mode=ro" if in_use else "mode=ro&immutable=1"
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=5.0)
        db.execute("SELECT ts_ms, symbol, body FROM decisions LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"{path} cannot be read as a journal: {error}") from None
    return db
