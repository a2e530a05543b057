"""How the daemon does, in one word and an exit code: from what it says itself, else from its lease and its journal."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any

from hedged.config import Config
from hedged.control.client import lives
from hedged.control.kill_file import FILE, read_kill_file
from hedged.control.lease import read_sign
from hedged.control.switch import latch_text
from hedged.domain.clock import iso
from hedged.domain.errors import ConfigError
from hedged.execution.journal.decision_log import read_only
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.latch import last_turn
from hedged.execution.journal.store import SETTLED_EVENTS
from hedged.status.document import Status


class State(IntEnum):
    """The exit code of `hedged status`; 2 is wrong use, as with every command."""

    HEALTHY = 0
    DEGRADED = 1
    HALTED = 3
    STOPPED = 4
    HANGING = 5

    @property
    def text(self) -> str:
        """In a word or two."""
        return TEXTS[self]


TEXTS = {
    State.HEALTHY: "healthy",
    State.DEGRADED: "degraded",
    State.HALTED: "halted",
    State.STOPPED: "not running",
    State.HANGING: "hangs",
}


@dataclass(frozen=True, slots=True)
class Left:
    """What lease and journal tell while the daemon does not. `latch`: in words, empty where the switch is clear;
    `held`: signed coins by market, as the journal attributes them; `unresolved`: orders of unknown outcome.
    """

    pid: int | None
    silent_s: float | None
    doing: str
    latch: str
    last_decision_ms: int | None
    held: dict[str, float]
    unresolved: int
    trouble: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can write it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to make of it. `reasons`: why it is not healthy, the worst first."""

    state: State
    reasons: tuple[str, ...]


def judge(told: Status) -> Verdict:
    """Judge by the daemon's own document."""
    health = told.health
    stops = [f"latched: {health.latch.text}"] if health.latch else []
    stops += [f"nothing is opened: {why}" for why in health.halted]
    weak = [*health.not_alive, *(f"not ready: {why}" for why in health.reasons)]
    weak += [f"{row.subject}: {row.text}" for row in told.alerts if row.severity == "critical"]
    weak += [f"{row.venue}: data are stale" for row in told.venues if row.stale]
    state = State.HALTED if stops else State.DEGRADED if weak or not health.ready else State.HEALTHY
    return Verdict(state, (*stops, *weak))


def judge_left(left: Left, config: Config, why: str) -> Verdict:
    """Judge by lease and journal; `why`: how the page failed to answer."""
    latched = [f"latched: {left.latch}"] if left.latch else []
    broken = [left.trouble] if left.trouble else []
    silent_s = left.silent_s
    if left.pid is None or silent_s is None:
        return Verdict(State.STOPPED, (f"no daemon runs on {config.state_dir}", *latched, *broken))
    if silent_s > config.control.silent_after_s:
        hangs = f"the daemon (pid {left.pid}) has given no sign of life for {silent_s:.1f} s"
        return Verdict(State.HANGING, (hangs, *latched, *broken))
    state = State.HALTED if latched else State.DEGRADED
    return Verdict(
        state, (*latched, f"the daemon (pid {left.pid}, {left.doing}) lives; its page: {why}", *broken)
    )


def look_left(config: Config) -> Left:
    """Read lease and journal, which the daemon may have open; nothing is changed."""
    sign = read_sign(config.state_dir)
    latch, last_ms, held, unresolved, trouble = _journal(config)
    if (asked := read_kill_file(config.state_dir)) is not None:
        latch = latch or f"{asked.level.label} by the file {config.state_dir / FILE}: {asked.reason}"
    who = sign if lives(config) else None
    return Left(
        who.pid if who else None, who.silent_s if who else None, who.doing if who else "", latch, last_ms, held,
        unresolved, trouble,
    )  # fmt: skip


def _journal(config: Config) -> tuple[str, int | None, dict[str, float], int, str]:
    path = config.state_dir / JOURNAL_FILE
    if not path.exists():
        return "", None, {}, 0, f"there is no journal yet: the first start makes {path}"
    try:
        with closing(read_only(path)) as db:
            latch = latch_text(last_turn(db))
            (last_ms,) = db.execute("SELECT max(ts_ms) FROM decisions").fetchone()
            return latch, last_ms, _held(db), _unresolved(db), ""
    except (ConfigError, sqlite3.Error) as error:
        return "", None, {}, 0, f"journal: {error} (docs/journal.md)"


def _held(db: sqlite3.Connection) -> dict[str, float]:
    rows = db.execute(
        "SELECT e.venue, e.symbol, e.side, e.quantity FROM executions e JOIN intents i USING (client_id)"
    )
    net: dict[str, Decimal] = defaultdict(Decimal)
    for venue, symbol, side, quantity in rows:
        net[f"{venue}:{symbol}"] += Decimal(quantity) * (1 if side == "buy" else -1)
    return {key: float(quantity) for key, quantity in sorted(net.items()) if quantity}


def _unresolved(db: sqlite3.Connection) -> int:
    marks = ",".join("?" * len(SETTLED_EVENTS))
    query = f"SELECT client_id FROM order_events WHERE event IN ({marks})"
    row = db.execute(
        f"SELECT count(*) FROM intents WHERE client_id NOT IN ({query})", SETTLED_EVENTS
    ).fetchone()
    return int(row[0])


def last_seen(left: Left) -> str:
    """Say when something was decided last."""
    return iso(left.last_decision_ms) if left.last_decision_ms is not None else "never"
