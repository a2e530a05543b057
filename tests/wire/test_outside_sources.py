"""Outside sources over real HTTP: what is asked, what comes of it, and what their bad days leave untouched."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import numpy as np
import pytest
from outside_world import GECKO_KEY, GLASS_KEY, HOUR_MS, NOW_MS, OutsideWorld, outside_world

from hedged.buffer.ring import RingBuffer
from hedged.collectors.outside.feed import Outside, make_outside
from hedged.collectors.outside.http import JsonApi, KeyRefused, Limits
from hedged.collectors.poller import Poller
from hedged.collectors.quality.judge import Judge
from hedged.config import QualityConfig, parse_config
from hedged.config.outside import OutsideConfig
from hedged.domain.bars import Field, Observation, blank_observation
from hedged.domain.clock import DAY_MS, MINUTE_MS
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.market import SeriesKey
from hedged.domain.venue_events import EventKind
from hedged.features.resample import hourly
from hedged.secret import Secret

BAR_MS = 15 * MINUTE_MS
SYMBOLS, VENUES = ("BTC", "ETH"), ("binance", "bybit")
BINANCE = SeriesKey("binance", "BTC")
ENVIRON = {"GLASS": GLASS_KEY, "GECKO": GECKO_KEY}
FILLED = {Field.OPEN_INTEREST, Field.VOLUME, Field.LIQUIDATIONS_USD, Field.LONG_SHORT_RATIO}


class At:
    """A clock that stands where it is put."""

    slice_s = 1.0

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms


class Venue:
    """A venue that tells mark and funding of its markets, and its own open interest of ETH; nothing else."""

    def __init__(self, venue: str) -> None:
        self.venue = venue

    async def observe(self, now_ms: int) -> list[Observation]:
        return [self._seen(symbol, now_ms) for symbol in SYMBOLS]

    async def history(self, times_ms: list[int]) -> list[list[Observation]]:
        return [[self._seen(symbol, ts_ms) for symbol in SYMBOLS] for ts_ms in times_ms]

    def _seen(self, symbol: str, ts_ms: int) -> Observation:
        seen = blank_observation(SeriesKey(self.venue, symbol), ts_ms)
        told = {Field.MARK: 100.0, Field.FUNDING_SETTLED: 1e-5, Field.SETTLED_INTERVAL_H: 8.0}
        told[Field.SETTLED_AGO_S] = ts_ms % (8 * HOUR_MS) / 1_000
        if symbol == "ETH":
            told[Field.OPEN_INTEREST] = 7.0
        for name, value in told.items():
            seen.values[name], seen.known_at_ms[name] = value, ts_ms
        return seen


def config(url: str, **changes: Any) -> OutsideConfig:
    plain = {
        "coinglass": {"url": url, "key_env": "GLASS", "per_minute": 600},
        "coingecko": {"url": url, "key_env": "GECKO", "per_minute": 600},
        "status": {
            "venues": ["binance", "bybit", "okx"], "per_minute": 600,
            "hosts": dict.fromkeys(("binance", "binance_futures", "bybit", "okx"), url),
        },
    }  # fmt: skip
    return OutsideConfig.model_validate(plain | changes)


def made(world: OutsideWorld, session: aiohttp.ClientSession, clock: At, **changes: Any) -> Outside:
    rng = np.random.default_rng(1)
    settings = config(world.url, **changes)
    return make_outside(settings, SYMBOLS, VENUES, BAR_MS, session, clock, rng, ENVIRON)


async def one_round(outside: Outside) -> None:
    """Let every source be asked once."""
    await asyncio.gather(*(outside.ask(source) for source in outside.sources))


def meet(test: Callable[[OutsideWorld, aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Run a test against a world of its own."""

    async def main() -> None:
        async with outside_world() as (world, session):
            await test(world, session)

    asyncio.run(main())


async def bars(outside: Outside | None, now_ms: int) -> RingBuffer:
    """Two days of bars as the daemon would fill and continue them, with or without outside data."""
    venues = {name: Venue(name) for name in VENUES}
    data: Mapping[str, Any] = outside.over(venues) if outside else venues  # type: ignore[arg-type]
    keys = [SeriesKey(venue, symbol) for venue in VENUES for symbol in SYMBOLS]
    buffer = RingBuffer(keys, 2 * DAY_MS // BAR_MS, BAR_MS)
    times = range(now_ms - 2 * DAY_MS + BAR_MS, now_ms, BAR_MS)
    told = await asyncio.gather(*(source.history(times) for source in data.values()))
    for i, ts_ms in enumerate(times):
        buffer.append(ts_ms, [o for venue in told for o in venue[i]])
    await Poller(data, buffer, Judge(QualityConfig()), At(now_ms)).poll(now_ms)
    return buffer


def test_values_reach_the_bars_with_their_units_and_ages() -> None:
    """If this fails, features read outside data in the wrong unit, of the wrong time, or not at all."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        outside = made(world, session, At(NOW_MS - 60_000))
        await one_round(outside)
        window = (await bars(outside, NOW_MS)).window()
        row = window.keys.index(BINANCE)
        last, ages_s = window.values[row, -1], window.ages_s[row, -1]
        assert last[Field.OPEN_INTEREST] == 300.5
        assert last[Field.VOLUME] == pytest.approx(9_600 / 2 / 96)  # a quarter of an hour's share of a day
        # 04:00–08:00 is the last interval that was over; both sides, spread over its sixteen bars
        assert last[Field.LIQUIDATIONS_USD] == pytest.approx((5_000.5 + 2_500.5) / 16)
        assert last[Field.LONG_SHORT_RATIO] == pytest.approx(1.9)
        assert {ages_s[field] for field in FILLED} == {60.0}
        six_h_ago = window.values[row, -25]  # 03:00: known then was the interval until midnight
        assert six_h_ago[Field.LONG_SHORT_RATIO] == pytest.approx(1.7)
        assert np.isnan(six_h_ago[Field.OPEN_INTEREST]), "what is asked now was not known then"
        ether = window.keys.index(SeriesKey("bybit", "ETH"))
        assert window.values[ether, -1, Field.OPEN_INTEREST] == 7.0, "the venue's own word stands"

    meet(test)


def test_with_and_without_inputs_differ_in_their_own_fields_alone() -> None:
    """If this fails, an optional source changes what the forecasts read of the venues themselves."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        outside = made(world, session, At(NOW_MS - 60_000))
        await one_round(outside)
        with_, without = [hourly((await bars(source, NOW_MS)).window()) for source in (outside, None)]
        for field in Field:
            same = np.array_equal(with_.field(field), without.field(field), equal_nan=True)
            assert same == (field not in FILLED), field.name
        for name in ("paid", "level", "mark", "interval_h", "since_h"):
            assert np.array_equal(getattr(with_, name), getattr(without, name), equal_nan=True), name

    meet(test)


def test_a_source_that_fails_goes_unknown_alone_and_comes_back() -> None:
    """If this fails, one source's outage leaves its last word standing for ever, or takes another's with it."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        clock = At(NOW_MS)
        outside = made(world, session, clock)
        await one_round(outside)
        (source,) = outside.over({"binance": Venue("binance")}).values()  # type: ignore[dict-item]
        later_ms = NOW_MS + 3 * 900_000
        for at_ms, known in ((later_ms - 1, True), (later_ms, False)):
            seen = next(o for o in await source.observe(at_ms) if o.key == BINANCE)
            assert np.isnan(seen.values[Field.OPEN_INTEREST]) != known
            assert np.isnan(seen.values[Field.VOLUME]) != known
            assert seen.values[Field.MARK] == 100.0
        clock.ms = world.now_ms = later_ms
        await one_round(outside)
        seen = next(o for o in await source.observe(later_ms) if o.key == BINANCE)
        assert seen.values[Field.OPEN_INTEREST] == 300.5

    meet(test)


def test_the_first_history_is_known_from_its_end_and_later_rows_from_their_receipt() -> None:
    """If this fails, a restart knows less of the past than it could, or a live bar knows something too early."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        clock = At(NOW_MS)
        outside = made(world, session, clock)
        await one_round(outside)
        clock.ms = world.now_ms = NOW_MS + 4 * HOUR_MS  # 13:00, an hour after the interval's end
        await one_round(outside)
        readings = outside._readings._tracks[BINANCE, Field.LONG_SHORT_RATIO]
        assert [(r.known_ms - NOW_MS) // HOUR_MS for r in readings] == [-17, -13, -9, -5, 0, 4]
        assert [(r.of_ms - NOW_MS) // HOUR_MS for r in readings] == [-17, -13, -9, -5, -1, 3]
        limits = [query["limit"] for path, query, _ in world.asked if "ratio" in path]
        assert set(limits[:4]) == {"1000"}
        assert set(limits[4:]) == {"9"}

    meet(test)


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("limited", Retryable, "too many requests (429), asks for 120 s of rest"),
        ("broken", Retryable, "status 502"),
        ("html", Retryable, "not JSON"),
        ("huge", Retryable, "larger than"),
        ("cut", Retryable, "ClientPayloadError"),
        ("slow", Retryable, "no answer within 1 s"),
        ("refused", KeyRefused, "is the key right"),
        ("elsewhere", Rejected, "status 302"),
    ],
)
def test_every_bad_day_has_its_error_and_none_holds_the_key(
    fault: str, kind: type[Exception], says: str, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a fault of a source is taken for another one, or its error text gives the key away."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        world.fault = fault
        limits = Limits(1, 600, cache_s=60)
        api = JsonApi(session, world.url, limits, At(), ("CG-API-KEY", Secret(GLASS_KEY)))
        with pytest.raises((Retryable, Rejected)) as caught:
            await api.get("/api/futures/open-interest/exchange-list", dict, symbol="BTC")
        assert type(caught.value) is kind
        assert says in str(caught.value)
        assert caught.value.__cause__ is None
        assert GLASS_KEY not in repr(caught.value) + repr(vars(api)) + json.dumps(logs, default=str)
        assert [path for path, _, _ in world.asked] == ["/api/futures/open-interest/exchange-list"]
        assert all(GLASS_KEY not in str(query) for _, query, _ in world.asked)

    meet(test)


def test_an_api_that_asks_for_rest_gets_it_and_answers_are_used_again() -> None:
    """If this fails, a rate limit is answered with more requests, or a broken round asks everything anew."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        api = JsonApi(session, world.url, Limits(5, 600, cache_s=60), At(), ("CG-API-KEY", Secret(GLASS_KEY)))
        ask = ("/api/futures/open-interest/exchange-list", dict)
        assert await api.get(*ask, symbol="BTC") is await api.get(*ask, symbol="BTC")
        await api.get(*ask, symbol="ETH")
        assert len(world.asked) == 2
        world.fault = "limited"
        for says in ("429", "another 1"):
            with pytest.raises(Retryable, match=says):
                await api.get(*ask, symbol="SOL")
        assert len(world.asked) == 3

    meet(test)


def test_a_failing_source_is_logged_once_and_stops_nothing(logs: list[dict[str, Any]]) -> None:
    """If this fails, an outage fills the log, or a fault in one source ends the daemon's task group."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        world.fault = "nonsense"
        outside = made(world, session, At())
        for _ in range(2):
            await one_round(outside)
        assert not outside.told_ms
        assert outside.events(NOW_MS).unknown.keys() == {"binance", "bybit", "okx"}
        world.fault = ""
        await one_round(outside)
        assert outside.told_ms.keys() == {
            "coinglass", "coingecko", "status of binance", "status of bybit", "status of okx",
        }  # fmt: skip
        assert not outside.events(NOW_MS).unknown

    meet(test)
    text = json.dumps(logs, default=str)
    assert GLASS_KEY not in text
    assert GECKO_KEY not in text


def test_a_market_that_coinglass_does_not_know_is_left_out(logs: list[dict[str, Any]]) -> None:
    """If this fails, one rare coin in the book costs all others their data."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        world.unknown_to_glass = {"ETH"}
        outside = made(world, session, At())
        await one_round(outside)
        assert "coinglass" in outside.told_ms
        assert outside._readings.at(BINANCE, Field.OPEN_INTEREST, NOW_MS) is not None

    meet(test)
    (said,) = [line for line in logs if line["event"] == "outside_partly_refused"]
    assert (said["refused"], said["of"]) == (5, 10)


def test_venue_events_from_the_wire() -> None:
    """If this fails, a maintenance or a delisting that was announced vetoes nothing."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        def row(symbol: str, status: str, ends_ms: int) -> dict[str, Any]:
            return {"baseAsset": symbol, "quoteAsset": "USDT", "contractType": "PERPETUAL", "status": status,
                    "deliveryDate": ends_ms}  # fmt: skip

        world.binance_symbols = [
            row("BTC", "TRADING", NOW_MS + DAY_MS),
            row("ETH", "SETTLING", 4_133_404_800_000),
        ]
        begin, end = str(NOW_MS + HOUR_MS), str(NOW_MS + 3 * HOUR_MS)
        window = {"begin": begin, "end": end, "state": "scheduled", "env": 1}
        world.bybit_status = [
            window | {"serviceTypes": [1, 4], "product": [1, 2]},
            window | {"serviceTypes": [5], "product": [1]},  # market data alone
            window | {"serviceTypes": [1], "product": [2]},  # spot
        ]
        world.bybit_announcements = [
            {
                "title": "Delisting of ETHUSDT Perpetual Contract",
                "tags": ["Derivatives"],
                "publishTime": NOW_MS - DAY_MS,
            },
            {"title": "Delisting of BTC/EUR", "tags": ["Spot"], "publishTime": NOW_MS - DAY_MS},
        ]
        world.okx_status = [window | {"serviceType": "0"}, window | {"serviceType": "5", "env": "2"}]
        clock = At()
        outside = made(world, session, clock)
        await one_round(outside)
        told = outside.events(NOW_MS)
        assert {(e.kind, e.venue, e.symbol) for e in told.events} == {
            (EventKind.DELISTING, "binance", "BTC"),
            (EventKind.HALT, "binance", "ETH"),
            (EventKind.MAINTENANCE, "bybit", None),
            (EventKind.DELISTING_ANNOUNCED, "bybit", "ETH"),
        }
        lead = parse_config({}).outside.status.lead
        assert told.veto(BINANCE, NOW_MS, lead) == "BTC on binance is delisted 2026-01-02 09:00 UTC"
        assert told.veto(SeriesKey("okx", "BTC"), NOW_MS, lead) is None
        assert told.veto(SeriesKey("bybit", "BTC"), NOW_MS, lead) is None
        half_past_ms = NOW_MS + HOUR_MS // 2
        why = told.veto(SeriesKey("bybit", "BTC"), half_past_ms, lead)
        assert why == "bybit is in maintenance 2026-01-01 10:00–12:00 UTC"
        # silence: the halt is forgotten, what was announced stands, and nobody says that all is well
        silent = outside.events(NOW_MS + 2 * HOUR_MS)
        assert {e.kind for e in silent.events} == {
            EventKind.DELISTING, EventKind.MAINTENANCE, EventKind.DELISTING_ANNOUNCED,
        }  # fmt: skip
        assert silent.unknown.keys() == {"binance", "bybit", "okx"}
        assert "okx: unknown" in silent.text

    meet(test)


def test_the_key_is_asked_for_by_name() -> None:
    """If this fails, an operator without the key learns neither what is missing nor where it belongs."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        settings, rng = config(world.url), np.random.default_rng(1)
        with pytest.raises(
            Exception, match=r"outside\.coinglass\.key_env: the environment variable GLASS is not set"
        ):
            make_outside(settings, SYMBOLS, VENUES, BAR_MS, session, At(), rng, {})

    meet(test)


def test_a_start_waits_for_first_answers_once_and_not_for_long() -> None:
    """If this fails, a source that does not answer keeps the daemon from starting, or its past is never filled in."""

    async def test(world: OutsideWorld, session: aiohttp.ClientSession) -> None:
        outside = made(world, session, At())
        outside._patience_s = 0.05
        loop = asyncio.get_running_loop()
        buffer = await bars(outside, NOW_MS)  # nobody asks: it goes on without them
        assert np.isnan(buffer.window().field(Field.LONG_SHORT_RATIO)).all()
        waiting = loop.create_task(bars(made_late := made(world, session, At()), NOW_MS))
        await one_round(made_late)
        known = ~np.isnan((await waiting).window().field(Field.LONG_SHORT_RATIO))
        assert known[:, :-1].any()

    meet(test)
