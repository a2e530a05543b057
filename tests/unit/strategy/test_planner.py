"""Step 2: full Kelly shrunk by confidence, never past a limit, always with a reason."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import SETTINGS, mirrored, random_state, rates, scaled, state, symbol

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE, frozen_cut_usd, kelly_share
from hedged.strategy.kelly import NEGLIGIBLE
from hedged.strategy.planner import _without_round_trip, plan
from hedged.strategy.programme import Programme
from hedged.strategy.state import LegCosts, LegPlan, PlannerState, SymbolPlan
from hedged.strategy.stopped import protected_usd

seeds = st.integers(0, 2**31)
KNOTS = SETTINGS.knots


def one(given_: PlannerState) -> SymbolPlan:
    (result,) = plan(given_)
    return result


@given(seeds)
def test_rules_of_step_two(seed: int) -> None:
    """If this fails, a hedge is larger than full Kelly, grows without confidence, or shrinks against the optimiser."""
    given_ = random_state(seed)
    settings = given_.settings
    for s, result in zip(given_.symbols, plan(given_), strict=True):
        dust = NEGLIGIBLE * s.own_usd
        for leg in result.legs:
            assert leg.target_usd >= 0
            assert leg.target_usd <= leg.full_kelly_usd + dust or leg.target_usd <= leg.now_usd
            if leg.target_usd > leg.now_usd:
                assert leg.full_kelly_usd > leg.now_usd
                assert leg.confidence >= 0.5
            if leg.target_usd < leg.now_usd:
                # a cut may wait for the relocations that take its place
                most = leg.now_usd if leg.kind == CUT else leg.full_kelly_usd
                assert leg.full_kelly_usd <= leg.target_usd <= most
        total, now = (sum(getattr(leg, name) for leg in result.legs) for name in ("target_usd", "now_usd"))
        assert total <= max(settings.cap * s.own_usd, now) + dust
        assert result.reason
        assert result.cost_usd >= 0


@given(seeds)
def test_positions_are_the_legs(seed: int) -> None:
    """If this fails, what is ordered is not what was planned and explained."""
    given_ = random_state(seed)
    for s, result in zip(given_.symbols, plan(given_), strict=True):
        cut = sum(leg.target_usd for leg in result.legs if leg.kind in (CUT, RELOCATE))
        assert result.cut_usd == pytest.approx(cut + frozen_cut_usd(s))
        for venue, usd in result.legs_usd.items():
            if venue not in s.rates:
                assert usd == s.legs_usd[venue]  # unknown rate: neither enlarged nor given up
                continue
            mine = {leg.kind: leg.target_usd for leg in result.legs if leg.venue == venue}
            assert usd == pytest.approx(s.side * (mine["relocate"] - mine["opposite"]))


@given(seeds)
def test_scale_and_sign_do_not_matter(seed: int) -> None:
    """If this fails, the currency or the side of the book changes the share that is hedged."""
    given_ = random_state(seed)
    plans = [plan(given_), plan(scaled(given_, 10.0)), plan(mirrored(given_))]
    for s, (result, large, short) in zip(given_.symbols, zip(*plans, strict=True), strict=True):
        near = {"abs": 2e-3 * s.own_usd}
        if _at_a_threshold(result, s.own_usd):
            continue
        assert large.cut_usd / 10 == pytest.approx(result.cut_usd, **near)
        assert short.cut_usd == pytest.approx(result.cut_usd, **near)
        for venue, usd in result.legs_usd.items():
            assert large.legs_usd[venue] / 10 == pytest.approx(usd, **near)
            assert short.legs_usd[venue] == pytest.approx(-usd, **near)


def _at_a_threshold(result: SymbolPlan, own_usd: float) -> bool:
    """Whether a solver's last digit may decide: a confidence at a half, a change at the smallest worth an order."""
    return any(
        abs(leg.confidence - 0.5) < 0.01
        or abs(abs(leg.full_kelly_usd - leg.now_usd) - NEGLIGIBLE * own_usd) < 1e-4 * own_usd
        or abs(leg.full_kelly_usd) < 2e-4 * own_usd
        or abs(abs(leg.target_usd - leg.now_usd) - SETTINGS.min_change * own_usd) < 1e-3 * own_usd
        for leg in result.legs
    )


@pytest.mark.parametrize(("spread", "share"), [(0.0, 0.60), (2.0, 0.51)])
def test_where_risk_alone_limits_confidence_takes_its_share_of_kelly(spread: float, share: float) -> None:
    """If this fails, hedges that only risk limits are sized by another law than requirement C5."""
    free = {INJECTIVE: LegCosts(0.0, 0.0)}
    saves = symbol(rates={INJECTIVE: rates(8_000, spread)}, costs=free, basis_sigma={})
    loose = {"equity_usd": 10_000.0, "equity_at_risk": 10.0, "cap": 1.0, "delta_band": 1.0, "min_change": 0.0}
    (cut,) = one(state(saves, **loose)).legs
    assert 0 < cut.full_kelly_usd < 100_000
    assert cut.target_usd == pytest.approx(kelly_share(cut.confidence, KNOTS) * cut.full_kelly_usd, rel=1e-3)
    assert cut.target_usd / cut.full_kelly_usd == pytest.approx(share, abs=0.03)


def test_where_a_limit_binds_the_limit_stands() -> None:
    """If this fails, the cap is shrunk once more by a share of Kelly that lies far beyond it."""
    sure = symbol(rates={INJECTIVE: rates(30_000, 0.01), "binance": rates(900, 0.01)})
    result = one(state(sure, equity_usd=1e6, collateral_usd={"binance": 1e6}))
    (main,) = [leg for leg in result.legs if leg.target_usd > 0 and leg.kind == RELOCATE]
    assert main.confidence == 1.0
    total = sum(leg.target_usd for leg in result.legs)
    assert total == pytest.approx(0.4 * sure.own_usd, rel=1e-3)
    assert "relocation to binance" in result.reason
    assert result.break_even_h < 24
    assert result.expected_saving_usd > result.cost_usd


def test_an_unsure_saving_is_not_opened_but_held() -> None:
    """If this fails, a coin toss opens a hedge, or closes one that costs more to close than to keep."""
    wide = {INJECTIVE: rates(1_500, 4.0), "binance": rates(900, seed=2)}
    loose = {"equity_usd": 1e7, "equity_at_risk": 1.0}
    result = one(state(symbol(rates=wide), **loose))
    assert all(leg.confidence < 0.5 for leg in result.legs if leg.kind != "opposite")
    assert (result.cut_usd, result.legs_usd["binance"]) == (0.0, 0.0)
    held = symbol(rates=wide, cut_usd=20_000.0, legs_usd={"binance": 20_000.0})
    result = one(state(held, **loose))
    assert (result.cut_usd, result.legs_usd["binance"]) == (20_000.0, 20_000.0)
    assert result.reason.startswith("hold")


def test_a_hedge_that_costs_money_is_closed() -> None:
    """If this fails, a hedge is kept after funding has turned against it."""
    turned = symbol(
        cut_usd=30_000.0,
        legs_usd={"binance": 30_000.0},
        rates={INJECTIVE: rates(-9_000, 0.1), "binance": rates(9_000, 0.1)},
    )
    result = one(state(turned))
    assert result.cut_usd == 0
    assert result.legs_usd["binance"] <= 0
    assert "shrink" in result.reason


def test_no_solution_leaves_everything_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a solver that gives up closes hedges or opens random ones."""
    given_ = state(symbol(cut_usd=9_000.0, legs_usd={"binance": 4_000.0}))
    monkeypatch.setattr(Programme, "solve", lambda *_: None)
    result = one(given_)
    assert (result.cut_usd, result.legs_usd["binance"]) == (9_000.0, 4_000.0)
    assert "no solution" in result.reason


@pytest.mark.parametrize(
    ("here", "words"),
    [(-900.0, "expected to receive"), (300.0, "does not earn its cost")],
)
def test_not_hedging_is_explained(here: float, words: str) -> None:
    """If this fails, the operator cannot tell why nothing is done, which is most of the time."""
    calm = symbol(rates={INJECTIVE: rates(here), "binance": rates(here, seed=2)}, side=1)
    result = one(state(calm))
    assert result.cost_usd == 0
    assert words in result.reason


def test_the_same_state_gives_the_same_plan() -> None:
    """If this fails, backtest and daemon decide differently on the same facts."""
    assert plan(random_state(5))[0].reason == plan(random_state(5))[0].reason
    given_ = random_state(9)
    again = replace(
        given_, symbols=tuple(reversed(given_.symbols)), correlation=given_.correlation[::-1, ::-1]
    )
    first = {p.symbol: p.cut_usd for p in plan(given_)}
    for p in plan(again):
        assert p.cut_usd == pytest.approx(first[p.symbol], rel=1e-3, abs=1.0)


def test_a_cut_that_becomes_a_relocation_is_not_given_back_in_between() -> None:
    """If this fails, the daemon buys back what it sells again a cycle later, and pays for both."""
    cut = LegPlan("cut", INJECTIVE, 1_000.0, 0.0, 0.0, 0.1, 0.0)
    moved = LegPlan("relocate", "binance", 0.0, 1_000.0, 400.0, 0.9, 0.0)
    opposite = LegPlan("opposite", "binance", 0.0, 0.0, 0.0, 0.5, 0.0)
    kept = {p.kind: p.target_usd for p in _without_round_trip([cut, opposite, moved])}
    assert kept == {"cut": 600.0, "opposite": 0.0, "relocate": 400.0}
    smaller = moved._replace(full_kelly_usd=700.0, target_usd=400.0)
    kept = {p.kind: p.target_usd for p in _without_round_trip([cut, opposite, smaller])}
    assert kept["cut"] == 300.0, "what full Kelly itself gives back is given back"


def test_a_relocation_whose_far_leg_is_unknown_stays_whole() -> None:
    """If this fails, lost data make the daemon give back the cut while the far leg stays: twice the position."""
    lost = state(symbol(cut_usd=5_000.0, legs_usd={"binance": 5_000.0}, rates={INJECTIVE: rates(-10)}))
    (result,) = plan(lost)
    assert result.cut_usd == pytest.approx(5_000.0)
    assert result.legs_usd == {"binance": 5_000.0}


def test_a_small_excess_over_the_cap_is_taken_back() -> None:
    """If this fails, a position that shrank a little stays hedged beyond the cap for ever."""
    held = symbol(cut_usd=41_000.0, rates={INJECTIVE: rates(4_400)})
    (result,) = plan(state(held, cap=0.4, delta_band=1.0, equity_at_risk=1.0, min_change=0.02))
    assert 0 < result.cut_usd <= 40_000.0 + 1


@given(seeds, st.sets(st.sampled_from([INJECTIVE, "binance", "bybit"])))
def test_nothing_grows_on_a_closed_venue_and_all_may_shrink(seed: int, closed: set[str]) -> None:
    """If this fails, the plan opens into a maintenance, or a venue's closing keeps a hedge from being reduced."""
    given_ = random_state(seed)
    shut = replace(
        given_,
        symbols=tuple(replace(s, closed=dict.fromkeys(closed, "it is closed")) for s in given_.symbols),
    )
    for s, result in zip(shut.symbols, plan(shut), strict=True):
        dust = 2 * NEGLIGIBLE * s.own_usd
        for leg in result.legs:
            trades_on = {leg.venue} | ({INJECTIVE} if leg.kind != OPPOSITE else set())
            if trades_on & closed:
                assert leg.target_usd <= leg.now_usd + dust
        for venue, usd in result.legs_usd.items():
            if venue in closed:
                assert abs(usd) <= abs(s.legs_usd.get(venue, 0.0)) + dust
        assert ("held back: it is closed" in result.reason) == bool(closed)
    if not closed:
        assert plan(shut) == plan(given_)


def test_a_hedge_on_a_closed_venue_is_still_given_up_when_it_does_not_pay() -> None:
    """If this fails, a leg stays at a venue that goes down though the plan wants it gone."""
    costly = {INJECTIVE: rates(-3_000), "binance": rates(-5_000, seed=2)}
    held = symbol(legs_usd={"binance": -20_000.0}, rates=costly)
    for closed in ({}, {"binance": "binance is in maintenance"}):
        result = one(state(replace(held, closed=closed)))
        assert result.legs_usd["binance"] == 0.0
    fresh = one(state(symbol(closed={"binance": "binance is in maintenance"})))
    assert fresh.legs_usd.get("binance", 0.0) == 0.0
    assert fresh.cut_usd > 0, "the cut needs no other venue"
    assert fresh.reason.endswith("; held back: binance is in maintenance")


@given(seeds, st.floats(0, 2), st.floats(0, 2))
def test_signals_scale_increases_within_the_plan_and_nothing_else(
    seed: int, first: float, second: float
) -> None:
    """If this fails, a signal opens what confidence does not, passes full Kelly or a limit, or closes a hedge."""
    given_ = random_state(seed)

    def scaled_by(factor: float) -> tuple[SymbolPlan, ...]:
        told = tuple(replace(s, increase_factor=factor) for s in given_.symbols)
        return plan(replace(given_, symbols=told))

    plain = scaled_by(1.0)
    assert plain == plan(given_)
    for factor in (first, second):
        for s, result, unscaled in zip(given_.symbols, scaled_by(factor), plain, strict=True):
            dust = NEGLIGIBLE * s.own_usd
            for leg, usual in zip(result.legs, unscaled.legs, strict=True):
                assert (leg.full_kelly_usd, leg.now_usd) == (usual.full_kelly_usd, usual.now_usd)
                if leg.target_usd > leg.now_usd:
                    assert leg.target_usd <= leg.full_kelly_usd + dust
                    assert leg.confidence >= 0.5, "no signal replaces confidence"
                elif leg.kind != CUT and usual.target_usd < usual.now_usd:
                    assert leg.target_usd == usual.target_usd, "a decrease is not the signal's"
            total, now = (
                sum(getattr(leg, name) for leg in result.legs) for name in ("target_usd", "now_usd")
            )
            assert total <= max(given_.settings.cap * s.own_usd, now) + dust


def test_the_signal_is_named_in_the_reason() -> None:
    """If this fails, a hedge is larger or smaller than the confidence says and nobody can tell why."""
    sizes = []
    for factor in (0.5, 1.0, 1.25):
        result = one(state(symbol(increase_factor=factor, note="" if factor == 1 else "a signal says so")))
        sizes.append(result.cut_usd + sum(abs(u) for u in result.legs_usd.values()))
        assert result.reason.endswith("; a signal says so") == (factor != 1)
    assert sizes[0] < sizes[1] < sizes[2]


@given(seeds, st.sampled_from([0.0, 168.0]))
def test_what_is_opened_may_lose_its_cost(seed: int, tail_h: float) -> None:
    """If this fails, a hedge is stopped the moment it is opened: its cost exceeds what its stop allows it to lose."""
    given_ = random_state(seed)
    given_ = replace(given_, settings=replace(given_.settings, tail_h=tail_h))
    for s, result in zip(given_.symbols, plan(given_), strict=True):
        if not s.cut_usd and not any(s.legs_usd.values()):
            impact = sum(c.impact_per_usd2 for c in s.costs.values()) * (2 * s.own_usd) ** 2
            assert result.cost_usd <= protected_usd(result) + impact + NEGLIGIBLE * s.own_usd * 1e-3
