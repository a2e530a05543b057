"""The nodes that are asked, and which of them are of the right chain.

What a node of another chain says is worse than silence: its height makes orders expire late, its not knowing of a
transaction passes for a proof that it is dead. So every node is asked for its chain before anything else is, by
whichever channel comes to it first, and is put aside for good where that is another one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import structlog
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc

from hedged.domain.errors import ConfigError

log = structlog.get_logger(__name__)

OPTIONS: tuple[tuple[str, int], ...] = (
    # pings only while a call is open, so that an idle channel gives no server reason to complain
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.max_receive_message_length", 64 << 20),
    # channels to one address would share one connection, and with it one failure
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A node's address, host:port; `credentials` None means plain text, for one's own node or a local one."""

    address: str
    credentials: grpc.ChannelCredentials | None = None


def open_channel(target: Target, interceptors: Sequence[Any] = ()) -> grpc.aio.Channel:
    """Open a channel to one address."""
    guards = list(interceptors)
    if target.credentials is None:
        return grpc.aio.insecure_channel(target.address, OPTIONS, interceptors=guards)
    return grpc.aio.secure_channel(target.address, target.credentials, OPTIONS, interceptors=guards)


UNREADABLE = "an answer that is no message"
"""gRPC logs one and hands on None for it, with status OK."""


def unreadable() -> grpc.aio.AioRpcError:
    """Return the error for an answer that could not be read."""
    empty = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, empty, empty, UNREADABLE)


class WrongChain(Exception):
    """A node that was put aside was about to be asked."""


class Nodes:
    """The nodes by their place in the configuration. `chain`: where each is asked which chain it is of."""

    def __init__(self, chain: Sequence[Target], chain_id: str, deadline_s: float) -> None:
        self._targets, self._chain_id, self._deadline_s = tuple(chain), chain_id, deadline_s
        self._proven: set[int] = set()
        self._asking = [asyncio.Lock() for _ in chain]
        self.aside: dict[int, str] = {}

    async def prove(self, index: int) -> None:
        """Return once a node is known to be of the right chain; it is asked once.

        Raises WrongChain for one that is not, ConfigError when none is left that may be, and AioRpcError when the node
        does not answer: then it is asked again the next time.
        """
        if index in self._proven:
            return
        async with self._asking[index]:
            if index not in self._proven and index not in self.aside:
                told = await self._chain_of(self._targets[index])
                if told == self._chain_id:
                    self._proven.add(index)
                else:
                    self.put_aside(index, told)
        if index in self.aside:
            self._must_have_one()
            raise WrongChain(self.aside[index])

    def put_aside(self, index: int, told: str) -> None:
        """Never ask a node again: it is of the chain `told`. Raises ConfigError when no other is left."""
        if index not in self.aside:
            node = self._targets[index].address
            self.aside[index] = f"the node at {node} is on chain {told!r}"
            self._proven.discard(index)
            log.error(
                "node_set_aside",
                node=node,
                chain=told,
                wanted=self._chain_id,
                left=len(self._targets) - len(self.aside),
            )
        self._must_have_one()

    def _must_have_one(self) -> None:
        if len(self.aside) == len(self._targets):
            raise ConfigError(
                f"{', '.join(self.aside.values())}, the configuration asks for {self._chain_id!r}: change "
                "injective.network, injective.chain_id or injective.nodes"
            )

    async def _chain_of(self, target: Target) -> str:
        request = query_pb2.GetLatestBlockRequest()
        async with open_channel(target) as channel:
            stub = query_pb2_grpc.ServiceStub(channel)
            answer = await stub.GetLatestBlock(request, timeout=self._deadline_s)
        if answer is None:
            raise unreadable()
        header = answer.sdk_block.header if answer.HasField("sdk_block") else answer.block.header
        return str(header.chain_id)
