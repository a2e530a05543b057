"""The stop: a hedge is given up for what it loses, not for what prices do."""

import json
from decimal import Decimal

import pytest
from fakes import HERE, NOW_MS, OTHER, THERE, settlement
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.funding import funding_payment
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Fill, Purpose, Side
from hedged.risk.stop import Episode, advance, charge

OWN = Decimal(10)
price = st.decimals(1, 1_000, places=2)


def valued(book: dict[SeriesKey, Decimal], *marks: dict[SeriesKey, Decimal]) -> Episode:
    """Hold a book over a row of marks."""
    episode = Episode()
    for now in marks:
        episode = advance(episode, "BTC", OWN, book, now, [])
    return episode


@given(before=price, after=price, leg=st.decimals(-4, 4, places=1).filter(bool))
def test_price_moves_cancel(before: Decimal, after: Decimal, leg: Decimal) -> None:
    """If this fails, a rally stops every short leg although the trader's own position gained the same."""
    episode = valued({THERE: leg}, *({HERE: p, THERE: p} for p in (before, after)))
    assert episode.loss_usd == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("leg", "loss"), [(-4, 8), (4, -8)])
def test_the_basis_remains(leg: int, loss: float) -> None:
    """If this fails, a leg that drifts away from Injective's price loses money unseen."""
    marks = {HERE: Decimal(100), THERE: Decimal(100)}, {HERE: Decimal(110), THERE: Decimal(112)}
    assert valued({THERE: Decimal(leg)}, *marks).loss_usd == pytest.approx(loss)


def test_both_legs_of_a_relocation_are_measured() -> None:
    """If this fails, a relocation (cut here, same side there) is judged by one leg and stopped by a price move."""
    marks = {HERE: Decimal(100), THERE: Decimal(100)}, {HERE: Decimal(120), THERE: Decimal(119)}
    assert valued({HERE: Decimal(-4), THERE: Decimal(4)}, *marks).loss_usd == pytest.approx(4 * 1)


def test_a_cut_alone_has_no_basis() -> None:
    """If this fails, a plain cut is stopped for the price move that it was meant to be spared or to miss."""
    assert valued({HERE: Decimal(-4)}, {HERE: Decimal(100)}, {HERE: Decimal(500)}).loss_usd == 0


def test_a_stale_mark_keeps_the_last_value() -> None:
    """If this fails, a venue that falls silent turns into a profit or a loss."""
    book = {THERE: Decimal(-4)}
    episode = valued(book, {HERE: Decimal(100), THERE: Decimal(100)}, {HERE: Decimal(100)})
    assert episode.loss_usd == 0
    assert advance(
        episode, "BTC", OWN, book, {HERE: Decimal(103), THERE: Decimal(103)}, []
    ).loss_usd == pytest.approx(0)


def test_funding_received_counts() -> None:
    """If this fails, a leg that earns its keep is stopped for its fees, or one that pays funding never is."""
    book = {THERE: Decimal(-4), OTHER: Decimal(2)}
    payments = [funding_payment(q, settlement(k, NOW_MS)) for k, q in book.items()]
    payments.append(
        funding_payment(Decimal(7), settlement(SeriesKey("binance", "ETH"), NOW_MS))
    )  # another coin's
    episode = advance(Episode(), "BTC", OWN, book, {}, payments)
    assert episode.received_usd == pytest.approx(0.04 - 0.02)
    assert episode.loss_usd == pytest.approx(-0.02)


@pytest.mark.parametrize("side", [1, -1])
def test_what_a_cut_spares_is_saved_not_received(side: int) -> None:
    """If this fails, the funding that a cut spared is no allowance, or is counted as income of the leg."""
    own, cut = side * OWN, Decimal(-side * 4)
    payment = funding_payment(own + cut, settlement(HERE, NOW_MS, rate=f"{side}e-4"))
    episode = advance(Episode(), "BTC", own, {HERE: cut}, {}, [payment])
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


def test_fills_cost_their_fee_and_their_shortfall() -> None:
    """If this fails, the price paid for trading is missing from the loss that stops a hedge."""
    bought = Execution(NOW_MS, THERE, "x", "c", Side.BUY, Decimal(2), Decimal("100.5"), Decimal("0.1"))
    episode = charge(Episode(expected_usd=7), [Fill(bought, Purpose.HEDGE_OPEN, Decimal(100))], 3.0)
    assert episode.costs_usd == pytest.approx(0.1 + 2 * 0.5)
    assert episode.expected_usd == 7
    assert charge(episode, [], 9.0).expected_usd == 9


def test_flat_is_a_new_beginning_but_the_pause_holds() -> None:
    """If this fails, an old hedge's losses stop the next one at once, or a stop's pause is forgotten."""
    old = Episode(-3.0, 2.0, 1.0, 4.0, 5.0, {"binance": 100.0}, stopped_until_ms=NOW_MS)
    for flat in ({}, {THERE: Decimal(0)}, {SeriesKey("binance", "ETH"): Decimal(1)}):
        fresh = advance(old, "BTC", OWN, flat, {HERE: Decimal(101)}, [])
        assert fresh == Episode(marks={"binance": 100.0, "injective": 101.0}, stopped_until_ms=NOW_MS)


numbers = st.floats(-1e9, 1e9)


@given(
    st.builds(
        Episode, numbers, numbers, numbers, numbers, numbers,
        st.dictionaries(st.sampled_from(["injective", "binance"]), st.floats(0, 1e6)), st.integers(0, 2**53),
    )
)  # fmt: skip
def test_journal_round_trip(episode: Episode) -> None:
    """If this fails, a restart forgets part of what a hedge has lost."""
    assert Episode(**json.loads(json.dumps(episode.to_json()))) == episode
