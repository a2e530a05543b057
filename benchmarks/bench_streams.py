"""CPU of following the exchanges' streams, beside ccxt.pro on the same recorded messages, and at the venues' own rates.

The recording: 100 markets of each venue, in the venues' own shapes, made from random walks by the sandbox's sessions.
A process of its own plays it over TLS on loopback; what is measured is the CPU time of the following process alone.
1. per 1,000 messages: ours (down to the board) and ccxt.pro by turns; once with the loop of its manual around
   `watch_*`, once subscribed and left alone, which is its reading without handing anything on.
2. three venues × 100 markets at the highest rates that they document, for ours: share of one core.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import ccxt.pro
import numpy as np
from aiohttp.abc import AbstractResolver
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from hedged.adapters.cex.board import Board
from hedged.collectors.binance import binance
from hedged.collectors.bybit import bybit
from hedged.collectors.feed import VenueFeed
from hedged.collectors.okx import okx
from hedged.collectors.reconnecting import Route
from hedged.collectors.updates import Instrument
from hedged.domain.clock import HOUR_MS, SystemClock
from hedged.sandbox.cex.loopback import LOOPBACK, LoopbackResolver
from hedged.sandbox.cex.push import HOSTS
from hedged.sandbox.cex.push_protocols import BinanceSession, BybitSession, OkxSession, Session, session_for
from hedged.sandbox.cex.push_quotes import Quote
from hedged.sandbox.cex.tls import Authority
from hedged.telemetry.logs import configure_logs

MARKETS = 100
LISTED = 600
"""Markets of Binance: its streams of all markets tell of these too."""
SECONDS = 10.0
TURNS = 3
NATIVE = {"binance": "C{}USDT", "bybit": "C{}USDT", "okx": "C{}-USDT-SWAP"}
MAKERS: dict[str, Any] = {
    "binance": lambda *a: binance(*a, few=10**9),  # one stream a market, as ccxt.pro subscribes
    "binance, all": binance,
    "bybit": bybit,
    "okx": okx,
}

Tape = list[tuple[float, list[str]]]
"""Messages by the second at which they are sent."""


def walk(venue: str, markets: int, seed: int = 1) -> Iterator[dict[str, Quote]]:
    """Markets every 100 ms: sizes at the top always change, the top by 30 %, marks by 50 %, OI by 5 %, rates by 2 %."""
    rng = np.random.default_rng(seed)
    now_ms = SystemClock().now_ms()
    quotes = {
        NATIVE[venue].format(n): Quote(
            Decimal("97.1234"), Decimal("97.1034"), Decimal("97.12"), Decimal(31), Decimal("97.13"), Decimal(40),
            Decimal("68744.761"), Decimal("0.00008123"), Decimal("0.0001233"), 8,
            (now_ms // (8 * HOUR_MS) + 1) * 8 * HOUR_MS, Decimal("0.1"),
        )
        for n in range(markets)
    }  # fmt: skip
    while True:
        for name, quote in quotes.items():
            happens, step = rng.random(4), Decimal(int(rng.integers(-3, 4)))
            changes: dict[str, Any] = {
                "bid_quantity": Decimal(int(rng.integers(1, 900))) / 10,
                "ask_quantity": Decimal(int(rng.integers(1, 900))) / 10,
            }
            if happens[0] < 0.3:
                changes |= {"bid": quote.bid + step / 100, "ask": quote.ask + step / 100}
            if happens[1] < 0.5:
                changes |= {"mark": quote.mark + step / 10_000, "index": quote.index + step / 10_000}
            if happens[2] < 0.05:
                changes["open_interest"] = quote.open_interest + step / 1_000
            if happens[3] < 0.02:
                changes["rate"] = quote.rate + step / 10**8
            quotes[name] = replace(quote, **changes)
        yield dict(quotes)


def okx_session(channel: str) -> Session:
    session = OkxSession()
    session._args = [{"channel": channel, "instId": NATIVE["okx"].format(n)} for n in range(MARKETS)]
    return session


def bybit_session() -> Session:
    session = BybitSession()
    session._told = {f"tickers.{NATIVE['bybit'].format(n)}": None for n in range(MARKETS)}
    return session


def names(kind: str) -> str:
    return "/".join(f"c{n}usdt@{kind}" for n in range(MARKETS))


def tapes() -> dict[str, Tape]:
    """Every connection's recording. Key: venue, path up to its query, and for Binance what it subscribes."""
    single = {
        path: [(1.0, BinanceSession(f"{path}{'?streams=' if 'stream' in path else '/'}{names(kind)}"))]
        for path, kind in (
            ("/market/stream", "markPrice@1s"), ("/market/ws", "markPrice@1s"),
            ("/public/stream", "bookTicker"), ("/public/ws", "bookTicker"),
        )
    }  # fmt: skip
    sessions: dict[str, tuple[str, int, list[tuple[float, Session]]]] = {
        **{f"binance {path}": ("binance", MARKETS, made) for path, made in single.items()},
        "binance all marks": ("binance", LISTED, [(1.0, BinanceSession("/market/stream?streams=!markPrice@arr@1s"))]),
        "binance all tops": ("binance", LISTED, [(5.0, BinanceSession("/public/stream?streams=!bookTicker"))]),
        "bybit": ("bybit", MARKETS, [(0.1, bybit_session())]),
        "okx": ("okx", MARKETS, [
            (0.1, okx_session("tickers")), (0.2, okx_session("mark-price")), (3.0, okx_session("open-interest")),
            (30.0, okx_session("funding-rate")),
        ]),
    }  # fmt: skip
    return {key: record(*made) for key, made in sessions.items()}


def record(venue: str, markets: int, sessions: list[tuple[float, Session]]) -> Tape:
    tape: Tape = []
    for tick, quotes in zip(range(round(SECONDS * 10)), walk(venue, markets), strict=False):
        told: list[str] = []
        for every_s, session in sessions:
            if tick % round(every_s * 10) == 0:
                told += session.tell(quotes, SystemClock().now_ms())
        if told:
            tape.append((tick / 10, told))
    return tape


def key_of(venue: str, path: str) -> str:
    if venue != "binance":
        return venue
    if "!" in path:
        return "binance all marks" if "!markPrice" in path else "binance all tops"
    return "binance " + "/".join(path.partition("?")[0].split("/")[:3])  # ccxt.pro adds a number


def venue_process(pipe: Connection) -> None:
    """Play the tape to whoever connects; the parent says how fast."""

    async def main() -> None:
        recorded, authority = tapes(), Authority()
        quotes = {v: {NATIVE[v].format(n): None for n in range(MARKETS)} for v in ("binance", "bybit", "okx")}

        async def handle(connection: ServerConnection) -> None:
            assert connection.request is not None
            venue = HOSTS[connection.request.headers["Host"].partition(":")[0]]
            session, path = session_for(venue, connection.request.path), connection.request.path
            subscribed = asyncio.Event()
            if "streams=" in path:
                subscribed.set()

            async def play() -> None:
                await subscribed.wait()
                await asyncio.sleep(1.0)
                began = time.monotonic()
                for at_s, messages in recorded[key_of(venue, path)]:
                    await asyncio.sleep(max(0.0, began + at_s - time.monotonic()))
                    for message in messages:
                        await connection.send(message)

            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(play())
                    async for frame in connection:
                        for answer in session.hear(str(frame), quotes[venue]):  # type: ignore[arg-type]
                            await connection.send(answer)
                        subscribed.set()
            except* ConnectionClosed:
                pass

        context = authority.server_context(sorted(HOSTS))
        async with serve(
            handle, LOOPBACK, 0, ssl=context, compression=None, ping_interval=None, close_timeout=1
        ) as server:
            sizes = {key: sum(len(messages) for _, messages in tape) for key, tape in recorded.items()}
            pipe.send((next(iter(server.sockets)).getsockname()[1], authority.pem, sizes))
            while not pipe.poll():  # noqa: ASYNC110  (a pipe has no event)
                await asyncio.sleep(0.05)

    asyncio.run(main())


@dataclass
class Place:
    """Where the venues are, and how many messages each connection gets."""

    port: int
    pem: str
    sizes: dict[str, int]

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        return LOOPBACK, self.port


async def ours(place: Place, makers: list[str], expected: int) -> tuple[float, float, int]:
    """Follow; return CPU seconds, seconds, messages."""
    import ssl

    route = Route(ssl.create_default_context(cadata=place.pem), place.resolve)
    feeds, clock = [], SystemClock()
    for maker in makers:
        venue = maker.partition(",")[0]
        made = [Instrument(f"C{n}", NATIVE[venue].format(n), 0.1) for n in range(MARKETS)]
        feeds.append(
            VenueFeed(
                venue, [i.symbol for i in made], MAKERS[maker](made, lambda _: 8.0), Board(venue), clock,
                np.random.default_rng(1), route=route,
            )
        )  # fmt: skip
    tasks = [asyncio.create_task(feed.run()) for feed in feeds]
    try:
        await until(lambda: all(s.tally.connections for f in feeds for s in f.streams))
        await asyncio.sleep(0.7)  # subscriptions are answered, the tape has not begun
        first = sum(f.status().messages for f in feeds)
        spent = await measured(
            lambda: sum(s.tally.messages for f in feeds for s in f.streams) - first, expected
        )
        assert not any(f.status().garbage for f in feeds)
        return spent
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def exchange(venue: str, place: Place) -> Any:
    """ccxt.pro on the loopback, its markets given."""
    import ssl

    name = {"binance": "binanceusdm"}.get(venue, venue)
    resolver: AbstractResolver = LoopbackResolver(frozenset(HOSTS), place.port)
    context = ssl.create_default_context(cadata=place.pem)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver, ssl=context))

    class Counting(getattr(ccxt.pro, name)):  # type: ignore[misc]
        got = 0

        def handle_message(self, client: Any, message: Any) -> None:
            self.got += 1
            super().handle_message(client, message)

    one = Counting({"session": session, "enableRateLimit": False})
    one.set_markets(
        [
            one.safe_market_structure(
                {
                    "id": NATIVE[venue].format(n),
                    "lowercaseId": NATIVE[venue].format(n).lower(), "symbol": f"C{n}/USDT:USDT",
                    "base": f"C{n}", "quote": "USDT",
                    "settle": "USDT", "baseId": f"C{n}", "quoteId": "USDT", "settleId": "USDT", "type": "swap",
                    "swap": True, "spot": False, "contract": True, "linear": True, "inverse": False, "active": True,
                    "contractSize": 0.1, "precision": {"price": 0.01, "amount": 0.1},
                }
            )
            for n in range(MARKETS)
        ]
    )  # fmt: skip
    return one


async def theirs(place: Place, venue: str, expected: int, loop: bool) -> tuple[float, float, int]:
    """Follow with ccxt.pro; `loop`: take each result and ask for the next, as its manual shows."""
    one = exchange(venue, place)
    symbols = [f"C{n}/USDT:USDT" for n in range(MARKETS)]
    watch = {
        "binance": [one.watch_mark_prices, one.watch_bids_asks],
        "bybit": [one.watch_tickers],
        "okx": [one.watch_tickers, one.watch_mark_prices, one.watch_funding_rates],
    }[venue]

    async def follow(function: Any) -> None:
        await function(symbols)
        while loop:
            await function(symbols)

    tasks = [asyncio.create_task(follow(function)) for function in watch]
    try:
        await until(lambda: len(one.clients) > 0 or any(task.done() for task in tasks))
        await asyncio.sleep(0.7)
        for task in tasks:
            if task.done():
                task.result()
        first = one.got
        return await measured(lambda: one.got - first, expected)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        session = one.session
        await one.close()
        await session.close()


async def until(true: Any) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def measured(got: Any, expected: int) -> tuple[float, float, int]:
    """CPU seconds and seconds until so many messages have come."""
    cpu, began = time.process_time(), time.perf_counter()
    async with asyncio.timeout(SECONDS + 60):
        while got() < expected:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return time.process_time() - cpu, time.perf_counter() - began, got()


async def beside(place: Place, venue: str, expected: int) -> None:
    """Per 1,000 messages, by turns."""
    spent: dict[str, list[float]] = {"ours": [], "ccxt.pro": [], "ccxt.pro, reading alone": []}
    for _ in range(TURNS):
        for name, run in (
            ("ours", partial(ours, place, [venue], expected)),
            ("ccxt.pro", partial(theirs, place, venue, expected, loop=True)),
            ("ccxt.pro, reading alone", partial(theirs, place, venue, expected, loop=False)),
        ):
            cpu, _, messages = await run()
            spent[name].append(cpu / messages * 1e6)
    base = statistics.median(spent["ours"])
    for name, values in spent.items():
        middle, low, high = statistics.median(values), min(values), max(values)
        print(f"  {venue:8} {name:24} {middle:7.1f} ms ({low:.1f} … {high:.1f})   ratio {middle / base:5.2f}")


async def run(place: Place) -> None:
    counts = {
        "binance": place.sizes["binance /market/stream"] + place.sizes["binance /public/stream"],
        "bybit": place.sizes["bybit"],
        "okx": place.sizes["okx"],
    }
    await ours(place, ["bybit", "okx"], 100)  # the first of everything is not measured
    print(f"CPU per 1,000 messages, median of {TURNS} turns")
    for venue, expected in counts.items():
        await beside(place, venue, round(expected * 0.95))
    everything = (
        place.sizes["binance all marks"] + place.sizes["binance all tops"] + counts["bybit"] + counts["okx"]
    )
    shares, rates = [], []
    for _ in range(3):
        cpu, seconds, messages = await ours(place, ["binance, all", "bybit", "okx"], round(everything * 0.98))
        shares.append(cpu / SECONDS)
        rates.append(messages / SECONDS)
        assert seconds < SECONDS + 5, "the machine does not keep up"
    print(
        f"3 venues × {MARKETS} markets at {rates[0]:,.0f} messages/s: {statistics.median(shares):.1%} of one core"
    )


def main() -> None:
    configure_logs(lambda: 0, "error", "console")
    pipe, theirs_ = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=venue_process, args=(theirs_,))
    process.start()
    try:
        asyncio.run(run(Place(*pipe.recv())))
    finally:
        pipe.send("stop")
        process.join(10)
        if process.is_alive():
            process.kill()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
