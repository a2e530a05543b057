"""The channel to Injective's nodes over real sockets: silence, refusals, failover, the request rate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import grpc.aio
import pytest
from pyinjective.async_client_v2 import AsyncClient
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tm
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tm_grpc

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.config import InjectiveConfig
from hedged.domain.errors import ConfigError, Retryable
from hedged.domain.pace import TokenBucket


class Tendermint(tm_grpc.ServiceServicer):
    """Tells its height, or does what `fault` says."""

    chain_id = "injective-777"

    def __init__(self, height: int) -> None:
        self.height, self.fault, self.asked, self.cookies = height, "", 0, []
        self.silent = asyncio.Event()

    async def GetLatestBlock(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked += 1
        self.cookies.append(dict(context.invocation_metadata()).get("cookie"))
        if self.fault == "silent":
            self.silent.set()
            await asyncio.sleep(3_600)
        if self.fault:
            await context.abort(grpc.StatusCode.UNAVAILABLE, self.fault)
        await context.send_initial_metadata([("set-cookie", f"node-{self.height}")])
        answer = tm.GetLatestBlockResponse()
        answer.block.header.height, answer.block.header.chain_id = self.height, self.chain_id
        return answer


@asynccontextmanager
async def node(height: int) -> AsyncIterator[tuple[Tendermint, str]]:
    server, told = grpc.aio.server(), Tendermint(height)
    tm_grpc.add_ServiceServicer_to_server(told, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield told, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def network(*addresses: str, deadline_s: float = 0.3) -> InjectiveNetwork:
    nodes = [{"chain_grpc": a, "indexer_grpc": a, "chain_stream": a} for a in addresses]
    return InjectiveNetwork.from_config(
        InjectiveConfig.model_validate(
            {"network": "custom", "nodes": nodes, "chain_id": "injective-777", "deadline_s": deadline_s}
        )
    )


async def height(stub: tm_grpc.ServiceStub) -> int:
    with asking("latest block"):
        return int((await stub.GetLatestBlock(tm.GetLatestBlockRequest())).block.header.height)


def test_a_silent_node_is_retryable_within_the_deadline() -> None:
    """If this fails, one silent node hangs the daemon for ever."""

    async def main() -> None:
        async with node(7) as (told, address), asyncio.timeout(30):
            net = network(address)
            stub = tm_grpc.ServiceStub(net.create_chain_grpc_channel())
            told.fault = "silent"
            with pytest.raises(Retryable, match="latest block: DEADLINE_EXCEEDED"):
                await height(stub)
            told.fault = ""
            assert await height(stub) == 7
            await net.close()

    asyncio.run(main())


def test_the_next_node_is_asked_after_two_failures_and_kept(logs: list[dict[str, Any]]) -> None:
    """If this fails, a bad public node is asked for ever, or nodes are changed at every call."""

    async def main() -> None:
        async with node(1) as (first, a), node(2) as (second, b):
            net = network(a, b)
            stub = tm_grpc.ServiceStub(net.create_chain_grpc_channel())
            assert await height(stub) == 1
            first.fault = "503"
            for _ in range(2):
                with pytest.raises(Retryable, match="UNAVAILABLE: 503"):
                    await height(stub)
            assert [await height(stub) for _ in range(3)] == [2, 2, 2]
            first.fault = ""
            assert await height(stub) == 2  # sticky: the node in use answers
            second.fault = "503"
            for _ in range(2):
                with pytest.raises(Retryable):
                    await height(stub)
            assert await height(stub) == 1
            assert [line["event"] for line in logs] == ["node_lost", "node_lost", "node_back"]
            assert [line["node"] for line in logs] == [a, b, a]
            assert second.asked == 7  # once for its chain
            await net.close()

    asyncio.run(main())


def test_one_failure_between_answers_changes_nothing() -> None:
    """If this fails, the routine 503 of a public node moves the daemon from node to node."""

    async def main() -> None:
        async with node(1) as (first, a), node(2) as (second, b):
            net = network(a, b)
            stub = tm_grpc.ServiceStub(net.create_chain_grpc_channel())
            for _ in range(3):
                first.fault = "503"
                with pytest.raises(Retryable):
                    await height(stub)
                first.fault = ""
                assert await height(stub) == 1
            assert second.asked == 0
            await net.close()

    asyncio.run(main())


def test_a_load_balancers_cookie_keeps_the_client_on_one_machine() -> None:
    """If this fails, two questions in a row meet two machines at different heights."""

    async def main() -> None:
        async with node(5) as (told, address):
            net = network(address)
            stub = tm_grpc.ServiceStub(net.create_chain_grpc_channel())
            await height(stub)
            await height(stub)
            assert told.cookies == [None, None, "node-5"]  # the first question is for the chain
            await net.close()

    asyncio.run(main())


def test_the_sdks_own_client_gets_the_deadline_and_the_failover() -> None:
    """If this fails, what goes through injective-py's client can hang, whatever our own calls do."""

    async def main() -> None:
        async with node(1) as (first, a), node(2) as (_, b), asyncio.timeout(30):
            first.fault = "silent"
            net = network(a, b)
            client = AsyncClient(net)
            client._cancel_timeout_height_sync_task()
            for _ in range(2):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await client.fetch_latest_block()
                assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert (await client.fetch_latest_block())["block"]["header"]["height"] == "2"
            await net.close()

    asyncio.run(main())


def test_a_cancelled_call_is_cancelled_on_the_wire() -> None:
    """If this fails, a daemon that stops leaves calls behind that end after their deadline only."""

    async def main() -> None:
        async with node(1) as (told, address):
            told.fault = "silent"
            net = network(address, deadline_s=30)
            task = asyncio.create_task(height(tm_grpc.ServiceStub(net.create_chain_grpc_channel())))
            await told.silent.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(20):
                await net.close()

    asyncio.run(main())


def test_requests_keep_to_the_rate() -> None:
    """If this fails, a public node locks the daemon out for asking too often."""

    async def main() -> None:
        limit, loop = TokenBucket(3_000, 50), asyncio.get_running_loop()
        started_s = loop.time()
        await asyncio.gather(*(limit.acquire() for _ in range(60)))
        # a burst of one second's worth is free, the ten beyond it take a fiftieth each
        assert loop.time() - started_s >= 0.19

    asyncio.run(main())


def test_an_address_must_be_host_and_port() -> None:
    """If this fails, a mistyped address is found out by a deadline instead of a message."""
    with pytest.raises(ConfigError, match=r"'https://node:443/x' is not HOST:PORT"):
        network("https://node:443/x")


def test_the_public_nodes_are_reached_encrypted() -> None:
    """If this fails, requests to public nodes go over the wire in plain text."""
    for name, chain_id in (("mainnet", "injective-1"), ("testnet", "injective-888")):
        net = InjectiveNetwork.from_config(InjectiveConfig.model_validate({"network": name}))
        assert net.chain_id == chain_id
        assert len(net.nodes) >= 1
        assert all(t.credentials is not None for n in net.nodes for t in (n.chain, n.indexer, n.stream))


def test_a_node_of_another_chain_is_put_aside_and_the_next_one_asked(logs: list[dict[str, Any]]) -> None:
    """If this fails, failover to one mistyped node stops the daemon, or another chain's heights are believed."""

    async def main() -> None:
        async with node(1) as (first, a), node(2) as (other, b), node(3) as (third, c), asyncio.timeout(30):
            other.chain_id = "injective-888"
            net = network(a, b, c)
            stubs = [
                tm_grpc.ServiceStub(make())
                for make in (net.create_chain_grpc_channel, net.create_exchange_grpc_channel)
            ]
            assert [await height(stub) for stub in stubs] == [1, 1]
            first.fault = "503"
            for stub in stubs:
                told = []
                for _ in range(6):
                    with suppress(Retryable):
                        told.append(await height(stub))
                assert told[-1] == 3
                assert 2 not in told
            assert other.asked == 1  # for its chain, and never again
            (said,) = [line for line in logs if line["event"] == "node_set_aside"]
            assert (said["log_level"], said["node"], said["chain"], said["left"]) == (
                "error",
                b,
                "injective-888",
                2,
            )
            third.fault, first.fault = "503", ""
            for _ in range(6):
                with suppress(Retryable):
                    told.append(await height(stubs[0]))
            assert told[-1] == 1
            await net.close()

    asyncio.run(main())


def test_no_node_of_the_right_chain_is_fatal() -> None:
    """If this fails, a daemon set up for the wrong chain asks for ever."""

    async def main() -> None:
        async with node(1) as (first, a), node(2) as (other, b), asyncio.timeout(30):
            first.chain_id = other.chain_id = "injective-888"
            net = network(a, b)
            stub = tm_grpc.ServiceStub(net.create_chain_grpc_channel())
            with pytest.raises(Retryable, match="is on chain 'injective-888'"):
                await height(stub)
            for _ in range(2):
                with pytest.raises(
                    ConfigError, match="is on chain 'injective-888', the configuration asks for"
                ):
                    await height(stub)
            await net.close()

    asyncio.run(main())
