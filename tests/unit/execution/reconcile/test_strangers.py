"""Fills under our tag that stand in no journal: of a lost journal, or of a second daemon."""

from decimal import Decimal
from pathlib import Path

import pytest
from fakes import HERE, NOW_MS, THERE, approve, intent
from reconcile_rig import MARKETS, Life, World, stranger

from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import Retryable
from hedged.execution.journal.store import JournalStore
from hedged.execution.reconcile.strangers import Strangers


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "journal.sqlite")


def cut_by_a_lost_life(world: World) -> None:
    world.here.now_ms = NOW_MS - 30 * HOUR_MS
    world.here.trade("BTC", -4, stranger())


def test_after_a_lost_journal_nothing_is_opened_and_n_is_not_what_is_left(world: World) -> None:
    """If this fails, a daemon without its journal takes the cut for the trader's own and cuts 40 % of the rest."""
    cut_by_a_lost_life(world)

    async def script(life: Life) -> None:
        state = await life.look()
        assert set(state.frozen) == set(MARKETS)
        assert "disown_before" in state.frozen[HERE]
        assert state.own == {"BTC": Decimal(10)}
        assert not state.attributed.get(HERE), "what is not known whole is not traded on"
        assert not state.alarm, "it is past, not a second daemon"
        assert set((await life.look(15)).frozen) == set(MARKETS)

    world.life(script)
    world.life(script)


def test_the_operator_ends_it_by_saying_whose_they_are(world: World) -> None:
    """If this fails, there is no way back after a lost journal."""
    cut_by_a_lost_life(world)

    async def lost(life: Life) -> None:
        assert (await life.look()).frozen

    async def said(life: Life) -> None:
        state = await life.look()
        assert not state.frozen
        assert state.own == {"BTC": Decimal(6)}

    world.life(lost)
    world.rules = world.rules.model_validate({"disown_before": "2025-06-15T15:30:00Z"})
    assert world.rules.disown_before_ms > NOW_MS
    world.life(said)


def test_a_second_daemon_halts(world: World) -> None:
    """If this fails, two daemons on one account trade against each other until the money is gone."""

    async def script(life: Life) -> None:
        assert not (await life.look()).alarm
        world.there.now_ms = life.now_ms
        world.there.trade("BTC", -1, stranger())
        assert "another daemon" in (await life.look(1)).alarm
        assert not (await life.look(1)).alarm, "each fill is told once: after a resume it does not halt again"
        assert set((await life.look(1)).frozen) == set(MARKETS)

    async def later(life: Life) -> None:
        state = await life.look()
        assert not state.alarm
        assert state.frozen

    world.life(script)
    world.life(later)


def test_what_another_process_has_journalled_is_ours(world: World) -> None:
    """If this fails, `hedged kill --flatten` beside a hanging daemon reads as a second daemon."""

    async def script(life: Life) -> None:
        await life.look()
        approved = approve(intent(THERE, -2))
        await life.journal(JournalStore.record_attempt, approved, NOW_MS)  # not claimed in this process
        world.there.now_ms = life.now_ms
        world.there.trade("BTC", -2, approved.client_id)
        state = await life.look(1)
        assert not state.alarm
        assert state.attributed == {THERE: Decimal(-2)}

    world.life(script)


def test_a_past_that_is_too_long_to_tell_is_looked_at_less_far(world: World) -> None:
    """If this fails, an account with much trading can never be started on: the look back never ends in time."""

    async def script(life: Life) -> None:
        world.there.broken["executions"] = Retryable("timeout")
        for _ in range(3):
            assert "binance" in (await life.look()).unknown
        world.there.broken.clear()
        assert not (await life.look()).unknown
        assert life.now_ms - world.there.asked_since[0] == 21 * HOUR_MS

    world.life(script)


def test_only_the_accounts_own_tag_counts() -> None:
    """If this fails, another program's orders on the account halt the daemon."""
    ours = Strangers("test")
    assert ours.tagged(stranger())
    assert not Strangers("other").tagged(stranger())
    assert not Strangers("").tagged(stranger())
    for text in (None, "", stranger()[:31], stranger()[:31] + "g", "x-" + stranger()):
        assert not ours.tagged(text)
