"""Every way to a venue, as the program opens it: it talks to nobody whose certificate it cannot check."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import grpc
import pytest
from aiohttp import web
from cex_rig import StillClock
from websockets.asyncio.client import connect

from hedged.adapters.cex.answers import LARGEST_BYTES, BoundedAnswer
from hedged.adapters.cex.exchanges import PROFILES, make_exchange
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.nodes import Target, open_channel
from hedged.collectors.exchange_feed import DIALECTS
from hedged.collectors.reconnecting import Route
from hedged.collectors.updates import Instrument
from hedged.config import CexVenueConfig, Config, InjectiveConfig, parse_config
from hedged.domain.errors import ConfigError
from hedged.sandbox.cex.loopback import serve
from hedged.wiring.cex_venues import open_session
from hedged.wiring.outside_parts import open_outside_session

SERVICES = ("chain_grpc", "indexer_grpc", "chain_stream")
ELSEWHERE = ("example.com:443", "1.1.1.1:443", "node.example.com:443")


@asynccontextmanager
async def stranger() -> AsyncIterator[int]:
    """Serve TLS on loopback under a certificate of 127.0.0.1 that nobody vouches for."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"serverTime": 1})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    async with serve({"127.0.0.1": app}) as loopback:
        yield loopback.port


@pytest.mark.parametrize("opened", ["exchanges", "outside"])
def test_no_session_takes_a_certificate_that_nobody_vouches_for(opened: str) -> None:
    """If this fails, whoever sits on the way reads the API key and answers in the venue's place."""

    async def main() -> None:
        async with stranger() as port:
            session = open_session(Config()) if opened == "exchanges" else open_outside_session()
            async with session:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await session.get(f"https://127.0.0.1:{port}/")

    asyncio.run(main())


@pytest.mark.parametrize("venue", sorted(PROFILES))
def test_no_exchange_of_ccxt_turns_the_check_off(venue: str) -> None:
    """If this fails, ccxt talks to an exchange in plain text, or with another idea of trust than the session's."""

    async def main() -> None:
        async with stranger() as port, open_session(Config()) as session:
            exchange = make_exchange(PROFILES[venue], CexVenueConfig(), session, StillClock())
            assert exchange.verify is True
            assert exchange.session is session
            assert not list(_plain(exchange.urls["api"]))
            with pytest.raises(ccxt.ExchangeNotAvailable):
                await exchange.fetch(f"https://127.0.0.1:{port}/time")
            await exchange.close()
            assert not session.closed

    asyncio.run(main())


def _plain(urls: Any) -> Any:
    """Yield whatever in ccxt's tree of addresses is not encrypted."""
    if isinstance(urls, str):
        if not urls.startswith(("https://", "wss://")):
            yield urls
        return
    for inner in urls.values():
        yield from _plain(inner)


def test_no_stream_takes_a_certificate_that_nobody_vouches_for() -> None:
    """If this fails, whoever sits on the way tells the daemon prices and rates."""

    async def main() -> None:
        async with stranger() as port:
            url = f"wss://127.0.0.1:{port}/"
            with pytest.raises(OSError, match="certificate verify failed"):
                await connect(url, proxy=None, **Route().options(url))

    asyncio.run(main())
    for name, speak in DIALECTS.items():
        for dialect in speak([Instrument("ETH", "ETHUSDT")], lambda _: 8.0):
            assert dialect.url.startswith("wss://"), name


def test_no_node_is_taken_whose_certificate_nobody_vouches_for() -> None:
    """If this fails, whoever sits on the way tells balances and fills, and sees orders before the chain does."""

    async def main() -> None:
        for network in ("mainnet", "testnet"):
            made = InjectiveNetwork.from_config(InjectiveConfig(network=network))
            targets = [target for node in made.nodes for target in (node.chain, node.indexer, node.stream)]
            assert targets
            assert all(isinstance(target.credentials, grpc.ChannelCredentials) for target in targets)
            await made.close()
        credentials = grpc.ssl_channel_credentials()
        async with stranger() as port, open_channel(Target(f"127.0.0.1:{port}", credentials)) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary("/any/Call")(b"", timeout=20)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.details())

    asyncio.run(main())


@pytest.mark.parametrize(
    "tree",
    [
        {"outside": {"coinglass": {"url": "http://open-api.example.com"}}},
        {"outside": {"coingecko": {"url": "http://1.1.1.1/api"}}},
        {"outside": {"status": {"hosts": {"binance": "http://api.binance.com"}}}},
        {"outside": {"coinglass": {"url": "https://user:pass@example.com"}}},
        {"outside": {"coinglass": {"url": "ftp://127.0.0.1"}}},
        *({"injective": {"nodes": [dict.fromkeys(SERVICES, node) | {"tls": False}]}} for node in ELSEWHERE),
    ],
)
def test_an_address_in_plain_text_is_refused_outside_this_machine(tree: dict[str, Any]) -> None:
    """If this fails, a slip in the configuration sends a key, or believes an answer, in plain text."""
    with pytest.raises(ConfigError) as refused:
        parse_config(tree)
    assert "pass@" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "injective-node"])
def test_a_node_of_ones_own_network_may_be_in_plain_text(host: str) -> None:
    """If this fails, a container beside the daemon's cannot be its node."""
    node = dict.fromkeys(SERVICES, f"{host}:9900")
    assert parse_config({"injective": {"nodes": [node | {"tls": False}]}}).injective.nodes[0].tls is False
    assert parse_config({"outside": {"coinglass": {"url": "http://127.0.0.1:1/x"}}})


@pytest.mark.parametrize("wrong", ["redirect", "endless"])
def test_a_redirect_and_an_endless_answer_are_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an exchange sends an order on to another host, key and all, or takes all memory."""
    monkeypatch.setattr("hedged.adapters.cex.answers.LARGEST_BYTES", 1 << 16)
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if wrong == "redirect" and request.path == "/order":
            raise web.HTTPTemporaryRedirect("/elsewhere")
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"[" * 4_096)
        return response

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        session = aiohttp.ClientSession(response_class=BoundedAnswer)
        async with session:
            exchange = make_exchange(PROFILES["binance"], CexVenueConfig(), session, StillClock())
            with pytest.raises(ccxt.ExchangeError) as refused:
                await exchange.fetch(f"http://127.0.0.1:{port}/order", "POST", {"X-KEY": "key"}, "a=1")
            assert type(refused.value) is ccxt.ExchangeError  # to a send: nobody knows, so it is looked up
            await exchange.close()
        await runner.cleanup()

    assert LARGEST_BYTES >= 1 << 24
    asyncio.run(main())
    assert asked == ["/order"]
