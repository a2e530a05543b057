"""Where Injective is reached: the SDK's public nodes or one's own, behind channels that fail over.

`InjectiveNetwork` is an injective-py `Network`: `AsyncClient`, `IndexerClient` and every generated stub get channels
with deadlines, keepalive, a request rate and failover from it (`channel.py`), which the SDK's own do not have.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
from pyinjective.core.network import DisabledCookieAssistant, Network

from hedged.adapters.injective.channel import FailoverChannel
from hedged.adapters.injective.nodes import Nodes, Target
from hedged.config import InjectiveConfig, NodeConfig
from hedged.domain.errors import ConfigError
from hedged.domain.pace import TokenBucket

PUBLIC_CHAIN_PER_S = 16.0
"""Public chain nodes refuse above about 20 requests a second ..."""
PUBLIC_INDEXER_PER_S = 40.0
"""... and the public indexer above about 50."""
LOOPBACK = ("127.0.0.1:", "localhost:", "[::1]:")


@dataclass(frozen=True, slots=True)
class Node:
    """The three services of one node."""

    chain: Target
    indexer: Target
    stream: Target


class InjectiveNetwork(Network):  # type: ignore[misc, unused-ignore]
    """The nodes of one chain, in the order in which they are tried. Close it with `close()`."""

    def __init__(
        self, nodes: Sequence[Node], chain_id: str, env: str, deadline_s: float, *, limited: bool
    ) -> None:
        first, off = nodes[0], DisabledCookieAssistant()
        super().__init__(
            lcd_endpoint="",
            tm_websocket_endpoint="",
            grpc_endpoint=first.chain.address,
            grpc_exchange_endpoint=first.indexer.address,
            grpc_explorer_endpoint=first.indexer.address,
            chain_stream_endpoint=first.stream.address,
            chain_id=chain_id,
            fee_denom="inj",
            env=env,
            # the channel itself keeps the cookies
            chain_cookie_assistant=off,
            exchange_cookie_assistant=off,
            explorer_cookie_assistant=off,
            # the SDK would fetch a list of tokens from there; nothing here needs it
            official_tokens_list_url="",
        )
        self.nodes = tuple(nodes)
        self.deadline_s = deadline_s
        self.proof = Nodes([node.chain for node in nodes], chain_id, deadline_s)
        self._chain_limit = _a_second(PUBLIC_CHAIN_PER_S) if limited else None
        self._indexer_limit = _a_second(PUBLIC_INDEXER_PER_S) if limited else None
        self._opened = AsyncExitStack()

    @classmethod
    def from_config(cls, config: InjectiveConfig) -> "InjectiveNetwork":
        """Make the network that a configuration names. Raises ConfigError for an address that is none."""
        own = [_own_node(node) for node in config.nodes]
        preset = _preset(config.network)
        public = [_public_node(network) for network in preset]
        chain_id = config.chain_id or (preset[0].chain_id if preset else "")
        return cls(own + public, chain_id, config.network, config.deadline_s, limited=bool(public))

    def create_chain_grpc_channel(self) -> FailoverChannel:
        """Open a channel to the chain's gRPC."""
        return self._channel("chain", [node.chain for node in self.nodes], self._chain_limit, self.proof)

    def create_exchange_grpc_channel(self) -> FailoverChannel:
        """Open a channel to the indexer."""
        return self._channel(
            "indexer", [node.indexer for node in self.nodes], self._indexer_limit, self.proof
        )

    def create_chain_stream_grpc_channel(self) -> FailoverChannel:
        """Open a channel to the chain's event stream."""
        return self._channel("stream", [node.stream for node in self.nodes], None, self.proof)

    def _create_grpc_channel(
        self, endpoint: str, credentials: grpc.ChannelCredentials | None
    ) -> FailoverChannel:
        return self._channel("other", [Target(endpoint, credentials)], self._indexer_limit)

    def _channel(
        self, name: str, targets: list[Target], limit: TokenBucket | None, nodes: Nodes | None = None
    ) -> FailoverChannel:
        channel = FailoverChannel(name, targets, limit, self.deadline_s, nodes)
        self._opened.push_async_callback(channel.close)
        return channel

    async def close(self) -> None:
        """Close every channel that was opened here."""
        await self._opened.aclose()


def _preset(network: str) -> list[Network]:
    if network == "mainnet":
        return [Network.mainnet()]
    return [Network.testnet("lb"), Network.testnet("sentry")] if network == "testnet" else []


def _public_node(network: Network) -> Node:
    return Node(
        Target(network.grpc_endpoint, network.grpc_channel_credentials),
        Target(network.grpc_exchange_endpoint, network.grpc_exchange_channel_credentials),
        Target(network.chain_stream_endpoint, network.chain_stream_channel_credentials),
    )


def _own_node(node: NodeConfig) -> Node:
    def target(address: str) -> Target:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or "/" in address:
            raise ConfigError(f"injective.nodes: {address!r} is not HOST:PORT")
        plain = address.startswith(LOOPBACK) if node.tls is None else not node.tls
        return Target(address, None if plain else grpc.ssl_channel_credentials())

    return Node(target(node.chain_grpc), target(node.indexer_grpc), target(node.chain_stream))


def _a_second(requests: float) -> TokenBucket:
    """Return the bucket of so many requests a second, that many of them at once."""
    return TokenBucket(60.0 * requests, requests)
