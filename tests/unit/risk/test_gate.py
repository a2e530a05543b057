"""The gate: every refusal can happen, reductions pass, and no row of orders gets past a limit."""

import ast
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import HASHES, HERE, OTHER, THERE, intent, market
from hypothesis import given
from hypothesis import strategies as st

import hedged
from hedged.config import RiskConfig
from hedged.domain.approved import ApprovedIntent
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose
from hedged.risk.exposure import cap_usage, reduces
from hedged.risk.gate import GateFacts, KillLevel, Refusal, Review, review

RISK = RiskConfig(max_orders_per_hour=10)
MARK = Decimal(100)
KEYS = (HERE, THERE, OTHER)


def facts(**changes: Any) -> GateFacts:
    """A long of 100 BTC at 100 USD, unhedged, everything known, limits far away except the cap of 40 coins."""
    usual = GateFacts(
        loaded=HASHES,
        kill=KillLevel.NONE,
        reconciled=True,
        own={"BTC": Decimal(100)},
        attributed={},
        marks=dict.fromkeys(KEYS, MARK),
        markets={key: market(key) for key in KEYS},
        collateral_usd={"binance": Decimal(10_000), "bybit": Decimal(10_000)},
        cap=Decimal("0.4"),
        max_notional_per_hour_usd=Decimal(100_000),
        orders_last_hour=0,
        notional_last_hour_usd=Decimal(0),
    )
    return replace(usual, **changes)


def judge(orders: Iterable[Intent], known: GateFacts) -> Review:
    return review(orders, known, RISK, "test")


def refusal_of(order: Intent, known: GateFacts) -> Refusal | None:
    """Judge one order."""
    answer = judge([order], known)
    assert len(answer.approved) + len(answer.refused) == 1
    return answer.refused[0].refusal if answer.refused else None


def without(mapping: dict[SeriesKey, Any], key: SeriesKey) -> dict[SeriesKey, Any]:
    return {k: v for k, v in mapping.items() if k != key}


CASES: list[tuple[Refusal | None, Intent, GateFacts]] = [
    (None, intent(HERE, -40), facts()),
    (None, intent(THERE, -40), facts()),
    (
        Refusal.KILLED,
        intent(HERE, -1, reduce_only=True),
        facts(kill=KillLevel.REDUCE_ONLY),
    ),  # a cut opens a hedge
    (Refusal.KILLED, intent(THERE, -1), facts(kill=KillLevel.REDUCE_ONLY)),
    (
        None,
        intent(THERE, 1, reduce_only=True),
        facts(kill=KillLevel.REDUCE_ONLY, attributed={THERE: Decimal(-1)}),
    ),
    (
        Refusal.KILLED,
        intent(THERE, 1, reduce_only=True),
        facts(kill=KillLevel.PAUSE, attributed={THERE: Decimal(-1)}),
    ),
    (Refusal.HASH_MISMATCH, intent(hashes=replace(HASHES, model="other")), facts()),
    (Refusal.HASH_MISMATCH, intent(hashes=replace(HASHES, features="other")), facts()),
    (Refusal.HASH_MISMATCH, intent(), facts(loaded=Hashes("model", "features", "other"))),
    (Refusal.NOT_RECONCILED, intent(), facts(reconciled=False)),
    (
        None,  # a stop takes off risk where it can, whoever else is silent
        intent(THERE, 1, purpose=Purpose.STOP, reduce_only=True),
        facts(reconciled=False, unknown=frozenset({"bybit"}), attributed={THERE: Decimal(-1)}),
    ),
    (
        Refusal.NOT_RECONCILED,
        intent(THERE, 1, purpose=Purpose.STOP, reduce_only=True),
        facts(reconciled=False, unknown=frozenset({"binance"}), attributed={THERE: Decimal(-1)}),
    ),
    (
        Refusal.NOT_RECONCILED,  # beyond what is held it opens
        intent(THERE, 2, purpose=Purpose.STOP),
        facts(reconciled=False, unknown=frozenset({"bybit"}), attributed={THERE: Decimal(-1)}),
    ),
    (
        Refusal.NOT_RECONCILED,
        intent(THERE, 1, purpose=Purpose.HEDGE_CLOSE, reduce_only=True),
        facts(reconciled=False, unknown=frozenset({"bybit"}), attributed={THERE: Decimal(-1)}),
    ),
    (Refusal.UNKNOWN_MARKET, intent(), facts(markets=without(facts().markets, HERE))),
    (Refusal.STALE_PRICE, intent(), facts(marks=without(facts().marks, HERE))),
    (Refusal.BAD_NUMBER, intent(quantity=Decimal(0)), facts()),
    (Refusal.BAD_NUMBER, intent(quantity=Decimal("NaN")), facts()),
    (Refusal.BAD_NUMBER, intent(quantity=Decimal(-1)), facts()),
    (Refusal.BAD_NUMBER, intent(worst_price=Decimal("Infinity")), facts()),
    (Refusal.BAD_NUMBER, intent(reference_price=Decimal("NaN")), facts()),
    (Refusal.BAD_NUMBER, intent(), facts(marks=dict.fromkeys(KEYS, Decimal("NaN")))),
    (Refusal.BAD_NUMBER, intent(quantity=Decimal("1.0005")), facts()),  # off the step
    (Refusal.BAD_NUMBER, intent(worst_price=Decimal("99.85")), facts()),  # off the tick
    (Refusal.BELOW_MINIMUM, intent(HERE, "-0.049"), facts()),
    (Refusal.PRICE_COLLAR, intent(HERE, -1, worst_price=Decimal("99.5")), facts()),
    (Refusal.PRICE_COLLAR, intent(THERE, 1, worst_price=Decimal("100.5")), facts()),
    (
        None,
        intent(HERE, -1, worst_price=Decimal("105")),
        facts(),
    ),  # better than the market is not too far away
    (Refusal.TOO_DEEP, intent(HERE, -26), facts(markets={HERE: market(HERE, depth_usd=Decimal(10_000))})),
    (
        Refusal.TOO_DEEP,  # a small reference price does not make an order small
        intent(HERE, -26, reference_price=Decimal(1)),
        facts(markets={HERE: market(HERE, depth_usd=Decimal(10_000))}),
    ),
    (Refusal.VENUE_CLOSED, intent(THERE, -1), facts(closed={THERE: "binance is in maintenance"})),
    (None, intent(OTHER, -1), facts(closed={THERE: "binance is in maintenance"})),
    (None, intent(THERE, 1), facts(closed={THERE: "it is delisted"}, attributed={THERE: Decimal(-1)})),
    (
        Refusal.VENUE_CLOSED,  # crosses zero: no reduction
        intent(THERE, 2),
        facts(closed={THERE: "it is delisted"}, attributed={THERE: Decimal(-1)}),
    ),
    (Refusal.OVER_CAP, intent(HERE, "-40.001"), facts()),
    (Refusal.OVER_CAP, intent(HERE, -1), facts(own={})),  # nothing to protect
    (Refusal.OVER_CAP, intent(HERE, -1), facts(attributed={OTHER: Decimal(-40)})),
    (Refusal.OVER_CAP, intent(HERE, 41), facts()),  # nor may the own position be made larger
    (
        Refusal.OVER_CAP,
        intent(THERE, 81),
        facts(attributed={THERE: Decimal(-40)}),
    ),  # crosses zero: no reduction
    (Refusal.OVER_LEVERAGE, intent(THERE, -40), facts(collateral_usd={"binance": Decimal(1_333)})),
    (Refusal.OVER_LEVERAGE, intent(THERE, -40), facts(collateral_usd={})),
    (
        Refusal.OVER_LEVERAGE,  # another leg there that cannot be priced counts as infinite
        intent(THERE, -1),
        facts(attributed={SeriesKey("binance", "ETH"): Decimal(1)}),
    ),
    (Refusal.ORDER_RATE, intent(), facts(orders_last_hour=10)),
    (Refusal.NOTIONAL_RATE, intent(), facts(notional_last_hour_usd=Decimal("99_901"))),
    (
        Refusal.NOTIONAL_RATE,
        intent(reference_price=Decimal("0.1")),
        facts(notional_last_hour_usd=Decimal("99_901")),
    ),
]


@pytest.mark.parametrize(("expected", "order", "known"), CASES)
def test_refusals(expected: Refusal | None, order: Intent, known: GateFacts) -> None:
    """If this fails, the gate lets through what it must refuse, or names the wrong rule in the explanation."""
    assert refusal_of(order, known) is expected


def test_every_refusal_has_a_case() -> None:
    """If this fails, a rule of the gate exists on paper only."""
    assert {expected for expected, _, _ in CASES} - {None} == set(Refusal) - {Refusal.OTHER_LEG}


def test_half_a_relocation_is_never_approved() -> None:
    """If this fails, a refused far leg leaves a bare cut: another hedge than the one that was decided."""
    near = intent(HERE, -10, purpose=Purpose.RELOCATE)
    far = intent(THERE, 10, purpose=Purpose.RELOCATE)
    poor = facts(collateral_usd={})
    answer = judge([near, far], poor)
    assert not answer.approved
    assert [one.refusal for one in answer.refused] == [Refusal.OTHER_LEG, Refusal.OVER_LEVERAGE]
    assert len(judge([near, far], facts()).approved) == 2
    held = facts(collateral_usd={}, attributed={HERE: Decimal(-10), OTHER: Decimal(10)})
    closing = intent(OTHER, -10, purpose=Purpose.RELOCATE)
    assert [one.intent for one in judge([closing, far], held).approved] == [closing], (
        "getting out is never held up"
    )


def test_a_closed_venue_is_named_in_the_refusal() -> None:
    """If this fails, the operator reads that an order was refused and not that the venue is in maintenance."""
    (refused,) = judge([intent(THERE, -1)], facts(closed={THERE: "binance is in maintenance"})).refused
    assert refused.text == "venue_closed (binance is in maintenance)"
    (other,) = judge([intent(HERE, -41)], facts(closed={THERE: "binance is in maintenance"})).refused
    assert other.text == "over_cap"


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.integers(-60, 60).filter(bool)), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from(KEYS), st.integers(-40, 40).map(Decimal)),
    st.sets(st.sampled_from(KEYS)),
)
def test_a_closed_venue_stops_openings_and_nothing_else(
    wanted: list[tuple[SeriesKey, int]], attributed: dict[SeriesKey, Decimal], closed: set[SeriesKey]
) -> None:
    """If this fails, a maintenance blocks getting out, lets something in, or touches another venue's orders."""
    for key, quantity in wanted:  # each alone, so that what was approved before does not matter
        order = intent(key, quantity)
        otherwise = refusal_of(order, facts(attributed=attributed))
        now = refusal_of(order, facts(attributed=attributed, closed=dict.fromkeys(closed, "it is closed")))
        opens = not reduces(attributed.get(key, Decimal(0)), order.signed_quantity)
        assert now is (Refusal.VENUE_CLOSED if key in closed and opens else otherwise)


def test_reductions_are_exempt_from_size_and_rate() -> None:
    """If this fails, getting out of risk is blocked by a limit that is there against risk."""
    tight = facts(
        attributed={
            HERE: Decimal(-60),
            THERE: Decimal(-60),
        },  # above the cap, e.g. after the trader sold half
        collateral_usd={},
        markets={key: market(key, depth_usd=Decimal(1)) for key in KEYS},
        orders_last_hour=10,
        notional_last_hour_usd=Decimal(100_000),
    )
    answer = judge([intent(THERE, 60), intent(HERE, 60)], tight)
    assert [one.intent.key for one in answer.approved] == [THERE, HERE]
    assert refusal_of(intent(THERE, 61), tight) is not None


def test_orders_are_judged_together() -> None:
    """If this fails, two orders that each fit are approved although together they exceed a limit."""
    cuts = [intent(HERE, -25), intent(THERE, -25), intent(OTHER, -15)]
    answer = judge(cuts, facts())
    assert [one.intent for one in answer.approved] == [cuts[0], cuts[2]]
    assert [one.refusal for one in answer.refused] == [Refusal.OVER_CAP]

    many = [intent(HERE, "-0.1", cycle_ts_ms=n) for n in range(11)]
    assert [one.refusal for one in judge(many, facts()).refused] == [Refusal.ORDER_RATE]
    known = facts(notional_last_hour_usd=Decimal(97_000))
    assert [one.refusal for one in judge([intent(HERE, -20), intent(THERE, -20)], known).refused] == [
        Refusal.NOTIONAL_RATE
    ]
    legs = [intent(THERE, -10), intent(SeriesKey("binance", "ETH"), -10)]
    two_coins = facts(
        own={"BTC": Decimal(100), "ETH": Decimal(100)},
        marks={order.key: MARK for order in legs},
        markets={order.key: market(order.key) for order in legs},
        collateral_usd={"binance": Decimal(600)},
    )
    assert [one.refusal for one in judge(legs, two_coins).refused] == [Refusal.OVER_LEVERAGE]


def test_a_relocation_fits_once() -> None:
    """If this fails, relocating the whole cap is refused because both of its legs are counted."""
    answer = judge([intent(HERE, -40), intent(THERE, 40)], facts())
    assert not answer.refused


def test_client_ids_tell_the_orders_apart() -> None:
    """If this fails, two different orders share a client id and the second is never sent."""
    answer = judge([intent(HERE, -1), intent(THERE, -1), intent(HERE, -2)], facts())
    assert len({one.client_id for one in answer.approved}) == 3


coins = st.decimals(-60, 60, places=1)
orders = st.builds(
    lambda key, signed, flag: intent(key, signed, reduce_only=flag),
    st.sampled_from(KEYS), coins.filter(bool), st.booleans(),
)  # fmt: skip


@given(
    own=coins,
    held=st.dictionaries(st.sampled_from(KEYS), coins),
    collateral=st.dictionaries(st.sampled_from(["binance", "bybit"]), st.decimals(0, 3_000, places=0)),
    wanted=st.lists(orders, max_size=12),
)
def test_no_row_of_orders_gets_past_the_limits(
    own: Decimal, held: dict[SeriesKey, Decimal], collateral: dict[str, Decimal], wanted: list[Intent]
) -> None:
    """If this fails, some sequence of orders takes the hedge over its cap, its leverage or its rate."""
    known = facts(own={"BTC": own}, attributed=held, collateral_usd=collateral)
    book, free_orders = dict(held), 0
    for one in judge(wanted, known).approved:
        key, change = one.intent.key, one.intent.signed_quantity
        usage, gross = cap_usage("BTC", own, book), abs(book.get(key, Decimal(0))) * MARK
        free_orders += not reduces(book.get(key, Decimal(0)), change)
        book[key] = book.get(key, Decimal(0)) + change
        assert cap_usage("BTC", own, book) <= max(usage, Decimal("0.4") * abs(own))
        if key.venue != INJECTIVE:
            limit = RISK.max_leverage * collateral.get(key.venue, Decimal(0))
            assert abs(book[key]) * MARK <= max(gross, limit)
    assert free_orders <= RISK.max_orders_per_hour


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
