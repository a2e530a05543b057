"""How far liquidation is."""

from decimal import Decimal

import pytest
from fakes import HERE, OTHER, THERE, market
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.book import Position
from hedged.domain.market import SeriesKey
from hedged.execution.accounts import AccountState
from hedged.risk.margin import collateral_now, liquidation_distances, near_liquidation

ETH = SeriesKey("binance", "ETH")
MARKETS = {key: market(key) for key in (HERE, THERE, OTHER, ETH)}  # 2.5 % are maintained


def account(cash: float, **legs: float) -> AccountState:
    held = {SeriesKey("binance", symbol): Decimal(str(q)) for symbol, q in legs.items()}
    return AccountState(attributed=held, collateral_usd={"binance": Decimal(str(cash))})


def distances(state: AccountState, marks: dict[SeriesKey, float]) -> dict[SeriesKey, float]:
    return liquidation_distances(state, state.collateral_usd, marks, MARKETS)


@given(
    cash=st.floats(1, 1e5), size=st.floats(0.01, 100), price=st.floats(1, 1e5), side=st.sampled_from([1, -1])
)
def test_at_that_distance_the_collateral_is_what_must_be_maintained(
    cash: float, size: float, price: float, side: int
) -> None:
    """If this fails, a leg is liquidated sooner than the guard believes."""
    state = account(cash, BTC=side * size)
    far = distances(state, {THERE: price})[THERE]
    quantity = float(state.attributed[THERE])
    there = price * (1 - side * far)  # against it
    equity = float(state.collateral_usd["binance"]) + quantity * (there - price)
    maintained = 0.025 * abs(quantity) * price * (1 + far)  # the dearer of both ways
    assert equity == pytest.approx(maintained, rel=1e-6, abs=1e-6)


def test_legs_of_one_venue_share_its_collateral() -> None:
    """If this fails, each leg is thought to have all the collateral for itself."""
    marks = {THERE: 100.0, ETH: 10.0}
    both = distances(account(100, BTC=-4, ETH=-40), marks)
    assert both[THERE] == both[ETH] == pytest.approx((100 - 20) / 820)
    assert distances(account(100, BTC=-4), marks)[THERE] == pytest.approx((100 - 10) / 410)


def test_what_is_not_known_is_missing() -> None:
    """If this fails, a venue that does not answer looks safe, or liquidated."""
    assert distances(account(100, BTC=-4, ETH=-40), {THERE: 100.0}) == {}
    assert liquidation_distances(account(100, BTC=-4), {}, {THERE: 100.0}, MARKETS) == {}


def test_the_venues_own_word_counts_where_it_gives_one() -> None:
    """If this fails, the trader's own position is never watched, or a venue's price is overruled by an estimate."""
    state = AccountState(
        attributed={THERE: Decimal(-4)},
        collateral_usd={"binance": Decimal(1)},
        positions={
            THERE: Position(THERE, Decimal(-4), Decimal(100), liquidation_price=Decimal(108)),
            HERE: Position(HERE, Decimal(4), Decimal(100), liquidation_price=Decimal(60)),
        },
    )
    found = distances(state, {THERE: 100.0, HERE: 100.0})
    assert found == {THERE: pytest.approx(0.08), HERE: pytest.approx(0.4)}


def test_collateral_follows_the_marks() -> None:
    """If this fails, the margin of a minute ago is taken for that of now."""
    state = account(100, BTC=-4)
    assert collateral_now(state, {THERE: 100.0}, {THERE: 105.0}) == {"binance": Decimal(80)}
    assert collateral_now(state, {}, {THERE: 105.0}) == {"binance": Decimal(100)}


def test_only_hedges_are_unwound_for_margin() -> None:
    """If this fails, the daemon trades the trader's own position, or waits for the liquidation of a leg."""
    far = {HERE: 0.01, THERE: 0.049, OTHER: 0.05}
    held = {HERE: Decimal(-4), THERE: Decimal(4), OTHER: Decimal(-1)}
    assert set(near_liquidation(held, far, Decimal("0.05"))) == {"BTC"}
    assert near_liquidation({HERE: Decimal(-4), OTHER: Decimal(-1)}, far, Decimal("0.05")) == {}
    assert near_liquidation(held, far, Decimal(0)) == {}
