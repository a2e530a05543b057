"""The sandbox put together: one process, one event loop, everything on loopback.

```
async with InjectiveSandbox(SandboxConfig(block_time_s=None)) as sandbox:
    sandbox.chain.fund(address, inj=10, usdt=1_000)
    await sandbox.chain.next_block()
```
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from aiohttp import web
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2_grpc as derivative_grpc
from pyinjective.proto.injective.exchange.v2 import query_pb2_grpc as exchange_grpc
from pyinjective.proto.injective.oracle.v1beta1 import query_pb2_grpc as oracle_grpc
from pyinjective.proto.injective.stream.v2 import query_pb2_grpc as stream_grpc

from hedged.domain.clock import Clock, FastClock, SystemClock
from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.crowd import Feed, StillFeed
from hedged.sandbox.injective.driver import ChainDriver
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.faults import Faults
from hedged.sandbox.injective.gate import FaultGate
from hedged.sandbox.injective.http import HttpSide, Switchboard
from hedged.sandbox.injective.ledger import Ledger
from hedged.sandbox.injective.market import Market, MarketRules, market_rules, new_market
from hedged.sandbox.injective.past import remember
from hedged.sandbox.injective.serve_accounts import add_account_services
from hedged.sandbox.injective.serve_chain import add_chain_services
from hedged.sandbox.injective.serve_exchange import ExchangeQuery
from hedged.sandbox.injective.serve_indexer import DerivativeIndexer
from hedged.sandbox.injective.serve_markets import OracleQuery
from hedged.sandbox.injective.serve_stream import Broadcast, Stream
from hedged.sandbox.injective.tides import play_tides
from hedged.sandbox.injective.wide import simulated_feed
from hedged.sandbox.injective.wire import NONCE_DIGITS
from hedged.sandbox.markets import SYMBOLS
from hedged.sandbox.more_markets import CHAIN_MARKETS, START_PRICES

HOUSE = tuple(f"0x{digit * 40}{0:0{NONCE_DIGITS}x}" for digit in "ef")
"""The crowd's two subaccounts: one quotes, one trades."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on loopback; 0 = any free one."""

    chain_grpc: int = 0
    indexer_grpc: int = 0
    chain_stream: int = 0
    http: int = 0


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What sort of chain to run. Times in seconds.

    `block_time_s` None: blocks are made by `chain.next_block()` alone. `hour_s`: how long a funding hour lasts, in the
    chain's time. `speed`: how many of the chain's seconds pass in one of the wall clock's; blocks come by the latter.
    `moving` False: prices stand still and nobody trades, until the test says so through `feed`. `history_hours`: how
    many settled rates the indexer knows from before. `data`: a recorded directory to play instead of the simulator.
    `tide_h`: funding that turns every so many hours, instead of either. `http_host`: where faults are switched, all
    else being on `host`.
    """

    symbols: Sequence[str] = SYMBOLS
    seed: int = 7
    block_time_s: float | None = 0.7
    hour_s: int = 3_600
    speed: float = 1.0
    moving: bool = True
    history_hours: int = 0
    data: Path | None = None
    tide_h: int | None = None
    chain_id: str = "injective-1"
    ports: Ports = field(default_factory=Ports)
    host: str = "127.0.0.1"
    http_host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the servers listen. gRPC as host:port, the others as URLs. `control`: root of the fault switches."""

    chain_grpc: str
    indexer_grpc: str
    chain_stream: str
    tendermint: str
    lcd: str
    tokens: str
    control: str


class InjectiveSandbox:
    """A running chain with its servers. Enter it as an async context; leaving it stops everything."""

    def __init__(
        self, config: SandboxConfig | None = None, clock: Clock | None = None, feed: Feed | None = None
    ) -> None:
        self.config = config or SandboxConfig()
        clock = clock or SystemClock()
        self.from_ms = clock.now_ms()
        if self.config.speed != 1:
            clock = FastClock(clock, self.config.speed, self.from_ms)
        self.faults = Faults()
        rules = market_rules(self.config.symbols)
        self.feed: Feed = feed or _feed(self.config, clock.now_ms())
        self.chain = ChainDriver(
            _new_chain(self.config, rules, self.faults, clock.now_ms()), self.feed, clock
        )
        remember(self.chain.state, self.feed)
        self.streams = Broadcast(self.chain.state)
        self.chain.listen(self.streams.on_block)
        self.switchboards: dict[str, Switchboard] = {}
        """Faults of what stands beside the chain, by venue."""
        self._servers: list[Any] = []
        self._runner: web.AppRunner | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._endpoints: Endpoints | None = None
        self._producer: asyncio.Task[None] | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where it listens; only while it runs."""
        if self._endpoints is None:
            raise RuntimeError("the sandbox is not running: enter it with `async with`")
        return self._endpoints

    @property
    def markets(self) -> dict[str, Market]:
        """The markets by symbol, as after the latest block."""
        return {market.symbol: market for market in self.chain.state.exchange.markets.values()}

    async def __aenter__(self) -> Self:
        config, ports, chain = self.config, self.config.ports, self.chain.state
        self.chain.open_books()
        _seed_house(self.chain)
        chain_server, indexer, stream = (self._server(name) for name in ("chain", "indexer", "stream"))
        add_chain_services(chain_server, chain)
        exchange_grpc.add_QueryServicer_to_server(ExchangeQuery(chain), chain_server)
        oracle_grpc.add_QueryServicer_to_server(OracleQuery(chain), chain_server)
        derivative_grpc.add_InjectiveDerivativeExchangeRPCServicer_to_server(
            DerivativeIndexer(chain), indexer
        )
        add_account_services(indexer, chain)
        stream_grpc.add_StreamServicer_to_server(Stream(self.streams), stream)
        wanted = (
            (chain_server, ports.chain_grpc),
            (indexer, ports.indexer_grpc),
            (stream, ports.chain_stream),
        )
        bound = [server.add_insecure_port(f"{config.host}:{port}") for server, port in wanted]
        for server, _ in wanted:
            await server.start()
            self._servers.append(server)
        http_port = await self._serve_http()
        url = f"http://{config.host}:{http_port}"
        chain_grpc, indexer_grpc, chain_stream = (f"{config.host}:{port}" for port in bound)
        self._endpoints = Endpoints(
            chain_grpc,
            indexer_grpc,
            chain_stream,
            tendermint=url,
            lcd=url,
            tokens=f"{url}/tokens.json",
            control=url,
        )
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        if config.block_time_s is not None:
            self._producer = self._tasks.create_task(self.chain.run(config.block_time_s))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer is not None:
            self._producer.cancel()
        self.faults.silent_rpc = (
            False  # whoever still waits gets an answer, else stopping would wait for them
        )
        for server in self._servers:
            await server.stop(grace=0)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._tasks is not None:
            await self._tasks.__aexit__(None, None, None)
        self._endpoints = None

    def _server(self, name: str) -> Any:
        # without SO_REUSEPORT a port that is in use is an error instead of a second server on it
        return grpc.aio.server(
            interceptors=[FaultGate(self.faults, name)], options=[("grpc.so_reuseport", 0)]
        )

    async def _serve_http(self) -> int:
        self._runner = web.AppRunner(
            HttpSide(self.chain.state, self.streams, self.switchboards).app(), access_log=None
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.config.http_host, self.config.ports.http)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port


def _feed(config: SandboxConfig, now_ms: int) -> Feed:
    if config.data is not None:
        from hedged.sandbox.injective.recorded import play_recording  # brings polars, which is slow

        return play_recording(config.data, config.symbols, now_ms, config.hour_s, config.history_hours)
    if config.tide_h is not None:
        return play_tides(
            config.tide_h, config.symbols, config.seed, now_ms, config.hour_s, config.history_hours
        )
    if config.moving:
        return simulated_feed(config.symbols, config.seed, now_ms, config.hour_s, config.history_hours)
    return StillFeed()


def _new_chain(config: SandboxConfig, rules: Sequence[MarketRules], faults: Faults, now_ms: int) -> Chain:
    markets = [new_market(rule, START_PRICES[rule.symbol], now_ms // 1_000, config.hour_s) for rule in rules]
    exchange = Exchange(markets, Ledger())
    exchange.house = set(HOUSE)
    return Chain(config.chain_id, exchange, faults, now_ms)


def _seed_house(driver: ChainDriver) -> None:
    """Let the crowd hold the open interest that the simulator states, so that a market is not empty."""
    for market in list(driver.state.exchange.markets.values()):
        usd, tick = CHAIN_MARKETS[market.symbol].open_interest_usd, market.rules.quantity_tick
        quantity = Decimal(int(usd)) / market.mark // tick * tick
        driver.seed_position(sorted(HOUSE)[0], market.symbol, quantity, market.mark)
