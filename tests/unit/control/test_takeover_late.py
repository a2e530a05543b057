"""A takeover right after the daemon's last order: what the venue tells late is closed all the same."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import THERE, FakeVenue, approve, intent, market
from observations import START_MS, observation

from hedged.backtest.virtual_time import run_virtually
from hedged.config import parse_config
from hedged.control import takeover
from hedged.control.hand import Hand
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import SECOND_MS, LoopClock
from hedged.domain.market import INJECTIVE, Market
from hedged.domain.orders import Execution
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.risk.gate import KillLevel
from hedged.wiring.takeover import Opened


class Late(FakeVenue):
    """A venue that reports executions some time after they changed the position."""

    def __init__(self, clock: LoopClock) -> None:
        super().__init__("binance")
        self.clock, self.told_ms = clock, START_MS

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        self.now_ms = self.clock.now_ms()
        return await super().executions(since_ms) if self.clock.now_ms() >= self.told_ms else []


class Source:
    """Public data of that venue."""

    venue = "binance"

    async def markets(self) -> dict[str, Market]:
        return {"BTC": market(THERE)}

    async def settlements(self, since_ms: int, until_ms: int) -> list[Any]:
        return []

    async def observe(self, now_ms: int) -> list[Observation]:
        return [observation(THERE, now_ms, {Field.MARK: 100.0})]


@pytest.mark.parametrize("filled", [Decimal(4), None], ids=["acknowledged", "unknown to the journal"])
def test_a_fill_that_is_told_late_does_not_pass_for_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filled: Decimal | None
) -> None:
    """If this fails, a daemon that hangs right after a fill leaves a leg, and the command says done."""
    config, said = parse_config({"state_dir": str(tmp_path), "account": "test"}), list[str]()

    async def main() -> tuple[Hand, Late]:
        clock = LoopClock(START_MS)
        venue = Late(clock)
        journal = Journal.open(tmp_path / JOURNAL_FILE, durable=False)
        order = approve(intent(THERE, -4, cycle_ts_ms=START_MS - 1_000))
        await journal(JournalStore.record_attempt, order, START_MS - 1_000)
        await journal(
            JournalStore.record_event, order.client_id, START_MS - 500, "acknowledged", "filled", filled
        )
        await journal(JournalStore.set_kill, START_MS, int(KillLevel.FLATTEN), "drill")
        journal.close()
        venue.now_ms = START_MS - 500
        venue.trade("BTC", -4, order.client_id)
        venue.told_ms = START_MS + 2 * SECOND_MS

        async def opened(*_: Any) -> Opened:
            return Opened({"binance": Source()}, {"binance": venue, INJECTIVE: FakeVenue(INJECTIVE, 10)})  # type: ignore[dict-item]

        monkeypatch.setattr(takeover, "open_for_closing", opened)
        return await takeover.take_over(config, clock, KillLevel.FLATTEN, 60, said.append), venue

    hand, venue = run_virtually(main)
    assert hand.settled
    assert venue.quantities["BTC"] == 0
    assert [one.intent.signed_quantity for one in venue.placed] == [Decimal(4)]
    assert "closed -4 coins at binance:BTC" in said
