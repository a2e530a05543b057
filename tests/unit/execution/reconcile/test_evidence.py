"""Positions against executions: what no execution explains freezes its market until it does, or is accepted."""

from decimal import Decimal
from pathlib import Path

import pytest
from fakes import HERE, NOW_MS, OTHER, THERE
from hypothesis import given
from hypothesis import strategies as st
from reconcile_rig import MARKETS, Life, World

from hedged.config.reconcile import ReconcileConfig
from hedged.domain.clock import MINUTE_MS
from hedged.domain.errors import Retryable
from hedged.domain.ports import Explains
from hedged.execution.reconcile.evidence import Evidence


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "journal.sqlite")


def test_what_executions_explain_is_never_doubted(world: World) -> None:
    """If this fails, an operator's trade, a liquidation or the daemon's own order freezes its market."""

    async def script(life: Life) -> None:
        for _ in range(3):
            await life.look(15)
            world.here.now_ms = world.there.now_ms = life.now_ms
            world.here.trade("BTC", 3)
            world.there.trade("BTC", -2)
            await life.send(world.there, THERE, -1)
            assert not (await life.look()).frozen
        assert not life.accounts.agreement.evidence.doubts

    world.life(script)
    world.life(script)


def test_a_position_that_no_execution_explains_freezes_what_is_opened(world: World) -> None:
    """If this fails, the daemon hedges a book of which its venue and its own records say different things."""

    async def script(life: Life) -> None:
        await life.look()
        world.there.move(-2)
        assert not (await life.look(1)).frozen, "a report may be late"
        frozen = (await life.look(2)).frozen
        assert set(frozen) == {THERE}
        assert "differs by -2 coins" in frozen[THERE]
        world.there.now_ms = life.now_ms - MINUTE_MS
        world.there.quantities["BTC"] += 2
        world.there.trade("BTC", -2)  # the report has come
        assert not (await life.look(1)).frozen

    world.life(script)


def test_a_doubt_about_injective_is_one_about_every_market_of_the_coin(world: World) -> None:
    """If this fails, hedges elsewhere are sized by an N that is not known."""

    async def script(life: Life) -> None:
        await life.look()
        world.here.move(5)
        await life.look(1)
        assert set((await life.look(2)).frozen) == set(MARKETS) == {HERE, THERE, OTHER}

    world.life(script)


def test_a_restart_does_not_thaw(world: World) -> None:
    """If this fails, a restart opens what was frozen, or takes the unexplained position for where it began."""

    async def first(life: Life) -> None:
        await life.look()
        world.there.move(-2)
        await life.look(1)

    async def second(life: Life) -> None:
        assert set((await life.look()).frozen) == {THERE}

    world.life(first)
    world.life(second)


def test_what_stands_is_accepted_and_n_follows_the_venue(world: World) -> None:
    """If this fails, a position that was moved between subaccounts freezes its coin for ever."""

    async def script(life: Life) -> None:
        await life.look()
        world.here.move(5)
        for _ in range(15):
            state = await life.look(1)
        assert state.frozen
        state = await life.look(2)
        assert not state.frozen
        assert state.own == {"BTC": Decimal(15)}
        assert not state.taken

    async def later(life: Life) -> None:
        assert not (await life.look()).frozen

    world.life(script)
    world.life(later)


@pytest.mark.parametrize(("moved", "left"), [("4", 0), ("3", -1), ("9", 0), ("-3", -4)])
def test_a_hedge_that_is_gone_is_no_hedge(world: World, moved: str, left: int) -> None:
    """If this fails, the daemon counts on a leg at an exchange that is not there, now or after a restart."""

    async def script(life: Life) -> None:
        await life.look()
        await life.send(world.there, THERE, -4)
        await life.look()
        world.there.move(moved)
        lost = Decimal(0)
        for _ in range(20):
            state = await life.look(1)
            lost += sum(one.quantity for one in state.taken)
        assert state.attributed == {THERE: Decimal(left)}
        assert lost == left + 4
        assert not state.frozen

    async def later(life: Life) -> None:
        state = await life.look()
        assert (state.attributed, state.frozen) == ({THERE: Decimal(left)}, {})

    world.life(script)
    world.life(later)


def test_the_operators_own_position_at_the_exchange_is_not_the_daemons(world: World) -> None:
    """If this fails, a hedge beside a position of the operator's is taken for lost because the venue shows the sum."""
    world.there.quantities["BTC"] = Decimal(10)

    async def script(life: Life) -> None:
        await life.look()
        await life.send(world.there, THERE, -4)
        for _ in range(3):
            state = await life.look(15)
            assert (state.attributed, state.frozen) == ({THERE: Decimal(-4)}, {})
        assert world.there.quantities["BTC"] == 6

    world.life(script)


def test_looks_in_quick_succession_are_no_proof(world: World) -> None:
    """If this fails, a report that is seconds late freezes its market whenever the fast loop looks twice."""

    async def script(life: Life) -> None:
        await life.look()
        world.there.move(-2)
        for _ in range(5):
            assert not (await life.look(0.15)).frozen
        assert (await life.look(0.5)).frozen

    world.life(script)


def test_what_keeps_changing_is_never_accepted(world: World) -> None:
    """If this fails, an account that leaks is taken for one in which something was moved once."""

    async def script(life: Life) -> None:
        await life.look()
        for _ in range(4):
            world.there.move(-2)
            state = await life.look(10)
        assert state.frozen
        assert life.accounts.agreement.evidence.doubts[THERE].moved == -8

    world.life(script)


def test_a_transfer_on_injective_leaves_the_cut_alone(world: World) -> None:
    """If this fails, a position that the trader moves in or out undoes the daemon's record of its cut."""

    async def script(life: Life) -> None:
        await life.look()
        await life.send(world.here, HERE, -4)
        world.here.move(5)
        for _ in range(20):
            state = await life.look(1)
        assert (state.attributed, state.own) == ({HERE: Decimal(-4)}, {"BTC": Decimal(15)})
        assert not state.taken

    world.life(script)


def test_a_simulated_account_begins_anew_with_every_life(world: World) -> None:
    """If this fails, a changed paper book freezes its markets at the next start."""
    world.here.explains = Explains.WITHIN_A_LIFE  # type: ignore[attr-defined]

    async def script(life: Life) -> None:
        assert not (await life.look()).frozen
        world.here.move(5)
        await life.look(1)
        assert (await life.look(2)).frozen

    world.life(script)
    world.life(script)


def test_a_venue_that_does_not_answer_proves_nothing(world: World) -> None:
    """If this fails, an outage reads as a position that vanished."""

    async def script(life: Life) -> None:
        await life.look()
        world.there.broken["positions"] = Retryable("503")
        world.there.move(-2)
        for _ in range(3):
            state = await life.look(15)
        assert not state.frozen
        assert "binance" in state.unknown

    world.life(script)


def test_executions_are_asked_for_further_back_while_in_doubt(world: World) -> None:
    """If this fails, a report that comes later than the usual overlap is never seen."""

    async def script(life: Life) -> None:
        await life.look()
        world.there.trade("BTC", 1)
        await life.look(120)
        world.there.move(-2)
        world.there.now_ms = life.now_ms
        world.there.trade("ETH", 1)  # from here on it is complete, but for what is in doubt
        await life.look(15)
        await life.look(30)
        assert world.there.asked_since[-1] == life.now_ms - 90 * MINUTE_MS

    world.life(script)


def test_where_executions_tell_a_part_positions_are_not_held_against_them(world: World) -> None:
    """If this fails, paper trading on a real book freezes whenever its owner trades."""
    world.here.explains = Explains.IN_PART  # type: ignore[attr-defined]

    async def script(life: Life) -> None:
        await life.look()
        world.here.move(5)
        for _ in range(3):
            assert not (await life.look(5)).frozen

    world.life(script)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20), st.data())
def test_late_reports_alone_leave_no_doubt_behind(changes: list[int], data: st.DataObject) -> None:
    """If this fails, a venue that reports late is frozen for good, or its base drifts with every trade."""
    evidence = Evidence(ReconcileConfig())
    evidence.look(0, "binance", {"BTC": Decimal(7)}, {}, (THERE,))
    position, told, now_ms = Decimal(7), 0, 0
    for index in range(len(changes)):
        position += changes[index]
        told = data.draw(st.integers(told, index + 1))
        now_ms += 20_000
        total = Decimal(sum(changes[:told]))
        evidence.look(now_ms, "binance", {"BTC": position}, {THERE: total}, (THERE,))
    evidence.look(now_ms + 20_000, "binance", {"BTC": position}, {THERE: Decimal(sum(changes))}, (THERE,))
    assert not evidence.doubts
    assert evidence.base(THERE, now_ms) == 7


def test_the_state_outlives_its_turn_to_text() -> None:
    """If this fails, a restart begins the evidence anew and takes what is missing for given."""
    evidence = Evidence(ReconcileConfig())
    evidence.look(NOW_MS, "binance", {"BTC": Decimal("1.50")}, {}, (THERE,))
    again = Evidence.load(ReconcileConfig(), 1.0, evidence.to_json())
    assert again.base(THERE, NOW_MS) == Decimal("1.5")
    assert again.base(THERE, NOW_MS - 1) is None
    assert again.to_json() == evidence.to_json()


def test_what_was_held_before_a_move_is_not_known() -> None:
    """If this fails, a position that was moved in is believed to have been owed funding before."""
    evidence = Evidence(ReconcileConfig(evidence_accept_s=60))
    for minute in range(5):
        held = {"BTC": Decimal(1 if minute < 2 else 3)}
        evidence.look(NOW_MS + minute * MINUTE_MS, "binance", held, {}, (THERE,))
    assert evidence.base(THERE, NOW_MS + 5 * MINUTE_MS) == 3
    assert evidence.base(THERE, NOW_MS + 3 * MINUTE_MS) is None
