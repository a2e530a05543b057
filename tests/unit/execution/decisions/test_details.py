"""The rule that is journalled with a decision, and details that hold no number that JSON does not know."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from fakes import HASHES, HERE, THERE, market
from states import state

from hedged.domain.forecast import LEVELS, Drivers, ForecastSet, RateForecast, Span
from hedged.execution.decisions.details import Details, rule_of
from hedged.features.moments import Moments
from hedged.strategy.planner import plan
from hedged.strategy.rules import Rule
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.state import SymbolPlan

FORECASTS = ForecastSet(
    0, 24, (HERE,), {HERE: RateForecast(HERE, 0, 24, 1e-5, 1e-5 * (1 + LEVELS), 0.7)}, np.full((9, 1), 1e-5),
    HASHES.model, HASHES.features, made_by={HERE: "ewma"}, spans=(Span(1, np.full((9, 1), 1e-5), "the next"),),
    drivers={HERE: Drivers("", 1e-5, 0.0, {"volume": 0.0})},
)  # fmt: skip
SNAPSHOT = Snapshot(
    0, HASHES, FORECASTS, Moments(24, (), {}, {}, np.empty((0, 0))), {"BTC": Decimal(2)}, {},
    {HERE: Decimal(100)}, {HERE: market(HERE), THERE: market(THERE)}, {}, Decimal(1),
)  # fmt: skip
QUIET = {"silent": False, "stopped": False, "refused": False, "failed": False}


def planned(**changes: Any) -> SymbolPlan:
    (one,) = plan(state())
    return replace(one, **changes)


@pytest.mark.parametrize(
    ("changes", "given", "flags", "rule"),
    [
        ({}, planned(rule=Rule.CAP), {}, Rule.CAP),
        ({}, planned(rule=Rule.CAP), {"refused": True}, Rule.GATE),
        ({}, planned(rule=Rule.CAP), {"failed": True}, Rule.ORDER_FAILED),
        ({}, planned(rule=Rule.CAP), {"failed": True, "refused": True, "stopped": True}, Rule.STOP),
        ({"quarantined": frozenset({THERE})}, planned(rule=Rule.VENUE_CLOSED), {}, Rule.QUARANTINE),
        ({}, planned(rule=Rule.VENUE_CLOSED), {}, Rule.VENUE_CLOSED),
        ({}, None, {"silent": True}, Rule.VENUE_SILENT),
        ({"own": {}}, None, {}, Rule.RELEASED),
        ({"markets": {}}, None, {}, Rule.NOT_FOLLOWED),
        ({"marks": {}}, None, {}, Rule.NO_PRICE),
        ({"marks": {}, "quarantined": frozenset({HERE})}, None, {}, Rule.QUARANTINE),
        ({"forecasts": replace(FORECASTS, keys=())}, None, {}, Rule.NO_FORECAST),
    ],
)
def test_the_last_word_is_had_by_one_rule(
    changes: dict[str, Any], given: SymbolPlan | None, flags: dict[str, bool], rule: Rule
) -> None:
    """If this fails, a stop or a silent venue is told as if the plan had wanted it."""
    assert rule_of("BTC", replace(SNAPSHOT, **changes), given, **(QUIET | flags)) is rule


def test_details_say_what_is_known_and_what_is_not() -> None:
    """If this fails, a venue without price or forecast is missing from the explanation instead of named in it."""
    told = json.loads(Details("BTC", SNAPSHOT, planned()).text())
    assert told["unusable"] == {"binance": "no fresh price"}
    assert told["rates"]["injective"]["by"] == "ewma"
    assert told["spans"]["1"]["own"] == [pytest.approx(-0.002)] * 3
    assert {leg["kind"] for leg in told["legs"]} == {"cut", "opposite", "relocate"}
    assert told["drivers"]["last"] == 1e-5
    bare = json.loads(Details("BTC", replace(SNAPSHOT, marks={}, closed={HERE: "maintenance"}), None).text())
    assert bare["closed"] == {"injective": "maintenance"}
    assert "legs" not in bare
    assert "spans" not in bare
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "given", "same"),
    [
        ({"marks": {HERE: Decimal(101)}}, planned(expected_saving_usd=7.0), True),
        ({"closed": {HERE: "maintenance"}}, planned(), False),
        ({"marks": {}}, planned(), False),
        ({}, planned(legs=planned().legs[:1]), False),
        ({}, planned(legs=tuple(leg._replace(rule=Rule.CAP) for leg in planned().legs)), False),
        ({}, None, False),
        ({"forecasts": replace(FORECASTS, marginals={})}, planned(), False),
    ],
)
def test_the_story_is_all_but_the_figures(
    changes: dict[str, Any], given: SymbolPlan | None, same: bool
) -> None:
    """If this fails, a change is explained by what stood before it, or every cycle is written at full length."""
    before, after = Details("BTC", SNAPSHOT, planned()), Details("BTC", replace(SNAPSHOT, **changes), given)
    assert (before.story() == after.story()) is same
