"""Equity at risk: what of the hedges can lose, the same as the planner thinks."""

from decimal import Decimal

import pytest
from fakes import HERE, OTHER, THERE

from hedged.domain.market import SeriesKey
from hedged.risk.at_risk import Z_95, hedge_at_risk, known, pair_at_risk
from hedged.strategy import programme

SIGMA, BASIS = Decimal("0.02"), {THERE: Decimal("0.001"), OTHER: Decimal("0.003")}


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("book", "price", "there", "other"),
    [
        ({}, 0, 0, 0),
        ({HERE: -4}, 4, 0, 0),  # a cut changes the price exposure
        ({THERE: -4}, 4, 4, 0),  # so does an opposite perp, and it has a basis
        ({HERE: -4, THERE: 4}, 0, 4, 0),  # a relocation has the basis alone
        ({HERE: -4, THERE: 1, OTHER: 2}, 1, 1, 2),
        ({HERE: -4, THERE: 6}, 2, 6, 0),  # more of the same side than was cut
        ({HERE: -4, OTHER: -3}, 7, 0, 3),
        ({HERE: 2}, 2, 0, 0),
    ],
)
def test_hedges(side: int, book: dict[SeriesKey, int], price: int, there: int, other: int) -> None:
    """If this fails, the gate lets more be at risk than the plan, or holds back what the plan may do."""
    signed = {key: Decimal(side * q) for key, q in book.items()}
    expected = Z_95 * (SIGMA * price + BASIS[THERE] * there + BASIS[OTHER] * other)
    assert hedge_at_risk("BTC", Decimal(side * 10), signed, SIGMA, BASIS) == expected


def test_the_quantile_is_the_planners() -> None:
    """If this fails, plan and gate mean different things by the same share of equity."""
    assert float(Z_95) == programme.Z_95


def test_a_pair_risks_its_net_and_its_basis() -> None:
    """If this fails, a divergence trade counts as riskless, or its two legs as two bets on the price."""
    pair = {THERE: Decimal(-4), OTHER: Decimal(4)}
    assert pair_at_risk("BTC", pair, SIGMA, BASIS) == Z_95 * Decimal("0.016")
    assert pair_at_risk("BTC", {THERE: Decimal(-4)}, SIGMA, BASIS) == Z_95 * Decimal("0.084")


@pytest.mark.parametrize("unknown", [None, float("nan"), float("inf"), -1.0])
def test_what_is_unknown_is_not_small(unknown: float | None) -> None:
    """If this fails, a market whose moves nobody has measured counts as riskless."""
    assert known(unknown) == Decimal("Infinity")
    assert hedge_at_risk("BTC", Decimal(1), {THERE: Decimal(1)}, SIGMA, {}) == Decimal("Infinity")
    assert hedge_at_risk("BTC", Decimal(1), {THERE: Decimal(0)}, known(unknown), {}) == 0
