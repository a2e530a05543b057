"""Market data of each exchange over its own protocol: present, past, and what happens when it falls silent."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import numpy as np
import pytest
from cex_rig import VENUES, Rig, rig

from hedged.collectors.exchange_feed import ExchangeFeed
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.errors import Retryable
from hedged.domain.orders import Side
from hedged.sandbox.cex.faults import Fault

Script = Callable[[Rig], Coroutine[Any, Any, None]]


def on(venue: str, script: Script, **options: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), rig(venue, **{"symbols": ("BTC", "INJ"), **options}) as rigged:
            await script(rigged)

    asyncio.run(main())


@pytest.mark.parametrize("venue", VENUES)
def test_the_present_is_in_coins_and_per_hour(venue: str) -> None:
    """If this fails, venues are compared in different units."""

    async def script(rigged: Rig) -> None:
        await rigged.data.markets()
        await rigged.data.details()
        now_ms = rigged.clock.now_ms()
        for seen in await rigged.data.observe(now_ms):
            path = rigged.engine.paths[seen.key.symbol]
            hours = path.interval_h(now_ms)
            wanted = {
                Field.FUNDING_ESTIMATE: float(path.estimate(now_ms)) / hours,
                Field.FUNDING_SETTLED: float(path.prints(now_ms - DAY_MS, now_ms)[-1].rate) / hours,
                Field.SETTLED_INTERVAL_H: hours,
                Field.INTERVAL_H: hours,
                Field.SETTLES_IN_S: (path.next_settlement_ms(now_ms) - now_ms) / SECOND_MS,
                Field.MARK: float(path.mark(now_ms)),
                Field.OPEN_INTEREST: float(path.open_interest(now_ms)),
            }
            for field, value in wanted.items():
                assert seen.values[field] == pytest.approx(value), field.name
            assert seen.values[Field.INDEX] == pytest.approx(float(path.index(now_ms)), rel=1e-5)
            depth = float(rigged.engine.instruments[seen.key.symbol].depth_usd)
            assert seen.values[Field.BID_DEPTH_USD] == pytest.approx(depth, rel=0.05)
            assert seen.values[Field.ASK_DEPTH_USD] == pytest.approx(depth, rel=0.05)

    on(venue, script)


@pytest.mark.parametrize("venue", VENUES)
def test_intervals_that_change_are_kept_with_every_print(venue: str) -> None:
    """If this fails, a rate of one hour counts as one of eight after the exchange has shortened the interval."""

    def prepare(protocol: Any) -> None:
        now_ms = protocol.exchange.now_ms
        eight, four = (now_ms - 6 * DAY_MS) // DAY_MS * DAY_MS, (now_ms - 3 * DAY_MS) // DAY_MS * DAY_MS
        protocol.exchange.paths["BTC"].intervals = [(0, 8), (eight + 8 * HOUR_MS, 4), (four, 1)]

    async def script(rigged: Rig) -> None:
        now_ms = rigged.clock.now_ms()
        told = [
            s for s in await rigged.data.settlements(now_ms - 9 * DAY_MS, now_ms) if s.key.symbol == "BTC"
        ]
        true = rigged.engine.paths["BTC"].prints(now_ms - 9 * DAY_MS, now_ms)
        assert [s.ts_ms for s in told] == [p.ts_ms for p in true]
        assert {int(s.rate.interval_h) for s in told} == {1, 4, 8}
        for one, other in zip(told, true, strict=True):
            assert (one.rate.rate, one.rate.interval_h) == (other.rate, other.interval_h)
            assert float(one.price) == pytest.approx(float(other.mark), rel=1e-9)

    on(venue, script, prepare=prepare, history_days=10)


@pytest.mark.parametrize("venue", VENUES)
def test_a_long_past_is_read_page_by_page(venue: str) -> None:
    """If this fails, the history that forecasts are made from ends at the first page."""

    async def script(rigged: Rig) -> None:
        now_ms = rigged.clock.now_ms()
        hours = range(1, 24 * 45)
        rows = await rigged.data.history([now_ms // HOUR_MS * HOUR_MS - ago * HOUR_MS for ago in hours])
        for row in rows:
            (seen,) = row
            path = rigged.engine.paths["BTC"]
            assert seen.values[Field.MARK] == pytest.approx(float(path.mark(seen.ts_ms)))
            (settled,) = path.prints(seen.ts_ms - HOUR_MS, seen.ts_ms)
            assert seen.values[Field.FUNDING_SETTLED] == pytest.approx(float(settled.rate))
            assert seen.known_at_ms[Field.FUNDING_SETTLED] == seen.ts_ms

    on(venue, script, symbols=("BTC",), hourly=True, history_days=46)


@pytest.mark.parametrize("venue", VENUES)
def test_a_settlement_that_comes_live_is_known_from_its_receipt(venue: str) -> None:
    """If this fails, a bar holds a rate that nobody had been told at its end."""

    async def script(rigged: Rig) -> None:
        await rigged.data.observe(rigged.clock.now_ms())
        due_ms = rigged.engine.paths["BTC"].next_settlement_ms(rigged.clock.now_ms())
        rigged.clock.skip((due_ms - rigged.clock.now_ms()) / SECOND_MS + 20)
        (seen,) = await rigged.data.observe(rigged.clock.now_ms())
        assert seen.known_at_ms[Field.FUNDING_SETTLED] == due_ms + 20 * SECOND_MS
        assert seen.values[Field.SETTLED_AGO_S] == 20
        (at_the_hour,) = await rigged.data.observe(due_ms)
        assert at_the_hour.known_at_ms[Field.FUNDING_SETTLED] == due_ms - HOUR_MS

    on(venue, script, symbols=("BTC",), hourly=True)


@pytest.mark.parametrize("venue", VENUES)
def test_a_fed_exchange_that_falls_silent_is_not_told_as_present(venue: str) -> None:
    """If this fails, prices of an hour ago decide today's orders."""

    async def script(rigged: Rig) -> None:
        rigged.data.fed()
        now_ms = rigged.clock.now_ms()
        assert len(await rigged.data.observe(now_ms)) == 2
        rigged.faults.add(Fault.ERROR, times=1_000)
        rigged.clock.skip(59)
        assert len(await rigged.data.observe(rigged.clock.now_ms())) == 2
        rigged.clock.skip(2)
        with pytest.raises(Retryable, match=f"{venue} has not answered for 61 s"):
            await rigged.data.observe(rigged.clock.now_ms())

    on(venue, script)


def test_polls_that_fail_are_said_once_and_once_more_when_they_are_back(logs: list[dict[str, Any]]) -> None:
    """If this fails, a night of maintenance fills the log, or nobody hears of it."""

    async def script(rigged: Rig) -> None:
        feed = ExchangeFeed(
            rigged.data, rigged.clock, np.random.default_rng(1), speed=1_000, streams=False
        )  # polls follow each other as quickly as they may
        running = asyncio.create_task(feed.run())
        while feed.status() is None:  # noqa: ASYNC110 (a feed tells, it does not call)
            await asyncio.sleep(0.02)
        rigged.faults.add(Fault.MAINTENANCE, times=4)
        while not [line for line in logs if line["event"] == "venue_polls_back"]:
            rigged.clock.skip(2)
            await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.wait([running])
        said = [line["event"] for line in logs if line["event"].startswith("venue_polls")]
        assert said == ["venue_polls_failing", "venue_polls_back"]

    on("okx", script)


@pytest.mark.parametrize("venue", VENUES)
def test_streams_and_polls_write_into_one_board(venue: str) -> None:
    """If this fails, what a websocket told a moment ago is overwritten by, or kept from, the next decision."""

    async def script(rigged: Rig) -> None:
        await rigged.data.markets()
        rigged.clock.skip(0.4)
        now_ms = rigged.clock.now_ms()
        rigged.data.board.put("BTC", now_ms, {Field.MARK: 123_456.0})
        (seen,) = [o for o in await rigged.data.observe(now_ms) if o.key.symbol == "BTC"]
        assert (seen.values[Field.MARK], seen.known_at_ms[Field.MARK]) == (123_456.0, now_ms)
        best = await rigged.data.best("BTC", Side.BUY, MINUTE_MS)
        assert best == rigged.engine.book("BTC")[1][0][0]

    on(venue, script)


@pytest.mark.parametrize("venue", VENUES)
def test_no_other_host_is_asked(venue: str) -> None:
    """If this fails, a test, or a rehearsal, talks to the world outside."""

    async def script(rigged: Rig) -> None:
        with pytest.raises(aiohttp.ClientConnectionError):
            await rigged.session.get("https://example.com/")
        await rigged.data.observe(rigged.clock.now_ms())  # whatever it asks is served here, or this fails

    on(venue, script)


@pytest.mark.parametrize(
    ("venue", "listing"),
    [("binance", "exchangeInfo"), ("bybit", "instruments-info"), ("okx", "public/instruments")],
)
def test_a_listing_that_cannot_be_read_anew_stops_nothing(venue: str, listing: str) -> None:
    """If this fails, rates that are told every second are lost because a list of markets is not."""

    async def script(rigged: Rig) -> None:
        await rigged.data.markets()
        rigged.faults.add(Fault.ERROR, listing, times=3)
        for _ in range(4):
            rigged.clock.skip(3_700)
            assert len(await rigged.data.observe(rigged.clock.now_ms())) == 2
            now_ms = rigged.clock.now_ms()
            mark = rigged.data.board.latest("BTC", Field.MARK, now_ms)
            assert mark == (now_ms, float(rigged.engine.mark("BTC")))
        assert not [rule for rule in rigged.faults.rules if rule.times]

    on(venue, script)


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_a_settlement_whose_price_comes_late_is_told_then(venue: str) -> None:
    """If this fails, a settlement whose candle was a moment late is never paid on paper, nor found in the ledger."""

    async def script(rigged: Rig) -> None:
        await rigged.data.observe(rigged.clock.now_ms())
        due_ms = rigged.engine.paths["BTC"].next_settlement_ms(rigged.clock.now_ms())
        rigged.clock.skip((due_ms - rigged.clock.now_ms()) / SECOND_MS + 20)
        read = rigged.data.pasts._reader.marks

        async def late(*asked: Any) -> Any:
            return [row for row in await read(*asked) if row[0] < due_ms]

        rigged.data.pasts._reader.marks = late  # type: ignore[method-assign]
        assert not await rigged.data.settlements(due_ms - 1, rigged.clock.now_ms())
        rigged.data.pasts._reader.marks = read  # type: ignore[method-assign]
        rigged.clock.skip(30)
        (told,) = await rigged.data.settlements(due_ms - 1, rigged.clock.now_ms())
        assert float(told.price) == pytest.approx(float(rigged.engine.paths["BTC"].mark(due_ms)))

    on(venue, script, symbols=("BTC",), hourly=True)


@pytest.mark.parametrize("venue", VENUES)
def test_the_premium_and_the_open_interest_of_the_past_are_told(venue: str) -> None:
    """If this fails, a cold start knows less than the model was trained on, or more than anybody knew then."""

    async def script(rigged: Rig) -> None:
        now_ms = rigged.clock.now_ms()
        hour_ms, path = now_ms // HOUR_MS * HOUR_MS, rigged.engine.paths["BTC"]
        times = [hour_ms - ago * HOUR_MS + 900_000 for ago in range(1, 24 * 34)]
        rows = await rigged.data.history(times)
        for ts_ms, (seen,) in zip(times, rows, strict=True):
            at_ms = ts_ms - 900_000
            premium, interest = seen.values[Field.PREMIUM], seen.values[Field.OPEN_INTEREST]
            if venue == "okx":  # told minute by minute only
                assert np.isnan(premium)
            else:
                assert premium == pytest.approx(float(path.premium_exact(at_ms)), abs=1e-8)
                assert seen.known_at_ms[Field.PREMIUM] == at_ms
            if at_ms >= now_ms - 29 * DAY_MS:
                assert interest == pytest.approx(float(path.open_interest(at_ms)))
                assert seen.known_at_ms[Field.OPEN_INTEREST] == at_ms
            else:
                assert np.isnan(interest)

    on(venue, script, symbols=("BTC",), history_days=35)


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_the_premium_of_now_is_polled(venue: str) -> None:
    """If this fails, the daemon knows the premiums of the past, and none of the hours that it decides on."""

    async def script(rigged: Rig) -> None:
        await rigged.data.observe(rigged.clock.now_ms())
        rigged.clock.skip(4_000)
        await rigged.data.details()
        now_ms = rigged.clock.now_ms()
        (seen,) = await rigged.data.observe(now_ms)
        true = rigged.engine.paths["BTC"].premium_exact(now_ms)
        assert seen.values[Field.PREMIUM] == pytest.approx(float(true), abs=1e-8)
        assert seen.known_at_ms[Field.PREMIUM] == now_ms
        (before,) = await rigged.data.observe(now_ms - 1)
        assert before.known_at_ms[Field.PREMIUM] <= now_ms - 4_000 * SECOND_MS

    on(venue, script, symbols=("BTC",))


@pytest.mark.parametrize("venue", VENUES)
def test_what_cannot_be_told_of_the_past_stays_unknown(venue: str) -> None:
    """If this fails, an exchange that withholds statistics keeps the daemon from starting, or is asked all the time."""

    async def script(rigged: Rig) -> None:
        reader, asked = rigged.data.pasts._reader, []

        async def refused(*_: Any) -> Any:
            asked.append(1)
            raise Retryable("not for you")

        reader.premiums = reader.interests = refused  # type: ignore[method-assign]
        for _ in range(7):
            (row,) = await rigged.data.history([rigged.clock.now_ms() // HOUR_MS * HOUR_MS])
            rigged.clock.skip(660)
        assert row[0].values[Field.MARK] > 0
        assert len(asked) == 2  # at the start, and once more after an hour

    on(venue, script, symbols=("BTC",))


@pytest.mark.parametrize("venue", VENUES)
def test_a_resumed_past_is_a_tail_and_reaches_back_for_what_is_owed(venue: str) -> None:
    """If this fails, a warm restart reads months again, or funding from before it is never booked."""

    async def script(rigged: Rig) -> None:
        now_ms = rigged.clock.now_ms()
        rigged.data.resume({"BTC": now_ms - HOUR_MS})
        await rigged.data.history([now_ms // HOUR_MS * HOUR_MS])
        assert rigged.data.read_share == 1.0
        of = rigged.data.pasts.of
        assert of["BTC"].marks[0][0] > now_ms - 3 * DAY_MS > of["INJ"].marks[0][0]
        assert of["BTC"].premiums[:1] > [(now_ms - 3 * DAY_MS, 0.0)] or venue == "okx"
        true = rigged.engine.paths["BTC"].prints(now_ms - 9 * DAY_MS, now_ms)
        told = await rigged.data.settlements(now_ms - 9 * DAY_MS, now_ms)
        assert [s.ts_ms for s in told if s.key.symbol == "BTC"] == [p.ts_ms for p in true]

    on(venue, script, history_days=20)
