"""Whose coins they are: the same executions give the same part, however they are told."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fakes import HERE, NOW_MS, THERE
from hypothesis import given, settings
from hypothesis import strategies as st
from reconcile_rig import Life, World

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Purpose, Side, Strategy
from hedged.execution.reconcile.attribution import Attribution, Shown, folded

OURS = "a" * 32
CASCADE = "b" * 32
CLAIMS = {OURS: (Purpose.HEDGE_OPEN, Decimal(100)), CASCADE: (Purpose.CASCADE_OPEN, Decimal(100))}
KEYS = (HERE, THERE, SeriesKey("binance", "ETH"))


def execution(
    number: int, ts_ms: int, signed: Decimal | int, client_id: str | None = OURS, key: SeriesKey = THERE
) -> Execution:
    side = Side.BUY if signed > 0 else Side.SELL
    return Execution(
        ts_ms, key, f"x{number}", client_id, side, abs(Decimal(signed)), Decimal(100), Decimal("0.01")
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Execution]:
    """Executions of the daemon, of its other strategy, and of others, some at the same instant."""
    found = []
    for number in range(draw(st.integers(1, 14))):
        signed = draw(st.integers(-5, 5).filter(bool))
        who = draw(st.sampled_from([OURS, OURS, CASCADE, None, "another bot"]))
        ts_ms = NOW_MS + draw(st.integers(0, 8)) * 1_000
        found.append(execution(number, ts_ms, signed, who, draw(st.sampled_from(KEYS))))
    return found


@given(histories(), st.data())
def test_the_part_is_the_same_in_every_order(history: list[Execution], data: st.DataObject) -> None:
    """If this fails, a fill that is reported late makes another book than one reported in time, until a restart."""
    limits = [Shown(NOW_MS + 4_500, key, Decimal(data.draw(st.integers(-3, 3)))) for key in KEYS[1:]]
    inorder = folded(CLAIMS, history, limits)
    live = Attribution()
    live.claims = dict(CLAIMS)
    changes: dict[SeriesKey, Decimal] = {}
    events = data.draw(st.permutations([*history, *limits]))
    for event in events:
        if isinstance(event, Shown):
            taken = live.limit(event)
        else:
            fill, taken = live.add(event)
            if fill is not None:
                changes[fill.key] = changes.get(fill.key, Decimal(0)) + fill.signed_quantity
        for one in taken:
            key = one.execution.key
            changes[key] = changes.get(key, Decimal(0)) + one.quantity
    assert live.held == inorder.held
    assert live.owners == inorder.owners
    assert live.totals == inorder.totals
    assert {k: q for k, q in changes.items() if q} == {k: q for k, q in live.held.items() if q}, (
        "what was told of fills and losses adds up to what is held"
    )


@settings(max_examples=25, deadline=None)
@given(histories(), st.data())
def test_it_is_the_same_after_restarts_repeats_and_late_reports(
    history: list[Execution], data: st.DataObject
) -> None:
    """If this fails, a restart or a repeated report changes what the daemon believes to hold."""
    inorder = folded(CLAIMS, history, ()).held
    batches = data.draw(st.lists(st.lists(st.sampled_from(history)), min_size=1, max_size=5))
    with TemporaryDirectory() as directory:
        world = World(Path(directory) / "journal.sqlite")
        for batch in [*batches, history]:  # each reports some, again and again; the last one all
            told = list(
                {e.execution_id: e for e in [*world.there.trades, *world.here.trades, *batch]}.values()
            )
            world.there.trades = [e for e in told if e.key.venue == "binance"]
            world.here.trades = [e for e in told if e.key.venue != "binance"]

            async def script(life: Life) -> None:
                for client_id, claim in CLAIMS.items():
                    life.accounts.claim(client_id, *claim)
                await life.journal(lambda store: _journal_claims(store))
                await life.look()
                await life.look()

            world.now_ms = NOW_MS
            world.life(script)

        async def after_all(life: Life) -> None:
            assert life.accounts.attributed == inorder
            assert (await life.look()).fills == []
            assert life.accounts.attributed == inorder

        world.life(after_all)


def _journal_claims(store: object) -> None:
    for client_id, (purpose, _) in CLAIMS.items():
        row = (
            client_id,
            NOW_MS,
            NOW_MS,
            *THERE,
            "sell",
            "1",
            "1",
            "100",
            purpose,
            0,
            "",
            "",
            "",
            client_id,
            0,
            "take",
        )
        store._db.execute(f"INSERT OR IGNORE INTO intents VALUES ({','.join('?' * 17)})", row)  # type: ignore[attr-defined]


def test_a_late_fill_takes_its_place_before_the_liquidation() -> None:
    """If this fails, a leg whose opening is told after its liquidation is believed to be still there."""
    live = Attribution()
    live.claims = dict(CLAIMS)
    assert live.add(execution(2, NOW_MS + 2, 4, None)) == (None, [])
    fill, taken = live.add(execution(1, NOW_MS + 1, -4))
    assert fill is not None
    assert [(one.quantity, one.execution.execution_id) for one in taken] == [(Decimal(4), "x2")]
    assert live.held == {THERE: Decimal(0)}


def test_what_a_venue_shows_no_more_counts_once() -> None:
    """If this fails, a loss that is reported after it was noticed is taken off twice."""
    live = Attribution()
    live.claims = dict(CLAIMS)
    live.add(execution(1, NOW_MS, 4))
    (taken,) = live.limit(Shown(NOW_MS + 60_000, THERE, Decimal(2)))
    assert taken.quantity == -2
    assert taken.execution.price == 100
    _, later = live.add(execution(2, NOW_MS + 30_000, -2, None))
    assert live.held == {THERE: Decimal(2)}
    assert sum(one.quantity for one in later) == 0


def test_the_strategy_that_opened_owns_until_flat() -> None:
    """If this fails, a market changes hands in the middle of a position and two strategies trade against each other."""
    live = Attribution()
    live.claims = dict(CLAIMS)
    live.add(execution(1, NOW_MS, 4))
    live.add(execution(2, NOW_MS + 1, -2, CASCADE))
    assert live.owners == {THERE: Strategy.FUNDING_HEDGE}
    live.add(execution(3, NOW_MS + 2, -5, CASCADE))
    assert live.owners == {THERE: Strategy.CASCADE_HEDGE}


def test_what_is_forgotten_in_detail_is_kept_in_sum() -> None:
    """If this fails, memory grows with every fill, or forgetting changes what is held."""
    live = Attribution()
    live.claims = dict(CLAIMS)
    for number in range(100):
        live.add(execution(number, NOW_MS + number * MINUTE_MS, 1))
    live.forget("binance", NOW_MS + 90 * MINUTE_MS)
    assert live.held == {THERE: Decimal(100)}
    assert live.totals == {THERE: Decimal(100)}
    assert live.since(THERE, NOW_MS + 95 * MINUTE_MS, 0) == (5, 5)
    assert live.since(THERE, NOW_MS, 0) is None
    assert live.too_old(execution(999, NOW_MS, 1))
    assert not live.knows(replace(execution(50, NOW_MS, 1)))


def test_a_fill_from_before_all_memory_is_found_and_counts_once(tmp_path: Path) -> None:
    """If this fails, what a venue reports hours late is lost, or counted at each look."""
    world = World(tmp_path / "journal.sqlite")

    async def script(life: Life) -> None:
        await life.look()
        sent = await life.send(world.there, THERE, -4)
        world.there.trades, hidden = [], world.there.trades
        await life.send(world.there, THERE, -1)
        for _ in range(3):
            await life.look(300)
        assert life.accounts.attributed == {THERE: Decimal(-1)}
        world.there.trades = sorted([*hidden, *world.there.trades], key=lambda e: e.ts_ms)
        life.accounts._executions_from_ms["binance"] = 0
        state = await life.look()
        assert [fill.execution.client_id for fill in state.fills] == [sent]
        assert life.accounts.attributed == {THERE: Decimal(-5)}
        life.accounts._executions_from_ms["binance"] = 0
        assert not (await life.look()).fills

    world.life(script)


@pytest.mark.parametrize("edge_ms", [0, 60_000])
def test_a_trade_at_the_instant_counts_on_either_side(edge_ms: int) -> None:
    """If this fails, a trade in the second of a settlement reads as funding that was not paid as it should be."""
    live = Attribution()
    live.add(execution(1, NOW_MS - HOUR_MS, 3, None))
    live.add(execution(2, NOW_MS + 30_000, 2, None))
    live.add(execution(3, NOW_MS + HOUR_MS, 7, None))
    assert live.since(THERE, NOW_MS, edge_ms) == ((9, 9) if edge_ms == 0 else (7, 9))
