"""The journal: written before anything is sent, exact, durable, and never on the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from fakes import HERE, NOW_MS, THERE, approve, intent
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.errors import Fatal, Rejected
from hedged.domain.funding import FundingPayment, FundingRate, Settlement
from hedged.domain.orders import Execution, Fill, Purpose, Side
from hedged.execution.journal.latch import Latch
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

exact = st.decimals(allow_nan=False, allow_infinity=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[JournalStore]:
    opened = JournalStore(str(path), durable=True)
    yield opened
    opened.close()


def execution(
    execution_id: str, client_id: str | None, quantity: Decimal | str = "1", price: Decimal | str = "100"
) -> Execution:
    return Execution(
        NOW_MS, THERE, execution_id, client_id, Side.SELL, Decimal(quantity), Decimal(price), Decimal("0.05")
    )


def second_look(path: Path) -> sqlite3.Connection:
    """The file as another process sees it."""
    return sqlite3.connect(path)


def test_an_attempt_is_committed_at_once(store: JournalStore, path: Path) -> None:
    """If this fails, a crash right after the send leaves an order that no restart knows of."""
    one = approve(intent())
    store.record_attempt(one, NOW_MS)
    other = second_look(path)
    assert other.execute("SELECT client_id, event FROM order_events").fetchall() == [
        (one.client_id, "attempt")
    ]
    assert other.execute("SELECT quantity, worst_price FROM intents").fetchall() == [("1", "99.8")]
    other.close()


def test_durable_settings(store: JournalStore) -> None:
    """If this fails, a power cut can take back an attempt that was already sent."""
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_the_same_client_id_is_never_attempted_twice(store: JournalStore) -> None:
    """If this fails, one intent can be sent twice."""
    one = approve(intent())
    store.record_attempt(one, NOW_MS)
    with pytest.raises(Rejected, match="never sent twice"):
        store.record_attempt(one, NOW_MS + 1)
    assert store.unresolved() == [(one.client_id, HERE)]


def test_an_event_needs_its_attempt(store: JournalStore) -> None:
    """If this fails, the journal holds outcomes of orders that it never saw being sent."""
    with pytest.raises(sqlite3.IntegrityError):
        store.record_event("never attempted", NOW_MS, "acknowledged", "")
    store.record_attempt(approve(intent()), NOW_MS)  # and the failed write left no transaction open


@pytest.mark.parametrize(
    ("events", "open_"),
    [
        ([], True),
        (["unknown"], True),
        (["acknowledged"], False),
        (["rejected"], False),
        (["unknown", "absent"], False),
    ],
)
def test_unresolved(store: JournalStore, events: list[str], open_: bool) -> None:
    """If this fails, an attempt of unknown outcome is forgotten, or a settled one blocks its market for ever."""
    one = approve(intent(THERE))
    store.record_attempt(one, NOW_MS)
    for event in events:
        store.record_event(one.client_id, NOW_MS, event, "why")
    assert store.unresolved() == ([(one.client_id, THERE)] if open_ else [])


def test_what_is_inherited_is_so_since_the_first_start_after_it(store: JournalStore) -> None:
    """If this fails, the proof that an order came to nothing begins anew with every restart, or begins too early."""
    open_, done = approve(intent(THERE)), approve(intent(HERE))
    for one in (open_, done):
        store.record_attempt(one, NOW_MS)
    store.record_event(open_.client_id, NOW_MS + 5, "unknown", "no answer")
    store.record_event(done.client_id, NOW_MS + 5, "acknowledged", "filled 1")
    first = {open_.client_id: (THERE, NOW_MS, NOW_MS + 9_000)}
    assert store.inherit(NOW_MS + 9_000, ("binance",)) == first
    assert store.inherit(NOW_MS + 20_000, ("binance",)) == first
    set_back = {open_.client_id: (THERE, NOW_MS, NOW_MS + 7_000)}
    assert (
        store.inherit(NOW_MS + 7_000, ("binance",)) == set_back
    )  # the clock was wrong then: this start is certain
    assert store.unresolved() == [(open_.client_id, THERE)]
    store.record_event(open_.client_id, NOW_MS + 30_000, "absent", "")
    assert store.inherit(NOW_MS + 40_000, ("binance",)) == {}


def test_what_a_resting_order_filled_counts_before_its_executions_are_told(store: JournalStore) -> None:
    """If this fails, a crash before executions are told makes room in the notional of an hour."""
    one = approve(intent(THERE))
    store.record_attempt(one, NOW_MS, kind="rest")
    store.record_event(one.client_id, NOW_MS + 5, "acknowledged", "cancelled", Decimal("0.5"))
    told = [(NOW_MS, Decimal("0.5") * one.intent.reference_price)]
    assert store.sent_since(NOW_MS) == told
    store.record_executions([execution("a", one.client_id, Decimal("0.2"))])
    assert store.sent_since(NOW_MS) == told


def test_an_execution_counts_once(store: JournalStore) -> None:
    """If this fails, a fill that a venue reports twice doubles the daemon's part of a position."""
    one = approve(intent(THERE))
    store.record_attempt(one, NOW_MS)
    seen = [execution("a", one.client_id), execution("b", None), execution("c", "somebody else's")]
    assert store.record_executions(seen) == 3
    assert store.record_executions([*seen, execution("d", one.client_id)]) == 1
    assert store.fills() == [
        Fill(execution(name, one.client_id), Purpose.HEDGE_OPEN, Decimal(100), made=False)
        for name in ("a", "d")
    ]


@given(numbers=st.lists(st.tuples(exact, exact), min_size=1, max_size=4))
def test_numbers_come_back_exact(numbers: list[tuple[Decimal, Decimal]]) -> None:
    """If this fails, positions, money and prices drift by what floating point loses at each restart."""
    store = JournalStore(":memory:", durable=False)
    one = approve(intent(THERE))
    store.record_attempt(one, NOW_MS)
    fills = [execution(str(n), one.client_id, q, p) for n, (q, p) in enumerate(numbers)]
    store.record_executions(fills)
    payments = [
        FundingPayment(Settlement(THERE, NOW_MS + n, FundingRate("binance", q, Decimal(8)), p), q, p)
        for n, (q, p) in enumerate(numbers)
    ]
    store.record_funding([*payments, *payments])
    store.record_cycle(NOW_MS, {}, {HERE: numbers[0][0]}, {})

    def text(values: object) -> str:
        return repr(values)  # Decimal("1.0") == Decimal("1"), but not in writing

    assert text([fill.execution for fill in store.fills()]) == text(fills)
    assert text(store.funding()) == text(payments)
    assert text(store.book()) == text([(NOW_MS, *HERE, numbers[0][0])])
    store.close()


def test_decisions_and_states_come_back(store: JournalStore, path: Path) -> None:
    """If this fails, the report cannot say why something was done, or a stop forgets itself over a restart."""
    body = {
        "action": "none",
        "reason": "costs more than it brings – “Zürich”",
        "break_even_h": None,
        "price": 0.1,
    }
    episodes = {"BTC": {"costs_usd": 1.5, "marks": {"binance": 100.25}}}
    store.record_cycle(NOW_MS, {"BTC": body}, {HERE: Decimal(10)}, episodes)
    store.record_cycle(NOW_MS + 1, {"BTC": body}, {HERE: Decimal("10.0")}, episodes)
    store.record_cycle(NOW_MS + 2, {}, {HERE: Decimal(9)}, episodes)
    again = JournalStore(str(path), durable=True)
    assert again.decisions(NOW_MS + 1) == [{"ts_ms": NOW_MS + 1, "symbol": "BTC", **body}]
    assert len(again.decisions()) == 2
    assert again.book() == [
        (NOW_MS, *HERE, Decimal(10)),
        (NOW_MS + 2, *HERE, Decimal(9)),
    ]  # only what changed
    assert again.load_state("episodes") == episodes
    assert again.load_state("nothing") == {}
    again.close()


def test_the_kill_latch_outlives_the_process(store: JournalStore, path: Path) -> None:
    """If this fails, restarting the daemon clears a kill that only the operator may clear."""
    assert store.latch() == Latch()
    store.set_kill(NOW_MS, 2, "operator")
    store.set_kill(NOW_MS - 5, 1, "a clock that ran back does not undo it")
    again = JournalStore(str(path), durable=True)
    assert (again.latch().level, again.latch().reason) == (1, "a clock that ran back does not undo it")
    again.close()


def test_a_journal_of_another_version_is_not_read(store: JournalStore, path: Path) -> None:
    """If this fails, a newer or older program misreads what was done and trades on it."""
    store._db.execute("UPDATE meta SET version = 99")
    with pytest.raises(Fatal, match="version 99"):
        JournalStore(str(path), durable=True)


def test_how_far_the_journal_is_complete(store: JournalStore) -> None:
    """If this fails, a restart does not ask for what happened while the daemon was down."""
    assert store.complete_to("binance") == (None, None)
    one = approve(intent(THERE))
    store.record_attempt(one, NOW_MS)
    assert store.complete_to("binance") == (NOW_MS, NOW_MS)
    assert store.complete_to("bybit") == (None, NOW_MS)
    store.record_executions([execution("a", one.client_id)])
    paid = Settlement(THERE, NOW_MS + 7, FundingRate("binance", Decimal(1), Decimal(8)), Decimal(1))
    store.record_funding([FundingPayment(paid, Decimal(1), Decimal(1))])
    assert store.complete_to("binance") == (NOW_MS, NOW_MS + 7)


def test_the_event_loop_never_waits_for_the_disk(path: Path) -> None:
    """If this fails, a slow disk stalls stops and the kill switch together with the journal."""

    def thread_of(_: JournalStore) -> str:
        return threading.current_thread().name

    async def main() -> None:
        journal = Journal.open(path)
        names = {await journal(thread_of) for _ in range(20)}
        journal.close()
        assert len(names) == 1
        assert names != {threading.current_thread().name}

    asyncio.run(main())


def test_calls_keep_their_order_and_errors_arrive(path: Path) -> None:
    """If this fails, an outcome overtakes its attempt, or a failed write looks like a good one."""

    async def main() -> None:
        journal = Journal.open(path)
        one = approve(intent())
        await asyncio.gather(
            journal(JournalStore.record_attempt, one, NOW_MS),
            journal(JournalStore.record_event, one.client_id, NOW_MS, "acknowledged", ""),
        )
        with pytest.raises(Rejected):
            await journal(JournalStore.record_attempt, one, NOW_MS)
        assert await journal(JournalStore.unresolved) == []
        journal.close()

    asyncio.run(main())
