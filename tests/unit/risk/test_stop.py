"""The stop: a hedge is given up for what it loses, not for what prices do."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from fakes import HERE, NOW_MS, OTHER, THERE, settlement
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.funding import funding_payment
from hedged.risk.stop import Episode, Trade, book, credit, flat, offset, stop, value

OWN = 10.0
price = st.floats(1, 1_000)
coins = st.floats(-4, 4).filter(lambda q: abs(q) > 1e-3)


def valued(held: dict[str, float], *marks: dict[str, float], own: float = OWN) -> Episode:
    """Hold a book over a row of marks."""
    episode = Episode()
    for now in marks:
        episode = value(episode, own, held, now, NOW_MS)
    return episode


def at(here: float, there: float) -> dict[str, float]:
    return {"injective": here, "binance": there}


@given(before=price, after=price, leg=st.floats(0.1, 4), side=st.sampled_from([1, -1]))
def test_price_moves_cancel(before: float, after: float, leg: float, side: int) -> None:
    """If this fails, a rally stops every opposite leg although the trader's own position gained the same."""
    episode = valued({"binance": -side * leg}, at(before, before), at(after, after), own=side * OWN)
    assert episode.loss_usd == pytest.approx(0, abs=1e-9)


@given(
    prices=st.lists(price, min_size=2, max_size=20),
    basis=st.floats(-0.01, 0.01),
    size=st.floats(0.1, 10),
    side=st.sampled_from([1, -1]),
)
def test_a_price_move_alone_never_stops_a_matched_relocation(
    prices: list[float], basis: float, size: float, side: int
) -> None:
    """If this fails, a relocation (cut here, the same side there) is stopped for what both its legs did alike."""
    held = {"injective": -side * size, "binance": side * size}
    marks = [at(p, p + basis) for p in prices]  # the basis stands still
    episode = replace(valued(held, *marks, own=side * OWN), expected_usd=1e-6)
    assert not episode.must_stop
    assert episode.loss_usd == pytest.approx(0, abs=1e-8)


@given(
    here=st.lists(price, min_size=3, max_size=3),
    there=st.lists(price, min_size=3, max_size=3),
    leg=coins,
    cut=coins,
)
def test_long_and_short_are_mirror_images(
    here: list[float], there: list[float], leg: float, cut: float
) -> None:
    """If this fails, the stop of a short position's hedge has a sign wrong."""
    marks = [at(h, t) for h, t in zip(here, there, strict=True)]
    long = valued({"injective": cut, "binance": leg}, *marks)
    mirrored = [at(1_001 - h, 1_001 - t) for h, t in zip(here, there, strict=True)]
    short = valued({"injective": -cut, "binance": -leg}, *mirrored, own=-OWN)
    assert short.loss_usd == pytest.approx(long.loss_usd, abs=1e-6)


@pytest.mark.parametrize(("leg", "loss"), [(-4, 8), (4, -4 * 12)])
def test_the_basis_remains_and_what_offsets_nothing_counts_in_full(leg: float, loss: float) -> None:
    """If this fails, a leg that drifts away from Injective's price, or has lost its other half, loses money unseen."""
    assert valued({"binance": leg}, at(100, 100), at(110, 112)).loss_usd == pytest.approx(loss)


def test_both_legs_of_a_relocation_are_measured() -> None:
    """If this fails, a relocation is judged by one leg alone."""
    held = {"injective": -4.0, "binance": 4.0}
    assert valued(held, at(100, 100), at(120, 119)).loss_usd == pytest.approx(4 * 1)


def test_a_cut_alone_has_no_basis() -> None:
    """If this fails, a plain cut is stopped for the price move that it was meant to be spared or to miss."""
    assert valued({"injective": -4.0}, {"injective": 100.0}, {"injective": 500.0}).loss_usd == 0


@given(
    own=st.floats(-10, 10),
    held=st.dictionaries(st.sampled_from(["injective", "binance"]), st.floats(-20, 20)),
)
def test_what_is_offset_is_part_of_what_the_trader_holds(own: float, held: dict[str, float]) -> None:
    """If this fails, a hedge is credited with gains of a position that the trader does not have."""
    part = offset(own, held)
    assert abs(part) <= abs(own)
    assert part * own >= 0


@pytest.mark.parametrize("told", [{"injective": 130.0}, {"binance": 130.0}, {}])
def test_a_hedge_is_valued_with_all_its_prices_or_not_at_all(told: dict[str, float]) -> None:
    """If this fails, a venue that falls silent in a rally turns half of the move into a loss, and stops the hedge."""
    episode = valued({"binance": -4.0}, at(100, 100), told)
    assert episode.loss_usd == 0
    assert value(episode, OWN, {"binance": -4.0}, at(131, 130), NOW_MS + 1).loss_usd == pytest.approx(-4 * 1)


def test_a_leg_stop_looks_at_the_leg_alone() -> None:
    """If this fails, `risk.leg_stop` stops for something else than what the leg has lost by itself."""
    episode = valued({"binance": -4.0}, at(100, 100), at(103, 103))
    assert episode.leg_loss_usd == pytest.approx(12)
    assert episode.loss_usd == pytest.approx(0)
    assert replace(episode, expected_usd=11.9).leg_must_stop
    assert not replace(episode, expected_usd=11.9).must_stop
    assert not replace(episode, expected_usd=11.9, received_usd=0.2).leg_must_stop


def test_funding_received_counts() -> None:
    """If this fails, a leg that earns its keep is stopped for its fees, or one that pays funding never is."""
    payments = [
        funding_payment(q, settlement(k, NOW_MS)) for k, q in {THERE: Decimal(-4), OTHER: Decimal(2)}.items()
    ]
    episode = credit(Episode(), OWN, payments)
    assert episode.received_usd == pytest.approx(0.04 - 0.02)
    assert episode.loss_usd == pytest.approx(-0.02)


@pytest.mark.parametrize("side", [1, -1])
def test_what_a_cut_spares_is_saved_not_received(side: int) -> None:
    """If this fails, the funding that a cut spared is no allowance, or is counted as income of the leg."""
    payment = funding_payment(Decimal(side * 6), settlement(HERE, NOW_MS, rate=f"{side}e-4"))
    episode = credit(Episode(), side * OWN, [payment])
    assert episode.saved_usd == pytest.approx(0.04)
    assert episode.received_usd == 0


@pytest.mark.parametrize(
    ("episode", "stops"),
    [
        (Episode(), False),
        (Episode(costs_usd=5, expected_usd=5), False),  # exactly the allowance
        (Episode(costs_usd=5.01, expected_usd=5), True),
        (Episode(costs_usd=5.01, expected_usd=5, saved_usd=1), False),  # what was saved may be lost again
        (Episode(costs_usd=5.01, expected_usd=5, received_usd=0.02), False),
        (Episode(basis_pnl_usd=-6, expected_usd=5), True),
        (
            Episode(costs_usd=1, saved_usd=-9, expected_usd=-9),
            True,
        ),  # negative hopes are no negative allowance
        (Episode(saved_usd=-9, expected_usd=-9), False),
    ],
)
def test_must_stop(episode: Episode, stops: bool) -> None:
    """If this fails, hedges run past the funding they protect against (requirement A10) or are cut too soon."""
    assert episode.must_stop is stops


@given(
    planned=st.lists(st.floats(0, 1e6), min_size=1, max_size=8), sizes=st.lists(coins, min_size=8, max_size=8)
)
def test_the_allowance_never_shrinks_while_a_hedge_changes(planned: list[float], sizes: list[float]) -> None:
    """If this fails, a hedge is stopped at once because what it protects was forecast anew."""
    episode, held = Episode(), {"binance": 0.0}
    for usd, size in zip(planned, sizes, strict=False):
        before = episode.allowance_usd
        episode = book(replace(episode, planned_usd=usd), OWN, held, [Trade("binance", size, 100.0, 0.0)])
        grew = abs(held["binance"] + size) > abs(held["binance"])
        held["binance"] += size
        assert episode.allowance_usd >= before
        assert not grew or episode.allowance_usd >= usd


def test_a_fill_that_came_late_still_brings_its_allowance() -> None:
    """If this fails, an order whose outcome was unknown for a while is stopped by its own fee once it is known."""
    planned = Episode(planned_usd=7.0)
    opened = book(planned, OWN, {}, [Trade("binance", -2.0, 100.0, 0.5)])
    assert (opened.costs_usd, opened.expected_usd, opened.must_stop) == (0.5, 7.0, False)
    closed = book(
        replace(planned, expected_usd=3.0), OWN, {"binance": -2.0}, [Trade("binance", 2.0, 100.0, 0.5)]
    )
    assert closed.expected_usd == 3.0, "what makes a hedge smaller protects no more"


@given(
    q=coins, fill=price, first=price, last=price,
    here=st.tuples(price, price, price),
)  # fmt: skip
def test_when_a_fill_becomes_known_does_not_matter(
    q: float, fill: float, first: float, last: float, here: tuple[float, float, float]
) -> None:
    """If this fails, a fill that was told late is counted at another price than one that was told at once."""
    opened = Trade("binance", q, fill, 0.1, here=here[0])
    at_once = value(Episode(), OWN, {}, at(here[0], first), 1)
    at_once = book(at_once, OWN, {}, [opened])
    at_once = value(at_once, OWN, {"binance": q}, at(here[2], last), 3)
    late = value(Episode(), OWN, {}, at(here[0], first), 1)
    late = value(late, OWN, {}, at(here[2], last), 3)
    late = book(late, OWN, {}, [opened])
    assert late.loss_usd == pytest.approx(at_once.loss_usd, abs=1e-6)
    assert late.leg_loss_usd == pytest.approx(at_once.leg_loss_usd, abs=1e-6)


def test_a_liquidation_is_valued_at_its_own_price() -> None:
    """If this fails, the worst that can happen to a leg is worth what the mark said before, and its stop is silent."""
    # short 4, liquidated at 113 and a fee of 3 when Injective stood at 110; both are back at 100 when it is known
    before = valued({"binance": -4.0}, at(100, 100), at(100, 100))
    taken = Trade("binance", 4.0, 113.0, 3.0, here=110.0)
    episode = flat_after = book(before, OWN, {"binance": -4.0}, [taken])
    assert episode.loss_usd == pytest.approx(4 * (113 - 110) + 3)
    assert value(flat_after, OWN, {}, at(90, 90), NOW_MS).loss_usd == episode.loss_usd


def test_a_stop_begins_anew_and_flat_keeps_the_pause() -> None:
    """If this fails, an old hedge's losses stop the next one at once, or a stop's pause is forgotten."""
    old = Episode(-3.0, 2.0, 1.0, 4.0, 5.0, {"binance": 100.0}, valued_ms=7)
    stopped = stop(old, "stop: lost", NOW_MS, held=True)
    assert stopped == Episode(
        marks={"binance": 100.0}, valued_ms=7, stopped_until_ms=NOW_MS, unwinding=True, why="stop: lost"
    )
    assert flat(stopped) == replace(stopped, unwinding=False)


numbers = st.floats(-1e9, 1e9)


@given(
    st.builds(
        Episode, numbers, numbers, numbers, numbers, numbers,
        st.dictionaries(st.sampled_from(["injective", "binance"]), st.floats(0, 1e6)), st.integers(0, 2**53),
        numbers, numbers, st.integers(0, 2**53), st.booleans(), st.text(),
    )
)  # fmt: skip
def test_journal_round_trip(episode: Episode) -> None:
    """If this fails, a restart forgets part of what a hedge has lost."""
    assert Episode(**json.loads(json.dumps(episode.to_json()))) == episode


def test_a_journal_of_before_is_read() -> None:
    """If this fails, an update forgets every hedge's stop, or does not start."""
    body = {
        "basis_pnl_usd": -1.0, "costs_usd": 2.0, "received_usd": 0.5, "saved_usd": 3.0, "expected_usd": 4.0,
        "marks": {"injective": 100.0}, "stopped_until_ms": 5,
    }  # fmt: skip
    assert Episode(**body).loss_usd == 2.5
