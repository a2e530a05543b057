"""One gRPC channel over several nodes: deadlines, keepalive, a request rate, and the change to the next node.

A public node falls silent, answers 503 or lags as a matter of routine, and gRPC by itself waits for ever. Here every
unary call has a deadline, and after repeated failures the next call goes to the next node (never the same call: whoever
made it knows whether it may be made again). A node is left when it fails, not when another recovers.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from hedged.adapters.injective.health import Health
from hedged.adapters.injective.nodes import UNREADABLE, Nodes, Target, WrongChain, open_channel, unreadable
from hedged.domain.pace import TokenBucket

UNHEALTHY = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)
"""What speaks against the node rather than the request; HTTP 429, 502, 503 and 504 arrive as UNAVAILABLE."""


class _Guard(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc, type-arg, unused-ignore]
    """Gives every unary call its turn, a deadline and the load balancer's cookie, and notes how the node answered.

    Before the first of them the node has proven that it is of the right chain.
    """

    def __init__(
        self, health: Health, nodes: Nodes | None, index: int, limit: TokenBucket | None, deadline_s: float
    ) -> None:
        self._health, self._nodes, self._index = health, nodes, index
        self._limit, self._deadline_s = limit, deadline_s
        self._cookie: str | None = None

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        if self._limit:
            await self._limit.acquire()
        if self._nodes is not None:
            await prove(self._nodes, self._health, self._index)
        call = await continuation(self._with_deadline(details), request)
        try:
            code = await call.code()
        except asyncio.CancelledError:
            call.cancel()
            raise
        if code in UNHEALTHY:
            self._health.failed(self._index, f"{code.name}: {await call.details()}")
        elif code is grpc.StatusCode.OK and await call is None:
            self._health.failed(self._index, UNREADABLE)
            raise unreadable()
        else:
            self._health.answered(self._index)
            self._cookie = dict(await call.initial_metadata() or ()).get("set-cookie", self._cookie)
        return call

    def _with_deadline(self, details: Any) -> Any:
        """A public address is many machines at different heights; its cookie keeps one client on one of them."""
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if self._cookie and "cookie" not in metadata:
            metadata.add("cookie", self._cookie)
        timeout = self._deadline_s if details.timeout is None else details.timeout
        return grpc.aio.ClientCallDetails(
            details.method, timeout, metadata, details.credentials, details.wait_for_ready
        )


async def prove(nodes: Nodes, health: Health, index: int) -> None:
    """Return once a node is known to be of the right chain. Raises AioRpcError where it is not, or does not say."""
    try:
        await nodes.prove(index)
    except WrongChain as error:
        empty = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, empty, empty, str(error)) from None
    except grpc.aio.AioRpcError as error:
        if error.code() in UNHEALTHY:
            health.failed(index, f"{error.code().name}: {error.details()}")
        raise


class FailoverChannel(grpc.aio.Channel):  # type: ignore[misc, unused-ignore]
    """A channel that is the channel of whichever node is in use. Any generated stub and injective-py take it."""

    def __init__(
        self,
        name: str,
        targets: Sequence[Target],
        limit: TokenBucket | None,
        deadline_s: float,
        nodes: Nodes | None = None,
    ) -> None:
        """`nodes`: those that the targets belong to, in the same order; None: not of a chain that must be proven."""
        addresses = tuple(target.address for target in targets)
        self.health = Health(name, addresses, aside=nodes.aside if nodes else ())
        self._nodes = nodes
        self._limit, self._deadline_s = limit, deadline_s
        self._targets = tuple(targets)
        self._channels: dict[int, grpc.aio.Channel] = {}

    @property
    def in_use(self) -> grpc.aio.Channel:
        """The channel to the node in use, opened at its first use."""
        index = self.health.in_use
        if index not in self._channels:
            guard = _Guard(self.health, self._nodes, index, self._limit, self._deadline_s)
            self._channels[index] = open_channel(self._targets[index], [guard])
        return self._channels[index]

    @property
    def node(self) -> str:
        """Address of the node in use."""
        return self._targets[self.health.in_use].address

    async def prove(self) -> None:
        """Return once the node in use is of the right chain: streams pass no interceptor. Raises AioRpcError."""
        if self._nodes is not None:
            await prove(self._nodes, self.health, self.health.in_use)

    def failed(self, why: str) -> None:
        """Note the end of a stream, which no interceptor sees."""
        self.health.failed(self.health.current, why)

    def answered(self) -> None:
        """Note that a stream speaks."""
        self.health.answered(self.health.current)

    def blame(self, why: str) -> None:
        """Leave the node in use for the next one: what it says cannot be right, though it answers."""
        self.health.blamed.add(self.health.current)
        self.health.lost(self.health.current, why)

    def trust(self) -> None:
        """Take back the blame: the node in use is right again."""
        self.health.blamed.discard(self.health.current)
        self.health.answered(self.health.current)

    def _routed(self, kind: str, *args: Any, **kwargs: Any) -> Any:
        made: dict[int, Callable[..., Any]] = {}

        def call(*request: Any, **options: Any) -> Any:
            channel = self.in_use
            index = self.health.current
            if index not in made:
                made[index] = getattr(channel, kind)(*args, **kwargs)
            return made[index](*request, **options)

        return call

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return a callable whose calls go to the node in use; deadlines come on top."""
        return self._routed("unary_unary", *args, **kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return a callable whose streams come from the node in use; whoever reads them watches for silence."""
        return self._routed("unary_stream", *args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return a callable whose calls go to the node in use."""
        return self._routed("stream_unary", *args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return a callable whose calls go to the node in use."""
        return self._routed("stream_stream", *args, **kwargs)

    async def close(self, grace: float | None = None) -> None:
        """Close the channels to all nodes."""
        channels, self._channels = list(self._channels.values()), {}
        await asyncio.gather(*(channel.close(grace) for channel in channels))

    async def __aenter__(self) -> "FailoverChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the state of the connection to the node in use."""
        return self.in_use.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait for a change of the connection to the node in use."""
        await self.in_use.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the node in use is connected; bound it by a timeout."""
        await self.in_use.channel_ready()
