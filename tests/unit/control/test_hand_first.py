"""The kill switch comes first: whoever is at the desk yields it where nothing is sent, and nothing is sent twice."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fakes import THERE, FakeVenue
from guarded import OPPOSITE, Life, Rig

from hedged.control.hand import Hand
from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Position
from hedged.domain.errors import OutcomeUnknown
from hedged.domain.funding import FundingPayment
from hedged.domain.orders import OrderState
from hedged.domain.urgency import is_urgent
from hedged.execution.journal.store import JournalStore
from hedged.execution.turn import Yielded
from hedged.risk.gate import KillLevel

LONG_S = 500.0


class Slow(FakeVenue):
    """It takes so many seconds for what is named, and notes what it was asked for, urgently or not."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.takes_s: dict[str, float] = {}
        self.asked: list[tuple[str, bool]] = []

    async def _take(self, name: str) -> None:
        self.asked.append((name, is_urgent()))
        await asyncio.sleep(self.takes_s.pop(name, 0.0))

    async def positions(self) -> Mapping[str, Position]:
        await self._take("positions")
        return await super().positions()

    async def funding_payments(self, since_ms: int) -> list[FundingPayment]:
        await self._take("funding")
        return list(await super().funding_payments(since_ms))

    async def lookup(self, client_id: str) -> OrderState | None:
        await self._take("lookup")
        return await super().lookup(client_id)

    async def place(self, approved: ApprovedIntent) -> OrderState:
        await self._take("place")
        return await super().place(approved)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path / "journal.sqlite")
    made.venues["binance"] = Slow("binance")
    return made


def hand_of(life: Life) -> Hand:
    return Hand(lambda: life.desk, life.prices, life.venues)  # type: ignore[arg-type]


async def flatten(life: Life) -> Hand:
    """Latch as the command does, and act."""
    await life.desk.journal(JournalStore.set_kill, life.clock.now_ms(), int(KillLevel.FLATTEN), "drill")
    life.desk.kill, hand = KillLevel.FLATTEN, hand_of(life)
    for _ in range(9):
        if await hand.act(KillLevel.FLATTEN):
            return hand
        await asyncio.sleep(hand.wait_s)
    raise AssertionError(hand.left)


def venue_of(life: Life) -> Slow:
    venue = life.venues["binance"]
    assert isinstance(venue, Slow)
    return venue


def test_a_flatten_does_not_wait_for_an_account_that_is_being_read(rig: Rig) -> None:
    """If this fails, a kill waits for a cycle that waits for a venue."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        venue, loop = venue_of(life), asyncio.get_running_loop()
        venue.takes_s["positions"] = LONG_S
        yielded: list[bool] = []

        async def cycle() -> None:
            async with life.desk.busy:
                with suppress(Yielded):
                    await life.desk.accounts.refresh(life.clock.now_ms())
                    yielded.append(False)

        async with asyncio.TaskGroup() as group:
            group.create_task(cycle())
            await asyncio.sleep(3)
            begun_s, venue.asked = loop.time(), []
            await flatten(life)
            assert loop.time() == begun_s
        assert not yielded
        assert life.held() == {}
        before = [name for name, _ in venue.asked[: [n for n, _ in venue.asked].index("place")]]
        assert before == ["positions"], "what was paid can wait until it is closed"
        assert all(urgent for name, urgent in venue.asked if name != "funding")

    rig.life(script)


def test_an_order_on_its_way_is_waited_for_and_its_outcome_looked_up_first(rig: Rig) -> None:
    """If this fails, a kill cuts a send in two, or closes a leg that is closed already."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        venue, done = venue_of(life), list[str]()
        venue.takes_s["place"] = 6.0
        venue.place_errors, venue.accepts_then_fails = [OutcomeUnknown("no answer")], True
        stop = asyncio.create_task(unwinds(life, done))
        await asyncio.sleep(1)
        venue.takes_s["lookup"] = 19.0
        await flatten(life)
        done.append("flat")
        await stop
        assert done == ["unwound", "flat"]
        assert life.held() == {}
        assert len(venue.placed) == 2, "one that opened, one that closed"
        names = [name for name, _ in venue.asked]
        assert names.index("lookup", names.index("place", 2)) > 0

    async def unwinds(life: Life, done: list[str]) -> None:
        life.prices.marks[THERE] = 110.0
        with suppress(Yielded):
            await life.guard.look(life.clock.now_ms())
        done.append("unwound")

    rig.life(script)


def test_a_venue_that_is_slow_keeps_no_other_waiting_and_is_closed_in_the_end(rig: Rig) -> None:
    """If this fails, one slow venue delays every closing order by its deadline, or is given up."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        loop, slow = asyncio.get_running_loop(), rig.venues["bybit"]
        closed_s: list[float] = []
        venue_of(life).watch = lambda _: closed_s.append(loop.time())

        async def silent() -> Mapping[str, Position]:
            await asyncio.sleep(15.0)
            return await FakeVenue.positions(slow)

        slow.positions = silent  # type: ignore[method-assign]
        begun_s = loop.time()
        await flatten(life)
        assert closed_s[0] - begun_s <= 5
        assert life.held() == {}

    rig.life(script)
