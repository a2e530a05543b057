"""A rehearsal in small: the daemon lives some days three times over, trains on the way, and its page says so."""

import shutil
from pathlib import Path

import pytest
from tiny_models import twin

from hedged.backtest.runner import Window
from hedged.config import parse_config
from hedged.domain.clock import DAY_MS, iso
from hedged.forecast.models.trainings import Order, Result, Trainings, write_result
from hedged.rehearsal.kept import Kept
from hedged.rehearsal.page import PAGE
from hedged.rehearsal.run import SUMMARY, Rehearsal, rehearse
from hedged.sandbox.turning import usual_course, write_turning
from hedged.wiring.models.child import Ending

LIVES_MS = 1_767_225_600_000
DAYS = 2


def quickly(trainings: Trainings, order: Order, *_: object) -> Ending:
    """Make the shipped model once more, as one trained to the order's end."""
    shutil.rmtree(trainings.out, ignore_errors=True)
    made = twin(trainings.out, trained_to=iso(order.to_ms), seed=order.to_ms // DAY_MS % 10_000)
    write_result(trainings.out, Result(order.ordered_ms, "added", "good enough for a test", made.hash))
    return Ending(None, "", 1.0)


@pytest.mark.timeout(240)
def test_the_daemon_lives_its_models_lives_on_a_virtual_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, `hedged model rehearse` does not train, looks ahead, cannot go on, or shows nothing."""
    orders = list[Order]()

    def launch(trainings: Trainings, order: Order, *more: object) -> Ending:
        orders.append(order)
        return quickly(trainings, order, *more)

    plain = Kept.__init__
    monkeypatch.setattr(Kept, "__init__", lambda self, *told: plain(self, *told[:4], launch))
    data = write_turning(tmp_path / "data", usual_course(LIVES_MS, before_days=45, days=DAYS + 1), 1)
    config = parse_config(
        {
            "book": {"positions": {"BTC": {"usd": 100_000}}},
            "cycle": {"history_days": 7},
            "models": {"every_days": 1, "stormy_days": 1, "recipe": "tiny"},
        }
    )
    plan = Rehearsal(
        data, Window(LIVES_MS, LIVES_MS + DAYS * DAY_MS), tmp_path / "out", tmp_path / "trained",
        {"the end": (LIVES_MS + DAY_MS, LIVES_MS + DAYS * DAY_MS)}, {LIVES_MS + DAY_MS: "nothing"},
    )  # fmt: skip
    summary, page = rehearse(config, plan)
    assert page == tmp_path / "out" / PAGE
    text = page.read_text(encoding="utf-8")
    assert "default-src" in text
    assert "every 1 days" in text
    assert summary["counts"]["trainings"] == len(orders) >= 2, "the first model, and one more on the way"
    assert all(order.to_ms <= order.ordered_ms for order in orders)
    assert summary["counts"]["origins"] > 0
    assert {one["what"] for one in summary["events"]} >= {"added", "promoted", "trained: added"}
    assert set(summary["money"]) == {"living", "never", "ewma"}

    made = len(orders)
    (tmp_path / "out" / SUMMARY).unlink()
    again, _ = rehearse(config, plan)
    assert again == summary, "lives that are over are read, not lived again"
    assert len(orders) == made, "no training is made twice"
