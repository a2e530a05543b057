"""An order in a block of which the indexer knows nothing: what stream and chain tell, and what is never concluded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from injective_reading import QUICK, until
from injective_rig import GRANTEE, SUBACCOUNT, Rig, desk_on, rig

from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.stream import Feed
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable, WouldTake
from hedged.domain.orders import OrderStatus
from hedged.execution.journal.thread import Journal

HALF = Decimal("0.5")


def run(script: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await script()

    asyncio.run(bounded())


class ChainClock:
    """The chain's own time, which a test moves on with a block."""

    slice_s = 0.01

    def __init__(self, sandbox: Any) -> None:
        self._chain = sandbox.chain

    def now_ms(self) -> int:
        return int(self._chain.now_ms())


@asynccontextmanager
async def silent_indexer(path: Path | None = None) -> AsyncIterator[Rig]:
    """A rig whose indexer answers, and knows nothing of what happens from now on."""
    async with rig(path=path, make_clock=ChainClock) as on:
        await on.trading.positions()
        on.faults.indexer_lag = True
        yield on


@asynccontextmanager
async def streaming(on: Rig) -> AsyncIterator[None]:
    """Let the desk follow the event stream."""
    feed = Feed(on.data, on.clock, np.random.default_rng(7), QUICK, [SUBACCOUNT], [on.desk.trader.address])
    feed.listen(on.desk.see)
    task = asyncio.create_task(feed.run())
    try:
        await until(lambda: feed.live)
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def close_the_market(on: Rig) -> None:
    """Leave no room under the cap on open interest: what opens is cancelled at the end of its block, code 112."""
    market = on.sandbox.markets["BTC"]
    market.rules = replace(market.rules, open_notional_cap=market.open_interest * market.mark)


async def included(on: Rig) -> str:
    """Send an order of which nobody tells what it filled; return its client id."""
    sent = on.order("0.5")
    with pytest.raises(OutcomeUnknown, match="is in a block"):
        await on.trading.place(sent)
    return sent.client_id


async def two_minutes(on: Rig) -> None:
    await on.chain.next_block(after_s=121)


async def the_indexer_goes_on_without(on: Rig, client_id: str) -> None:
    """The indexer catches up, has lost the order, and tells of a later trade of somebody else."""
    history, on.faults.indexer_lag = on.chain.state.history, False
    on.sandbox.feed.trade("BTC", Decimal("0.0001"), Decimal(10_000))
    await on.chain.next_block()
    history.orders = {h: r for h, r in history.orders.items() if r.order.cid != client_id}
    for trade in [t for t in history.trades if t.cid == client_id]:
        history.trades.remove(trade)
    # the adapter's own view of the market is asked for anew
    await asyncio.sleep(0.1)


def test_the_chain_itself_proves_that_an_order_filled_nothing() -> None:
    """If this fails, an order that found nobody blocks its market until an indexer, which may lag, has told of it."""

    async def script() -> None:
        async with silent_indexer() as on:
            close_the_market(on)
            sent = on.order("0.5")
            state = await on.trading.place(sent)
            assert (state.status, state.filled, state.remaining) == (OrderStatus.CANCELLED, 0, HALF)
            assert await on.trading.lookup(sent.client_id) == state

    run(script)


@pytest.mark.parametrize("filled", [False, True])
def test_after_a_restart_the_chain_proves_what_the_indexer_does_not_know(
    tmp_path: Path, filled: bool
) -> None:
    """If this fails, a restart takes a fill that its indexer lacks for none, or never gives up an order without one."""

    async def script() -> None:
        async with silent_indexer(tmp_path / "journal.sqlite") as on:
            on.faults.pruned = True  # the first life cannot know
            if not filled:
                close_the_market(on)
            client_id = await included(on)
            await on.network.close()
            on.faults.pruned = False
            again = Journal.open(tmp_path / "journal.sqlite")
            async with desk_on(on.sandbox, again, TradingKey(GRANTEE), make_clock=ChainClock) as after:
                await after.trading.recover()
                await after.trading.positions()
                await two_minutes(on)
                if filled:
                    with pytest.raises(OutcomeUnknown, match=r"its block has changed BTC by 0\.5"):
                        await after.trading.lookup(client_id)
                else:
                    assert (await after.trading.lookup(client_id)).status is OrderStatus.CANCELLED
            again.close()

    run(script)


def test_without_past_states_an_order_is_unfilled_only_after_two_minutes_and_a_later_trade() -> None:
    """If this fails, an order counts as unfilled because the indexer is slow, or blocks its market for ever."""

    async def script() -> None:
        async with silent_indexer() as on:
            on.faults.pruned = True
            close_the_market(on)
            client_id = await included(on)
            with pytest.raises(OutcomeUnknown, match="the indexer does not know it"):
                await on.trading.lookup(client_id)
            await two_minutes(on)
            with pytest.raises(OutcomeUnknown, match="has not come to"):
                await on.trading.lookup(client_id)
            await the_indexer_goes_on_without(on, client_id)
            state = await on.trading.lookup(client_id)
            assert (state.status, state.filled, state.remaining) == (OrderStatus.CANCELLED, 0, HALF)
            assert on.held() == 0

    run(script)


@pytest.mark.parametrize(
    ("pruned", "why"),
    [
        (True, r"BTC on the chain has changed by 0\.5, which no execution explains"),
        (False, r"its block has changed BTC by 0\.5"),
    ],
)
def test_an_order_never_counts_as_unfilled_while_the_position_says_otherwise(pruned: bool, why: str) -> None:
    """If this fails, a fill that the indexer has lost is hedged a second time."""

    async def script() -> None:
        async with silent_indexer() as on:
            on.faults.pruned = pruned
            client_id = await included(on)
            assert on.held() == HALF
            await two_minutes(on)
            await the_indexer_goes_on_without(on, client_id)
            with pytest.raises(OutcomeUnknown, match=why):
                await on.trading.lookup(client_id)

    run(script)


def test_the_stream_tells_a_fill_before_the_indexer_does() -> None:
    """If this fails, every order waits for the indexer, and one that it has lost stays open for ever."""

    async def script() -> None:
        async with silent_indexer() as on, streaming(on):
            state = await on.trading.place(on.order("0.5"))
            assert (state.status, state.filled) == (OrderStatus.FILLED, HALF)
            assert on.held() == HALF

    run(script)


def test_the_stream_tells_why_the_chain_could_not_execute_an_order() -> None:
    """If this fails, an order that the chain has cancelled at the end of its block is waited for for minutes."""

    async def script() -> None:
        async with silent_indexer() as on, streaming(on):
            close_the_market(on)
            sent = on.order("0.5")
            with pytest.raises(Rejected, match="cap on open interest"):
                await on.trading.place(sent)
            assert await on.trading.lookup(sent.client_id) is None
            assert on.held() == 0

    run(script)


def test_an_order_that_the_indexer_does_not_show_is_cancelled_all_the_same() -> None:
    """If this fails, a resting order is believed gone because the indexer lags, and fills later, unasked."""

    async def script() -> None:
        async with silent_indexer() as on:
            sent = on.order("0.5", slack="-0.02")
            state = await on.trading.rest(sent, lifetime_s=3_600)
            assert (state.status, state.remaining) == (OrderStatus.OPEN, HALF)
            assert [one.client_id for one in await on.trading.open_orders()] == [sent.client_id]
            assert (await on.trading.lookup(sent.client_id)).status is OrderStatus.OPEN
            await on.trading.cancel(sent.client_id)
            assert [o for o in on.sandbox.markets["BTC"].book.resting() if o.cid == sent.client_id] == []
            assert list(await on.trading.open_orders()) == []
            await on.trading.cancel(sent.client_id)  # the chain says that it is gone: no error
            with pytest.raises(OutcomeUnknown, match="rests no more"):
                await on.trading.lookup(sent.client_id)

    run(script)


def test_a_cancellation_that_could_not_be_sent_is_no_silence() -> None:
    """If this fails, an order is believed cancelled while it rests."""

    async def script() -> None:
        async with silent_indexer() as on:
            sent = on.order("0.5", slack="-0.02")
            await on.trading.rest(sent, lifetime_s=3_600)
            on.faults.included_but_failed = True
            with pytest.raises(Rejected, match="out of gas"):
                await on.trading.cancel(sent.client_id)

    run(script)


async def expired(on: Rig, client_id: str) -> None:
    """Wait until a resting order's last block is well past."""
    while any(one.cid == client_id for one in on.sandbox.markets["BTC"].book.resting()):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    for _ in range(15):  # more than its lifetime holds, where it has filled before
        await on.chain.next_block()


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("filled", ["0", "0.2", "0.5"])
def test_an_order_that_expired_unheard_of_is_told_once_the_indexer_is_past_its_last_block(
    tmp_path: Path, filled: str, restarted: bool
) -> None:
    """If this fails, an order whose end nobody told blocks its market for ever, or what it filled is lost."""

    async def script() -> None:
        async with silent_indexer(tmp_path / "journal.sqlite") as on:
            sent = on.order("0.5", slack="-0.02")
            await on.trading.rest(sent, lifetime_s=5)
            if Decimal(filled):
                price = sent.intent.worst_price - 1
                on.sandbox.feed.trade(
                    "BTC", price / on.mark() - 1, -Decimal(filled) * sent.intent.worst_price
                )
            await expired(on, sent.client_id)
            with pytest.raises(OutcomeUnknown, match="has not come to the block"):
                await on.trading.lookup(sent.client_id)
            history, on.faults.indexer_lag = on.chain.state.history, False
            await on.chain.next_block()
            history.orders.clear()  # it tells the trades, and of the order itself nothing
            with pytest.raises(OutcomeUnknown, match="has not come to the block"):
                await on.trading.lookup(sent.client_id)
            on.sandbox.feed.trade("BTC", Decimal("0.0001"), Decimal(10_000))
            await on.chain.next_block(after_s=3)
            again = Journal.open(tmp_path / "journal.sqlite")
            async with desk_on(on.sandbox, again, TradingKey(GRANTEE), make_clock=ChainClock) as after:
                asked = after if restarted else on
                if restarted:  # it takes a while, from when on it was seen to be past its last block
                    with pytest.raises(OutcomeUnknown, match="has not come to the block"):
                        await after.trading.lookup(sent.client_id)
                    on.sandbox.feed.trade("BTC", Decimal("0.0001"), Decimal(10_000))
                    await on.chain.next_block(after_s=3)
                state = await asked.trading.lookup(sent.client_id)
            again.close()
            assert (state.filled, state.filled + state.remaining) == (on.held(), HALF)
            assert abs(on.held() - Decimal(filled)) <= on.sandbox.markets["BTC"].rules.quantity_tick
            full = state.filled == HALF
            assert state.status is (OrderStatus.FILLED if full else OrderStatus.CANCELLED)

    run(script)


def test_an_order_that_never_expires_is_never_declared_over_by_silence() -> None:
    """If this fails, an order is given up while a lagging node hides that it rests."""

    async def script() -> None:
        async with silent_indexer() as on:
            sent = on.order("0.5", slack="-0.02")
            await on.trading.rest(sent, lifetime_s=3_600)
            market = on.sandbox.markets["BTC"]
            (hidden,) = [o for o in market.book.resting() if o.cid == sent.client_id]
            market.book.remove(hidden)
            on.faults.indexer_lag = False
            await on.chain.next_block(after_s=200)
            on.chain.state.history.orders.clear()
            on.sandbox.feed.trade("BTC", Decimal("0.0001"), Decimal(10_000))
            await on.chain.next_block(after_s=3)
            with pytest.raises(OutcomeUnknown, match="does not know how it ended"):
                await on.trading.lookup(sent.client_id)

    run(script)


def test_an_indexer_to_which_an_order_still_rests_is_behind_the_chain() -> None:
    """If this fails, an order that filled is told as resting, and what is left of it is counted as still to come."""

    async def script() -> None:
        async with rig(make_clock=ChainClock) as on:
            sent = on.order("0.5", slack="-0.02")
            await on.trading.rest(sent, lifetime_s=3_600)
            on.faults.indexer_lag = True
            await on.trading.cancel(sent.client_id)
            with pytest.raises(OutcomeUnknown, match="rests no more"):
                await on.trading.lookup(sent.client_id)
            on.faults.indexer_lag = False
            await on.chain.next_block()
            assert (await on.trading.lookup(sent.client_id)).status is OrderStatus.CANCELLED

    run(script)


def test_a_cancellation_whose_answer_is_lost_is_sent_as_the_same_bytes() -> None:
    """If this fails, a lost answer leaves an order in the book that was to be cancelled, or costs a second fee."""

    async def script() -> None:
        async with rig() as on:
            sent = on.order("0.5", slack="-0.02")
            await on.trading.rest(sent, lifetime_s=3_600)
            on.faults.lost_ack = True
            await on.trading.cancel(sent.client_id)
            assert list(await on.trading.open_orders()) == []
            on.faults.lost_ack = False
            again = on.order("0.5", slack="-0.02")
            await on.trading.rest(again, lifetime_s=3_600)
            on.faults.mempool_drop = True
            with pytest.raises((OutcomeUnknown, Retryable)):
                await on.trading.cancel(again.client_id)
            on.faults.mempool_drop = False
            assert (await on.trading.lookup(again.client_id)).status is OrderStatus.OPEN

    run(script)


@pytest.mark.parametrize("gas", ["heuristics", "simulation"])
def test_a_post_only_order_that_would_take_is_told_as_such(gas: str) -> None:
    """If this fails, an order that only needs another price is given up, or made again at the same one for ever."""

    async def script() -> None:
        async with rig(gas=gas) as on:
            sent = on.order("0.5", slack="0.02")
            with pytest.raises(WouldTake):
                await on.trading.rest(sent, lifetime_s=60)
            assert await on.trading.lookup(sent.client_id) is None
            assert on.held() == 0
            bid, ask = await on.trading.touch("BTC")
            assert 0 < bid < on.mark() < ask
            with pytest.raises(Retryable, match="no market NOPE"):
                await on.trading.touch("NOPE")
            on.faults.halt = True  # every block quotes anew
            on.sandbox.markets["BTC"].book.asks.clear()
            with pytest.raises(Retryable, match=r"its best ask 0$"):
                await on.trading.touch("BTC")

    run(script)
