"""From a snapshot to desired positions: who is planned, who keeps what he has, and what each trade is called."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from fakes import HASHES, HERE, NOW_MS, OTHER, THERE, market
from states import rates

from hedged.config import HedgeConfig, RiskConfig
from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose
from hedged.features.moments import Moments
from hedged.strategy.funding_hedge import decide, planner_settings
from hedged.strategy.snapshot import DesiredPosition, Snapshot
from hedged.strategy.stopped import unwind

HEDGE, RISK = HedgeConfig(delta_band=Decimal("0.2")), RiskConfig()
EXPENSIVE = {HERE: rates(30_000, 0.05), THERE: rates(900, 0.05, 2), OTHER: rates(5_000, 0.05, 3)}


def forecasts(columns: dict[SeriesKey, np.ndarray]) -> ForecastSet:
    keys = tuple(columns)
    marginals = {
        key: RateForecast(key, NOW_MS, 24.0, float(c.mean()), np.quantile(c, LEVELS), 0.5)
        for key, c in columns.items()
    }
    scenarios = np.stack([columns[key] for key in keys], axis=1) if keys else np.empty((200, 0))
    return ForecastSet(NOW_MS, 24.0, keys, marginals, scenarios, "model", "features")


def snapshot(columns: dict[SeriesKey, np.ndarray] = EXPENSIVE, **changes: Any) -> Snapshot:
    """1,000 BTC at 100 USD, unhedged, funding expensive here and cheap on Binance."""
    keys = (HERE, THERE, OTHER)
    plain = Snapshot(
        now_ms=NOW_MS,
        hashes=HASHES,
        forecasts=forecasts(columns),
        moments=Moments(24, ("BTC",), {"BTC": 0.02}, {THERE: 0.0008, OTHER: 0.0008}, np.ones((1, 1))),
        own={"BTC": Decimal(1_000)},
        attributed={},
        marks=dict.fromkeys(keys, Decimal(100)),
        markets={key: market(key) for key in keys},
        collateral_usd={"binance": Decimal(30_000), "bybit": Decimal(30_000)},
        equity_usd=Decimal(50_000),
    )
    return replace(plain, **changes)


def wanted(seen: Snapshot, **hedge: Any) -> dict[SeriesKey, DesiredPosition]:
    _, desired, _ = decide(seen, HEDGE.model_copy(update=hedge), RISK)
    return {d.key: d for d in desired}


@pytest.mark.parametrize("side", [1, -1])
def test_a_relocation_is_cut_here_and_held_there(side: int) -> None:
    """If this fails, a relocation has the wrong sign at one venue and doubles the exposure that it should keep."""
    columns = {key: side * column for key, column in EXPENSIVE.items()}
    found = wanted(snapshot(columns, own={"BTC": Decimal(1_000 * side)}), delta_band=Decimal(0))
    assert found[HERE].quantity * side < -100
    assert found[HERE].purpose is found[THERE].purpose is Purpose.RELOCATE
    elsewhere = sum(d.quantity for key, d in found.items() if key != HERE)
    assert float(elsewhere) == pytest.approx(-float(found[HERE].quantity), rel=1e-6)
    assert all(d.reason for d in found.values())


def test_an_opposite_leg_is_against_the_own_side() -> None:
    """If this fails, an opposite perp adds to the position that it should offset."""
    found = wanted(snapshot({HERE: rates(30_000, 0.05), THERE: rates(30_000, 0.05, 2)}), allow_own_cut=False)
    assert found[HERE].quantity == 0
    assert found[THERE].quantity < -100
    assert found[THERE].purpose is Purpose.HEDGE_OPEN
    held = snapshot(
        {HERE: rates(-30_000, 0.05), THERE: rates(-30_000, 0.05, 2)}, attributed={THERE: Decimal(-100)}
    )
    found = wanted(held, allow_own_cut=False)
    assert (found[THERE].quantity, found[THERE].purpose) == (0, Purpose.HEDGE_CLOSE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"marks": {THERE: Decimal(100)}}, "mark price"),
        ({"forecasts": forecasts({THERE: EXPENSIVE[THERE]})}, "cannot be forecast"),
        ({"markets": {THERE: market(THERE)}}, "it was not held when the daemon started"),
    ],
)
def test_what_cannot_be_planned_keeps_what_it_has(changes: dict[str, Any], why: str) -> None:
    """If this fails, a stale price or a missing forecast closes hedges, or opens them blindly."""
    plans, desired, frozen = decide(snapshot(attributed={HERE: Decimal(-100)}, **changes), HEDGE, RISK)
    assert (plans, desired) == ([], [])
    assert why in frozen["BTC"]


@pytest.mark.parametrize("lost", ["forecast", "mark"])
def test_a_leg_at_a_venue_that_fell_silent_is_left_alone(lost: str) -> None:
    """If this fails, a venue's missing data makes the daemon close its leg there at any price, or enlarge it."""
    columns = {key: c for key, c in EXPENSIVE.items() if lost != "forecast" or key != THERE}
    marks = {key: Decimal(100) for key in EXPENSIVE if lost != "mark" or key != THERE}
    seen = snapshot(columns, marks=marks, attributed={THERE: Decimal(150), HERE: Decimal(-150)})
    found = wanted(seen)
    assert THERE not in found
    total = abs(found[HERE].quantity) + abs(found[OTHER].quantity)
    assert total <= 2 * 400


def test_only_what_is_protected() -> None:
    """If this fails, positions that the operator excluded are traded."""
    assert decide(snapshot(), HEDGE, RISK, protect=["ETH"]) == ([], [], {})
    assert decide(snapshot(), HEDGE, RISK, protect=["BTC"])[0]


@pytest.mark.parametrize("own", [{"BTC": Decimal(0)}, {}])
def test_a_hedge_whose_position_is_gone_is_closed(own: dict[str, Decimal]) -> None:
    """If this fails, the trader closes his position and the hedge stays: a naked leg that nobody looks after."""
    found = wanted(snapshot(own=own, attributed={THERE: Decimal(-100)}))
    assert found[THERE].quantity == 0


def test_the_own_position_that_turned_around_gets_its_cut_back() -> None:
    """If this fails, what was a cut of the long is left as an enlargement of the short."""
    calm = {HERE: rates(-10), THERE: rates(-10)}
    found = wanted(snapshot(calm, own={"BTC": Decimal(-1_000)}, attributed={HERE: Decimal(-100)}))
    assert (found[HERE].quantity, found[HERE].purpose) == (0, Purpose.OWN_RESTORE)


def test_leverage_keeps_its_distance_from_liquidation() -> None:
    """If this fails, legs are opened so large that the required distance to liquidation cannot be kept."""
    assert planner_settings(HEDGE, RISK, Decimal(1)).max_leverage == 5
    far = RISK.model_copy(update={"min_liquidation_distance": Decimal("0.47")})
    assert planner_settings(HEDGE, far, Decimal(1)).max_leverage == pytest.approx(2)


def test_a_stop_takes_every_part_to_zero() -> None:
    """If this fails, a stopped hedge keeps a leg, or the stop of one coin touches another."""
    eth = SeriesKey(INJECTIVE, "ETH")
    planned = [DesiredPosition(key, Decimal(7), Purpose.HEDGE_OPEN, "plan") for key in (HERE, eth)]
    held = {HERE: Decimal(-4), THERE: Decimal(4), OTHER: Decimal(0), eth: Decimal(-1)}
    found = {d.key: d for d in unwind(planned, {"BTC": "stop: lost"}, held, {HERE, THERE})}
    assert set(found) == {HERE, THERE, eth}
    assert found[eth].quantity == 7
    for key in (HERE, THERE):
        assert found[key] == DesiredPosition(key, Decimal(0), Purpose.STOP, "stop: lost")


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("held", "tradable", "stays"),
    [
        ({HERE: -4, THERE: 4}, {HERE}, {HERE: -4}),  # giving the cut back alone would double the position
        (
            {HERE: -4, THERE: 4},
            {THERE},
            {THERE: 4},
        ),  # closing the far leg alone would leave less than is held
        ({HERE: -4, THERE: 3}, {HERE}, {HERE: -3}),  # the rest of the cut stands for itself
        ({HERE: -3, THERE: 4}, {THERE}, {THERE: 3}),
        ({HERE: -4, THERE: 2, OTHER: 2}, {HERE, OTHER}, {HERE: -2}),
        (
            {HERE: -2, THERE: 2, OTHER: 2},
            {OTHER},
            {THERE: 2},
        ),  # the half that cannot be traded anyway is the one
        ({HERE: -2, THERE: 2, OTHER: -2}, {HERE, OTHER}, {HERE: -2}),  # an opposite leg goes by itself
        ({HERE: -2, THERE: -2}, {THERE}, {}),
        ({THERE: -4, OTHER: -4}, {THERE}, {}),
    ],
)
def test_the_halves_of_a_relocation_stay_or_go_together(
    held: dict[SeriesKey, int], tradable: set[SeriesKey], stays: dict[SeriesKey, int], side: int
) -> None:
    """If this fails, a stop with one venue unreachable leaves the trader with twice what he holds, or with less."""
    coins = {key: Decimal(side * q) for key, q in held.items()}
    found = {d.key: d.quantity for d in unwind([], {"BTC": "stop: lost"}, coins, tradable)}
    assert set(found) == set(held)
    wanted = {key: side * q for key, q in stays.items()}
    assert {key: q for key, q in found.items() if q and key in tradable} == {
        key: q for key, q in wanted.items() if key in tradable
    }
