"""The cascade hedge: size by probability, the overrides above the model, and no flip-flopping."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from fakes import HASHES, NOW_MS, market
from hypothesis import given
from hypothesis import strategies as st

from hedged.config import CascadeHedgeConfig, HedgeConfig, RiskConfig
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import CascadeView, ForecastSet
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose
from hedged.features.market_now import MarketsNow, Reading
from hedged.features.moments import Moments
from hedged.strategy.budget import Budget
from hedged.strategy.cascade_hedge import MOVE, CascadePlan, CascadeState, asked_usd, decide, insured_usd
from hedged.strategy.snapshot import DesiredPosition, Snapshot

HERE, CHEAP, DEAR = SeriesKey(INJECTIVE, "ETH"), SeriesKey("okx", "ETH"), SeriesKey("binance", "ETH")
OWN = Decimal(100)  # 10,000 USD
LARGEST = Decimal(40)


def view(against: float, side: int = 1, **changes: Any) -> CascadeView:
    """A coin whose probability of a cascade against this side is `against`."""
    down = 0.62
    return CascadeView(18.0, against / (down if side > 0 else 1 - down), down, **changes)


def snapshot(seen: CascadeView | None, rate_8h: float = 0.0001, **changes: Any) -> Snapshot:
    costs = replace(market().costs, taker_fee=Decimal("0.0002"))
    markets = {key: replace(market(key), costs=costs if key == CHEAP else market().costs) for key in (HERE, CHEAP, DEAR)}  # fmt: skip  # noqa: E501
    usual = Snapshot(
        now_ms=NOW_MS,
        hashes=HASHES,
        forecasts=ForecastSet(
            NOW_MS,
            24.0,
            (),
            {},
            np.empty((50, 0)),
            "model",
            "features",
            cascades={} if seen is None else {"ETH": seen},
        ),
        moments=Moments(24, ("ETH",), {"ETH": 0.03}, {CHEAP: 0.001, DEAR: 0.001}, np.ones((1, 1))),
        own={"ETH": OWN},
        attributed={},
        marks=dict.fromkeys(markets, Decimal(100)),
        markets=markets,
        collateral_usd={"okx": Decimal(10_000), "binance": Decimal(10_000)},
        equity_usd=Decimal(10_000),
        now=MarketsNow({HERE: Reading(rate_8h / 8, 0.0001 / 8, 0.0, 0.0, float("nan"), 0.0)}),
    )
    return replace(usual, **changes)


def plan(
    seen: Snapshot,
    held: dict[SeriesKey, str] | None = None,
    since_h: float = 0.0,
    own: Decimal = OWN,
    risk_usd: float = 200.0,
    collateral_usd: float = 10_000.0,
    **settings: Any,
) -> CascadePlan:
    config = CascadeHedgeConfig(enabled=True, **settings)
    state = CascadeState(
        "ETH", own, LARGEST, {k: Decimal(q) for k, q in (held or {}).items()}, (CHEAP, DEAR),
        NOW_MS - int(since_h * HOUR_MS),
    )  # fmt: skip
    budget = Budget(risk_usd, dict.fromkeys(("okx", "binance"), collateral_usd), {}, RiskConfig())
    return decide(state, seen, config, HedgeConfig(), budget)


def size(found: CascadePlan) -> float:
    return float(sum(d.quantity for d in found.desired))


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("p", "share"), [(0.05, 0.0), (0.49, 0.0), (0.5, 0.25), (0.8, 0.6), (0.95, 0.6)])
def test_the_size_follows_the_probability(p: float, share: float, side: int) -> None:
    """If this fails, 0.50 does not hold a quarter and 0.80 not three fifths of the largest hedge (C5)."""
    if side < 0 and p > 0.38:
        p_view = CascadeView(18.0, p / 0.5, 0.5)
    else:
        p_view = view(p, side)
    found = plan(snapshot(p_view), own=OWN * side)
    assert size(found) == pytest.approx(-side * share * 40)
    assert f"{p:.2f}" in found.reason


def test_the_cheapest_venue_is_taken() -> None:
    """If this fails, protection is bought where it is dearer."""
    found = plan(snapshot(view(0.5)))
    assert [(d.key, d.purpose) for d in found.desired] == [(CHEAP, Purpose.CASCADE_OPEN)]
    closed = plan(snapshot(view(0.5), closed={CHEAP: "maintenance"}))
    assert [d.key for d in closed.desired] == [DEAR]


def test_what_one_venue_has_no_margin_for_goes_to_the_next() -> None:
    """If this fails, the hedge exceeds three times the collateral, or stops at the first venue."""
    found = plan(snapshot(view(0.8)), collateral_usd=500.0)
    assert [(d.key, d.quantity) for d in found.desired] == [(CHEAP, Decimal(-15)), (DEAR, Decimal(-9))]
    less = plan(snapshot(view(0.8)), collateral_usd=100.0)
    assert size(less) == -6
    assert "no room" in less.reason


def test_the_shared_risk_binds() -> None:
    """If this fails, the basis of the hedge may lose more than the strategies may lose together."""
    found = plan(snapshot(view(0.8)), risk_usd=1.6449)
    assert size(found) == pytest.approx(-10, abs=0.01)


def test_a_crowd_on_the_own_side_asks_for_the_largest_hedge() -> None:
    """If this fails, one-sided open interest does not override a model that sees nothing (C6)."""
    assert size(plan(snapshot(view(0.01, crowd=1, evidence="a test")))) == -40
    assert size(plan(snapshot(view(0.01, crowd=-1, evidence="a test")))) == 0, "shorts are crowded: no threat"
    assert size(plan(snapshot(view(0.01, crowd=0)))) == 0


@pytest.mark.parametrize("rate_8h", [0.0016, -0.0016, 0.00115])
@pytest.mark.parametrize("crowd", [1, -1])
@pytest.mark.parametrize("p", [0.0, 0.95, float("nan")])
def test_a_crowd_and_a_spike_reduce_the_exposure_whatever_the_model_says(
    rate_8h: float, crowd: int, p: float
) -> None:
    """If this fails, the model has a say where the seed's safety rail has none (C6)."""
    found = plan(snapshot(view(p, crowd=crowd, evidence="a test"), rate_8h))
    assert size(found) == -40
    assert "exposure is reduced" in found.reason


def test_a_spike_alone_changes_nothing() -> None:
    """If this fails, every funding spike trades."""
    assert size(plan(snapshot(view(0.1, crowd=0), 0.003))) == 0


def test_without_a_model_it_says_so_and_does_nothing() -> None:
    """If this fails, a model without the head is taken for one that sees no danger, or for one that does."""
    found = plan(snapshot(None))
    assert not found.desired
    assert "the model tells no cascades" in found.reason
    unsure = plan(snapshot(view(float("nan"))))
    assert not unsure.desired
    assert "too short" in unsure.reason
    assert size(plan(snapshot(None), {CHEAP: "-10"}, since_h=2)) == -10, "what is held stays for a while"
    assert size(plan(snapshot(None), {CHEAP: "-10"}, since_h=18)) == 0


def test_a_hedge_is_held_until_the_danger_is_over() -> None:
    """If this fails, a probability that wavers around a knot trades with every cycle."""
    held = {CHEAP: "-24"}
    assert size(plan(snapshot(view(0.45)), held, since_h=48)) == -24, "above close_below"
    assert size(plan(snapshot(view(0.55)), held, since_h=48)) == -24, "nor is it trimmed"
    assert size(plan(snapshot(view(0.10)), held, since_h=5)) == -24, "nor before min_hold_h"
    over = plan(snapshot(view(0.10)), held, since_h=6)
    assert [(d.key, d.quantity, d.purpose) for d in over.desired] == [(CHEAP, 0, Purpose.CASCADE_CLOSE)]


def test_it_makes_room_under_the_cap_at_once() -> None:
    """If this fails, cap and funding hedge wait for the cascade hedge's patience."""
    assert size(plan(snapshot(view(0.9)), {CHEAP: "-60"}, since_h=0)) == -40


def test_small_changes_are_not_worth_an_order() -> None:
    """If this fails, the hedge is adjusted by dollars and pays fees for it."""
    assert size(plan(snapshot(view(0.5)), {CHEAP: "-9"})) == -9


probability = st.floats(0, 1) | st.just(float("nan"))
coins = st.decimals(Decimal("0.01"), Decimal(40), places=2)
WEIRD = [float("nan"), float("inf"), -float("inf"), -1.0, 2.0]


def allowance(
    p: float, held: Decimal, side: int = 1, mark: Decimal = Decimal(100), down: float = 1.0
) -> float:
    """What a hedge of a position may cost, at the probability p of a cascade and this share of it downwards."""
    seen = snapshot(
        CascadeView(18.0, p, down), own={"ETH": OWN * side}, marks={CHEAP: mark, HERE: Decimal(100)}
    )
    want = DesiredPosition(CHEAP, -side * held, Purpose.CASCADE_OPEN, "")
    return insured_usd([want], seen)["ETH"]


@given(probability, probability, coins)
def test_the_allowance_grows_with_the_probability_within_its_bounds(
    a: float, b: float, held: Decimal
) -> None:
    """If this fails, a hedge against a likely cascade is stopped sooner, or may lose more than the cascade takes."""
    usd = float(held) * 100
    found = [allowance(p, held) for p in (a, b)]
    for one in found:
        assert 0.5 * MOVE * usd * (1 - 1e-9) <= one <= MOVE * usd * (1 + 1e-9)
    if a <= b:
        assert found[0] <= found[1]
    assert found[0] == pytest.approx(MOVE * usd * max(0.5, a if a == a else 0.0))


@given(probability, coins, coins)
def test_the_allowance_is_in_proportion_to_the_hedge(p: float, a: Decimal, b: Decimal) -> None:
    """If this fails, splitting a hedge over two exchanges changes what it may lose."""
    seen = snapshot(CascadeView(18.0, p, 1.0))
    both = [DesiredPosition(key, -q, Purpose.CASCADE_OPEN, "") for key, q in ((CHEAP, a), (DEAR, b))]
    apart = sum(insured_usd([one], seen)["ETH"] for one in both)
    assert insured_usd(both, seen)["ETH"] == pytest.approx(apart)
    assert apart == pytest.approx(allowance(p, a + b))


@given(probability, st.floats(0, 1), coins)
def test_longs_and_shorts_are_allowed_alike(p: float, down: float, held: Decimal) -> None:
    """If this fails, a short's hedge is stopped by another rule than a long's."""
    assert allowance(p, held, 1, down=down) == pytest.approx(allowance(p, held, -1, down=1 - down))


@pytest.mark.parametrize("bad", WEIRD)
def test_what_is_no_probability_allows_what_is_bounded(bad: float) -> None:
    """If this fails, a NaN from the model becomes an allowance that no loss exceeds, and the hedge has no stop."""
    for found in (allowance(bad, Decimal(10)), allowance(0.9, Decimal(10), down=bad)):
        assert 0.5 * MOVE * 1_000 <= found <= MOVE * 1_000
    for mark in ("NaN", "Infinity"):
        assert allowance(0.9, Decimal(10), mark=Decimal(mark)) == 0.0
    assert insured_usd(
        [DesiredPosition(DEAR, Decimal(-1), Purpose.CASCADE_OPEN, "")], snapshot(None, marks={})
    ) == {"ETH": 0.0}


@given(
    probability, st.floats(0, 1), st.sampled_from([None, 0, 1, -1]), st.sampled_from([1, -1]), st.booleans()
)
def test_the_hedge_stays_within_the_cap_and_grows_with_the_probability(
    p: float, down: float, crowd: int | None, side: int, spike: bool
) -> None:
    """If this fails, a model that is sure of itself takes more than the cap, or less at a greater danger."""
    rate = 0.003 if spike else 0.0001

    def both(p_: float) -> tuple[float, float, CascadePlan]:
        told = snapshot(CascadeView(18.0, p_, down, crowd, "a test"), rate, own={"ETH": OWN * side})
        asked = asked_usd("ETH", told, CascadeHedgeConfig(enabled=True), Decimal("0.4"))
        found = plan(told, own=OWN * side)
        return size(found), asked, found

    held, asked, found = both(p)
    assert 0 <= -side * held <= 40
    assert 0 <= asked <= 4_000.0
    assert asked == pytest.approx(-side * held * 100, abs=1.0), (
        "what is asked for is what is held when there is room"
    )
    insured = insured_usd(found.desired, snapshot(CascadeView(18.0, p, down), own={"ETH": OWN * side}))
    assert sum(insured.values()) <= MOVE * 4_000 * (1 + 1e-9)
    if p == p:
        more, asked_more, _ = both(min(1.0, p + 0.1))
        assert -side * more >= -side * held - 1e-9
        assert asked_more >= asked - 1e-9


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([None, 0, 1, -1]))
def test_a_mirrored_market_is_hedged_alike(p: float, down: float, crowd: int | None) -> None:
    """If this fails, crowded shorts threaten a short less than crowded longs a long."""
    mine = CascadeView(18.0, p, down, crowd, "a test")
    other = CascadeView(18.0, p, 1 - down, None if crowd is None else -crowd, "a test")
    long, short = plan(snapshot(mine)), plan(snapshot(other, own={"ETH": -OWN}), own=-OWN)
    if (
        min(abs(mine.against(1) - at) for at in (0.4, 0.5, 0.8)) > 1e-6
    ):  # the knots, where the last digit decides
        assert size(long) == pytest.approx(-size(short), abs=0.011)
