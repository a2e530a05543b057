"""What the feeds do when an exchange or the network misbehaves: each fault, and what is logged, kept and asked."""

import asyncio
import socket
import ssl
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from streams import QUICK, VENUES, WATCHFUL, quote, rig, until

from hedged.collectors.bybit import bybit
from hedged.collectors.reconnecting import Route, Stream
from hedged.collectors.updates import Instrument
from hedged.domain.bars import Field
from hedged.domain.clock import SystemClock
from hedged.domain.errors import Retryable


def events(logs: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in logs]


@pytest.mark.parametrize("venue", VENUES)
def test_a_dropped_connection_is_made_again_and_said_once_each_way(
    venue: str, logs: list[dict[str, Any]]
) -> None:
    """If this fails, one broken connection ends a venue's data, or the log is silent about it."""

    async def main() -> None:
        async with rig(venue) as one:
            await until(one.live)
            streams = len(one.feed.streams)
            one.server.drop(venue)
            await until(lambda: events(logs).count("stream_back") == streams)
            assert one.live()
            assert events(logs).count("stream_lost") == streams
            one.quotes["BTC"] = quote(mark=Decimal(55))
            await until(lambda: one.value(Field.MARK) == 55.0)

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["silent", "deaf"])
def test_silence_is_failure_and_rest_steps_in(fault: str, logs: list[dict[str, Any]]) -> None:
    """If this fails, a half-open connection, or one that answers pings alone, passes for a live market."""

    async def main() -> None:
        async with rig("bybit") as one:

            async def rest() -> None:
                one.board.put("BTC", one.clock.now_ms(), {Field.MARK: 77.0})

            await until(lambda: one.value(Field.MARK) == 100.0)
            one.rest = rest
            polled, connections = one.polled, one.tally.connections
            setattr(one.faults, fault, True)
            await until(lambda: one.polled > polled and one.value(Field.MARK) == 77.0)
            await until(lambda: one.tally.connections > connections)
            assert events(logs) == ["stream_lost"]
            assert "no data" in logs[0]["why"]
            setattr(one.faults, fault, False)
            await until(lambda: "stream_back" in events(logs))
            await until(lambda: one.value(Field.MARK) == 100.0)
            polled = one.polled
            await asyncio.sleep(0.15)
            assert one.polled == polled
            assert events(logs) == ["stream_lost", "stream_back"]

    asyncio.run(main())


@pytest.mark.parametrize("venue", VENUES)
def test_garbage_is_counted_and_left_out(venue: str, logs: list[dict[str, Any]]) -> None:
    """If this fails, one message that cannot be read ends the stream, or fills the log."""

    async def main() -> None:
        async with rig(venue) as one:
            await until(one.live)
            connections = one.feed.status().connections
            one.faults.garbage = 4
            await until(lambda: one.feed.status().garbage >= 3)  # not all of it looks strange to every venue
            one.quotes["BTC"] = quote(mark=Decimal(66))
            await until(lambda: one.value(Field.MARK) == 66.0)
            assert one.feed.status().connections == connections
            assert events(logs).count("stream_garbage") <= len(one.feed.streams)
            assert set(events(logs)) == {"stream_garbage"}

    asyncio.run(main())


@pytest.mark.parametrize("status", [503, 429])
def test_a_venue_that_refuses_connections_is_left_alone_for_longer_and_longer(
    status: int, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a venue under maintenance is hammered, or its return goes unnoticed."""

    async def main() -> None:
        pace = replace(QUICK, first_retry_s=0.02, longest_retry_s=0.3)

        def refuse(one) -> None:
            one.faults.refuse = status

        async with rig("bybit", prepare=refuse, pace=pace) as one:
            await until(lambda: "stream_lost" in events(logs))
            await until(lambda: one.polled > 2)  # REST meanwhile
            assert one.tally.connections == 0
            one.faults.refuse = None
            await until(one.live)
            await until(lambda: "stream_back" in events(logs))
            assert events(logs) == ["stream_lost", "stream_back"]

    asyncio.run(main())


def test_a_flapping_venue_does_not_flap_the_log(logs: list[dict[str, Any]]) -> None:
    """If this fails, a connection that lives for a moment counts as recovery: a storm of tries, and of lines."""

    async def main() -> None:
        async with rig("bybit", pace=replace(QUICK, steady_s=0.3)) as one:
            await until(one.live)
            one.faults.close_after = 1
            one.server.drop("bybit")
            await until(lambda: one.tally.connections >= 6)
            assert events(logs) == ["stream_lost"]
            one.faults.close_after = None
            await until(lambda: "stream_back" in events(logs))
            assert events(logs) == ["stream_lost", "stream_back"]

    asyncio.run(main())


def test_the_daily_closing_is_survived() -> None:
    """If this fails, Binance's data end after 24 hours."""

    async def main() -> None:
        async with rig("binance") as one:
            await until(one.live)
            await one.server.expire("binance")
            await until(lambda: one.server.accepted["binance"] == 4)
            await until(one.live)

    asyncio.run(main())


def test_an_announced_closing_is_no_loss(logs: list[dict[str, Any]]) -> None:
    """If this fails, an upgrade that OKX has announced is logged as a fault, or waited for until the cut."""

    async def main() -> None:
        async with rig("okx") as one:
            await until(one.live)
            await one.server.announce()
            await until(lambda: one.tally.connections == 2 and one.live())
            assert events(logs) == []

    asyncio.run(main())


def test_a_slow_venue_shows_its_lag() -> None:
    """If this fails, a venue whose reports come late looks as prompt as the others (C4)."""

    async def main() -> None:
        async with rig("okx") as one:
            await until(one.live)
            behind = one.clock.now_ms() - 3_000
            one.server._clock = type("Behind", (), {"now_ms": staticmethod(lambda: behind)})()
            one.feed.status()  # what was before is told and forgotten
            await until(lambda: one.feed.status().lags_s.get("price", 0.0) > 2.5)
            assert one.feed.status().ages_s["price"] < 1.0

    asyncio.run(main())


def test_a_burst_is_taken_without_loss() -> None:
    """If this fails, a client that is slower than the venue for a moment loses messages or piles them up."""

    async def main() -> None:
        coins = [f"C{n}" for n in range(200)]
        quotes = {coin: quote(mark=Decimal(100 + n)) for n, coin in enumerate(coins)}
        # both sides share this process: the first message may take its time
        async with rig("okx", coins, quotes, pace=replace(QUICK, silent_s=5.0)) as one:
            await until(lambda: all(one.value(Field.MARK, f"C{n}") == 100 + n for n in range(200)))
            assert one.tally.garbage == one.tally.refused == 0
            assert one.tally.connections == 1

    asyncio.run(main())


def stream_to(route: Route) -> Stream:
    (dialect,) = bybit([Instrument("BTC", "BTCUSDT")], lambda _: 8.0)
    pace = replace(QUICK, connect_s=0.2)
    return Stream(dialect, lambda *_: None, SystemClock(), np.random.default_rng(1), route, pace)


async def ran(stream: Stream, true: Any) -> None:
    task = asyncio.create_task(stream.run())
    try:
        await until(true)
    finally:
        task.cancel()
        async with asyncio.timeout(2):
            await asyncio.gather(task, return_exceptions=True)


def test_a_black_hole_is_given_up_within_the_deadline(logs: list[dict[str, Any]]) -> None:
    """If this fails, a host that accepts and never answers holds the stream for ever."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as hole:
            port = hole.getsockname()[1]
            stream = stream_to(Route(resolve=lambda *_: ("127.0.0.1", port)))
            await ran(stream, lambda: "stream_lost" in events(logs))
            assert "timed out" in logs[0]["why"]

    asyncio.run(main())


def test_a_stranger_with_another_certificate_is_not_believed(logs: list[dict[str, Any]]) -> None:
    """If this fails, whoever sits between us and the exchange can tell us any price."""

    async def main() -> None:
        async with rig("bybit", patience=WATCHFUL) as one:
            await until(one.live)
            stream = stream_to(Route(ssl.create_default_context(), one.server.resolve))
            await ran(stream, lambda: "stream_lost" in events(logs))
            assert "CERTIFICATE_VERIFY_FAILED" in logs[0]["why"]
            assert stream.tally.connections == 0

    asyncio.run(main())


def test_a_damaged_delta_is_made_good() -> None:
    """If this fails, a change whose only message was damaged never arrives, and the old value is confirmed."""

    async def main() -> None:
        async with rig("bybit") as one:
            await until(lambda: one.value(Field.OPEN_INTEREST) == 5_000.0)
            one.faults.garbage = 1
            one.quotes["BTC"] = quote(open_interest=Decimal(9_000))
            await until(lambda: one.tally.garbage == 1)
            await until(lambda: one.value(Field.OPEN_INTEREST) == 9_000.0)
            assert one.tally.connections == 1

    asyncio.run(main())


@pytest.mark.parametrize("venue", VENUES)
def test_whatever_went_wrong_it_is_fresh_once_it_stops(venue: str, logs: list[dict[str, Any]]) -> None:
    """If this fails, some order of faults leaves a feed dead, doubled or wrong for good; the seed reproduces it."""

    async def main() -> None:
        rng = np.random.default_rng(11)
        async with rig(venue, ("BTC", "ETH")) as one:
            for step in range(40):
                kind = rng.integers(7)
                one.faults.silent, one.faults.refuse, one.faults.close_after = kind == 0, None, None
                if kind == 1:
                    one.faults.refuse = int(rng.choice([429, 503]))
                elif kind == 2:
                    one.faults.close_after = int(rng.integers(1, 5))
                elif kind == 3:
                    one.faults.garbage = int(rng.integers(1, 9))
                elif kind == 4:
                    await one.server.expire(venue)
                elif kind == 5:
                    one.faults.no_snapshot = not one.faults.no_snapshot
                elif kind == 6:
                    one.server.drop(venue)
                one.quotes["BTC"] = quote(mark=Decimal(200 + step))
                await asyncio.sleep(float(rng.uniform(0.0, 0.06)))
            one.faults.silent, one.faults.refuse, one.faults.close_after = False, None, None
            one.faults.garbage, one.faults.no_snapshot = 0, False
            one.quotes["BTC"] = quote(mark=Decimal(42), rate=Decimal("0.0016"))
            await until(lambda: one.value(Field.MARK) == 42.0 and one.live())
            await until(lambda: one.value(Field.FUNDING_ESTIMATE) == pytest.approx(0.0002))
            await until(lambda: one.server.connected(venue) == len(one.feed.streams))
            for stream in one.feed.streams:
                said = [line["event"] for line in logs if line.get("stream") == stream.name]
                turns = [event for event in said if event in ("stream_lost", "stream_back")]
                assert turns == [("stream_lost", "stream_back")[n % 2] for n in range(len(turns))]

    asyncio.run(main())


def test_an_end_that_comes_together_with_a_failure_is_an_end() -> None:
    """If this fails, a daemon that is told to stop in the moment that a stream fails never stops."""

    async def main() -> None:
        async with rig("bybit") as one:
            await until(one.live)
            stream = one.feed.streams[0]
            fail = asyncio.Event()

            async def tend(_: Any) -> None:
                await fail.wait()
                raise Retryable("no data")

            stream._tend = tend  # type: ignore[method-assign]
            one.server.drop("bybit")
            await until(lambda: one.tally.connections == 2 and stream.live)
            fail.set()
            one.task.cancel()
            async with asyncio.timeout(2):
                await asyncio.wait([one.task])
            assert one.task.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["repeated", "reordered"])
@pytest.mark.parametrize("venue", VENUES)
def test_news_told_twice_or_out_of_order_leaves_the_newest(
    venue: str, fault: str, logs: list[dict[str, Any]]
) -> None:
    """If this fails, an older price that comes after a newer one is taken for the present."""

    async def main() -> None:
        async with rig(venue) as one:
            await until(one.live)
            setattr(one.faults, fault, True)
            await asyncio.sleep(0.06)  # at least one round has been held back
            one.quotes["BTC"] = quote(mark=Decimal(77))
            await until(lambda: one.value(Field.MARK) == 77.0)
            for _ in range(10):  # what is older still comes
                assert one.value(Field.MARK) == 77.0
                await asyncio.sleep(0.01)
            assert one.tally.garbage == 0
            assert events(logs) == []

    asyncio.run(main())


def test_a_delisting_falls_silent_for_that_market_alone() -> None:
    """If this fails, one market that ends takes the stream of all others with it."""

    async def main() -> None:
        for venue in VENUES:
            async with rig(venue, coins=("BTC", "ETH")) as one:
                await until(lambda one=one: one.told("BTC") and one.told("ETH"))
                del one.quotes["BTC"]
                one.quotes["ETH"] = quote(mark=Decimal(88))
                await until(lambda one=one: one.value(Field.MARK, "ETH") == 88.0)
                assert one.live()

    asyncio.run(main())
