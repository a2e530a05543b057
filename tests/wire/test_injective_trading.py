"""Orders on the sandbox, over real gRPC: what is sent, what it does, and what the adapter says of it."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from injective_rig import ADDRESS, GRANTEE, GRANTEE_ADDRESS, SUBACCOUNT, desk_on, rig
from pyinjective.proto.cosmos.tx.v1beta1 import tx_pb2
from pyinjective.wallet import PrivateKey

from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.messages import CANCEL_ORDER, TRADING_MESSAGES
from hedged.domain.errors import ConfigError, Rejected, WouldTake
from hedged.domain.orders import OrderStatus
from hedged.domain.transactions import TxOutcome
from hedged.execution.journal.thread import Journal


def run(script) -> None:
    """Run a coroutine, bounded: a hang is a failure with a name."""

    async def bounded() -> None:
        async with asyncio.timeout(25):
            await script()

    asyncio.run(bounded())


def test_a_market_order_becomes_a_position_an_execution_and_one_journalled_transaction() -> None:
    """If this fails, an order does not reach the chain as meant, or its fill is not told by its client id."""

    async def script() -> None:
        async with rig() as on:
            for signed, total in (("0.5", "0.5"), ("-0.2", "0.3"), ("-0.8", "-0.5")):
                sent = on.order(signed)
                state = await on.trading.place(sent)
                assert (state.client_id, state.status) == (sent.client_id, OrderStatus.FILLED)
                assert state.filled == abs(Decimal(signed))
                assert on.held() == Decimal(total)
                assert state == await on.trading.lookup(sent.client_id)
                executions = await on.trading.executions(0)
                own = [e for e in executions if e.client_id == sent.client_id]
                assert sum(e.signed_quantity for e in own) == Decimal(signed)
                limit = sent.intent.worst_price
                assert all((e.price - limit) * sent.intent.side.sign <= 0 for e in own)
                (tx,) = await on.transactions.of_order(sent.client_id)
                assert (tx.outcome, tx.signer) == (TxOutcome.INCLUDED, GRANTEE_ADDRESS)
                body = tx_pb2.TxBody.FromString(tx_pb2.TxRaw.FromString(tx.raw).body_bytes)
                assert body.timeout_height == tx.timeout_height > 1_000
            assert (await on.trading.positions())["BTC"].quantity == on.held()

    run(script)


def test_the_owners_own_key_trades_without_a_grant() -> None:
    """If this fails, orders of a key that is the account itself are wrapped for a grant that does not exist."""

    async def script() -> None:
        async with rig(grantee=False) as on:
            assert (await on.trading.place(on.order("0.1"))).status is OrderStatus.FILLED
            clearance = await on.clear()
            assert any("CAN DO MORE THAN TRADE" in w and "withdraw" in w for w in clearance.warnings)

    run(script)


def test_gas_by_simulation() -> None:
    """If this fails, the careful way of estimating gas sends nothing, or too little gas."""

    async def script() -> None:
        async with rig(gas="simulation") as on:
            assert (await on.trading.place(on.order("0.1"))).status is OrderStatus.FILLED

    run(script)


def test_a_client_id_works_once_even_at_once() -> None:
    """If this fails, a resent order fills twice."""

    async def script() -> None:
        async with rig() as on:
            sent = on.order("0.5")
            answers = await asyncio.gather(
                on.trading.place(sent), on.trading.place(sent), return_exceptions=True
            )
            assert sorted(type(answer).__name__ for answer in answers) == ["OrderState", "Rejected"]
            with pytest.raises(Rejected, match="used before"):
                await on.trading.place(sent)
            assert on.held() == Decimal("0.5")

    run(script)


def test_orders_at_once_take_one_sequence_each() -> None:
    """If this fails, two orders race for one sequence and one of them is lost."""

    async def script() -> None:
        async with rig() as on:
            sent = [on.order("0.1"), on.order("0.2", symbol="ETH")]
            states = await asyncio.gather(*(on.trading.place(one) for one in sent))
            assert [s.status for s in states] == [OrderStatus.FILLED] * 2
            txs = [tx for one in sent for tx in await on.transactions.of_order(one.client_id)]
            assert sorted(tx.sequence for tx in txs) == [0, 1]

    run(script)


def test_reduce_only_needs_a_position_and_no_collateral() -> None:
    """If this fails, closing opens the other side, or cannot be done when collateral is short."""

    async def script() -> None:
        async with rig() as on:
            with pytest.raises(Rejected, match="no position to reduce"):
                await on.trading.place(on.order("-0.5", reduce_only=True))
            on.chain.seed_position(SUBACCOUNT, "BTC", Decimal(1), on.mark())
            ledger = on.chain.state.exchange.ledger
            ledger.bank[ADDRESS].clear()  # everything is in the position
            await on.trading.place(on.order("-1", reduce_only=True))
            assert on.held() == 0

    run(script)


def test_an_order_without_collateral_is_refused_in_words() -> None:
    """If this fails, an operator reads a number instead of what is lacking."""

    async def script() -> None:
        async with rig(usdt=100) as on:
            with pytest.raises(Rejected, match="not enough free collateral"):
                await on.trading.place(on.order("0.5"))
            assert on.held() == 0

    run(script)


def test_an_order_beyond_its_worst_price_is_refused() -> None:
    """If this fails, an order fills at a price that was not approved, or rests unseen."""

    async def script() -> None:
        async with rig() as on:
            sent = on.order("-0.5", slack="-0.02")
            with pytest.raises(Rejected, match="worst price"):
                await on.trading.place(sent)
            assert on.held() == 0
            assert await on.trading.lookup(sent.client_id) is None
            assert list(await on.transactions.of_order(sent.client_id)) == []  # nor was a fee paid for it

    run(script)


def test_a_post_only_order_rests_is_found_and_is_cancelled() -> None:
    """If this fails, a resting order cannot be seen or taken back."""

    async def script() -> None:
        async with rig() as on:
            sent = on.order("0.5", slack="-0.02")  # 2 % below the market
            state = await on.trading.rest(sent, lifetime_s=3_600)
            assert (state.status, state.remaining) == (OrderStatus.OPEN, Decimal("0.5"))
            assert [s.client_id for s in await on.trading.open_orders()] == [sent.client_id]
            await on.trading.cancel(sent.client_id)
            assert list(await on.trading.open_orders()) == []
            cancelled = await on.trading.lookup(sent.client_id)
            assert (cancelled.status, cancelled.filled) == (OrderStatus.CANCELLED, 0)
            await on.trading.cancel(sent.client_id)  # gone already: no error
            await on.trading.cancel("never sent")

    run(script)


def test_an_order_in_a_market_that_is_not_watched_is_an_open_order_too() -> None:
    """If this fails, what the trader left resting elsewhere ties up margin that nobody sees."""

    async def script() -> None:
        async with rig() as on:
            sent = on.order("0.5", slack="-0.02")
            await on.trading.rest(sent, lifetime_s=3_600)
            on.data.watch(("ETH",))
            (found,) = await on.trading.open_orders()
            assert (found.client_id, found.key.symbol) == (sent.client_id, "BTC")
            await on.trading.cancel(sent.client_id)
            assert list(await on.trading.open_orders()) == []

    run(script)


def test_a_post_only_order_that_would_take_is_refused() -> None:
    """If this fails, an order meant to earn the maker's fee pays the taker's."""

    async def script() -> None:
        async with rig() as on:
            with pytest.raises(WouldTake, match="post-only order that would have taken"):
                await on.trading.rest(on.order("0.5", slack="0.02"), lifetime_s=60)

    run(script)


def test_a_resting_order_dies_at_its_block() -> None:
    """If this fails, an order outlives the daemon that watches it."""

    async def script() -> None:
        async with rig() as on:
            sent = on.order("0.5", slack="-0.02")
            await on.trading.rest(sent, lifetime_s=5)
            while list(await on.trading.open_orders()):  # noqa: ASYNC110  (asks the venue, each time)
                await asyncio.sleep(0.05)
            state = await on.trading.lookup(sent.client_id)
            assert state.status is OrderStatus.CANCELLED

    run(script)


def test_each_order_of_a_batch_has_its_own_outcome() -> None:
    """If this fails, a batch that succeeded as a transaction hides orders that were not created."""

    async def script() -> None:
        async with rig() as on:
            good, bad = on.order("0.5"), on.order("-3", symbol="ETH", reduce_only=True)
            answers = await on.trading.batch([good, bad])
            assert answers[good.client_id].status is OrderStatus.FILLED
            assert isinstance(answers[bad.client_id], Rejected)
            assert on.held() == Decimal("0.5")
            assert on.held("ETH") == 0
            assert await on.trading.lookup(bad.client_id) is None
            assert (await on.trading.lookup(good.client_id)).status is OrderStatus.FILLED

    run(script)


def test_a_restart_knows_what_was_sent_before(tmp_path: Path) -> None:
    """If this fails, a restarted daemon sends an order again that a former life has filled."""

    async def script() -> None:
        async with rig(path=tmp_path / "journal.sqlite") as on:
            sent = on.order("0.5")
            await on.trading.place(sent)
            await on.network.close()
            again = Journal.open(tmp_path / "journal.sqlite")
            async with desk_on(on.sandbox, again, TradingKey(GRANTEE)) as after:
                await after.trading.recover()
                assert (await after.trading.lookup(sent.client_id)).filled == Decimal("0.5")
                with pytest.raises(Rejected, match="used before"):
                    await after.trading.place(sent)
                assert (await after.trading.place(after.order("0.1", symbol="ETH"))).filled == Decimal("0.1")
            again.close()
            assert on.held() == Decimal("0.5")

    run(script)


# --- what must hold before anything is sent -------------------------------------------------------------------------


def refused(match: str, **changes) -> None:
    async def script() -> None:
        async with rig(**changes) as on:
            with pytest.raises(ConfigError, match=match):
                await on.clear()

    run(script)


def test_all_in_order_is_said_in_a_few_lines() -> None:
    """If this fails, `hedged check` complains about an account that is set up as documented."""

    async def script() -> None:
        async with rig() as on:
            clearance = await on.clear()
            assert clearance.warnings == ()
            assert any(GRANTEE_ADDRESS in line and ADDRESS in line for line in clearance.lines)

    run(script)


def test_a_key_without_inj_is_refused() -> None:
    """If this fails, the daemon starts and fails at its first order for want of gas."""
    refused("has never held anything.*send it some INJ", inj=0)


def test_a_key_that_nobody_granted_anything_is_refused() -> None:
    """If this fails, the daemon starts with a key that the chain will not let trade."""
    other = PrivateKey.from_hex("11" * 32)
    refused("may not trade for.*is not granted.*docs/injective-trading.md", key=other)


@pytest.mark.parametrize("lacking", TRADING_MESSAGES)
def test_every_kind_of_message_must_be_granted(lacking: str) -> None:
    """If this fails, the daemon can open hedges that it cannot cancel or close."""

    def prepare(running) -> None:
        running.chain.grant(ADDRESS, GRANTEE_ADDRESS, lacking, expires_s=1)

    refused(f"{lacking} is not granted|{lacking} was granted until", prepare=prepare)


def test_a_node_of_another_chain_is_refused() -> None:
    """If this fails, a testnet key signs for mainnet or the other way round."""
    refused("chain 'injective-1'.*'injective-888'", chain_id="injective-888")


def test_a_cross_margin_subaccount_is_refused() -> None:
    """If this fails, liquidation distances are computed by rules that do not hold for the account."""
    refused("isolated margin only", prepare=lambda running: running.faults.switch("cross_margin", value=True))


@pytest.mark.parametrize(
    "more",
    [
        "/cosmos.bank.v1beta1.MsgSend",
        "/injective.exchange.v2.MsgWithdraw",
        "/injective.exchange.v2.MsgExternalTransfer",
    ],
)
def test_a_key_that_can_take_money_away_is_complained_about_loudly(more: str) -> None:
    """If this fails, a stolen trading key empties the account and nobody was warned."""

    async def script() -> None:
        async with rig(prepare=lambda s: s.chain.grant(ADDRESS, GRANTEE_ADDRESS, more)) as on:
            (warning,) = (await on.clear()).warnings
            assert "CAN DO MORE THAN TRADE" in warning
            assert more in warning

    run(script)


def test_a_grant_about_to_expire_is_warned_of() -> None:
    """If this fails, trading stops one day because a grant ended that nobody was reminded of."""

    async def script() -> None:
        async with rig() as on:
            soon_s = on.clock.now_ms() // 1_000 + 13 * 86_400
            on.chain.grant(ADDRESS, GRANTEE_ADDRESS, CANCEL_ORDER, expires_s=soon_s)
            clearance = await on.clear()
            (warning,) = clearance.warnings
            assert f"{CANCEL_ORDER} expires on" in warning
            assert clearance.expires_ms == soon_s * 1_000

    run(script)
