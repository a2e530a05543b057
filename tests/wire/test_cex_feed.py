"""An exchange's adapter with its feed: REST and streams of the same sandbox, together and one without the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from cex_rig import Rig, StillClock, rig
from streams import NATIVE, QUICK, VENUES, until

from hedged.collectors.exchange_feed import ExchangeFeed
from hedged.collectors.feed import Patience
from hedged.collectors.reconnecting import Route
from hedged.config import parse_config
from hedged.domain.bars import Field
from hedged.domain.clock import SystemClock
from hedged.domain.errors import Retryable
from hedged.domain.orders import Side
from hedged.sandbox.cex.exchanges import Hall, serve_all
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.push import PushServer
from hedged.sandbox.cex.push_quotes import quotes_of
from hedged.telemetry.feeds import FeedReports
from hedged.telemetry.metrics import Metrics
from hedged.wiring.cex_venues import CexVenues

NAMES = {venue: {"BTC": NATIVE[venue].format("BTC")} for venue in VENUES}


@dataclass
class Fed:
    """The rig of one exchange, with its pushes and its feed."""

    on: Rig
    push: PushServer
    feed: ExchangeFeed
    task: Any

    @property
    def faults(self) -> Any:
        return self.push.faults[self.on.venue]

    async def value(self, one: Field) -> float:
        seen = await self.on.data.observe(self.on.clock.now_ms())
        return float(seen[0].values[one]) if seen else float("nan")


@asynccontextmanager
async def fed(venue: str) -> AsyncIterator[Fed]:
    clock = SystemClock()
    async with rig(venue, clock=clock, symbols=("BTC",)) as on:
        names = {venue: lambda: quotes_of(on.engine, NAMES[venue])}
        async with PushServer(names, clock, every_s=0.02, authority=on.loopback.authority) as push:
            route = Route(push.authority.client_context(), push.resolve)
            patience = Patience(look_s=0.05, limits_s={Field.MARK: 1.3})
            feed = ExchangeFeed(on.data, clock, np.random.default_rng(7), route, QUICK, patience)
            task = asyncio.create_task(feed.run())
            try:
                yield Fed(on, push, feed, task)
            finally:
                task.cancel()
                async with asyncio.timeout(3):
                    await asyncio.gather(task, return_exceptions=True)


def live(one: Fed) -> bool:
    status = one.feed.status()
    return status is not None and all(status.live.values())


@pytest.mark.parametrize("venue", VENUES)
def test_streams_and_rest_agree(venue: str) -> None:
    """If this fails, a value jumps when the stream takes over from REST: another unit, interval or market."""

    async def main() -> None:
        async with fed(venue) as one:
            on = one.on
            await until(lambda: on.data.board.told_ms > 0)
            polled = (await on.data.observe(on.clock.now_ms()))[0]
            await until(lambda: live(one))
            heard_ms = on.clock.now_ms()
            await until(
                lambda: (
                    (told := on.data.board.latest("BTC", Field.FUNDING_ESTIMATE, on.clock.now_ms()))
                    is not None
                    and told[0] > heard_ms
                )
            )
            streamed = (await on.data.observe(on.clock.now_ms()))[0]
            for field in (Field.FUNDING_ESTIMATE, Field.MARK, Field.INTERVAL_H, Field.OPEN_INTEREST):
                if not np.isnan(polled.values[field]):
                    assert streamed.values[field] == pytest.approx(
                        polled.values[field], rel=1e-3, abs=1e-7
                    ), field
            assert streamed.values[Field.INTERVAL_H] == 8.0
            best = await on.data.best("BTC", Side.BUY, 2_000)
            assert best is not None
            assert abs(best / on.engine.mark("BTC") - 1) < Decimal("0.001")

    asyncio.run(main())


def test_a_stream_alone_keeps_the_adapter_telling() -> None:
    """If this fails, a venue whose REST is down counts as silent though its stream tells everything."""

    async def main() -> None:
        async with fed("bybit") as one:
            await until(lambda: live(one))
            one.on.data._polled_ms -= 120_000
            assert await one.value(Field.MARK) > 0
            one.faults.silent = True
            one.on.data.board.told_ms -= 120_000
            with pytest.raises(Retryable, match="has not answered"):
                await one.value(Field.MARK)

    asyncio.run(main())


@pytest.mark.parametrize("venue", VENUES)
def test_rest_alone_keeps_the_board_current(venue: str) -> None:
    """If this fails, a lost stream leaves the book without a mark until it is back."""

    async def main() -> None:
        async with fed(venue) as one:
            await until(lambda: live(one))
            before = one.feed.status().fallbacks
            one.faults.silent = True
            one.on.engine.paths["BTC"].shock(one.on.clock.now_ms(), Decimal("1.5"))
            mark = float(one.on.engine.mark("BTC"))
            await until(
                lambda: (
                    (told := one.on.data.board.latest("BTC", Field.MARK, one.on.clock.now_ms())) is not None
                    and told[1] == pytest.approx(mark, rel=1e-3)
                )
            )
            assert one.feed.status().fallbacks > before

    asyncio.run(main())


def test_a_venue_that_is_down_at_the_start_is_waited_for(logs: list[dict[str, Any]]) -> None:
    """If this fails, an exchange under maintenance at our start stays without data, or takes the daemon down."""

    async def main() -> None:
        clock = SystemClock()
        async with rig("binance", clock=clock, symbols=("BTC",)) as on:
            on.faults.add(Fault.ERROR, times=3)
            names = {"binance": lambda: quotes_of(on.engine, NAMES["binance"])}
            async with PushServer(names, clock, every_s=0.02, authority=on.loopback.authority) as push:
                route = Route(push.authority.client_context(), push.resolve)
                feed = ExchangeFeed(on.data, clock, np.random.default_rng(7), route, QUICK)
                task = asyncio.create_task(feed.run())
                await until(lambda: feed.status() is not None and all(feed.status().live.values()))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        assert [line["event"] for line in logs].count("venue_not_listed") == 1

    asyncio.run(main())


def test_how_a_feed_stands_is_told() -> None:
    """If this fails, nobody sees that a venue's reports are late, old, or come by polls alone (C4)."""

    async def main() -> None:
        async with fed("okx") as one:
            await until(lambda: live(one) and "open_interest" in one.feed.status().ages_s)
            metrics = Metrics()
            reports = FeedReports([one.feed], metrics)
            await asyncio.sleep(0.1)
            reports.ask()
            (told,) = reports.told.values()
            assert told.live == {"okx": True}
            assert "open_interest" in told.ages_s
            value = metrics.registry.get_sample_value
            assert value("hedged_feed_up", {"venue": "okx", "stream": "okx"}) == 1
            assert value("hedged_feed_age_seconds", {"venue": "okx", "kind": "price"}) < 5
            first = value("hedged_feed_messages_total", {"venue": "okx"})
            await asyncio.sleep(0.2)
            reports.ask()
            second = value("hedged_feed_messages_total", {"venue": "okx"})
            assert first < second == reports._told["okx"].messages

    asyncio.run(main())


@pytest.mark.parametrize("with_streams", [True, False])
def test_three_exchanges_are_followed_together(with_streams: bool) -> None:
    """If this fails, the daemon lacks an exchange, does not end, or streams go past the session that was given."""

    async def main() -> None:
        clock = SystemClock()
        config = parse_config(
            {
                "hedge": {"venues": list(VENUES)},
                "cycle": {"history_days": 7},
                "cex": {v: {"rate_share": 1} for v in VENUES},
            }
        )
        hall = Hall(clock)
        names = {v: lambda v=v: quotes_of(hall.protocols[v].exchange, NAMES[v]) for v in VENUES}
        async with (
            serve_all(hall) as loopback,
            PushServer(names, clock, every_s=0.02, authority=loopback.authority) as push,
        ):
            route = Route(push.authority.client_context(), push.resolve) if with_streams else None
            venues = CexVenues.connect(
                config, clock, np.random.default_rng(7), lambda _: loopback.session(), route
            )
            await venues.watch({"BTC"})
            task = asyncio.create_task(venues.run())
            reports = FeedReports(venues.feeds, Metrics())
            await until(lambda: all(feed.status() is not None for feed in venues.feeds))
            if with_streams:
                await until(lambda: all(all(feed.status().live.values()) for feed in venues.feeds))
            reports.ask()
            streams = {venue: told.live for venue, told in reports.told.items()}
            for venue, data in venues.sources.items():
                (seen,) = await data.observe(clock.now_ms())
                assert seen.values[Field.MARK] > 0
                assert not np.isnan(seen.values[Field.FUNDING_ESTIMATE])
                assert (bool(streams[venue]) and all(streams[venue].values())) == with_streams
            assert bool(push.accepted) == with_streams
            task.cancel()
            async with asyncio.timeout(3):
                await asyncio.gather(task, return_exceptions=True)
                await venues.close()

    asyncio.run(main())


def test_a_start_that_took_long_is_no_silence() -> None:
    """If this fails, a daemon with many markets gives up its start: what was read first is minutes old by its end."""

    async def main() -> None:
        clock = StillClock()
        async with rig("bybit", clock=clock, symbols=("BTC",)) as on:
            await on.data.snapshot()
            clock.skip(300)  # the past of other markets was read meanwhile
            feed = ExchangeFeed(on.data, clock, np.random.default_rng(7), streams=False)
            task = asyncio.create_task(feed.run())
            try:
                await asyncio.sleep(0)
                assert await on.data.markets()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
