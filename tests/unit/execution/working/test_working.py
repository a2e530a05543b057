"""One approved intent, worked against a venue that answers anything: never more, never twice, never two at once."""

import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import HERE, NOW_MS, THERE, approve, intent, market
from fickle import Draw, FickleVenue, calm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config, parse_config
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import LoopClock
from hedged.domain.market import INJECTIVE
from hedged.domain.orders import OrderStatus, Purpose, Side
from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.working.executor import Executor

FAR = {"worst_price": Decimal("100.5")}
MARKETS = {key: market(key) for key in (HERE, THERE)}
Script = Callable[[Executor, LoopClock], Coroutine[Any, Any, None]]


class Killed(BaseException):
    """The process ends here."""


class Rig:
    """Venues and the journal's file; `life` starts a daemon's executing half on them."""

    def __init__(self, path: Path, draw: Draw = calm, **execution: Any) -> None:
        self.path = path
        self.venues = {
            INJECTIVE: FickleVenue(INJECTIVE, 10, draw),
            "binance": FickleVenue("binance", 0, draw),
        }
        self.config: Config = parse_config({"execution": execution})
        self._now_ms = NOW_MS

    @property
    def there(self) -> FickleVenue:
        return self.venues["binance"]

    def life(self, script: Script) -> None:
        async def main() -> None:
            clock = LoopClock(self._now_ms)
            journal = Journal.open(self.path, durable=False)
            try:
                accounts = Accounts(self.venues, journal, NOW_MS)
                await accounts.load()
                executor = Executor(self.venues, journal, accounts, clock, MARKETS, self.config)
                await executor.load()
                await script(executor, clock)
            finally:
                self._now_ms = clock.now_ms() + 1_000
                journal.close()

        run_virtually(main)

    def rows(self, sql: str) -> list[Any]:
        db = sqlite3.connect(self.path)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def kinds(self) -> list[str]:
        return [kind for (kind,) in self.rows("SELECT kind FROM intents ORDER BY rowid")]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "journal.sqlite")


def scripted(**answers: Sequence[str]) -> Draw:
    """Answer questions from lists, then calmly."""
    left = {question.replace("_", " "): list(those) for question, those in answers.items()}

    def draw(question: str, choices: Sequence[str]) -> str:
        return left[question].pop(0) if left.get(question) else choices[0]

    return draw


def test_an_order_rests_first_and_takes_what_is_left(rig: Rig) -> None:
    """If this fails, every order pays the taker's fee, or one that rested unfilled is never completed."""

    async def script(executor: Executor, clock: LoopClock) -> None:
        rig.there.draw = scripted(between=["none", "half"])
        assert await executor.execute([approve(intent(THERE, 4, **FAR))]) == 1
        rest, take = rig.there.placed
        assert (rest.intent.quantity, rest.intent.worst_price) == (4, Decimal("99.9")), (
            "at the own side's best"
        )
        assert (take.intent.quantity, take.intent.worst_price) == (2, Decimal("100.5"))
        assert clock.now_ms() - NOW_MS == pytest.approx(15_000, abs=50)
        assert executor.sent_last_hour() == (2, Decimal(400)), "what rested unfilled is no notional"
        assert not executor.live_ids()

    rig.life(script)
    rows = rig.rows("SELECT client_id, parent, attempt, kind FROM intents ORDER BY rowid")
    first = rows[0][0]
    assert [row[1:] for row in rows] == [(first, 0, "rest"), (first, 1, "take")]
    assert rig.there.traded("BTC", Side.BUY) == 4

    async def again(executor: Executor, _: LoopClock) -> None:
        await executor._accounts.refresh(NOW_MS)
        assert executor.sent_last_hour()[0] == 2

    rig.life(again)

    async def later(executor: Executor, _: LoopClock) -> None:
        assert executor.sent_last_hour() == (2, Decimal(400)), "a restart counts alike"

    rig.life(later)


def test_a_resting_order_follows_the_touch_a_few_times(rig: Rig) -> None:
    """If this fails, an order is left behind by the market, or chases it without end."""

    async def script(executor: Executor, _: LoopClock) -> None:
        rig.there.draw = lambda question, choices: "up" if question == "touch" else choices[0]
        order = intent(THERE, 4, worst_price=Decimal(1_000))
        await executor.execute([approve(order)])

    rig.life(script)
    assert rig.kinds() == ["rest"] * 4 + ["take"]
    prices = [one.intent.worst_price for one in rig.there.placed[:4]]
    assert prices == sorted(set(prices))


def test_post_only_for_ever_ends_in_taking(rig: Rig) -> None:
    """If this fails, a venue that refuses every resting order is asked without end, or the order is never made."""
    rig.there.draw = lambda question, choices: "crosses" if question == "rest" else choices[0]

    async def script(executor: Executor, _: LoopClock) -> None:
        await executor.execute([approve(intent(THERE, 4, **FAR))])
        assert executor.failed == {}

    rig.life(script)
    assert rig.kinds() == ["rest"] * 4 + ["take"]
    assert rig.there.traded("BTC", Side.BUY) == 4


@pytest.mark.parametrize(
    "urgent", [{"purpose": Purpose.STOP}, {"key": HERE, "worst_price": Decimal("99.8"), "signed": -4}]
)
def test_what_is_urgent_or_cannot_rest_takes_at_once(rig: Rig, urgent: dict[str, Any]) -> None:
    """If this fails, a stop waits in the book while it loses, or an order waits where no touch is told."""
    rig.venues[INJECTIVE].draw = lambda question, choices: "unknown" if question == "touch" else choices[0]

    async def script(executor: Executor, clock: LoopClock) -> None:
        await executor.execute([approve(intent(**{"key": THERE, "signed": 4, **FAR, **urgent}))])
        assert clock.now_ms() == NOW_MS

    rig.life(script)
    assert rig.kinds() == ["take"]


def test_a_market_beyond_the_collar_gets_no_order(rig: Rig) -> None:
    """If this fails, an approval is used at prices at which it was not given."""
    rig.there.bid, rig.there.ask = Decimal(101), Decimal("101.2")

    async def script(executor: Executor, _: LoopClock) -> None:
        assert await executor.execute([approve(intent(THERE, 4, **FAR))]) == 0
        assert executor.failed == {"BTC": "the best price at binance is 101.2, beyond the worst price 100.5"}

    rig.life(script)
    assert rig.there.placed == []


def test_a_kill_ends_the_resting_and_takes_nothing(rig: Rig) -> None:
    """If this fails, an order rests on after the kill switch, or what it left is taken in spite of it."""

    async def script(executor: Executor, clock: LoopClock) -> None:
        looks = []

        def draw(question: str, choices: Sequence[str]) -> str:
            looks.append(question)
            return choices[0]

        rig.there.draw = draw
        lookup = rig.there.lookup

        async def latched(client_id: str) -> Any:
            await executor._journal(JournalStore.set_kill, clock.now_ms(), 2, "by hand")
            return await lookup(client_id)

        rig.there.lookup = latched  # type: ignore[method-assign]
        await executor.execute([approve(intent(THERE, 4, **FAR))])
        assert clock.now_ms() - NOW_MS <= 2_000
        assert executor.failed == {"BTC": "not sent: the kill latch was set meanwhile"}

    rig.life(script)
    assert rig.kinds() == ["rest"]
    assert not rig.there.open


def test_the_time_in_the_book_is_shared(rig: Rig) -> None:
    """If this fails, ten orders hold up the stops ten times as long as one."""

    async def script(executor: Executor, clock: LoopClock) -> None:
        orders = [intent(THERE, 1, cycle_ts_ms=NOW_MS + n, **FAR) for n in range(3)]
        await executor.execute([approve(order) for order in orders])
        assert clock.now_ms() - NOW_MS == pytest.approx(15_000, abs=3_000)

    rig.life(script)
    assert rig.kinds() == ["rest", "take"] * 3


def test_limits_on_rate_count_every_attempt_and_leave_reductions_alone(tmp_path: Path) -> None:
    """If this fails, reprices are free and a loop of them goes on, or they use up what a way out needs."""
    rig = Rig(tmp_path / "journal.sqlite", max_orders_per_cycle=4, max_notional_per_cycle_usd=900)

    async def script(executor: Executor, _: LoopClock) -> None:
        orders = [intent(THERE, 4, cycle_ts_ms=NOW_MS + n, **FAR) for n in range(4)]
        assert await executor.execute([approve(order) for order in orders]) == 2
        assert rig.kinds() == ["rest", "take", "take"], "no rest beyond half of the limit, no USD beyond it"
        assert executor.failed == {"BTC": "800 of 900 USD were sent in this cycle"}
        await executor._accounts.refresh(NOW_MS)
        out = [
            intent(THERE, -1, cycle_ts_ms=NOW_MS + n, purpose=Purpose.STOP, reduce_only=True)
            for n in range(6)
        ]
        for order in out:
            rig.there.bid, rig.there.ask = Decimal("99.9"), Decimal(100)
            assert await executor.execute([approve(order)] * 1) == 1

    rig.life(script)


Stage = tuple[str, int]
STAGES: list[Stage] = [("rest", 1), ("take", 1), ("lookup", 1), ("lookup", 3), ("cancel", 1), ("cancel", 2)]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"{stage[0]} {stage[1]}")
@pytest.mark.parametrize("arrives", [True, False])
def test_a_death_in_any_stage_leaves_nothing_live_and_nothing_twice(
    rig: Rig, stage: Stage, arrives: bool
) -> None:
    """If this fails, a crash leaves an order in the book, or the next life sends it once more."""
    left = stage[1]

    def draw(question: str, choices: Sequence[str]) -> str:
        nonlocal left
        left -= question == stage[0]
        if question == stage[0] and left == 0:
            if arrives and question in ("rest", "take", "cancel"):
                return "lost after"
            raise Killed
        return "busy" if left <= 0 and question in ("lookup", "cancel") else choices[0]

    async def dies(executor: Executor, clock: LoopClock) -> None:
        await executor.execute([approve(intent(THERE, 4, **FAR))])

    rig.there.draw = draw
    try:
        rig.life(dies)
    except Killed:
        pass
    before = len(rig.there.placed)

    async def goes_on(executor: Executor, _: LoopClock) -> None:
        assert not executor.live_ids()
        assert not rig.there.open
        state = await executor._accounts.refresh(NOW_MS)
        assert state.attributed.get(THERE, Decimal(0)) == rig.there.traded("BTC", Side.BUY)

    rig.there.draw = calm
    rig.life(goes_on)
    assert len(rig.there.placed) == before
    assert rig.there.traded("BTC", Side.BUY) <= 4


def told(draw: st.DataObject) -> Draw:
    """Draw every answer; two in three are calm, so that a run gets somewhere."""

    def answer(question: str, choices: Sequence[str]) -> str:
        return draw.draw(st.sampled_from([choices[0]] * (2 * len(choices)) + list(choices)), label=question)

    return answer


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.booleans(), st.integers(1, 60))
def test_no_sequence_of_answers_leads_to_more_twice_or_two(
    data: st.DataObject, buys: bool, dies_at: int
) -> None:
    """If this fails, some sequence of lost, late, false and partial answers trades more than was approved."""
    side = 1 if buys else -1
    order = intent(THERE, 4 * side, worst_price=100 + side * Decimal("0.5"))
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder) / "journal.sqlite")
        venue, drawn, asked = rig.there, told(data), 0

        def draw(question: str, choices: Sequence[str]) -> str:
            nonlocal asked
            asked += 1
            if asked == dies_at and dies_at % 2:
                raise Killed
            return drawn(question, choices)

        def journalled(approved: ApprovedIntent, kind: str) -> None:
            mine = f"SELECT kind, quantity FROM intents WHERE client_id = '{approved.client_id}'"
            assert rig.rows(mine) == [(kind, str(approved.intent.quantity))]
            assert (approved.intent.worst_price - order.worst_price) * side <= 0
            assert venue.traded("BTC", order.side) + approved.intent.quantity <= order.quantity

        async def works(executor: Executor, _: LoopClock) -> None:
            await executor.execute([approve(order)])
            assert {state.client_id for state in venue.open} <= executor.live_ids()

        async def ends(executor: Executor, _: LoopClock) -> None:
            await executor.resolve()
            assert not executor.live_ids()
            assert not venue.open
            state = await executor._accounts.refresh(NOW_MS)
            assert state.attributed.get(THERE, Decimal(0)) == side * venue.traded("BTC", order.side)

        venue.draw, venue.watch_send = draw, journalled
        try:
            rig.life(works)
        except Killed:
            pass
        sent, venue.draw = len(venue.placed), calm
        rig.life(ends)
        assert len(venue.placed) == sent, "what is left is for the next decision"
        assert sent <= rig.config.execution.reprices + 2
        assert venue.traded("BTC", order.side) <= order.quantity
        assert all(state.status is not OrderStatus.OPEN for state in venue.orders.values())
