"""Orders that rest under our tag and that nobody owns are cancelled; the operator's stay."""

from decimal import Decimal
from pathlib import Path

import pytest
from fakes import THERE, approve, intent
from reconcile_rig import MARKETS, Life, World, stranger

from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.execution.journal.store import JournalStore
from hedged.execution.reconcile.orphans import worst_of
from hedged.risk.facts import OpenOrder


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "journal.sqlite")


async def left_by_an_earlier_life(world: World, life: Life, filled: str = "0") -> str:
    """An order of our journal that the executor does not own any more, but that rests."""
    approved = approve(intent(THERE, -3))
    await life.journal(JournalStore.record_attempt, approved, life.now_ms)
    await life.journal(JournalStore.record_event, approved.client_id, life.now_ms, "acknowledged", "")
    life.accounts.claim(approved.client_id, approved.intent.purpose, approved.intent.reference_price)
    world.there.rest(approved.client_id, "3", filled)
    return approved.client_id


def test_an_orphan_is_written_down_cancelled_and_counted(world: World) -> None:
    """If this fails, an order that a killed life left behind fills some day, as a hedge that nobody wanted."""
    seen: list[list[tuple[str]]] = []

    async def script(life: Life) -> None:
        client_id = await left_by_an_earlier_life(world, life, filled="1")
        world.there.now_ms = life.now_ms
        world.there.trade("BTC", -1, client_id)
        plain = world.there.cancel

        async def cancel(one: str) -> None:
            rows = await life.journal(JournalStore.rows, "SELECT outcome FROM orphans", ())
            seen.append(rows)
            await plain(one)

        world.there.cancel = cancel  # type: ignore[method-assign]
        state = await life.look()
        assert world.there.cancelled == [client_id]
        assert seen == [[("found",)]], "in the journal before it is cancelled"
        assert not state.orphans
        assert state.attributed == {THERE: Decimal(-1)}
        assert await life.journal(JournalStore.rows, "SELECT outcome, filled FROM orphans", ()) == [
            ("gone", "1")
        ]
        await life.look(15)
        assert world.there.cancelled == [client_id]

    world.life(script)


def test_what_an_orphan_had_filled_is_waited_for(world: World) -> None:
    """If this fails, N is derived while a fill of a swept order is on its way, and the fill passes for the trader's."""

    async def script(life: Life) -> None:
        client_id = await left_by_an_earlier_life(world, life, filled="1")
        assert "acknowledged" in (await life.look()).unknown["binance"]
        world.there.now_ms = life.now_ms
        world.there.trade("BTC", -1, client_id)
        assert (await life.look(1)).reconciled

    world.life(script)


def test_the_operators_orders_and_the_executors_stay(world: World) -> None:
    """If this fails, the daemon cancels what the operator placed by hand, or its own that rest on purpose."""

    async def script(life: Life) -> None:
        owned = await left_by_an_earlier_life(world, life)
        life.accounts.owned = lambda: {owned}
        for client_id in ("web_1", "x" * 32, "id:17", "f" * 32):
            world.there.rest(client_id)
        for _ in range(3):
            assert not (await life.look(15)).orphans
        assert not world.there.cancelled

    world.life(script)


def test_an_order_that_another_process_works_at_is_left_to_it(world: World) -> None:
    """If this fails, the daemon cancels what `hedged kill --flatten` has just sent beside it."""

    async def script(life: Life) -> None:
        approved = approve(intent(THERE, -3))
        await life.journal(JournalStore.record_attempt, approved, life.now_ms)
        world.there.rest(approved.client_id, "3")
        assert not (await life.look()).orphans
        assert not world.there.cancelled
        await life.journal(JournalStore.record_event, approved.client_id, life.now_ms, "acknowledged", "")
        await life.look(15)
        assert world.there.cancelled == [approved.client_id]

    world.life(script)


def test_nothing_is_swept_while_nobody_says_what_is_owned(world: World) -> None:
    """If this fails, a program that only looks at the account cancels the daemon's orders."""

    async def script(life: Life) -> None:
        life.accounts.owned = None
        await left_by_an_earlier_life(world, life)
        await life.look()
        assert not world.there.cancelled

    world.life(script)


def test_an_order_of_a_lost_journal_is_swept_and_its_fills_freeze(world: World) -> None:
    """If this fails, an order of a lost journal stays, or its fill passes for a second daemon's or the trader's."""

    async def script(life: Life) -> None:
        world.there.rest(stranger(), "3")
        state = await life.look()
        assert world.there.cancelled == [stranger()]
        assert not state.alarm
        world.there.now_ms = life.now_ms
        world.there.trade("BTC", -1, stranger())  # while it was being cancelled
        state = await life.look(1)
        assert not state.alarm
        assert set(state.frozen) == set(MARKETS)

    world.life(script)


def test_new_orders_under_our_tag_are_another_daemons(world: World) -> None:
    """If this fails, two daemons cancel each other's orders for ever and nobody is told."""

    async def script(life: Life) -> None:
        await life.look()
        world.there.rest(stranger())
        assert "another daemon" in (await life.look(15)).alarm
        assert world.there.cancelled == [stranger()]

    world.life(script)


@pytest.mark.parametrize("error", [Retryable("503"), OutcomeUnknown("timeout"), Rejected("too late")])
def test_until_it_is_gone_it_counts_on_both_sides(world: World, error: Exception) -> None:
    """If this fails, a cancellation that failed is taken for done, and the cap is exceeded when the order fills."""

    async def script(life: Life) -> None:
        client_id = await left_by_an_earlier_life(world, life)
        world.there.broken["cancel"] = error
        state = await life.look()
        assert [one.client_id for one in state.orphans] == [client_id]
        assert worst_of(state.orphans) == (OpenOrder(THERE, Decimal(3)), OpenOrder(THERE, Decimal(-3)))
        world.there.broken.clear()
        assert not (await life.look(0.1)).orphans, (
            "it is tried again at the next look, not after five minutes"
        )
        assert world.there.cancelled == [client_id]

    world.life(script)


def test_a_venue_that_fails_is_not_asked_for_every_orphan_in_turn(world: World) -> None:
    """If this fails, a hundred orders at a silent venue hold the cycle up for a hundred deadlines."""

    async def script(life: Life) -> None:
        tried: list[str] = []

        async def cancel(client_id: str) -> None:
            tried.append(client_id)
            raise Retryable("timeout")

        world.there.cancel = cancel  # type: ignore[method-assign]
        for number in range(5):
            world.there.rest(stranger(number))
        assert len((await life.look()).orphans) == 5
        assert len(tried) == 1

    world.life(script)


def test_nothing_is_reconciled_before_open_orders_are_known(world: World) -> None:
    """If this fails, the first orders of a life go out beside orders that an earlier life left behind."""

    async def script(life: Life) -> None:
        world.there.broken["open_orders"] = Retryable("503")
        assert not (await life.look()).reconciled
        world.there.broken.clear()
        assert (await life.look(1)).reconciled

    world.life(script)


def test_open_orders_are_asked_for_now_and_then(world: World) -> None:
    """If this fails, every look of the fast loop costs the dearest request that venues have."""

    async def script(life: Life) -> None:
        for _ in range(11):
            await life.look(1)
        assert world.there.asked_orders == 3

    world.life(script)
