"""The funding ledger: what venues paid against what their settlements say."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import HERE, NOW_MS, THERE, settlement
from hypothesis import given
from hypothesis import strategies as st
from reconcile_rig import Life, World

from hedged.config.reconcile import ReconcileConfig
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.errors import Retryable
from hedged.domain.funding import FundingPayment, Settlement, funding_payment
from hedged.execution.accounts import Reader
from hedged.execution.reconcile.ledger import CENT, Difference, Ledger

HOUR = NOW_MS // HOUR_MS * HOUR_MS + HOUR_MS
"""The first whole hour after the world's beginning."""


class Prints:
    """A venue's public data: its settlements, each told from its instant on."""

    def __init__(self, due: Sequence[Settlement]) -> None:
        self.due = list(due)
        self.asked = 0
        self.broken: Exception | None = None

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        self.asked += 1
        if self.broken is not None:
            raise self.broken
        return [one for one in self.due if since_ms < one.ts_ms <= until_ms]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "journal.sqlite")
    made.there.quantities["BTC"] = Decimal(100)
    return made


def told(world: World, *due: Settlement, equity_usd: int = 1_000_000) -> Prints:
    prints = Prints(due)
    sources: dict[str, Any] = {"binance": prints}
    world.reader = Reader(sources, Decimal(equity_usd))
    return prints


def hourly(count: int) -> list[Settlement]:
    return [settlement(THERE, HOUR + k * HOUR_MS) for k in range(count)]


def test_what_is_paid_as_it_says_is_silent(world: World) -> None:
    """If this fails, correct payments freeze markets."""
    due = hourly(5)
    told(world, *due)

    async def script(life: Life) -> None:
        await life.look()
        for one in due:
            await life.look(45)
            world.there.paid.append(funding_payment(Decimal(100), one))
            state = await life.look(15)
            assert (state.frozen, state.alarm) == ({}, "")
        assert not life.accounts.checks.ledger.open

    world.life(script)
    world.life(script)


def test_what_is_not_paid_in_time_is_told_and_freezes_when_it_goes_on(world: World) -> None:
    """If this fails, a venue that stops paying funding is believed to pay it."""
    told(world, *hourly(5))

    async def script(life: Life) -> None:
        await life.look()
        for minutes in (60, 30):
            assert not (await life.look(minutes)).frozen
        assert not life.accounts.checks.ledger.open, "an hour is not over yet"
        await life.look(45)
        (found,) = life.accounts.checks.ledger.of(THERE)
        assert (found.expected_usd, found.paid_usd) == (Decimal(-1), None)
        assert set((await life.look(60)).frozen) == {THERE}

    async def later(life: Life) -> None:
        assert set((await life.look()).frozen) == {THERE}, "a restart knows it too"

    world.life(script)
    world.life(later)


def test_a_late_payment_settles_it(world: World) -> None:
    """If this fails, a venue that booked hours late stays frozen, or is not asked for what it owes."""
    due = hourly(2)
    told(world, *due)

    async def script(life: Life) -> None:
        await life.look()
        for _ in range(5):
            await life.look(60)
        assert len(life.accounts.checks.ledger.open) == 2
        world.there.paid += [funding_payment(Decimal(100), one) for one in due]
        state = await life.look(15)
        assert len(state.payments) == 2
        assert not state.frozen
        assert not life.accounts.checks.ledger.open

    world.life(script)


def test_a_wrong_amount_is_a_difference_and_three_right_ones_end_it(world: World) -> None:
    """If this fails, funding that was charged on another quantity passes, or one error freezes for ever."""
    due = hourly(6)
    told(world, *due)

    async def script(life: Life) -> None:
        await life.look()
        for k, one in enumerate(due):
            paid = funding_payment(Decimal(100), one)
            if k in (0, 1):
                paid = replace(paid, payment_usd=paid.payment_usd * 2)
            world.there.paid.append(paid)
            state = await life.look(60)
            assert set(state.frozen) == ({THERE} if 1 <= k < 4 else set()), k

    world.life(script)


def test_a_payment_is_judged_once_all_executions_are_told(world: World) -> None:
    """If this fails, a trade just before a settlement that is reported late makes its payment a wrong one."""
    (due,) = hourly(1)
    told(world, due)

    async def script(life: Life) -> None:
        await life.look()
        life.now_ms = HOUR - 5 * MINUTE_MS
        world.there.now_ms = life.now_ms
        world.there.trade("BTC", 50)
        (late,), world.there.trades = world.there.trades, []
        world.there.paid.append(funding_payment(Decimal(150), due))
        await life.look(10)
        world.there.trades = [late]
        await life.look(10)
        ledger = life.accounts.checks.ledger
        assert not ledger.open
        assert ledger._right == {THERE: 1}

    world.life(script)


def test_too_much_unexplained_funding_halts_once(world: World) -> None:
    """If this fails, money goes on being lost to something that nobody understands."""
    due = hourly(3)
    told(world, *due, equity_usd=1_000)  # 10 bp of it is a dollar

    async def script(life: Life) -> None:
        await life.look()
        paid = funding_payment(Decimal(100), due[0])
        world.there.paid.append(replace(paid, payment_usd=Decimal(-3)))
        assert "2.00 USD within a day is not explained (binance:BTC)" in (await life.look(60)).alarm
        world.there.paid += [funding_payment(Decimal(100), one) for one in due[1:]]
        assert not (await life.look(60)).alarm, "the operator has resumed: the same does not halt again"

    async def later(life: Life) -> None:
        assert not (await life.look()).alarm

    world.life(script)
    world.life(later)


def test_what_the_venue_does_not_tell_is_no_mismatch(world: World) -> None:
    """If this fails, a venue whose settlements lag or fail is frozen."""
    prints = told(world)

    async def script(life: Life) -> None:
        await life.look()
        for _ in range(3):
            await life.look(60)
        prints.broken = Retryable("503")
        for _ in range(3):
            state = await life.look(60)
        assert not state.frozen
        assert not life.accounts.checks.ledger.open

    world.life(script)


def test_settlements_are_asked_for_once_an_hour_and_only_where_something_is_held(world: World) -> None:
    """If this fails, each look of the fast loop asks for the settlements of every market."""
    prints = told(world)

    async def script(life: Life) -> None:
        await life.look()
        for _ in range(12):
            await life.look(10)
        assert prints.asked == 3
        world.there.trade("BTC", -100)
        for _ in range(12):
            await life.look(10)
        assert prints.asked == 3

    world.life(script)


def test_what_was_held_before_the_journal_began_is_not_known(world: World) -> None:
    """If this fails, a new daemon halts over settlements of a time that it knows nothing of."""
    before = [settlement(THERE, HOUR - k * HOUR_MS) for k in (1, 2, 3)]
    told(world, *before)

    async def script(life: Life) -> None:
        world.there.paid += [replace(funding_payment(Decimal(7), one)) for one in before]
        await life.look()
        for _ in range(3):
            state = await life.look(60)
        assert not state.frozen
        assert not life.accounts.checks.ledger.open

    world.life(script)


def test_only_what_was_held_strictly_before_is_paid(world: World) -> None:
    """If this fails, a position opened after a settlement is believed to be owed its funding."""
    told(world, *hourly(1))
    world.there.quantities["BTC"] = Decimal(0)

    async def script(life: Life) -> None:
        await life.look()
        life.now_ms = HOUR + 5 * MINUTE_MS
        world.there.now_ms = life.now_ms
        world.there.trade("BTC", 50)
        for _ in range(4):
            state = await life.look(30)
        assert not state.frozen
        assert not life.accounts.checks.ledger.open

    world.life(script)


@given(
    st.decimals(-1_000, 1_000, places=3),
    st.decimals("-0.01", "0.01", places=8),
    st.decimals("0.9", "1.1", places=3),
)
def test_the_tolerance_is_what_it_says(quantity: Decimal, rate: Decimal, factor: Decimal) -> None:
    """If this fails, rounding of venues halts the daemon, or a payment twice too large passes."""
    ledger = Ledger(ReconcileConfig())
    due = settlement(THERE, HOUR, str(rate))
    right = funding_payment(quantity, due).payment_usd
    ledger.paid(FundingPayment(due, quantity, right * factor), (quantity, quantity))
    allowed = CENT + abs(right) / 50 + abs(quantity) * Decimal("5e-7")
    assert bool(ledger.open) == (abs(right * factor - right) > allowed)


def test_what_may_not_have_been_held_is_not_missed() -> None:
    """If this fails, a position that turned over in the minute of a settlement is believed to be owed its funding."""
    ledger = Ledger(ReconcileConfig())
    ledger.unpaid(settlement(THERE, HOUR), (Decimal(-100), Decimal(300)))
    assert not ledger.open
    ledger.unpaid(settlement(THERE, HOUR), (Decimal(100), Decimal(300)))
    assert ledger.of(THERE) == [Difference(Decimal(-1), None)]


def test_injectives_printed_rates_are_rounded_to_six_decimals() -> None:
    """If this fails, the indexer's rounding of a small rate reads as funding that was charged wrongly."""
    ledger = Ledger(ReconcileConfig())
    due, quantity = settlement(HERE, HOUR, "0.000004", "60000"), Decimal(5)
    true = -quantity * Decimal("0.00000416666") * 60_000
    ledger.paid(FundingPayment(due, quantity, true), (quantity, quantity))
    assert not ledger.open
    ledger.paid(FundingPayment(due, quantity, true * 2), (quantity, quantity))
    assert ledger.open
