"""The gate for any input: limits hold, reductions pass, what is not a number never does, both sides are alike."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from fakes import HERE, NOW_MS, OTHER, THERE, intent, market
from gate_world import KEYS, LIMITS, MARK, facts, judge, limits
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.domain.book import Position
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Intent, Purpose, Side, Strategy
from hedged.risk.exposure import cap_usage, reduces
from hedged.risk.facts import GateFacts, Losses, OpenOrder
from hedged.risk.forecast_record import Misses
from hedged.risk.rules import RULES, form, state
from hedged.risk.rules.money import own_liquidation
from hedged.risk.verdict import ALLOW, Binds

coins = st.decimals(-60, 60, places=1)
PURPOSES = (
    Purpose.OWN_CUT, Purpose.HEDGE_OPEN, Purpose.RELOCATE, Purpose.CASCADE_OPEN, Purpose.DIVERGENCE_OPEN,
)  # fmt: skip
orders = st.builds(
    lambda key, signed, purpose: intent(key, signed, purpose=purpose),
    st.sampled_from(KEYS), coins.filter(bool), st.sampled_from(PURPOSES),
)  # fmt: skip
books = st.dictionaries(st.sampled_from(KEYS), coins)
owners = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(Strategy))
money = st.dictionaries(st.sampled_from(["binance", "bybit"]), st.decimals(0, 3_000, places=0))
depths = st.fixed_dictionaries(dict.fromkeys(KEYS, st.sampled_from([100, 5_000, 1_000_000])))


@st.composite
def worlds(draw: Any) -> GateFacts:
    """Any state that limits of size can be judged in: within them or already beyond."""
    return facts(
        own={"BTC": draw(coins)},
        attributed=draw(books),
        owners=draw(owners),
        collateral_usd=draw(money),
        free_usd=draw(money),
        markets={key: market(key, depth_usd=Decimal(usd)) for key, usd in draw(depths).items()},
        equity_usd=Decimal(draw(st.sampled_from([500, 20_000, 1_000_000]))),
        orders_last_hour=draw(st.integers(0, 11)),
        notional_last_hour_usd=Decimal(draw(st.integers(95_000, 101_000))),
        open_orders=tuple(draw(st.lists(st.builds(OpenOrder, st.just(OTHER), coins), max_size=1))),
    )


@st.composite
def hostile_worlds(draw: Any) -> GateFacts:
    """Anything that may stop an opening, all at once: closed, failing, skewed, unforecast, lost, without a figure."""
    bad = st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal(0), Decimal(1)])
    return replace(
        draw(worlds()),
        closed=draw(st.dictionaries(st.sampled_from(KEYS), st.just("closed"))),
        failures={"binance": 99, INJECTIVE: 99},
        clock_offsets_ms={"binance": 10**6, INJECTIVE: -(10**6)},
        forecast_by={},
        misses=dict.fromkeys(KEYS, Misses(24, 24)),
        forecast_made_ms=draw(st.integers(-(10**12), 10**13)),
        settles_ms=dict.fromkeys(KEYS, NOW_MS + 1),
        losses=draw(st.builds(Losses, st.sampled_from([0.0, 1e9, float("nan")]), st.just(float("inf")))),
        equity_usd=draw(bad),
        book_usd=draw(bad),
        sigma={},
        basis_sigma={},
        collateral_usd={"binance": draw(bad)},
        free_usd={},
        orders_last_hour=10**6,
    )


@given(
    hostile_worlds(), st.sampled_from(KEYS), coins.filter(bool), st.integers(1, 600), st.sampled_from(Purpose)
)
def test_reducing_is_never_held_up(
    known: GateFacts, key: SeriesKey, held: Decimal, tenths: int, purpose: Purpose
) -> None:
    """If this fails, a limit that is there against risk keeps the daemon from getting out of it."""
    known = replace(known, attributed={**known.attributed, key: held})
    quantity = min(abs(held), Decimal(tenths) / 10)
    order = intent(key, -quantity if held > 0 else quantity, purpose=purpose)
    answer = judge([order], known)
    assert [one.intent for one in answer.approved] == [order]


@given(hostile_worlds(), st.sampled_from(KEYS), coins.filter(bool), st.sampled_from(Purpose))
def test_no_rule_for_openings_looks_at_a_reduction(
    known: GateFacts, key: SeriesKey, held: Decimal, purpose: Purpose
) -> None:
    """If this fails, one rule binds more than its reason says in the table of the manual."""
    order = intent(key, -held, purpose=purpose)
    known = replace(known, attributed={key: held})
    for rule in set(RULES) - {*state.RULES, *form.RULES, own_liquidation}:
        assert rule(order, known, LIMITS) == ALLOW, rule.__name__


@given(hostile_worlds(), orders)
def test_verdicts_keep_to_what_their_reason_binds(known: GateFacts, order: Intent) -> None:
    """If this fails, a reason that says that it binds openings stops something else, or a rule binds without saying."""
    for rule in (*state.RULES, *form.RULES):
        verdict = rule(order, known, LIMITS)
        assert verdict == ALLOW or verdict.reason.binds is Binds.EVERY_ORDER  # type: ignore[union-attr]


@pytest.mark.parametrize("side", [1, -1])
def test_giving_back_is_held_up_by_the_own_liquidation_alone(side: int) -> None:
    """If this fails, the exception to 'reductions always pass' is wider than the manual says."""
    near = Position(HERE, Decimal(60 * side), MARK, Decimal(600))
    order = intent(HERE, 20 * side, purpose=Purpose.OWN_RESTORE)
    known = facts(
        own={"BTC": Decimal(100 * side)}, attributed={HERE: Decimal(-40 * side)}, positions={HERE: near}
    )
    assert judge([order], known).approved, "at a third of its size as margin it gets further away"
    thin = limits(by_strategy={s: replace(LIMITS.of(s), max_leverage=Decimal(20)) for s in Strategy})
    (refused,) = judge([order], known, thin).refused
    assert refused.reason.binds is Binds.GIVING_BACK


@settings(max_examples=150)
@given(worlds(), st.lists(orders, max_size=8))
def test_limits_hold_and_orders_only_shrink(known: GateFacts, wanted: list[Intent]) -> None:
    """If this fails, some row of orders takes the daemon over a limit, or the gate sends what nobody asked for."""
    answer = judge(wanted, known)
    book, own, owner = dict(known.attributed), known.own["BTC"], dict(known.owners)
    opened, deep, free = 0, dict.fromkeys(KEYS, Decimal(0)), dict.fromkeys(("binance", "bybit"), Decimal(0))
    originals = iter(wanted)
    for one in (approved.intent for approved in answer.approved):
        original = next(o for o in originals if replace(one, quantity=o.quantity) == o)
        assert 0 < one.quantity <= original.quantity
        assert one.quantity % known.markets[one.key].quantity_step == 0
        assert one.quantity * MARK >= known.markets[one.key].min_notional_usd
        held = book.get(one.key, Decimal(0))
        hedges = {k: q for k, q in book.items() if owner.get(k) is not Strategy.DIVERGENCE}
        before = cap_usage("BTC", own, hedges), abs(held) * MARK
        book[one.key] = held + one.signed_quantity
        deep[one.key] += one.quantity * MARK
        if held * book[one.key] <= 0:
            owner[one.key] = one.purpose.strategy
        if reduces(held, one.signed_quantity):
            continue
        opened += 1
        assert (
            deep[one.key] <= LIMITS.depth_share * known.markets[one.key].costs.depth_usd
            or held * book[one.key] < 0
        )
        hedges = {k: q for k, q in book.items() if owner.get(k) is not Strategy.DIVERGENCE}
        if one.purpose.strategy is not Strategy.DIVERGENCE:
            assert cap_usage("BTC", own, hedges) <= max(before[0], LIMITS.cap * abs(own))
        if one.key.venue != INJECTIVE:
            assert abs(book[one.key]) * MARK <= max(
                before[1], 3 * known.collateral_usd.get(one.key.venue, Decimal(0))
            )
            free[one.key.venue] += max(Decimal(0), abs(book[one.key]) - abs(held)) * MARK / 3
            assert free[one.key.venue] <= known.free_usd.get(one.key.venue, Decimal(0))
    assert known.orders_last_hour + opened <= max(10, known.orders_last_hour)


@settings(max_examples=150)
@given(worlds(), st.lists(orders, max_size=8))
def test_reviewing_what_was_approved_changes_nothing(known: GateFacts, wanted: list[Intent]) -> None:
    """If this fails, the gate's own answer breaks a rule of the gate."""
    once = judge(wanted, known).approved
    again = judge([one.intent for one in once], known)
    assert again.approved == tuple(replace(two, seal=again.approved[i].seal) for i, two in enumerate(once))
    assert not again.refused
    assert not again.shrunk


@settings(max_examples=100)
@given(worlds(), st.lists(orders, max_size=6))
def test_long_and_short_are_alike(known: GateFacts, wanted: list[Intent]) -> None:
    """If this fails, shorts are protected by other limits than longs."""

    def turned(order: Intent) -> Intent:
        side = Side.SELL if order.side is Side.BUY else Side.BUY
        return replace(order, side=side, worst_price=2 * MARK - order.worst_price)

    mirrored = replace(
        known,
        own={symbol: -q for symbol, q in known.own.items()},
        attributed={key: -q for key, q in known.attributed.items()},
        open_orders=tuple(OpenOrder(o.key, -o.signed) for o in known.open_orders),
    )
    answer, other = judge(wanted, known), judge([turned(order) for order in wanted], mirrored)
    assert [one.intent for one in other.approved] == [turned(one.intent) for one in answer.approved]
    assert [one.text for one in other.refused] == [one.text for one in answer.refused]


NUMBERS = ("equity_usd", "book_usd", "notional_last_hour_usd")
BY_KEY = {
    "own": "BTC",
    "attributed": THERE,
    "marks": THERE,
    "collateral_usd": "binance",
    "free_usd": "binance",
}
FLOATS = {"sigma": "BTC", "basis_sigma": THERE}


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    "name", [*NUMBERS, *BY_KEY, *FLOATS, "losses", "open_orders", "quantity", "worst_price"]
)
def test_what_is_no_number_never_passes(name: str, bad: str) -> None:
    """If this fails, a figure that a venue got wrong opens the way for any size."""
    order, known, number = intent(THERE, -1), facts(), Decimal(bad)
    assert judge([order], known).approved
    within = limits(max_notional_per_hour_usd=None) if name == "book_usd" else LIMITS
    if name in NUMBERS:
        known = replace(known, **{name: number})
    elif name in BY_KEY:
        known = replace(known, **{name: {**getattr(known, name), BY_KEY[name]: number}})
    elif name in FLOATS:
        known = replace(known, **{name: {**getattr(known, name), FLOATS[name]: float(bad)}})
    elif name == "losses":
        known = replace(known, losses=Losses(float(bad), 0.0))
    elif name == "open_orders":
        known = replace(known, open_orders=(OpenOrder(OTHER, number),))
    else:
        order = replace(order, **{name: number})
    assert not judge([order], known, within).approved


def test_every_fact_that_is_a_number_is_tried() -> None:
    """If this fails, a new figure among the facts can be NaN without anybody having looked."""
    whole = {
        "now_ms", "forecast_made_ms", "orders_last_hour", "failures", "clock_offsets_ms", "settles_ms", "misses",
    }  # fmt: skip
    other = {
        "loaded",
        "kill",
        "reconciled",
        "markets",
        "forecast_by",
        "owners",
        "closed",
        "positions",
        "unknown",
        "alone",
    }
    kept = {"taken_usd", "committed_usd", "pending"}
    assert {f.name for f in fields(GateFacts)} == {
        *NUMBERS, *BY_KEY, *FLOATS, "losses", "open_orders", *whole, *other, *kept
    }  # fmt: skip


@given(worlds(), st.lists(orders, min_size=1, max_size=6), st.sets(st.sampled_from(KEYS)))
def test_a_closed_venue_stops_openings_and_nothing_else(
    known: GateFacts, wanted: list[Intent], closed: set[SeriesKey]
) -> None:
    """If this fails, a maintenance blocks getting out, lets something in, or touches another venue's orders."""
    for order in wanted:  # each alone, so that what was approved before does not matter
        otherwise = judge([order], known)
        now = judge([order], replace(known, closed=dict.fromkeys(closed, "it is closed")))
        held = known.attributed.get(order.key, Decimal(0))
        if order.key not in closed or reduces(held, order.signed_quantity):
            assert [a.intent for a in now.approved] == [a.intent for a in otherwise.approved]
        else:
            assert all(reduces(held, a.intent.signed_quantity) for a in now.approved)
