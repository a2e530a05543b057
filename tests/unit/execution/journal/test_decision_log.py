"""Decisions read back: beside the daemon that writes, after it ended, and nothing where there is nothing."""

from pathlib import Path
from typing import Any

import pytest
from fakes import HERE, NOW_MS, approve, intent
from written import Written

from hedged.domain.clock import HOUR_MS, MINUTE_MS, iso
from hedged.domain.errors import ConfigError
from hedged.domain.orders import Execution, Side
from hedged.execution.journal.decision_log import JournalLog, in_force, told
from hedged.execution.journal.store import JournalStore

STEP_MS = 15 * MINUTE_MS
START_MS = NOW_MS // HOUR_MS * HOUR_MS


def row(reason: str, venue: str = "binance") -> dict[str, Any]:
    detail = {"unusable": {venue: "no fresh price"}}
    return {
        "action": "none",
        "rule": "cost",
        "reason": reason,
        "current": "{}",
        "target": "{}",
        "detail": Written(venue, detail),
    }


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, JournalStore]:
    """A journal that a daemon has open: four cycles, a pause of five hours, one more."""
    path = tmp_path / "journal.sqlite"
    store = JournalStore(str(path), durable=False)
    for k, ts_ms in enumerate([*(START_MS + i * STEP_MS for i in range(4)), START_MS + 5 * HOUR_MS]):
        symbols = ("BTC", "INJ") if k else ("BTC",)
        store.record_cycle(ts_ms, {symbol: row(f"reason {k}") for symbol in symbols}, {}, {})
    return path, store


def test_it_is_read_beside_the_daemon_and_after_it_ended(written: tuple[Path, JournalStore]) -> None:
    """If this fails, a running daemon cannot be asked why, or an ended one leaves files that lock out the next."""
    path, store = written
    with JournalLog(path) as log:
        assert in_force(log, None) == START_MS + 5 * HOUR_MS
    store.close()
    before = sorted(p.name for p in path.parent.iterdir())
    with JournalLog(path) as log:
        assert [one["reason"] for one in told(log, in_force(log, None), [])] == ["reason 4", "reason 4"]
    assert sorted(p.name for p in path.parent.iterdir()) == before == ["journal.sqlite"]


def test_the_decision_in_force_stands_until_the_next(written: tuple[Path, JournalStore]) -> None:
    """If this fails, an instant between two cycles is explained by what was decided after it, or not at all."""
    with JournalLog(written[0]) as log:
        assert in_force(log, START_MS + STEP_MS) == START_MS + STEP_MS
        assert in_force(log, START_MS + 2 * STEP_MS - 1) == START_MS + STEP_MS
        for at_ms, says in (
            (START_MS - 1, f"yet; the first decision is of {iso(START_MS)}"),
            (
                START_MS + 3 * HOUR_MS,
                f"before is of {iso(START_MS + 3 * STEP_MS)}, the next of {iso(START_MS + 5 * HOUR_MS)}",
            ),
            (START_MS + 9 * HOUR_MS, f"before is of {iso(START_MS + 5 * HOUR_MS)}, and no later one"),
        ):
            with pytest.raises(ConfigError, match=says):
                in_force(log, at_ms)


def test_a_row_is_told_with_the_details_that_stand_for_it_and_what_was_traded(
    written: tuple[Path, JournalStore],
) -> None:
    """If this fails, a decision without details of its own has none, or an order is told with another decision."""
    path, store = written
    order = intent(cycle_ts_ms=START_MS + STEP_MS)
    store.record_attempt(approve(order), START_MS + STEP_MS)
    client_id = approve(order).client_id
    # filled after the next cycle had begun
    late_ms = START_MS + 2 * STEP_MS + 1
    fill = Execution(
        late_ms, HERE, "e1", client_id, Side.SELL, order.quantity, order.worst_price, order.quantity
    )
    store.record_executions([fill])
    with JournalLog(path) as log:
        one, other = (told(log, START_MS + k * STEP_MS, ["BTC"])[0] for k in (1, 2))
    assert one["detail"] == {"unusable": {"binance": "no fresh price"}}
    assert (one["detail_ts"], one["ts"]) == (iso(START_MS), iso(START_MS + STEP_MS))
    assert [(t["venue"], t["side"], t["purpose"]) for t in one["trades"]] == [
        ("injective", "sell", "own_cut")
    ]
    assert other["trades"] == []


def test_what_is_not_there_is_said(written: tuple[Path, JournalStore], tmp_path: Path) -> None:
    """If this fails, a typing error looks like a daemon that decided nothing."""
    with (
        JournalLog(written[0]) as log,
        pytest.raises(ConfigError, match=r"nothing was decided of ETH at .*; of BTC, INJ"),
    ):
        told(log, START_MS + STEP_MS, ["ETH"])
    with pytest.raises(ConfigError, match=r"there is no journal .*nowhere.*--journal"):
        JournalLog(tmp_path / "nowhere")
    (tmp_path / "text").write_text("no database")
    with pytest.raises(ConfigError, match="cannot be read as a journal"):
        JournalLog(tmp_path / "text")
    JournalStore(str(tmp_path / "new.sqlite"), durable=False).close()
    with (
        JournalLog(tmp_path / "new.sqlite") as log,
        pytest.raises(ConfigError, match="holds no decision yet"),
    ):
        in_force(log, None)
