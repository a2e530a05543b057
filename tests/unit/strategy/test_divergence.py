"""The divergence trade: the seed's example and every rule for entering, sizing and leaving."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from diverging import PRICE, A, B, forecasts, reading, snapshot
from fakes import NOW_MS

from hedged.config import DivergenceConfig, HedgeConfig, RiskConfig
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Purpose
from hedged.strategy.budget import Budget
from hedged.strategy.divergence import DivergencePlan, decide
from hedged.strategy.divergence_episode import DivergenceEpisode
from hedged.strategy.snapshot import Snapshot

HELD = {A: "10000", B: "-10000"}
OPEN = DivergenceEpisode(
    opened_ms=NOW_MS - HOUR_MS, expected_usd=80, all_costs_usd=45, floor_usd=20, costs_usd=22
)


def budget(risk_usd: float = 2_000.0, **risk: Any) -> Budget:
    return Budget(risk_usd, {"binance": 25_000.0, "okx": 25_000.0}, {}, RiskConfig(**risk))


def plan(
    seen: Snapshot,
    episode: DivergenceEpisode | None = None,
    left: Budget | None = None,
    free: tuple[SeriesKey, ...] = (A, B),
    **settings: Any,
) -> DivergencePlan:
    config = DivergenceConfig(enabled=True, **settings)
    held = {key: q for key, q in seen.attributed.items() if q}
    return decide(held, free, episode or DivergenceEpisode(), seen, config, HedgeConfig(), left or budget())


def test_the_seeds_example_pays_when_it_lasts_a_day() -> None:
    """If this fails, −0.12 % here and −0.03 % there is not traded long here and short there, in equal coins."""
    found = plan(snapshot())
    wanted = {d.key: d.quantity for d in found.desired}
    assert wanted[A] > 0
    assert wanted[B] == -wanted[A]
    assert {d.purpose for d in found.desired} == {Purpose.DIVERGENCE_OPEN}
    assert "collects 27.0 bp" in found.reason, "three settlements of 0.09 %"
    assert found.episode.opened_ms == NOW_MS
    usd = float(wanted[A] * PRICE)
    assert found.episode.expected_usd == pytest.approx(27e-4 * usd)


def test_the_seeds_example_as_it_went_does_not_pay_at_two_venues() -> None:
    """If this fails, a trade is opened whose funding does not cover four fills: normalised within 18 hours."""
    found = plan(snapshot(means_8h={A: -0.0007, B: -0.0003}))
    assert not found.desired
    assert "does not pay" in found.reason
    assert "collects 12.0 bp" in found.reason
    assert "costs 2" in found.reason, "the figures are told"


def test_the_seeds_example_pays_on_one_leg() -> None:
    """If this fails, the seed's own form of the trade, long on Binance alone, cannot be chosen."""
    found = plan(snapshot(means_8h={A: -0.0007, B: -0.0003}), single_leg=True)
    assert [(d.key, d.quantity > 0) for d in found.desired] == [(A, True)]
    usd = float(found.desired[0].quantity * PRICE)
    assert usd * 1.6449 * 0.05 <= 2_000, "2 % of equity at the price's own volatility"


def test_below_the_threshold_nothing_is_opened() -> None:
    """If this fails, divergences that the operator calls normal are traded."""
    found = plan(snapshot({A: -0.0004, B: 0.0}, means_8h={A: -0.002, B: 0.0}))
    assert not found.desired
    assert "no divergence above 0.050 %" in found.reason


def test_a_spike_that_is_forecast_is_entered_before_it_shows() -> None:
    """If this fails, the forecast of the next settlement is not used: the spike is met when it is over."""
    calm = {A: -0.0001, B: 0.0001}
    seen = snapshot(calm)
    told = forecasts({A: -0.002, B: 0.0001}, {A: -0.003, B: 0.0001})
    assert not plan(seen).desired
    found = plan(replace(seen, forecasts=told))
    assert {d.key for d in found.desired} == {A, B}
    assert "forecast +0.310 % at the next settlement" in found.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"interest_change": -0.1}, "a reversal is near"),
        ({"least_24h": -0.0011, "move": 0.0}, "exhausted"),
    ],
)
def test_a_reversal_that_is_near_counts_half(changes: dict[str, float], said: str) -> None:
    """If this fails, falling interest or an exhausted crowd does not make the forecast less believed."""
    rich = {A: -0.0030, B: -0.0003}
    plain = plan(snapshot(rich))
    found = plan(snapshot(rich, readings={A: reading(-0.0030, **changes)}))
    assert said in found.reason
    assert found.figures["expected_bp"] == pytest.approx(plain.figures["expected_bp"] / 2)


def test_rising_interest_and_a_far_mean_are_told_and_change_nothing() -> None:
    """If this fails, the operator does not see why a trade was taken, or its size depends on a remark."""
    found = plan(snapshot(readings={A: reading(-0.0012, interest_change=0.1, mean_24h=0.0)}))
    assert "the move starts" in found.reason
    assert "far from its mean of a day" in found.reason
    assert found.desired[0].quantity == plan(snapshot()).desired[0].quantity


def test_after_a_spike_the_size_is_halved() -> None:
    """If this fails, volatility that is expected (E4) does not make the trade smaller."""
    wide = snapshot(basis_sigma=0.02)  # risk binds, not margin
    calm = plan(wide)
    found = plan(replace(wide, now=replace(wide.now, readings=dict(wide.now.readings) | {A: reading(-0.0012, range_8h=0.002)})))  # fmt: skip  # noqa: E501
    assert float(found.desired[0].quantity) == pytest.approx(float(calm.desired[0].quantity) / 2, abs=1)
    assert "half size" in found.reason


@pytest.mark.parametrize("sigma", [0.0005, 0.01, 0.05])
@pytest.mark.parametrize("left", [500.0, 5_000.0])
def test_the_loss_at_the_stop_is_within_the_budget(sigma: float, left: float) -> None:
    """If this fails, one trade may lose more than 2 % of equity, or more than the strategies may lose together."""
    rich = {A: -0.0040, B: -0.0003}
    found = plan(snapshot(rich, basis_sigma=sigma), left=budget(left))
    usd = float(max(d.quantity for d in found.desired) * PRICE)
    stop = found.episode.stop_usd(0.2)
    assert max(stop, usd * 1.6449 * sigma) <= min(2_000.0, left)
    assert usd <= 25_000 * 3, "leverage of the gate"
    assert usd <= 50_000


@pytest.mark.parametrize(("wanted", "gate", "most"), [(5, 3, 3), (2, 3, 2), (10, 10, 1 / 0.18)])
def test_leverage_is_the_smallest_of_all_limits(wanted: int, gate: int, most: float) -> None:
    """If this fails, a leg is nearer to liquidation than the operator allows."""
    assert budget(max_leverage=Decimal(gate)).leverage(Decimal(wanted)) == pytest.approx(most)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"closed": {A: "maintenance"}}, "needs two exchanges"),
        ({"marks": {A: PRICE}}, "needs two exchanges"),
        ({"forecasts": forecasts({A: -0.0012})}, "needs two exchanges"),
        ({"collateral_usd": {"binance": Decimal(25_000)}}, "no room"),
    ],
)
def test_what_is_not_known_or_closed_is_not_opened(changes: dict[str, Any], why: str) -> None:
    """If this fails, a leg is opened where nothing may be opened, or where nothing is known."""
    seen = snapshot(**changes)
    left = replace(budget(), collateral_usd={v: float(usd) for v, usd in seen.collateral_usd.items()})
    found = plan(seen, left=left)
    assert not found.desired
    assert why in found.reason


def closed(found: DivergencePlan) -> bool:
    return {(d.key, d.quantity, d.purpose) for d in found.desired} == {
        (key, Decimal(0), Purpose.DIVERGENCE_CLOSE) for key in (A, B)
    }


def test_it_is_held_while_there_is_something_to_collect() -> None:
    """If this fails, a trade is closed, and its costs are lost, while it still earns."""
    found = plan(snapshot({A: -0.0004, B: -0.0001}, held=HELD), OPEN)
    assert not found.desired
    assert found.reason.startswith("held")


@pytest.mark.parametrize(
    ("now", "changes", "why"),
    [
        ({A: -0.0002, B: -0.00015}, {}, "normalised"),
        ({A: 0.0002, B: -0.0001}, {}, "turned over"),
        ({A: -0.0012, B: -0.0003}, {"opened_ms": NOW_MS - 72 * HOUR_MS}, "held for 72 h"),
        ({A: -0.0012, B: -0.0003}, {"price_pnl_usd": -43.0}, "stop"),
    ],
)
def test_every_exit_closes_both_legs(now: dict[SeriesKey, float], changes: dict[str, Any], why: str) -> None:
    """If this fails, a trade outlives its reason (E7, E8)."""
    found = plan(snapshot(now, held=HELD), replace(OPEN, **changes))
    assert closed(found)
    assert why in found.reason


def test_the_stop_is_break_even_plus_a_fifth() -> None:
    """If this fails, the stop is not where the seed puts it: 80 expected less 45 of costs, and 20 % more."""
    assert OPEN.stop_usd(0.2) == pytest.approx(1.2 * 35)
    assert replace(OPEN, expected_usd=0.0).stop_usd(0.2) == 20.0, "never nearer than the basis usually moves"
    assert replace(OPEN, received_usd=145.0).stop_usd(0.2) == pytest.approx(120), (
        "what was collected may be lost"
    )


def test_after_a_stop_nothing_is_opened_for_a_while() -> None:
    """If this fails, a trade that was just stopped is opened again at once."""
    stopped = plan(snapshot(held=HELD), replace(OPEN, price_pnl_usd=-43.0))
    flat = stopped.episode.advance("IMX", {}, {})
    assert "stopped" in plan(snapshot(), flat).reason
    later = snapshot()
    assert plan(replace(later, now_ms=NOW_MS + 8 * HOUR_MS), flat).desired


def test_a_leg_that_stands_alone_is_closed() -> None:
    """If this fails, half a trade carries the whole price risk."""
    found = plan(snapshot(held={A: "10000"}), OPEN)
    assert [(d.key, d.quantity) for d in found.desired] == [(A, Decimal(0))]
    assert "one leg stands alone" in found.reason


def test_uneven_legs_are_evened_out_by_the_larger() -> None:
    """If this fails, a partial fill leaves a price exposure for as long as the trade lasts."""
    found = plan(snapshot(held={A: "10000", B: "-7000"}), OPEN)
    assert [(d.key, d.quantity, d.purpose) for d in found.desired] == [
        (A, Decimal(7_000), Purpose.DIVERGENCE_CLOSE)
    ]


def test_while_a_venue_is_unknown_nothing_moves() -> None:
    """If this fails, one leg is closed while the other cannot be."""
    seen = snapshot(held=HELD)
    found = plan(replace(seen, marks={A: PRICE}), replace(OPEN, price_pnl_usd=-1_000.0))
    assert not found.desired
    assert "no price of okx" in found.reason


def test_a_rate_that_is_not_told_stops_no_stop() -> None:
    """If this fails, a loss runs on while a venue does not tell its rate, or an unknown rate passes for none."""
    silent = snapshot(held=HELD, readings={B: reading(float("nan"))})
    assert plan(silent, OPEN).reason.startswith("held: a rate is not known now")
    assert closed(plan(silent, replace(OPEN, price_pnl_usd=-43.0)))
    assert not plan(snapshot(readings={B: reading(float("nan"))})).desired
