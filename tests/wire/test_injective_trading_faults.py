"""Every fault of chain, node and key, over real gRPC: what the adapter did, and that no order was ever filled twice."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from injective_rig import ADDRESS, GRANTEE, GRANTEE_ADDRESS, PATIENCE, desk_on, rig
from pyinjective.composer_v2 import Composer
from pyinjective.transaction import Transaction

from hedged.adapters.injective.codes import TIMEOUT
from hedged.adapters.injective.gas import Fee
from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.messages import MARKET_ORDER
from hedged.domain.errors import Fatal, OutcomeUnknown, Rejected, Retryable
from hedged.domain.orders import OrderStatus
from hedged.domain.transactions import TxOutcome
from hedged.execution.journal.thread import Journal

HALF = Decimal("0.5")


def run(script) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await script()

    asyncio.run(bounded())


async def outcomes(on, sent) -> list[TxOutcome]:
    return [tx.outcome for tx in await on.transactions.of_order(sent.client_id)]


async def until_known(on, sent):
    """Look an order up as the executor does, until the outcome is known."""
    while True:
        try:
            return await on.trading.lookup(sent.client_id)
        except (OutcomeUnknown, Retryable):
            await asyncio.sleep(0.05)


async def nothing_was_signed(on, sent) -> None:
    assert await outcomes(on, sent) == []
    assert on.held() == 0
    assert await until_known(on, sent) is None


async def works_again(on) -> None:
    """After the fault the next order goes through: no sequence, price or lock was left wrong."""
    before = on.held()
    state = await on.trading.place(on.order("0.1"))
    assert state.status is OrderStatus.FILLED
    assert on.held() == before + Decimal("0.1")


# --- the node does not answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["silent_rpc", "unavailable", "rate_limited"])
def test_a_node_that_does_not_answer_signs_nothing(fault: str) -> None:
    """If this fails, an order hangs for ever, or goes out with a guessed sequence or no timeout height."""

    async def script() -> None:
        async with rig(deadline_s=1.0) as on:
            on.faults.switch(fault, True)
            sent = on.order("0.5")
            with pytest.raises(Retryable):
                await on.trading.place(sent)
            on.faults.switch(fault, False)
            await nothing_was_signed(on, sent)
            await works_again(on)

    run(script)


def test_a_node_that_falls_silent_at_the_send_gets_the_same_bytes_again() -> None:
    """If this fails, an unanswered send is given up, or sent again under another sequence, which could fill twice."""

    async def script() -> None:
        async with rig(deadline_s=1.0) as on:
            on.transactions.after_record = lambda: on.faults.switch("silent_rpc", True)
            asyncio.get_running_loop().call_later(0.6, on.faults.switch, "silent_rpc", False)
            sent = on.order("0.5")
            assert (await on.trading.place(sent)).filled == HALF
            assert await outcomes(on, sent) == [TxOutcome.INCLUDED]
            assert on.held() == HALF

    run(script)


def test_an_answer_that_never_comes_is_unknown_and_later_proven_dead() -> None:
    """If this fails, an order whose fate is open counts as refused, or stays open for ever."""

    async def script() -> None:
        async with rig(deadline_s=1.0) as on:
            on.transactions.after_record = lambda: on.faults.switch("unavailable", True)
            sent = on.order("0.5")
            with pytest.raises(OutcomeUnknown, match=r"503|DEADLINE_EXCEEDED"):
                await on.trading.place(sent)
            with pytest.raises(Retryable):
                await on.trading.lookup(sent.client_id)
            assert await outcomes(on, sent) == [TxOutcome.PENDING]
            on.transactions.after_record = lambda: None
            on.faults.unavailable = False
            assert await until_known(on, sent) is None
            assert await outcomes(on, sent) == [TxOutcome.DEAD]
            await works_again(on)

    run(script)


def test_a_503_after_the_node_accepted_fills_once() -> None:
    """If this fails, a lost acknowledgement makes a second order, or hides the first."""

    async def script() -> None:
        async with rig() as on:
            on.faults.lost_ack = True
            sent = on.order("0.5")
            state = await on.trading.place(sent)
            assert (state.status, state.filled) == (OrderStatus.FILLED, HALF)
            assert await outcomes(on, sent) == [TxOutcome.INCLUDED]
            assert on.held() == HALF
            on.faults.lost_ack = False
            await works_again(on)

    run(script)


def test_an_indexer_that_is_down_leaves_the_fill_unknown_until_it_is_back() -> None:
    """If this fails, an order that is in a block counts as unfilled because nobody could say what it filled."""

    async def script() -> None:
        async with rig() as on:
            on.faults.indexer_down = True
            sent = on.order("0.5")
            with pytest.raises(OutcomeUnknown, match="is in a block"):
                await on.trading.place(sent)
            with pytest.raises(Retryable):
                await on.trading.lookup(sent.client_id)
            on.faults.indexer_down = False
            assert (await on.trading.lookup(sent.client_id)).filled == HALF
            assert on.held() == HALF

    run(script)


# --- sequence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gas", ["heuristics", "simulation"])
def test_a_sequence_mismatch_sends_nothing_that_could_fill(gas: str) -> None:
    """If this fails, a node that disagrees on the sequence is hammered, or its refusals are taken for orders."""

    async def script() -> None:
        async with rig(gas=gas) as on:
            on.faults.sequence_mismatch = True
            sent = on.order("0.5")
            with pytest.raises(Rejected if gas == "heuristics" else Retryable, match="sequence"):
                await on.trading.place(sent)
            refused = await outcomes(on, sent)
            assert refused == ([TxOutcome.REFUSED] * 3 if gas == "heuristics" else [])
            assert await on.trading.lookup(sent.client_id) is None
            on.faults.sequence_mismatch = False
            await works_again(on)

    run(script)


def spend_a_sequence(on) -> None:
    """Something else signs with the daemon's key: its own sequence is taken."""
    state = on.chain.state
    account = state.accounts[GRANTEE_ADDRESS]
    message = Composer("mainnet").msg_grant_generic(GRANTEE_ADDRESS, ADDRESS, "/x", 10)
    tx = Transaction(account_num=account.number, sequence=account.sequence, chain_id=state.chain_id)
    tx.with_messages(message).with_gas(400_000).with_fee([Fee(400_000, 10**15).coin()])
    key = TradingKey(GRANTEE)
    signature = key.sign(tx.get_sign_doc(key.public).SerializeToString())
    assert state.broadcast(tx.get_tx_data(signature, key.public)).code == 0


@pytest.mark.parametrize("gas", ["heuristics", "simulation"])
@pytest.mark.parametrize("in_block", [True, False])
def test_a_sequence_that_somebody_else_took_is_found_again(gas: str, in_block: bool) -> None:
    """If this fails, one transaction made by hand with the daemon's key stops it from trading."""

    async def script() -> None:
        async with rig(gas=gas) as on:
            await works_again(on)
            spend_a_sequence(on)  # waits in the mempool
            if in_block:
                await on.chain.next_block()
            sent = on.order("0.5")
            assert (await on.trading.place(sent)).filled == HALF
            assert on.held() == HALF + Decimal("0.1")
            expected = (
                [TxOutcome.REFUSED, TxOutcome.INCLUDED] if gas == "heuristics" else [TxOutcome.INCLUDED]
            )
            assert await outcomes(on, sent) == expected

    run(script)


# --- what becomes of an accepted transaction ------------------------------------------------------------------------


def test_included_but_failed_is_a_rejection_with_the_chains_reason() -> None:
    """If this fails, an order that failed in its block is looked for for ever, or its sequence is used again."""

    async def script() -> None:
        async with rig() as on:
            on.faults.included_but_failed = True
            sent = on.order("0.5")
            with pytest.raises(Rejected, match="out of gas"):
                await on.trading.place(sent)
            assert await outcomes(on, sent) == [TxOutcome.FAILED]
            assert await on.trading.lookup(sent.client_id) is None
            on.faults.included_but_failed = False
            await works_again(on)

    run(script)


def test_a_transaction_that_the_mempool_drops_is_dead_only_past_its_timeout_height() -> None:
    """If this fails, a dropped order counts as dead while it could still be included (invariant 15)."""

    async def script() -> None:
        async with rig(block_time_s=None, timeout_blocks=3) as on:
            on.faults.mempool_drop = True
            sent = on.order("0.5")
            with pytest.raises(OutcomeUnknown, match="is not in a block yet"):
                await on.trading.place(sent)
            (tx,) = await on.transactions.of_order(sent.client_id)
            while on.chain.height <= tx.timeout_height:
                with pytest.raises(OutcomeUnknown):
                    await on.trading.lookup(sent.client_id)
                await on.chain.next_block()
            for _ in range(4):
                await on.chain.next_block()
            assert await on.trading.lookup(sent.client_id) is None
            assert await outcomes(on, sent) == [TxOutcome.DEAD]

    run(script)


def test_a_dropped_transaction_ends_as_retryable_and_frees_its_sequence() -> None:
    """If this fails, one dropped transaction leaves a gap in the sequence, and nothing can be sent after it."""

    async def script() -> None:
        async with rig(timeout_blocks=5) as on:
            on.faults.mempool_drop = True
            with pytest.raises(Retryable, match=r"expired.*nothing happened"):
                await on.trading.place(on.order("0.5"))
            on.faults.mempool_drop = False
            await works_again(on)

    run(script)


# --- a node that lags, a chain that stands ---------------------------------------------------------------------------


def test_a_lagging_node_delays_an_order_but_does_not_lose_it() -> None:
    """If this fails, a node a few blocks behind makes orders fail."""

    async def script() -> None:
        async with rig() as on:
            for _ in range(10):
                await on.chain.next_block()
            on.faults.lag_blocks = 5
            sent = on.order("0.5")
            assert (await on.trading.place(sent)).filled == HALF
            assert on.held() == HALF

    run(script)


def test_a_node_that_lags_beyond_the_timeout_height_is_not_believed() -> None:
    """If this fails, orders go out that are void on arrival, or hang without a word."""

    async def script() -> None:
        async with rig(timeout_blocks=3) as on:
            for _ in range(30):
                await on.chain.next_block()
            on.faults.lag_blocks = 20
            sent = on.order("0.5")
            with pytest.raises(Rejected, match=rf"past the transaction's timeout height \(sdk {TIMEOUT}"):
                await on.trading.place(sent)
            assert set(await outcomes(on, sent)) == {TxOutcome.REFUSED}
            on.faults.lag_blocks = 0
            await works_again(on)

    run(script)


def test_a_lagging_node_that_does_not_find_an_included_order_proves_nothing() -> None:
    """If this fails, an order that filled counts as dead and is sent again: the book is hedged twice."""

    async def script() -> None:
        async with rig(timeout_blocks=3) as on:
            for _ in range(20):
                await on.chain.next_block()
            on.transactions.after_record = lambda: setattr(on.faults, "lag_blocks", 900)
            sent = on.order("0.5")
            with pytest.raises(OutcomeUnknown):
                await on.trading.place(sent)
            assert on.held() == HALF
            (tx,) = await on.transactions.of_order(sent.client_id)
            assert on.chain.height > tx.timeout_height + 3
            with pytest.raises(OutcomeUnknown):
                await on.trading.lookup(sent.client_id)
            on.faults.lag_blocks = 0
            assert (await on.trading.lookup(sent.client_id)).filled == HALF

    run(script)


def test_nothing_is_signed_while_the_chain_stands() -> None:
    """If this fails, orders pile up in a halted chain and execute at once, at any time, when it goes on."""

    async def script() -> None:
        async with rig(patience=PATIENCE) as on:
            on.faults.halt = True
            await asyncio.sleep(PATIENCE.block_age_s + 0.3)
            sent = on.order("0.5")
            with pytest.raises(Retryable, match="halted or the node lags; nothing was sent"):
                await on.trading.place(sent)
            on.faults.halt = False
            await on.chain.next_block()
            await nothing_was_signed(on, sent)
            await works_again(on)

    run(script)


def test_a_halt_after_the_send_leaves_the_outcome_open_until_the_chain_goes_on() -> None:
    """If this fails, an order caught by a halt counts as dead and fills later, unseen."""

    async def script() -> None:
        async with rig() as on:
            on.transactions.after_record = lambda: on.faults.switch("halt", True)
            sent = on.order("0.5")
            with pytest.raises(OutcomeUnknown, match="accepted, up to height"):
                await on.trading.place(sent)
            with pytest.raises(OutcomeUnknown):
                await on.trading.lookup(sent.client_id)
            on.faults.halt = False
            state = await until_known(on, sent)
            assert state.filled == on.held() == HALF

    run(script)


def test_post_only_mode_refuses_takers_says_where_to_go_and_lets_makers_rest() -> None:
    """If this fails, nobody is told that the hedge has to go to another venue after an upgrade."""

    async def script() -> None:
        async with rig() as on:
            on.faults.post_only_mode = True
            sent = on.order("0.5")
            with pytest.raises(Rejected, match=r"post-only mode.*hedge at another venue"):
                await on.trading.place(sent)
            assert await on.trading.lookup(sent.client_id) is None
            resting = await on.trading.rest(on.order("0.5", slack="-0.02"), lifetime_s=3_600)
            assert resting.status is OrderStatus.OPEN
            on.faults.post_only_mode = False
            await works_again(on)

    run(script)


# --- gas and grants -------------------------------------------------------------------------------------------------


def test_a_gas_spike_above_the_cap_sends_nothing_and_is_forgotten_when_it_ends() -> None:
    """If this fails, a spike drains the key's INJ, or stops trading after it is over."""

    async def script() -> None:
        async with rig() as on:
            on.faults.gas_spike = True
            sent = on.order("0.5")
            with pytest.raises(Rejected, match=r"gas costs 16000000000 now.*max_gas_price 1600000000"):
                await on.trading.place(sent)
            on.faults.gas_spike = False
            await nothing_was_signed(on, sent)
            await works_again(on)

    run(script)


def test_a_node_that_demands_more_than_it_states_refuses_and_nothing_happens() -> None:
    """If this fails, an order that no node takes is taken for one that may still fill."""

    async def script() -> None:
        async with rig() as on:
            on.faults.low_gas = True
            sent = on.order("0.5")
            with pytest.raises(Rejected, match="below what the node asks"):
                await on.trading.place(sent)
            assert await outcomes(on, sent) == [TxOutcome.REFUSED]  # the same price again: not asked twice
            on.faults.low_gas = False
            await works_again(on)

    run(script)


def test_a_price_that_rose_since_it_was_read_is_read_again() -> None:
    """If this fails, the first order after gas became dearer is lost."""

    async def script() -> None:
        async with rig(max_gas_price=100_000_000_000) as on:
            await works_again(on)
            on.faults.gas_spike = True
            sent = on.order("0.5")
            assert (await on.trading.place(sent)).filled == HALF
            assert await outcomes(on, sent) == [TxOutcome.REFUSED, TxOutcome.INCLUDED]

    run(script)


def test_a_key_that_runs_out_of_inj_says_so_before_it_sends() -> None:
    """If this fails, orders fail on the chain for want of gas, and the operator learns it from a number."""

    async def script() -> None:
        seen: list[Decimal] = []
        async with rig(on_inj=seen.append) as on:
            on.chain.state.exchange.ledger.bank[GRANTEE_ADDRESS]["inj"] = 10**12
            sent = on.order("0.5")
            with pytest.raises(Rejected, match=f"{GRANTEE_ADDRESS} holds 0.000001 INJ.*send it some INJ"):
                await on.trading.place(sent)
            assert seen == [Decimal("0.000001")]
            await nothing_was_signed(on, sent)
            on.chain.fund(GRANTEE_ADDRESS, inj=1)
            await works_again(on)

    run(script)


def test_a_grant_that_expires_while_running_is_named() -> None:
    """If this fails, orders fail for an expired grant and nobody is told to renew it."""

    async def script() -> None:
        async with rig() as on:
            await works_again(on)
            on.faults.expired_grant = True
            sent = on.order("0.5")
            with pytest.raises(Rejected, match="grant"):
                await on.trading.place(sent)
            assert await on.trading.lookup(sent.client_id) is None
            on.faults.expired_grant = False
            await works_again(on)
            on.chain.grant(ADDRESS, GRANTEE_ADDRESS, MARKET_ORDER, expires_s=1)
            with pytest.raises(Rejected, match="grant"):
                await on.trading.place(on.order("0.5"))

    run(script)


# --- the process dies, the disk fails ---------------------------------------------------------------------------------


class Died(BaseException):
    """A process that is gone raises nothing; this stands for it."""


@pytest.mark.parametrize("sent_it", [False, True])
def test_a_process_that_dies_between_journal_and_answer_is_cleared_up_by_the_next(
    tmp_path: Path, sent_it: bool
) -> None:
    """If this fails, a crash at the worst moment leaves an order that is lost, or sent a second time."""

    async def script() -> None:
        path = tmp_path / "journal.sqlite"
        async with rig(path=path, timeout_blocks=5) as on:
            sent = on.order("0.5")

            def die() -> None:
                raise Died

            if sent_it:
                task = asyncio.ensure_future(on.trading.place(sent))
                while not on.chain.state.seen:  # noqa: ASYNC110  (the sandbox has it: no sooner, no later)
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            else:
                on.transactions.after_record = die
                with pytest.raises(Died):
                    await on.trading.place(sent)
            again = Journal.open(path)
            async with desk_on(on.sandbox, again, TradingKey(GRANTEE)) as after:
                await after.trading.recover()
                state = await until_known(after, sent)
                assert (state.filled if state else Decimal(0)) == on.held() == (HALF if sent_it else 0)
                expected = TxOutcome.INCLUDED if sent_it else TxOutcome.DEAD
                assert await outcomes(after, sent) == [expected]
                await works_again(after)
            again.close()

    run(script)


def test_no_journal_no_send() -> None:
    """If this fails, a full disk lets orders out that no restart will know of."""

    async def script() -> None:
        async with rig() as on:

            def full() -> None:
                raise Fatal("the journal cannot be used, so nothing is sent")

            on.transactions.after_record = full
            with pytest.raises(Fatal):
                await on.trading.place(on.order("0.5"))
            assert not on.chain.state.seen
            assert on.held() == 0

    run(script)
