"""What `hedged status` makes of a daemon: of its own document, else of lease and journal."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from commands import hedged
from fakes import approve, intent

from hedged.config import parse_config
from hedged.control.lease import Lease
from hedged.control.state import State, judge, judge_left, look_left
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Side
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.store import JournalStore
from hedged.status.document import AlertRow, Health, Latch, Status

LATCH = Latch(level="pause", reason="r", by="cli", at_ms=0, text="pause since then")


def document(alerts: tuple[AlertRow, ...] = (), **health: Any) -> Status:
    """A document of which only this much matters here."""
    told = {
        "state": "running", "ready": True, "alive": True, "reasons": (), "not_alive": (), "latch": None, "halted": (),
    }  # fmt: skip
    return Status.model_construct(
        health=Health.model_construct(**told | health), alerts=alerts, venues=(), book=(), collateral=()
    )


def alert(severity: str) -> AlertRow:
    return AlertRow.model_construct(kind="k", severity=severity, subject="okx", text="is away", since_ms=0)


@pytest.mark.parametrize(
    ("told", "state", "first"),
    [
        (document(), State.HEALTHY, None),
        (document(alerts=(alert("warning"),)), State.HEALTHY, None),
        (document(alerts=(alert("critical"),)), State.DEGRADED, "okx: is away"),
        (document(ready=False, reasons=("backfilling 3%",)), State.DEGRADED, "not ready: backfilling 3%"),
        (document(ready=False, reasons=("x",), latch=LATCH), State.HALTED, "latched: pause since then"),
        (document(halted=("a loss limit",)), State.HALTED, "nothing is opened: a loss limit"),
    ],
)
def test_a_daemon_is_judged_by_what_it_says(told: Status, state: State, first: str | None) -> None:
    """If this fails, a script takes a halted daemon for a healthy one, or is called out of bed for nothing."""
    found = judge(told)
    assert found.state is state
    assert (found.reasons[0] if found.reasons else None) == first


def test_the_codes_are_as_documented() -> None:
    """If this fails, scripts that watch the daemon read one state for another."""
    assert {state.name: int(state) for state in State} == {
        "HEALTHY": 0, "DEGRADED": 1, "HALTED": 3, "STOPPED": 4, "HANGING": 5,
    }  # fmt: skip


def test_without_a_page_lease_and_journal_are_asked(tmp_path: Path) -> None:
    """If this fails, an operator learns nothing of a daemon that hangs, when it matters most."""
    config = parse_config({"state_dir": str(tmp_path / "s"), "telemetry": {"port": 1}})
    file = tmp_path / "c.yaml"
    file.write_text(f"state_dir: {tmp_path}/s\ntelemetry: {{port: 1}}\n")
    assert hedged("status", "--config", str(file)).returncode == State.STOPPED
    lease = Lease.take(config)
    store = JournalStore(str(config.state_dir / JOURNAL_FILE), durable=True)
    key = SeriesKey("okx", "INJ")
    order = approve(intent(key, -100, cycle_ts_ms=1_000, reference_price=Decimal(20)))
    store.record_attempt(order, 1_000)
    fill = Execution(2_000, key, "x", order.client_id, Side.SELL, Decimal(100), Decimal(20), Decimal(0))
    store.record_executions([fill])
    try:
        lease.beat(0, doing="running", url="http://127.0.0.1:1/")
        left = look_left(config)
        assert (left.held, left.unresolved, left.doing, left.latch) == ({"okx:INJ": -100.0}, 1, "running", "")
        found = judge_left(left, config, "no answer")
        assert (found.state, "lives; its page: no answer" in found.reasons[0]) == (State.DEGRADED, True)
        store.set_kill(5, 4, "odd", "a", "cli")
        left = look_left(config)
        assert judge_left(left, config, "").state is State.HALTED
        assert judge_left(replace(left, silent_s=9.0), config, "").state is State.HANGING
        assert judge_left(replace(left, pid=None, silent_s=None), config, "").state is State.STOPPED
        done = hedged("status", "--config", str(file))
        assert done.returncode == State.HALTED
        assert "latched: flatten since" in done.stdout
        assert "held, as the journal has it: okx:INJ -100" in done.stdout
        assert "orders whose outcome is not known: 1" in done.stdout
    finally:
        store.close()
        lease.release()
