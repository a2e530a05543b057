"""The sandbox charges funding exactly as the chain's source does, silent markets and halts included."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.injective import FundingState, InjectiveRule
from hedged.sandbox.injective.funding import Funding

HOUR = 3_600
CAP, INTEREST = Decimal("0.000625"), Decimal("0.00000416666")
MARK = Decimal(50_000)


def fresh(next_s: int = HOUR) -> Funding:
    return Funding(CAP, INTEREST, HOUR, next_s, next_s - HOUR)


def test_forty_silent_minutes_then_one_trade_decide_the_hour() -> None:
    """If this fails, a trade's premium is not applied backwards over the silence before it, as on the chain."""
    funding = fresh()
    funding.on_trades(2_400, MARK * Decimal("1.0024"), MARK)
    assert funding.cumulative_price == 2_400 * Decimal("0.0024")
    settled = funding.settle_if_due(HOUR, MARK)
    assert settled is not None
    # T runs to the last trade alone: the mean premium is the trade's own, a 24th of it is charged
    assert settled.rate == Decimal("0.0024") / 24 + INTEREST
    assert settled.payment == settled.rate * MARK
    assert funding.cumulative_funding == settled.payment


def test_an_hour_without_trades_pays_the_interest_alone() -> None:
    """If this fails, T = 0 divides by zero or leaves the interest out."""
    settled = fresh().settle_if_due(HOUR, MARK)
    assert settled is not None
    assert settled.rate == INTEREST


@pytest.mark.parametrize(("premium", "rate"), [("0.5", CAP), ("-0.5", -CAP)])
def test_the_rate_is_capped_on_both_sides(premium: str, rate: Decimal) -> None:
    """If this fails, a manipulated silent market could charge more than the chain allows."""
    funding = fresh()
    funding.on_trades(3_000, MARK * (1 + Decimal(premium)), MARK)
    assert funding.settle(MARK).rate == rate


def test_nothing_is_settled_before_its_time_and_one_interval_at_a_time_after() -> None:
    """If this fails, hours missed in a halt would be charged together or not at all."""
    funding = fresh()
    assert funding.settle_if_due(HOUR - 1, MARK) is None
    due = [funding.settle_if_due(3 * HOUR + 5, MARK) for _ in range(4)]
    assert [s.due_s for s in due if s is not None] == [HOUR, 2 * HOUR, 3 * HOUR]
    assert funding.last_s == 3 * HOUR
    assert funding.next_s == 4 * HOUR


trades = st.lists(
    st.tuples(st.integers(1, HOUR - 1), st.decimals("-0.05", "0.05", places=6)),
    unique_by=lambda t: t[0],
    max_size=30,
)


@given(trades)
def test_it_agrees_with_the_daemons_own_formula(blocks: list[tuple[int, Decimal]]) -> None:
    """If this fails, the sandbox and the nowcast disagree on what an hour's trades cost."""
    funding, state, rule = fresh(), FundingState(HOUR, Decimal(0), 0), InjectiveRule()
    for second, premium in sorted(blocks):
        funding.on_trades(second, MARK * (1 + premium), MARK)
        state = state.after_trade(second, premium)
    assert abs(funding.settle(MARK).rate - state.rate_if_no_more_trades(rule)) < Decimal("1e-20")
