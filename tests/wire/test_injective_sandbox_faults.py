"""Every fault switch, and what a plain client sees of it on the wire."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from injective_world import GAS, GAS_PRICE, GRANTEE_KEY, World, address_of, world
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tm_query
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tm_grpc
from pyinjective.proto.injective.stream.v2 import query_pb2 as stream
from pyinjective.proto.injective.stream.v2 import query_pb2_grpc as stream_grpc

from hedged.sandbox.injective.chain import BASE_FEE
from hedged.sandbox.injective.server import InjectiveSandbox, Ports, SandboxConfig

ROOT = Path(__file__).resolve().parents[2]
ALL = stream.StreamRequest(
    derivative_trades_filter=stream.TradesFilter(subaccount_ids=["*"], market_ids=["*"]),
    derivative_orders_filter=stream.OrdersFilter(subaccount_ids=["*"], market_ids=["*"]),
    positions_filter=stream.PositionsFilter(subaccount_ids=["*"], market_ids=["*"]),
    oracle_price_filter=stream.OraclePriceFilter(symbol=["*"]),
    order_failures_filter=stream.OrderFailuresFilter(accounts=["*"]),
    market_funding_filter=stream.MarketFundingFilter(market_ids=["*"]),
    bank_balances_filter=stream.BankBalancesFilter(accounts=["*"]),
    subaccount_deposits_filter=stream.SubaccountDepositsFilter(subaccount_ids=["*"]),
)


def run(scenario: Any) -> None:
    asyncio.run(scenario())


async def latest_height(w: World) -> int:
    block = await w.client.fetch_latest_block()
    return int(block["block"]["header"]["height"])


@contextlib.asynccontextmanager
async def listening(w: World, request: Any = ALL) -> AsyncIterator[Any]:
    """An open stream, certain to see the next block."""
    async with grpc.aio.insecure_channel(w.sandbox.endpoints.chain_stream) as channel:
        before = set(w.sandbox.streams._readers)  # one that has just been broken may still be among them
        call = stream_grpc.StreamStub(channel).StreamV2(request)
        while w.sandbox.streams._readers <= before:  # noqa: ASYNC110  a plain set to watch
            await asyncio.sleep(0.005)
        yield call
        call.cancel()


async def read(call: Any) -> Any:
    return await asyncio.wait_for(call.read(), 20)


def status_of(error: Exception) -> grpc.StatusCode:
    code = getattr(error, "code", None)
    assert callable(code)
    status: grpc.StatusCode = code()
    return status


def test_a_silent_node_accepts_and_never_answers_until_it_speaks_again() -> None:
    """If this fails, missing deadlines in a client would go unnoticed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.silent_rpc = True
            call = asyncio.ensure_future(w.client.fetch_latest_block())
            await asyncio.sleep(0.2)
            assert not call.done()
            async with grpc.aio.insecure_channel(w.sandbox.endpoints.chain_grpc) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as timed_out:
                    await tm_grpc.ServiceStub(channel).GetLatestBlock(
                        tm_query.GetLatestBlockRequest(), timeout=0.1
                    )
            assert timed_out.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            w.sandbox.faults.silent_rpc = False
            assert (await asyncio.wait_for(call, 20))["block"]["header"]["height"] == str(
                w.sandbox.chain.height
            )

    run(scenario)


@pytest.mark.parametrize(
    ("fault", "status", "http"),
    [
        ("unavailable", grpc.StatusCode.UNAVAILABLE, 503),
        ("rate_limited", grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    ],
)
def test_a_failing_node_says_so_on_every_side(fault: str, status: grpc.StatusCode, http: int) -> None:
    """If this fails, 503s and rate limits of public nodes cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.switch(fault, True)
            for call in (w.client.fetch_latest_block(), w.indexer.fetch_derivative_markets()):
                with pytest.raises(Exception) as failed:  # noqa: PT011  the SDK passes gRPC's error on
                    await call
                assert status_of(failed.value) is status
            url = w.sandbox.endpoints.tendermint + "/status"
            async with aiohttp.ClientSession() as http_client, http_client.get(url) as answer:
                assert answer.status == http
            w.sandbox.faults.switch(fault, False)
            assert await latest_height(w) == w.sandbox.chain.height

    run(scenario)


def test_the_indexer_can_be_down_alone() -> None:
    """If this fails, the fallback from indexer to chain cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.indexer_down = True
            with pytest.raises(Exception) as failed:  # noqa: PT011
                await w.indexer.fetch_derivative_markets()
            assert status_of(failed.value) is grpc.StatusCode.UNAVAILABLE
            assert await latest_height(w) == w.sandbox.chain.height

    run(scenario)


def test_the_stream_tells_every_block_with_what_its_filters_ask() -> None:
    """If this fails, heights are not contiguous in health, or a fill, funding or failure is not streamed."""

    async def scenario() -> None:
        async with world() as w, listening(w) as call:
            sent = w.composer.msg_batch_update_orders(
                sender=w.address,
                derivative_orders_to_create=[w.order("BUY_PO", "1", "15", cid="crossing")],
                derivative_market_orders_to_create=[w.order("BUY", "2", "14.1", cid="taker")],
            )
            await w.deliver(sent, gas=1_000_000)
            block = await read(call)
            assert block.block_height == w.sandbox.chain.height
            assert [(f.cid, f.error_code, f.account) for f in block.order_failures] == [
                ("crossing", 59, w.address)
            ]
            mine = [t for t in block.derivative_trades if t.cid == "taker"]
            assert [(t.executionType, t.is_buy, t.position_delta.execution_quantity) for t in mine] == [
                ("Market", True, str(2 * 10**18))
            ]
            assert [p.quantity for p in block.positions if p.subaccount_id == w.subaccount] == [
                str(2 * 10**18)
            ]
            assert [(o.cid, o.status) for o in block.derivative_orders] == [("taker", 2)]
            assert w.address in {b.account for b in block.bank_balances}
            by_trade = next(f for f in block.market_funding_updates if f.market_id == w.inj)
            assert by_trade.is_hourly_funding is False
            await w.sandbox.chain.next_block(after_s=3_600)
            after = await read(call)
            assert after.block_height == block.block_height + 1
            hourly = next(f for f in after.market_funding_updates if f.market_id == w.inj)
            assert hourly.is_hourly_funding is True
            assert Decimal(hourly.funding_payment) == Decimal(hourly.funding.cumulative_funding)
            w.sandbox.feed.marks["INJ"] = Decimal("14.5")  # type: ignore[attr-defined]
            await w.sandbox.chain.next_block()
            assert [(p.symbol, p.price) for p in (await read(call)).oracle_prices] == [
                ("INJ", str(145 * 10**17))
            ]

    run(scenario)


def test_a_filter_that_names_others_hides_the_trade() -> None:
    """If this fails, a client would be told of strangers' accounts, or not of its own."""

    async def scenario() -> None:
        other = stream.TradesFilter(subaccount_ids=["0x" + "1" * 64], market_ids=["*"])
        async with world() as w, listening(w, stream.StreamRequest(derivative_trades_filter=other)) as call:
            await w.deliver(w.market_order("BUY", "1", "14.1"))
            block = await read(call)
            assert block.block_height == w.sandbox.chain.height
            assert not block.derivative_trades
            assert not block.positions

    run(scenario)


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ("stream_drop", grpc.StatusCode.UNAVAILABLE, "reset"),
        ("stream_overflow", grpc.StatusCode.INTERNAL, "buffer overflow"),
    ],
)
def test_a_stream_can_be_broken_from_outside(fault: str, status: grpc.StatusCode, text: str) -> None:
    """If this fails, the reconnect of a reader cannot be rehearsed, not even over HTTP as the manual says."""

    async def scenario() -> None:
        async with world() as w, listening(w) as call:
            await w.sandbox.chain.next_block()
            await read(call)
            url = f"{w.sandbox.endpoints.control}/faults/{fault}"
            async with aiohttp.ClientSession() as http_client, http_client.post(url) as answer:
                assert answer.status == 200
            with pytest.raises(grpc.aio.AioRpcError, match=text) as broken:
                await read(call)
            assert broken.value.code() is status
            async with listening(w) as again:
                await w.sandbox.chain.next_block()
                assert (await read(again)).block_height == w.sandbox.chain.height

    run(scenario)


def test_a_gap_in_the_stream_shows_in_the_heights() -> None:
    """If this fails, the contiguity check of a reader has nothing to find."""

    async def scenario() -> None:
        async with world() as w, listening(w) as call:
            await w.sandbox.chain.next_block()
            first = (await read(call)).block_height
            w.sandbox.streams.skip_blocks(2)
            for _ in range(3):
                await w.sandbox.chain.next_block()
            assert (await read(call)).block_height == first + 3

    run(scenario)


def test_a_half_open_stream_says_nothing_and_new_ones_can_be_refused() -> None:
    """If this fails, the staleness watchdog of a reader cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w, listening(w) as call:
            w.sandbox.faults.silent_stream = True
            await w.sandbox.chain.next_block()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(call.read())), 0.15)
            w.sandbox.faults.stream_refused = True
            async with grpc.aio.insecure_channel(w.sandbox.endpoints.chain_stream) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stream_grpc.StreamStub(channel).StreamV2(ALL).read()
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    run(scenario)


def test_a_lost_acknowledgement_is_an_error_although_the_order_lives() -> None:
    """If this fails, "outcome unknown" cannot be rehearsed: the only danger of a blind retry."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.lost_ack = True
            raw = await w.sign(w.limit_order("BUY", "1", "13.5", cid="ghost"))
            with pytest.raises(Exception) as lost:  # noqa: PT011
                await w.broadcast(raw)
            assert status_of(lost.value) is grpc.StatusCode.UNAVAILABLE
            await w.sandbox.chain.next_block()
            orders = (await w.client.fetch_chain_trader_derivative_orders(w.inj, w.subaccount))["orders"]
            assert [o["cid"] for o in orders] == ["ghost"]

    run(scenario)


def test_a_dropped_transaction_passes_check_tx_and_is_never_found() -> None:
    """If this fails, the proof that a transaction is dead cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.mempool_drop = True
            raw = await w.sign(w.limit_order("BUY", "1", "13.5"))
            answer = await w.broadcast(raw)
            assert answer["code"] == 0
            await w.sandbox.chain.next_block()
            with pytest.raises(Exception, match="tx not found"):
                await w.client.fetch_tx(answer["txhash"])
            assert (await w.client.fetch_account(w.address)).base_account.sequence == 0

    run(scenario)


def test_a_sequence_mismatch_shows_in_check_tx_and_simulation() -> None:
    """If this fails, the resynchronising of a sequencer cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.sequence_mismatch = True
            raw = await w.sign(w.limit_order("BUY", "1", "13.5"))
            answer = await w.broadcast(raw)
            assert (answer["codespace"], answer["code"]) == ("sdk", 32)
            assert "expected 1, got 0" in answer["rawLog"]
            with pytest.raises(Exception, match="account sequence mismatch"):
                await w.client.simulate(raw)
            w.sandbox.faults.sequence_mismatch = False
            assert (await w.broadcast(raw))["code"] == 0

    run(scenario)


def test_included_but_failed_costs_fee_and_sequence_and_trades_nothing() -> None:
    """If this fails, a client that takes code 0 of check-tx for success would go unnoticed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.included_but_failed = True
            result = await w.deliver(w.market_order("BUY", "1", "14.1"))
            assert (result["codespace"], result["code"]) == ("sdk", 11)
            assert await w.position() is None
            assert (await w.client.fetch_account(w.address)).base_account.sequence == 1
            inj = (await w.client.fetch_bank_balance(w.address, "inj"))["balance"]["amount"]
            assert int(inj) == 10 * 10**18 - GAS * GAS_PRICE

    run(scenario)


def test_too_little_gas_fails_inside_the_block() -> None:
    """If this fails, an estimate below what an order takes would pass here and fail on the chain."""

    async def scenario() -> None:
        async with world() as w:
            result = await w.deliver(w.market_order("BUY", "1", "14.1"), gas=50_000)
            assert (result["codespace"], result["code"]) == ("sdk", 11)
            used = (await w.client.simulate(await w.sign(w.market_order("BUY", "1", "14.1"))))["gasInfo"][
                "gasUsed"
            ]
            assert 50_000 < int(used) < GAS

    run(scenario)


def test_a_gas_spike_is_stated_and_old_prices_are_refused() -> None:
    """If this fails, the limit on gas spending cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            assert int(await w.client.current_chain_gas_price()) == BASE_FEE
            w.sandbox.faults.gas_spike = True
            assert int(await w.client.current_chain_gas_price()) == 100 * BASE_FEE
            answer = await w.broadcast(await w.sign(w.limit_order("BUY", "1", "13.5")))
            assert (answer["codespace"], answer["code"]) == ("sdk", 13)
            dear = await w.sign(w.limit_order("BUY", "1", "13.5"), fee_inj=100 * GAS * GAS_PRICE)
            assert (await w.broadcast(dear))["code"] == 0

    run(scenario)


def test_low_gas_refuses_even_the_stated_price() -> None:
    """If this fails, code 13 without a way out cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.low_gas = True
            price = int(await w.client.current_chain_gas_price())
            raw = await w.sign(w.limit_order("BUY", "1", "13.5"), fee_inj=2 * GAS * price)
            assert (await w.broadcast(raw))["code"] == 13

    run(scenario)


def test_an_expired_grant_is_gone_and_refused() -> None:
    """If this fails, the expiry of the daemon's only permission cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            grantee = address_of(GRANTEE_KEY)
            w.sandbox.chain.fund(grantee, inj=1)
            w.sandbox.chain.grant(w.address, grantee, "/injective.exchange.v2.MsgCreateDerivativeMarketOrder")
            w.sandbox.faults.expired_grant = True
            assert (await w.client.fetch_grants(w.address, grantee))["grants"] == []
            wrapped = w.composer.msg_exec(grantee=grantee, msgs=[w.market_order("BUY", "1", "14.1")])
            result = await w.deliver(wrapped, key=GRANTEE_KEY)
            assert (result["codespace"], result["code"]) == ("authz", 2)
            w.sandbox.faults.expired_grant = False
            assert (await w.deliver(wrapped, key=GRANTEE_KEY))["code"] == 0

    run(scenario)


def test_post_only_mode_takes_resting_orders_alone() -> None:
    """If this fails, code 96 after an upgrade, when hedges must go elsewhere, cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w:
            w.sandbox.faults.post_only_mode = True
            await w.sandbox.chain.next_block()
            assert (await w.deliver(w.market_order("BUY", "1", "14.1")))["code"] == 96
            assert (await w.deliver(w.limit_order("BUY", "1", "14.1")))["code"] == 59
            assert (await w.deliver(w.limit_order("BUY", "1", "13.5")))["code"] == 0
            w.sandbox.faults.post_only_mode = False
            await w.sandbox.chain.next_block()
            assert (await w.deliver(w.market_order("BUY", "1", "14.1")))["code"] == 0

    run(scenario)


def test_a_halted_chain_makes_no_block_and_then_settles_one_interval_per_block() -> None:
    """If this fails, a halt looks like a slow node, or its missed funding is charged at once."""

    async def scenario() -> None:
        async with world(block_time_s=0.02, hour_s=1) as w:
            w.sandbox.faults.halt = True
            await asyncio.sleep(0.05)
            height = await latest_height(w)
            settled = len(w.sandbox.chain.state.history.rates)
            await asyncio.sleep(2.2)
            assert await latest_height(w) == height
            w.sandbox.faults.halt = False
            while len(w.sandbox.chain.state.history.rates) < settled + 4:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            prints = [p for p in w.sandbox.chain.state.history.rates if p.market_id == w.inj][-2:]
            assert prints[0].ts_ms < prints[1].ts_ms < prints[0].ts_ms + 900, "two intervals in two blocks"

    run(scenario)


def test_a_lagging_node_states_an_old_height_time_and_stream() -> None:
    """If this fails, a timeout height taken from a node that lags cannot be rehearsed."""

    async def scenario() -> None:
        async with world() as w, listening(w) as call:
            for _ in range(6):
                await w.sandbox.chain.next_block()
                await read(call)
            w.sandbox.faults.lag_blocks = 3
            height = w.sandbox.chain.height
            assert await latest_height(w) == height - 3
            assert (await w.client.fetch_syncing())["syncing"] is True
            for _ in range(4):
                await w.sandbox.chain.next_block()
            assert (await read(call)).block_height == height + 1, "four were made, three are held back"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(call.read())), 0.1)

    run(scenario)


def test_switches_are_listed_and_unknown_ones_refused_over_http() -> None:
    """If this fails, an operator who mistypes a fault would believe it was on, or has to guess what there is."""

    async def scenario() -> None:
        async with world() as w, aiohttp.ClientSession() as http_client:
            root = w.sandbox.endpoints.control + "/faults"
            async with http_client.post(f"{root}/silent_rpc") as answer:
                assert (await answer.json())["silent_rpc"] is True
            assert w.sandbox.faults.silent_rpc
            async with http_client.post(f"{root}/lag_blocks?value=4") as answer:
                assert (await answer.json())["lag_blocks"] == 4
            async with http_client.get(root) as answer:
                listed = json.loads(await answer.text())
            assert listed["switches"]["silent_rpc"] is True
            manual = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
            assert [
                name for name in (*listed["switches"], *listed["once"]) if f"`{name}`" not in manual
            ] == []
            assert listed["once"] == ["stream_drop", "stream_gap", "stream_overflow"]
            async with http_client.delete(f"{root}/silent_rpc") as answer:
                assert (await answer.json())["silent_rpc"] is False
            async with http_client.post(f"{root}/silent_rcp") as answer:
                assert answer.status == 404
                assert "silent_rpc" in await answer.text()

    run(scenario)


def test_a_taken_port_is_an_error() -> None:
    """If this fails, two sandboxes could share a port and each would get half of the requests."""

    async def scenario() -> None:
        async with world() as w:
            taken = int(w.sandbox.endpoints.chain_grpc.rsplit(":", 1)[1])
            second = InjectiveSandbox(
                SandboxConfig(block_time_s=None, moving=False, ports=Ports(chain_grpc=taken))
            )
            with pytest.raises(Exception, match=r"[Ff]ailed to bind|in use"):
                async with second:
                    pass

    run(scenario)
