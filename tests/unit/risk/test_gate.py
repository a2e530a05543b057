"""The gate: every reason can happen, reductions pass, pairs stand and fall together, only the gate seals."""

import ast
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from fakes import HASHES, HERE, NOW_MS, OTHER, THERE, intent, market
from gate_world import KEYS, LIMITS, MARK, facts, judge, limits, without

import hedged
from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Position
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Strategy
from hedged.risk.facts import GateFacts, Losses, OpenOrder
from hedged.risk.forecast_record import Misses
from hedged.risk.kill import KillLevel
from hedged.risk.limits import Limits, StrategyLimits
from hedged.risk.verdict import Reason

ETH_THERE, ETH_HERE = SeriesKey("binance", "ETH"), SeriesKey("injective", "ETH")
SHORT_THERE = {THERE: Decimal(-1)}
CLOSE = intent(THERE, 1, reduce_only=True)
LEVERED = limits(by_strategy=dict.fromkeys(Strategy, StrategyLimits(Decimal(10), Decimal("0.02"))))

Case = tuple[Reason | tuple[Reason, str] | None, Intent, GateFacts, Limits]


def own(margin: int, quantity: int = 60) -> dict[SeriesKey, Position]:
    """The trader's position on Injective as it is after a cut of 40, with so much margin."""
    return {HERE: Position(HERE, Decimal(quantity), MARK, Decimal(margin))}


STATE: list[Case] = [
    (None, intent(HERE, -40), facts(), LIMITS),
    (None, intent(THERE, -40), facts(), LIMITS),
    # a cut opens a hedge
    (Reason.KILLED, intent(HERE, -1, reduce_only=True), facts(kill=KillLevel.REDUCE_ONLY), LIMITS),
    (Reason.KILLED, intent(THERE, -1), facts(kill=KillLevel.REDUCE_ONLY), LIMITS),
    (None, CLOSE, facts(kill=KillLevel.REDUCE_ONLY, attributed=SHORT_THERE), LIMITS),
    (Reason.KILLED, CLOSE, facts(kill=KillLevel.PAUSE, attributed=SHORT_THERE), LIMITS),
    (Reason.HASH_MISMATCH, intent(hashes=replace(HASHES, model="other")), facts(), LIMITS),
    (Reason.HASH_MISMATCH, intent(hashes=replace(HASHES, features="other")), facts(), LIMITS),
    (Reason.HASH_MISMATCH, intent(), facts(loaded=Hashes("model", "features", "other")), LIMITS),
    (Reason.NOT_RECONCILED, intent(), facts(reconciled=False), LIMITS),
    (
        None,  # a stop takes off risk where it can, whoever else is silent
        intent(THERE, 1, purpose=Purpose.STOP, reduce_only=True),
        facts(reconciled=False, unknown=frozenset({"bybit"}), attributed={THERE: Decimal(-1)}),
        LIMITS,
    ),
    (
        Reason.NOT_RECONCILED,
        intent(THERE, 1, purpose=Purpose.STOP, reduce_only=True),
        facts(reconciled=False, unknown=frozenset({"binance"}), attributed={THERE: Decimal(-1)}),
        LIMITS,
    ),
    (
        Reason.NOT_RECONCILED,  # beyond what is held it opens
        intent(THERE, 2, purpose=Purpose.STOP),
        facts(reconciled=False, unknown=frozenset({"bybit"}), attributed={THERE: Decimal(-1)}),
        LIMITS,
    ),
    (
        Reason.NOT_RECONCILED,
        intent(THERE, 1, purpose=Purpose.HEDGE_CLOSE, reduce_only=True),
        facts(reconciled=False, unknown=frozenset({"bybit"}), attributed={THERE: Decimal(-1)}),
        LIMITS,
    ),
    (Reason.UNKNOWN_MARKET, intent(), facts(markets=without(facts().markets, HERE)), LIMITS),
    (Reason.STALE_PRICE, intent(), facts(marks=without(facts().marks, HERE)), LIMITS),
]
FORM: list[Case] = [
    (Reason.BAD_NUMBER, intent(quantity=Decimal(0)), facts(), LIMITS),
    (Reason.BAD_NUMBER, intent(quantity=Decimal("NaN")), facts(), LIMITS),
    (Reason.BAD_NUMBER, intent(quantity=Decimal(-1)), facts(), LIMITS),
    (Reason.BAD_NUMBER, intent(worst_price=Decimal("Infinity")), facts(), LIMITS),
    (Reason.BAD_NUMBER, intent(reference_price=Decimal("NaN")), facts(), LIMITS),
    (Reason.BAD_NUMBER, intent(), facts(marks=dict.fromkeys(KEYS, Decimal("NaN"))), LIMITS),
    (Reason.BAD_NUMBER, intent(), facts(attributed={HERE: Decimal("NaN")}), LIMITS),
    (Reason.BAD_NUMBER, intent(quantity=Decimal("1.0005")), facts(), LIMITS),  # off the step
    (Reason.BAD_NUMBER, intent(worst_price=Decimal("99.85")), facts(), LIMITS),  # off the tick
    (Reason.BELOW_MINIMUM, intent(HERE, "-0.049"), facts(), LIMITS),
    (Reason.PRICE_COLLAR, intent(HERE, -1, worst_price=Decimal("99.5")), facts(), LIMITS),
    (Reason.PRICE_COLLAR, intent(THERE, 1, worst_price=Decimal("100.5")), facts(), LIMITS),
    (None, intent(HERE, -1, worst_price=Decimal("105")), facts(), LIMITS),  # better than the market
]
PERMISSION: list[Case] = [
    (
        Reason.OWNED_BY_OTHER,
        intent(THERE, -1),
        facts(attributed=SHORT_THERE, owners={THERE: Strategy.CASCADE_HEDGE}),
        LIMITS,
    ),
    (None, CLOSE, facts(attributed=SHORT_THERE, owners={THERE: Strategy.CASCADE_HEDGE}), LIMITS),
    (
        None,
        intent(THERE, -1, purpose=Purpose.CASCADE_OPEN),
        facts(attributed=SHORT_THERE, owners={THERE: Strategy.CASCADE_HEDGE}),
        LIMITS,
    ),
    (Reason.VENUE_CLOSED, intent(THERE, -1), facts(closed={THERE: "in maintenance"}), LIMITS),
    (None, intent(OTHER, -1), facts(closed={THERE: "in maintenance"}), LIMITS),
    (None, CLOSE, facts(closed={THERE: "delisted"}, attributed=SHORT_THERE), LIMITS),
    # of what crosses zero the reducing part passes
    (
        (Reason.VENUE_CLOSED, "1"),
        intent(THERE, 2),
        facts(closed={THERE: "x"}, attributed=SHORT_THERE),
        LIMITS,
    ),
    (Reason.VENUE_UNHEALTHY, intent(THERE, -1), facts(failures={"binance": 3}), LIMITS),
    (None, intent(THERE, -1), facts(failures={"binance": 2, "bybit": 9}), LIMITS),
    (
        Reason.VENUE_UNHEALTHY,
        intent(THERE, -1),
        facts(open_orders=(OpenOrder(ETH_THERE, Decimal(1)),)),
        LIMITS,
    ),
    (Reason.CLOCK_SKEW, intent(THERE, -1), facts(clock_offsets_ms={"binance": 5_001}), LIMITS),
    (Reason.CLOCK_SKEW, intent(THERE, -1), facts(clock_offsets_ms={"binance": -5_001}), LIMITS),
    (None, intent(THERE, -1), facts(clock_offsets_ms={"binance": -5_000, "bybit": 9_000}), LIMITS),
    (Reason.STALE_FORECAST, intent(), facts(forecast_made_ms=NOW_MS - 7_200_001), LIMITS),
    (Reason.STALE_FORECAST, intent(), facts(forecast_made_ms=NOW_MS + 1), LIMITS),  # of the future
    (Reason.MODEL_UNHEALTHY, intent(THERE, -1), facts(forecast_by={HERE: "ensemble"}), LIMITS),
    (Reason.MODEL_UNHEALTHY, intent(THERE, -1), facts(forecast_by={THERE: "ensemble"}), LIMITS),
    (Reason.MODEL_UNHEALTHY, intent(), facts(forecast_by={HERE: "ewma"}), limits(open_on_stand_in=False)),
    (None, intent(), facts(forecast_by={HERE: "ewma"}), LIMITS),
    (Reason.FORECAST_MISSES, intent(), facts(misses={HERE: Misses(18, 24)}), LIMITS),
    (None, intent(), facts(misses={HERE: Misses(17, 24), THERE: Misses(24, 24)}), LIMITS),
    (Reason.FORECAST_MISSES, intent(THERE, -1), facts(misses={HERE: Misses(8, 8)}), LIMITS),
    (Reason.FORECAST_MISSES, intent(THERE, -1), facts(misses={THERE: Misses(8, 8)}), LIMITS),
    (None, intent(THERE, -1), facts(misses={OTHER: Misses(24, 24), HERE: Misses(7, 7)}), LIMITS),
    (None, intent(), facts(misses={HERE: Misses(24, 24)}), limits(max_miss_share=1.0)),
    (None, CLOSE, facts(misses={THERE: Misses(24, 24)}, attributed=SHORT_THERE), LIMITS),
    (
        (Reason.FORECAST_MISSES, "1"),
        intent(THERE, 2),
        facts(misses={THERE: Misses(24, 24)}, attributed=SHORT_THERE),
        LIMITS,
    ),
    (Reason.NEAR_SETTLEMENT, intent(), facts(settles_ms={HERE: NOW_MS + 10_000}), LIMITS),
    (None, intent(), facts(settles_ms={HERE: NOW_MS + 10_001, THERE: NOW_MS + 1}), LIMITS),
    (None, intent(), facts(settles_ms={HERE: NOW_MS}), LIMITS),  # past: it cannot be filled before any more
    (
        Reason.NEAR_SETTLEMENT,  # by the venue's clock it is still to come
        intent(),
        facts(settles_ms={HERE: NOW_MS}, clock_offsets_ms={"injective": 2_000}),
        LIMITS,
    ),
    (Reason.DAILY_LOSS, intent(), facts(losses=Losses(day_usd=20_000.0)), LIMITS),
    (None, intent(), facts(losses=Losses(day_usd=19_999.0, drawdown_usd=49_999.0)), LIMITS),
    (Reason.DRAWDOWN, intent(), facts(losses=Losses(drawdown_usd=50_000.0)), LIMITS),
    (Reason.DAILY_LOSS, intent(), facts(equity_usd=Decimal(0)), LIMITS),
]
SIZE: list[Case] = [
    (Reason.ORDER_RATE, intent(), facts(orders_last_hour=10), LIMITS),
    (
        (Reason.TOO_DEEP, "25"),
        intent(HERE, -26),
        facts(markets={HERE: market(HERE, depth_usd=Decimal(10_000))}),
        LIMITS,
    ),
    (
        (Reason.TOO_DEEP, "25"),  # a small reference price does not make an order small
        intent(HERE, -26, reference_price=Decimal(1)),
        facts(markets={HERE: market(HERE, depth_usd=Decimal(10_000))}),
        LIMITS,
    ),
    (Reason.BELOW_MINIMUM, intent(HERE, -26), facts(markets={HERE: market(depth_usd=Decimal(19))}), LIMITS),
    ((Reason.NOTIONAL_RATE, "0.99"), intent(), facts(notional_last_hour_usd=Decimal("99_901")), LIMITS),
    (Reason.NOTIONAL_RATE, intent(), facts(notional_last_hour_usd=Decimal(100_000)), LIMITS),
    (
        (Reason.NOTIONAL_RATE, "5"),
        intent(HERE, -9),
        facts(book_usd=Decimal(500)),
        limits(max_notional_per_hour_usd=None),
    ),
    ((Reason.POSITION_LIMIT, "7.5"), intent(THERE, -9), facts(), limits(max_market_usd=Decimal(750))),
    (
        (Reason.POSITION_LIMIT, "4"),
        intent(THERE, -9),
        facts(
            attributed={ETH_THERE: Decimal(2)},
            marks=facts().marks | {ETH_THERE: Decimal(50)},
            sigma={"BTC": 0.02, "ETH": 0.02},
            basis_sigma=facts().basis_sigma | {ETH_THERE: 0.001},
        ),
        limits(max_venue_usd=Decimal(500)),
    ),
    (
        Reason.POSITION_LIMIT,
        intent(THERE, -9),
        facts(attributed={OTHER: Decimal(-5)}),
        limits(max_total_usd=Decimal(500)),
    ),
    ((Reason.OVER_CAP, "40"), intent(HERE, "-40.001"), facts(), LIMITS),
    (Reason.OVER_CAP, intent(HERE, -1), facts(own={}), LIMITS),  # nothing to protect
    (Reason.OVER_CAP, intent(HERE, -1), facts(attributed={OTHER: Decimal(-40)}), LIMITS),
    ((Reason.OVER_CAP, "40"), intent(HERE, 41), facts(), LIMITS),  # nor may the own position be made larger
    ((Reason.OVER_CAP, "80"), intent(THERE, 81), facts(attributed={THERE: Decimal(-40)}), LIMITS),
    (
        (Reason.OVER_CAP, "10"),  # what rests elsewhere may still fill
        intent(HERE, -20),
        facts(open_orders=(OpenOrder(THERE, Decimal(-30)), OpenOrder(THERE, Decimal(20)))),
        LIMITS,
    ),
    (
        None,  # a divergence trade hedges nothing, so it uses nothing up
        intent(HERE, -40),
        facts(attributed={OTHER: Decimal(-40)}, owners={OTHER: Strategy.DIVERGENCE}),
        LIMITS,
    ),
    (None, intent(THERE, -50, purpose=Purpose.DIVERGENCE_OPEN), facts(own={}), LIMITS),
]
MONEY: list[Case] = [
    ((Reason.AT_RISK, "6.079"), intent(THERE, -20), facts(equity_usd=Decimal(1_050)), LIMITS),
    (Reason.AT_RISK, intent(THERE, -20), facts(sigma={}), LIMITS),
    (Reason.AT_RISK, intent(THERE, -20), facts(basis_sigma={THERE: float("nan")}), LIMITS),
    (
        None,
        intent(THERE, 20, purpose=Purpose.RELOCATE),
        facts(equity_usd=Decimal(200), attributed={HERE: Decimal(-20)}),
        LIMITS,
    ),
    (
        Reason.AT_RISK,  # each divergence trade by itself, hedges all together
        intent(THERE, -1),
        facts(equity_usd=Decimal(1_000), attributed={HERE: Decimal(-10)}),
        LIMITS,
    ),
    (
        None,
        intent(THERE, -1, purpose=Purpose.DIVERGENCE_OPEN),
        facts(equity_usd=Decimal(1_000), attributed={HERE: Decimal(-10)}),
        LIMITS,
    ),
    (
        (Reason.OVER_LEVERAGE, "39.99"),
        intent(THERE, -40),
        facts(collateral_usd={"binance": Decimal(1_333)}),
        LIMITS,
    ),
    (Reason.OVER_LEVERAGE, intent(THERE, -40), facts(collateral_usd={}), LIMITS),
    (
        Reason.OVER_LEVERAGE,  # another leg there that cannot be priced counts as infinite
        intent(THERE, -1, purpose=Purpose.DIVERGENCE_OPEN),
        facts(attributed={ETH_THERE: Decimal(1)}),
        LIMITS,
    ),
    ((Reason.NO_COLLATERAL, "3"), intent(THERE, -40), facts(free_usd={"binance": Decimal(100)}), LIMITS),
    (Reason.NO_COLLATERAL, intent(THERE, -40), facts(free_usd={}), LIMITS),
    (None, intent(HERE, -40), facts(free_usd={}), LIMITS),  # a cut frees margin
    (
        (Reason.LIQUIDATION, "23.866"),  # 500 ÷ (0.18 · 1.025 + 0.025)
        intent(THERE, -40),
        facts(collateral_usd={"binance": Decimal(500)}),
        LEVERED,
    ),
    (
        Reason.LIQUIDATION,
        intent(THERE, -1),
        facts(positions={THERE: Position(THERE, Decimal(-1), MARK, None, Decimal(117))}),
        LIMITS,
    ),
    (
        None,  # it is the other side that is in danger, which this makes smaller
        intent(THERE, 1),
        facts(positions={THERE: Position(THERE, Decimal(-1), MARK, None, Decimal(117))}),
        LIMITS,
    ),
    (None, intent(HERE, 20), facts(attributed={HERE: Decimal(-40)}, positions=own(3_000)), LIMITS),
    (
        Reason.OWN_LIQUIDATION,  # as near as it may be already
        intent(HERE, 20, purpose=Purpose.OWN_RESTORE),
        facts(attributed={HERE: Decimal(-40)}, positions=own(900)),
        LEVERED,
    ),
    (
        (Reason.OWN_LIQUIDATION, "24.577"),
        intent(HERE, 40, purpose=Purpose.OWN_RESTORE),
        facts(attributed={HERE: Decimal(-40)}, positions=own(1_450)),
        LEVERED,
    ),
    (None, intent(HERE, -20), facts(positions=own(10, 100)), LEVERED),  # a cut never brings it nearer
]


@pytest.mark.parametrize(("expected", "order", "known", "within"), STATE + FORM + PERMISSION + SIZE + MONEY)
def test_reasons(
    expected: Reason | tuple[Reason, str] | None, order: Intent, known: GateFacts, within: Limits
) -> None:
    """If this fails, the gate lets through what it must not, or names the wrong rule in the explanation."""
    answer = judge([order], known, within)
    if expected is None:
        assert [one.intent for one in answer.approved] == [order]
        assert not answer.shrunk
    elif isinstance(expected, Reason):
        assert [one.reason for one in answer.refused] == [expected]
        assert not answer.approved
    else:
        (small,), (shrunk,) = answer.approved, answer.shrunk
        assert (shrunk.reason, small.intent.quantity) == (expected[0], Decimal(expected[1]))
        assert replace(small.intent, quantity=order.quantity) == order


def test_every_reason_has_a_case() -> None:
    """If this fails, a rule of the gate exists on paper only."""
    shown = {expected for expected, *_ in STATE + FORM + PERMISSION + SIZE + MONEY} - {None}
    reasons = {one if isinstance(one, Reason) else one[0] for one in shown}
    assert reasons == set(Reason) - {Reason.OTHER_LEG}


def test_half_a_relocation_is_never_approved() -> None:
    """If this fails, a refused far leg leaves a bare cut: another hedge than the one that was decided."""
    near = intent(HERE, -10, purpose=Purpose.RELOCATE)
    far = intent(THERE, 10, purpose=Purpose.RELOCATE)
    poor = facts(collateral_usd={})
    answer = judge([near, far], poor)
    assert not answer.approved
    assert [one.reason for one in answer.refused] == [Reason.OTHER_LEG, Reason.OVER_LEVERAGE]
    assert answer.refused[0].text == "other_leg (over_leverage (3 × 0 USD at binance))"
    assert len(judge([near, far], facts()).approved) == 2
    held = facts(collateral_usd={}, attributed={HERE: Decimal(-10), OTHER: Decimal(10)})
    closing = intent(OTHER, -10, purpose=Purpose.RELOCATE)
    assert [one.intent for one in judge([closing, far], held).approved] == [closing], (
        "getting out is never held up"
    )


@pytest.mark.parametrize("purpose", [Purpose.RELOCATE, Purpose.DIVERGENCE_OPEN])
def test_a_pair_is_shrunk_together(purpose: Purpose) -> None:
    """If this fails, a thin book at one venue turns a pair into a position with a naked leg."""
    thin = facts().markets | {OTHER: market(OTHER, depth_usd=Decimal(2_000))}  # a quarter: 5 coins of 15
    legs = [intent(THERE, -30, purpose=purpose), intent(OTHER, 15, purpose=purpose)]
    answer = judge(legs, facts(markets=thin))
    assert [one.intent.quantity for one in answer.approved] == [10, 5]
    assert [(s.reason, s.quantity) for s in answer.shrunk] == [(Reason.OTHER_LEG, 10), (Reason.TOO_DEEP, 5)]
    assert answer.shrunk[1].text == (
        "shrunk from 1,500 to 500 USD: too_deep (25.00 % of the 2,000 USD within 50 bp)"
    )
    lone = judge(legs[1:], facts(markets=thin))
    assert [one.intent.quantity for one in lone.approved] == [5]
    nothing = judge(legs, facts(markets=thin | {OTHER: market(OTHER, depth_usd=Decimal(19))}))
    assert [one.reason for one in nothing.refused] == [Reason.OTHER_LEG, Reason.BELOW_MINIMUM]
    uneven = [intent(THERE, -15, purpose=purpose), intent(OTHER, 3_000, purpose=purpose)]
    small = judge(uneven, facts(markets=thin))  # 5 of 3,000 coins there are 0.025 coins here
    assert [one.reason for one in small.refused] == [Reason.BELOW_MINIMUM, Reason.OTHER_LEG]
    assert small.refused[0].detail.startswith("left by other_leg (too_deep")


def test_a_relocation_risks_its_basis_alone() -> None:
    """If this fails, the first leg of a relocation is cut down as if the second one did not follow."""
    poor = facts(equity_usd=Decimal(200))  # 4 USD at risk: 40 coins of basis are 6.58, of price 131.6
    legs = [intent(HERE, -40, purpose=Purpose.RELOCATE), intent(THERE, 40, purpose=Purpose.RELOCATE)]
    answer = judge(legs, poor)
    assert [one.intent.quantity for one in answer.approved] == [Decimal("24.317")] * 2
    assert {s.reason for s in answer.shrunk} == {Reason.AT_RISK, Reason.OTHER_LEG}


def test_reductions_are_exempt_from_size_and_rate() -> None:
    """If this fails, getting out of risk is blocked by a limit that is there against risk."""
    tight = facts(
        attributed={HERE: Decimal(-60), THERE: Decimal(-60)},  # above the cap: the trader sold half
        collateral_usd={},
        free_usd={},
        markets={key: market(key, depth_usd=Decimal(1)) for key in KEYS},
        orders_last_hour=10,
        notional_last_hour_usd=Decimal(100_000),
    )
    answer = judge([intent(THERE, 60), intent(HERE, 60)], tight)
    assert [one.intent.key for one in answer.approved] == [THERE, HERE]
    (crossing,) = judge([intent(THERE, 61)], tight).approved
    assert crossing.intent.quantity == 60


def test_orders_are_judged_together() -> None:
    """If this fails, two orders that each fit are approved although together they exceed a limit."""
    answer = judge([intent(HERE, -25), intent(THERE, -25), intent(OTHER, -15)], facts())
    assert [one.intent.quantity for one in answer.approved] == [25, 15]
    assert [(s.reason, s.intent.key) for s in answer.shrunk] == [(Reason.OVER_CAP, THERE)]
    assert [one.reason for one in answer.refused] == [Reason.OVER_CAP]

    many = [intent(HERE, "-0.1", cycle_ts_ms=n) for n in range(11)]
    assert [one.reason for one in judge(many, facts()).refused] == [Reason.ORDER_RATE]
    known = facts(notional_last_hour_usd=Decimal(97_000))
    assert [s.reason for s in judge([intent(HERE, -20), intent(THERE, -20)], known).shrunk] == [
        Reason.NOTIONAL_RATE
    ]
    thin = facts(markets=facts().markets | {THERE: market(THERE, depth_usd=Decimal(4_000))})
    twice = judge([intent(THERE, -8), intent(THERE, -7)], thin)
    assert [one.intent.quantity for one in twice.approved] == [8, 2]
    legs = [intent(THERE, -10), intent(ETH_THERE, -10)]
    two_coins = facts(
        own={"BTC": Decimal(100), "ETH": Decimal(100)},
        marks=dict.fromkeys((*KEYS, ETH_THERE, ETH_HERE), MARK),
        markets={order.key: market(order.key) for order in legs},
        forecast_by=dict.fromkeys((*KEYS, ETH_THERE, ETH_HERE), "ensemble"),
        sigma={"BTC": 0.02, "ETH": 0.02},
        basis_sigma={THERE: 0.001, ETH_THERE: 0.001},
        collateral_usd={"binance": Decimal(600)},
    )
    assert [(s.reason, s.quantity) for s in judge(legs, two_coins).shrunk] == [(Reason.OVER_LEVERAGE, 8)]
    scarce = replace(
        two_coins, collateral_usd={"binance": Decimal(10_000)}, free_usd={"binance": Decimal(500)}
    )
    assert [(s.reason, s.quantity) for s in judge(legs, scarce).shrunk] == [(Reason.NO_COLLATERAL, 5)]


def test_a_relocation_fits_once() -> None:
    """If this fails, relocating the whole cap is refused because both of its legs are counted."""
    answer = judge([intent(HERE, -40), intent(THERE, 40)], facts())
    assert not answer.refused
    assert not answer.shrunk


def test_a_new_market_belongs_to_who_opened_it() -> None:
    """If this fails, two strategies open the same market in one cycle and then trade against each other."""
    answer = judge([intent(THERE, -5), intent(THERE, 2, purpose=Purpose.CASCADE_OPEN)], facts())
    assert len(answer.approved) == 2, "towards zero anybody may go"
    answer = judge([intent(THERE, -5), intent(THERE, -2, purpose=Purpose.CASCADE_OPEN)], facts())
    assert [one.reason for one in answer.refused] == [Reason.OWNED_BY_OTHER]


def test_client_ids_tell_the_orders_apart() -> None:
    """If this fails, two different orders share a client id and the second is never sent."""
    answer = judge([intent(HERE, -1), intent(THERE, -1), intent(HERE, -2)], facts())
    assert len({one.client_id for one in answer.approved}) == 3


def test_only_the_gate_seals() -> None:
    """If this fails, some other module can make an order sendable without the gate having looked."""
    makers = set()
    root = Path(hedged.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and "GateSeal" in ast.unparse(node.func):
                makers.add(str(path.relative_to(root)))
            if isinstance(node, ast.ImportFrom) and any(alias.name == "GateSeal" for alias in node.names):
                makers.add(str(path.relative_to(root)))
    assert makers == {"risk/gate.py"}


def test_an_unsealed_intent_cannot_exist() -> None:
    """If this fails, an order without the gate's seal can be handed to a venue."""
    with pytest.raises(TypeError):
        ApprovedIntent(intent(), "id", None)  # type: ignore[arg-type]
