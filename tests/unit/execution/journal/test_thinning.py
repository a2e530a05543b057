"""Which details of decisions are written: whatever says something new, and the first of an hour; reasons always."""

from pathlib import Path
from typing import Any

import pytest
from written import Written

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thinning import Told, thinned

START_MS = 1_750_000_000_000 // HOUR_MS * HOUR_MS


def row(**changes: Any) -> dict[str, Any]:
    detail = Written(changes.pop("story", "calm"), {"figure": changes.pop("figure", 1)})
    plain = {
        "action": "none",
        "rule": "cost",
        "current": "{}",
        "reason": "why",
        "model_hash": "m",
        "config_hash": "c",
    }
    return plain | changes | {"detail": detail}


def told_after(*rows: tuple[int, dict[str, Any]]) -> list[bool]:
    """Return which of the rows at these minutes keep their details."""
    told: Told = {}
    kept = []
    for minute, body in rows:
        out, told = thinned(START_MS + minute * MINUTE_MS, {"BTC": body}, told)
        assert {name: body[name] for name in body if name != "detail"} == {
            name: value for name, value in out["BTC"].items() if name != "detail"
        }
        kept.append("detail" in out["BTC"])
    return kept


def test_details_are_written_once_an_hour_while_only_figures_change() -> None:
    """If this fails, a year of decisions fills a disk, or an hour of them cannot be explained."""
    rows = [(minute, row(figure=i)) for i, minute in enumerate((0, 15, 30, 60, 75))]
    assert told_after(*rows) == [True, False, False, True, False]


@pytest.mark.parametrize(
    "new",
    [
        row(action="open"), row(rule="risk"), row(current='{"binance": 1.0}'), row(model_hash="n"), row(story="storm"),
    ],
)  # fmt: skip
def test_whatever_says_something_new_is_written_at_once(new: dict[str, Any]) -> None:
    """If this fails, a change within the hour is explained by what stood before it."""
    assert told_after((0, row()), (15, new), (30, new), (45, row())) == [True, True, False, True]


def test_the_first_row_after_a_restart_has_its_details(tmp_path: Path) -> None:
    """If this fails, what a daemon decides first rests on details that another life wrote."""
    for minute in (0, 5):
        store = JournalStore(str(tmp_path / "j.sqlite"), durable=False)
        for more in (0, 1):
            store.record_cycle(START_MS + (minute + more) * MINUTE_MS, {"BTC": row()}, {}, {})
        told = store.decisions()
        store.close()
    assert [body.get("detail") for body in told] == ['{"figure": 1}', None] * 2
    assert all(body["reason"] == "why" for body in told)
