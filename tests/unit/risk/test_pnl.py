"""The hedges' profit and loss: what is lost by hedging counts, what prices do does not."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from fakes import HERE, NOW_MS, THERE, settlement
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.funding import FundingPayment, funding_payment
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Fill, Purpose, Side, Strategy
from hedged.risk.facts import Losses
from hedged.risk.pnl import REMEMBERED_DAYS, HedgePnl, charge, pay, resumed, value

OWN = {"BTC": Decimal(10)}
MIDNIGHT_MS = NOW_MS // DAY_MS * DAY_MS
price = st.decimals(1, 1_000, places=2)
Marks = dict[SeriesKey, Decimal]


def marks(here: str | int, there: str | int) -> Marks:
    return {HERE: Decimal(here), THERE: Decimal(there)}


def held(book: dict[SeriesKey, Decimal], *told: Marks, owner: Strategy = Strategy.FUNDING_HEDGE) -> HedgePnl:
    pnl = HedgePnl()
    for hour, now in enumerate(told):
        pnl = value(pnl, MIDNIGHT_MS + hour * HOUR_MS, book, dict.fromkeys(book, owner), now)
    return pnl


def fill(fee: str = "1", ts_ms: int = NOW_MS) -> Fill:
    bought = Execution(ts_ms, THERE, f"x{ts_ms}", "c", Side.BUY, Decimal(2), Decimal("100.5"), Decimal(fee))
    return Fill(bought, Purpose.HEDGE_OPEN, Decimal(100))


@given(before=price, after=price, leg=st.decimals(-4, 4, places=1), cut=st.decimals(-4, 4, places=1))
def test_a_price_move_is_no_loss_of_a_hedge(
    before: Decimal, after: Decimal, leg: Decimal, cut: Decimal
) -> None:
    """If this fails, a rally halts hedging although the trader's own position gained what the short legs lost."""
    pnl = held({THERE: leg, HERE: cut}, *({HERE: p, THERE: p} for p in (before, after)))
    assert pnl.losses == Losses()


@pytest.mark.parametrize("leg", [-4, 4])
def test_the_basis_is(leg: int) -> None:
    """If this fails, a leg that drifts away from Injective's price loses money that no limit sees."""
    assert held({THERE: Decimal(leg)}, marks(100, 100), marks(110, 112)).total_usd == pytest.approx(leg * 2)


def test_divergence_stands_at_its_own_prices() -> None:
    """If this fails, a divergence trade with a naked leg loses by a price move and the limit does not see it."""
    naked = held({THERE: Decimal(-4)}, marks(100, 100), marks(110, 112), owner=Strategy.DIVERGENCE)
    assert naked.total_usd == pytest.approx(-4 * 12)
    pair = {THERE: Decimal(-4), HERE: Decimal(4)}
    assert held(pair, marks(100, 100), marks(110, 112), owner=Strategy.DIVERGENCE).total_usd == pytest.approx(
        -8
    )


def test_a_missing_mark_moves_nothing() -> None:
    """If this fails, a venue that falls silent turns into a profit or a loss."""
    book = {THERE: Decimal(-4)}
    for silent in ({HERE: Decimal(150)}, {THERE: Decimal(150)}):
        assert held(book, marks(100, 100), silent).total_usd == 0
        assert held(book, marks(100, 100), silent, marks(150, 151)).total_usd == pytest.approx(-4)


def test_funding_and_costs_count() -> None:
    """If this fails, hedging that costs more than it brings never reaches a limit."""
    leg = funding_payment(Decimal(-4), settlement(THERE, NOW_MS))  # a short receives 0.04
    cut = funding_payment(Decimal(6), settlement(HERE, NOW_MS))  # of 10: 4 were spared 0.04
    pnl = charge(pay(HedgePnl(), [leg, cut], OWN), [fill()])
    assert pnl.funding_usd == pytest.approx(0.08)
    assert pnl.total_usd == pytest.approx(0.08 - 1 - 2 * 0.5)


def test_a_day_begins_with_what_the_last_one_left() -> None:
    """If this fails, what is lost over midnight belongs to no day, or yesterday's loss holds back today."""
    pnl = HedgePnl()
    for hours, lost in ((22, 5), (23, 9), (24, 12), (25, 20)):
        pnl = value(replace(pnl, costs_usd=float(lost)), MIDNIGHT_MS + hours * HOUR_MS, {}, {}, {})
        if hours == 23:
            assert pnl.losses == Losses(day_usd=4.0, drawdown_usd=4.0)  # the first value is where it begins
    assert pnl.losses == Losses(day_usd=8.0, drawdown_usd=15.0)


def test_the_best_moment_is_forgotten_after_thirty_days() -> None:
    """If this fails, one bad week ends hedging for ever, or the limit forgets it the day after."""
    pnl = value(HedgePnl(), MIDNIGHT_MS, {}, {}, {})
    pnl = replace(pnl, costs_usd=50.0)
    for day in range(1, REMEMBERED_DAYS + 1):
        assert pnl.losses.drawdown_usd == 50
        pnl = value(pnl, MIDNIGHT_MS + day * DAY_MS, {}, {}, {})
        assert len(pnl.highs) <= REMEMBERED_DAYS
    pnl = value(pnl, MIDNIGHT_MS + (REMEMBERED_DAYS + 1) * DAY_MS, {}, {}, {})
    assert pnl.losses == Losses()


def test_a_restart_counts_what_the_kept_state_had_not() -> None:
    """If this fails, a crash after a fill hides its cost from the limits, or a restart counts it twice."""
    pnl = charge(value(HedgePnl(price_usd=-7.0), NOW_MS, {}, {}, {}), [fill()])
    kept = HedgePnl(**json.loads(json.dumps(pnl.to_json())))
    assert kept == pnl
    book = [(NOW_MS - 9, "injective", "BTC", Decimal(10)), (NOW_MS + 1, "injective", "BTC", Decimal(99))]
    paid: list[FundingPayment] = [funding_payment(Decimal(6), settlement(HERE, NOW_MS))]
    again = resumed(kept, [fill(), fill("3", NOW_MS + 5)], paid, book)
    assert again.total_usd == pytest.approx(-7 - (1 + 1) - (3 + 1) + 0.04)
    assert again.losses.day_usd == pytest.approx(7 - 7 + 2 + 4 - 0.04)


def test_a_first_start_has_lost_nothing() -> None:
    """If this fails, an upgrade counts the costs of a year as today's loss and hedges nothing more."""
    new = value(resumed(HedgePnl(), [fill()], [], []), NOW_MS, {}, {}, {})
    assert new.losses == Losses()
