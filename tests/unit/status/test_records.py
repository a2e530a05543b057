"""What the page tells of all lives of the daemon: days of paper trading, earlier decisions, funding."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import HERE, NOW_MS, settlement

from hedged.domain.clock import DAY_MS, MINUTE_MS
from hedged.domain.funding import funding_payment
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.status.decisions import changes
from hedged.status.records import SHOWN, Records

Cycle = Callable[..., Awaitable[None]]


def life(path: Path, script: Callable[[Records, Cycle], Awaitable[Any]]) -> Any:
    """Run a script on the records of a journal; it may run cycles, with an action by symbol."""

    async def main() -> Any:
        journal = Journal.open(path, durable=False)
        try:
            records = Records(journal)

            async def cycle(ts_ms: int, **actions: str) -> None:
                rows = {
                    symbol: {"action": action, "reason": f"for {action}"}
                    for symbol, action in actions.items()
                }
                await journal(JournalStore.record_cycle, ts_ms, rows, {}, {})
                await records.cycle(ts_ms)

            return await script(records, cycle)
        finally:
            journal.close()

    return asyncio.run(main())


def test_days_are_counted_once_each_over_restarts(tmp_path: Path) -> None:
    """If this fails, three months of paper trading begin anew with a restart, or are over in a week."""
    path, noon = tmp_path / "journal.sqlite", NOW_MS // DAY_MS * DAY_MS + DAY_MS // 2

    async def first(records: Records, cycle: Cycle) -> None:
        await records.load()
        assert records.days is None, "no cycle has ever run"
        for ts_ms in (noon, noon + MINUTE_MS, noon + DAY_MS):
            await cycle(ts_ms, BTC="none")
        assert records.days == 2

    async def second(records: Records, cycle: Cycle) -> None:
        await records.load()
        assert records.days == 2
        assert records.began_ms == noon
        await cycle(noon + DAY_MS + MINUTE_MS, BTC="none")
        assert records.days == 2
        await cycle(noon + 9 * DAY_MS, BTC="none")
        assert records.days == 3, "days on which it did not run are none"

    life(path, first)
    life(path, second)


def test_days_that_were_counted_are_not_counted_anew_after_an_outage(tmp_path: Path) -> None:
    """If this fails, a disk that is full at the start takes the days away whose decisions are dropped by now."""
    path = tmp_path / "journal.sqlite"

    async def first(records: Records, cycle: Cycle) -> None:
        for day in range(3):
            await cycle(NOW_MS + day * DAY_MS, BTC="none")
        await records.journal(JournalStore.prune, NOW_MS + 9 * DAY_MS)

    async def second(records: Records, cycle: Cycle) -> None:
        await cycle(NOW_MS + 3 * DAY_MS, BTC="none")  # nothing could be read before
        assert records.days == 4

    life(path, first)
    life(path, second)


def test_a_journal_that_was_never_counted_is(tmp_path: Path) -> None:
    """If this fails, an upgrade takes the days away that were traded before it."""
    path = tmp_path / "journal.sqlite"

    async def before(records: Records, _: Cycle) -> None:
        for day in range(5):
            row = {"BTC": {"action": "none", "reason": ""}}
            await records.journal(JournalStore.record_cycle, NOW_MS + day * DAY_MS, row, {}, {})

    async def after(records: Records, cycle: Cycle) -> None:
        await records.load()
        await cycle(NOW_MS + 5 * DAY_MS, BTC="none")
        assert records.days == 6

    life(path, before)
    life(path, after)


def test_what_changed_something_is_told_and_the_rest_is_not(tmp_path: Path) -> None:
    """If this fails, the one trade of the day is buried under a hundred lines that say that nothing was done."""

    async def script(records: Records, cycle: Cycle) -> None:
        await records.load()
        actions = [
            "none",
            "none",
            "open",
            "hold",
            "hold",
            "increase",
            "increase",
            "frozen",
            "frozen",
            "hold",
            "close",
            "none",
        ]
        for i, action in enumerate(actions):
            await cycle(NOW_MS + i * MINUTE_MS, BTC=action)
        told = [one.action for one in records.earlier]
        assert told == ["open", "increase", "increase", "frozen", "hold", "close"]
        assert records.earlier[0].reason == "for open"
        for i in range(SHOWN + 9):
            await cycle(NOW_MS + (100 + i) * MINUTE_MS, BTC="increase")
        assert len(records.earlier) == SHOWN

    life(tmp_path / "journal.sqlite", script)


def test_funding_is_summed_as_it_is_booked(tmp_path: Path) -> None:
    """If this fails, what would have been paid unhedged is wrong by what was told late."""

    async def script(records: Records, cycle: Cycle) -> None:
        await records.load()
        assert records.received_usd == 0
        paid = [funding_payment(Decimal(i), settlement(HERE, NOW_MS + i * MINUTE_MS)) for i in (5, 3)]
        for one in paid:  # the earlier one is told last
            await records.journal(JournalStore.record_funding, [one])
            await cycle(NOW_MS + 9 * MINUTE_MS, BTC="none")
        assert records.received_usd == pytest.approx(float(sum(one.payment_usd for one in paid)))

    life(tmp_path / "journal.sqlite", script)


def test_the_first_quiet_decision_is_no_change() -> None:
    """If this fails, every start shows a row of decisions that did nothing."""
    actions: dict[str, str] = {}
    assert changes([(1, "BTC", "hold", ""), (2, "ETH", "none", "")], actions) == []
    assert [one.action for one in changes([(3, "BTC", "frozen", "")], actions)] == ["frozen"]
