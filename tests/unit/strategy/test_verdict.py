"""Why a leg is no larger, and which rule had the last word."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import random_state, rates, state, symbol

from hedged.domain.market import INJECTIVE
from hedged.strategy.planner import plan
from hedged.strategy.rules import TEXTS, Rule
from hedged.strategy.state import LegPlan, PlannerState, SymbolState


def rich(**changes: Any) -> SymbolState:
    """A long that pays 200 % a year here and 9 % there: every leg is worth its cost, relocation most."""
    return symbol(rates={INJECTIVE: rates(20_000), "binance": rates(900)}, **changes)


def leg(given: PlannerState, kind: str, venue: str = "binance") -> LegPlan:
    (planned,) = plan(given)
    return next(p for p in planned.legs if (p.kind, p.venue) == (kind, INJECTIVE if kind == "cut" else venue))


@given(st.integers(0, 400))
def test_every_leg_and_every_market_has_a_rule(seed: int) -> None:
    """If this fails, somebody asks why and there is no answer."""
    for planned in plan(random_state(seed)):
        assert Rule(planned.rule) in TEXTS
        for one in planned.legs:
            assert one.why
            assert Rule(one.rule) in TEXTS
            grown = one.target_usd > max(one.now_usd, 0.0)
            assert not grown or one.rule not in (
                Rule.COST,
                Rule.NO_SAVING,
                Rule.VENUE_CLOSED,
                Rule.OWN_CUT_OFF,
            )


@pytest.mark.parametrize(
    ("given", "kind", "rule"),
    [
        (state(symbol(rates={INJECTIVE: rates(-900), "binance": rates(900)})), "cut", Rule.NO_SAVING),
        (state(symbol(rates={INJECTIVE: rates(900), "binance": rates(900)})), "cut", Rule.COST),
        (state(rich(closed={"binance": "maintenance at 12:00"})), "relocate", Rule.VENUE_CLOSED),
        (state(rich(), allow_own_cut=False), "relocate", Rule.OWN_CUT_OFF),
        (state(rich()), "relocate", Rule.CAP),
        (state(rich(), collateral_usd={"binance": 4_000.0}), "relocate", Rule.MARGIN),
        (state(symbol(rates={INJECTIVE: rates(20_000), "binance": rates(5_000)})), "opposite", Rule.BETTER_LEG),
        (state(rich(increase_factor=0.0)), "relocate", Rule.SIGNAL),
        (state(rich(), knots=((0.9999, 0.25), (1.0, 0.6))), "relocate", Rule.CONFIDENCE),
    ],
)  # fmt: skip
def test_the_rule_that_speaks(given: PlannerState, kind: str, rule: Rule) -> None:
    """If this fails, an operator changes a setting that was not what held the hedge back."""
    assert leg(given, kind).rule == rule


def test_a_leg_that_is_held_is_not_said_to_be_worthless() -> None:
    """If this fails, a hedge that stays because closing costs more is explained by what would keep it from opening."""
    held = symbol(cut_usd=10_000.0, rates={INJECTIVE: rates(-20), "binance": rates(0)})
    told = leg(state(held), "cut")
    assert (told.now_usd, told.rule) == (told.target_usd, Rule.PLAN)
    assert told.why == "changing it costs more than it brings"


def test_a_closed_venue_says_why() -> None:
    """If this fails, the announcement is known to the daemon and not to its operator."""
    told = leg(state(rich(closed={"binance": "maintenance at 12:00"})), "relocate")
    assert told.why == "maintenance at 12:00"


def test_what_a_leg_saves_costs_and_when_it_has_earned_that() -> None:
    """If this fails, the break-even that is shown is of another leg or horizon."""
    told = leg(state(), "relocate")
    margin = 0.05 / 3 * 24 / (365 * 24)
    assert told.saving_per_usd == pytest.approx((4_400 - 900) * 1e-4 * 24 / (365 * 24) - margin)
    assert told.break_even_h == pytest.approx(24 * told.open_cost / told.saving_per_usd)
