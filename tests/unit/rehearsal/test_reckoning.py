"""What lives amount to: losses of what served, the EWMA's where it stood in, and events in order."""

from typing import Any

import numpy as np
import pytest

from hedged.domain.clock import DAY_MS
from hedged.rehearsal.reckoning import Course, compared, events_of, reckoned, spans_of

DAYS = 60
NO_MONEY = {"net_saving_usd": 0.0}


def life(serves: list[tuple[int, str]], losses: dict[str, float], **more: Any) -> dict[str, Any]:
    """A life in which models lose this much where the EWMA loses 1; `serves`: from which day on who does."""
    rows = [[day * DAY_MS, name, loss, 1.0, 4, 3, 4] for day in range(DAYS) for name, loss in losses.items()]
    changes = [
        {"ts": f"day {day:02}", "ms": day * DAY_MS, "what": "serves", "value": who, "why": "why"}
        for day, who in serves
    ]
    return {"rows": rows, "changes": changes, "registry": [], "trainings": [], "money": NO_MONEY} | more


def test_what_served_is_judged_not_what_ran_beside_it() -> None:
    """If this fails, a page praises a model for forecasts that nobody heard."""
    course = Course(life([(0, "a"), (20, "ewma"), (40, "b")], {"a": 0.5, "b": 0.8}))
    found = [course.ratio(course.within(day * DAY_MS, (day + 20) * DAY_MS)) for day in (0, 20, 40)]
    assert found == pytest.approx([0.5, 1.0, 0.8])
    assert course.ratio(course.within(DAYS * DAY_MS, 2 * DAYS * DAY_MS)) is None
    assert course.direction(course.within(0, 20 * DAY_MS)) == pytest.approx(0.75)


def test_lives_are_compared_on_the_hours_that_both_know() -> None:
    """If this fails, the loss against never retraining compares other days, or its interval leaves its value out."""
    ours, theirs = Course(life([(0, "a")], {"a": 0.5})), Course(life([(0, "b")], {"b": 1.0}))
    keep = theirs.origin_ms >= 30 * DAY_MS
    for name in ("origin_ms", "loss", "ewma", "of", "right", "called"):
        setattr(theirs, name, getattr(theirs, name)[keep])
    theirs.loss = theirs.loss * np.where(np.arange(len(theirs.loss)) % 2, 1.2, 0.8)
    found = compared(ours, theirs, 0, DAYS * DAY_MS)
    assert found["value"] == pytest.approx(0.5)
    assert found["low"] is not None
    assert found["high"] is not None
    assert found["low"] <= 0.5 <= found["high"]
    assert compared(ours, theirs, 0, DAY_MS)["value"] is None


def test_events_come_in_order_with_their_reasons() -> None:
    """If this fails, the page tells of effects before their causes, or of a stand-in that came and went unseen."""
    one = life([(0, "a"), (20, "ewma"), (40, "b")], {"a": 1.0})
    one["changes"].append(
        {"ts": "day 19", "ms": 19 * DAY_MS, "what": "drift", "value": "proven", "why": "worse"}
    )
    one["registry"].append({"ts": "day 39", "act": "promoted", "model": "b", "why": "better"})
    told = [(found["ts"], found["what"]) for found in events_of(one)]
    assert told == [
        ("day 19", "drift is proven"), ("day 20", "gave way to the EWMA"), ("day 39", "promoted"),
        ("day 40", "serves again"),
    ]  # fmt: skip
    assert spans_of(one, "serves", 50 * DAY_MS)[-1] == {"from": 40 * DAY_MS, "to": 50 * DAY_MS, "name": "b"}


def test_a_summary_holds_what_the_page_and_the_operator_ask_for() -> None:
    """If this fails, a rehearsal ends without its figures."""
    lives = {
        "living": life([(0, "a")], {"a": 0.5}),
        "never": life([(0, "b")], {"b": 1.0}),
        "ewma": life([], {}),
    }
    summary = reckoned(lives, {"late": (30 * DAY_MS, DAYS * DAY_MS)}, 0, DAYS * DAY_MS)
    assert summary["losses"]["late"]["living_to_never"]["value"] == pytest.approx(0.5)
    assert summary["rolling"]["at"][0] == 7 * DAY_MS
    assert summary["rolling"]["living"][-1] == pytest.approx(0.5)
    assert summary["counts"]["origins"] == DAYS
