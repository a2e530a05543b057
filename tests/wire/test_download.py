"""`hedged download` over real HTTPS against local venues with their own paging, limits and moods."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hedged.adapters.replay.tables import load_tables
from hedged.backtest.recorded import BacktestOptions, run_backtest
from hedged.backtest.runner import Window
from hedged.config import parse_config
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.download.binance import Binance
from hedged.download.bybit import Bybit
from hedged.download.http import Patience
from hedged.download.hyperliquid import Hyperliquid
from hedged.download.okx import Okx
from hedged.download.paging import Span
from hedged.download.run import Outcome, Wanted, download
from hedged.sandbox.cex.history import (
    Fault,
    Past,
    Remembered,
    VenuePast,
    candle,
    interest,
    premium,
    price,
    rate,
)
from hedged.sandbox.cex.history_binance import BinancePast
from hedged.sandbox.cex.history_bybit import BybitPast
from hedged.sandbox.cex.history_hyperliquid import HyperliquidPast
from hedged.sandbox.cex.history_okx import OkxPast
from hedged.sandbox.cex.loopback import Loopback, serve

NOW = 20_400 * DAY_MS + 7 * HOUR_MS + 20 * MINUTE_MS
TODAY = NOW // DAY_MS * DAY_MS
FROM = TODAY - 80 * DAY_MS
LISTED = FROM + 3 * DAY_MS
LOST = TODAY - 20 * DAY_MS + 8 * HOUR_MS
PAST = Past(
    [
        Remembered("BTC", 0, ((0, 8),)),
        Remembered(
            "ALT", LISTED, ((0, 8), (TODAY - 30 * DAY_MS, 4), (TODAY - 10 * DAY_MS, 1)), frozenset({LOST})
        ),
    ],
    lambda: NOW,
)
CLIENTS: dict[str, Any] = {one.venue: one for one in (Binance, Bybit, Okx, Hyperliquid)}
SERVERS: dict[str, Callable[[Past], VenuePast]] = {
    "binance": BinancePast, "bybit": BybitPast, "okx": OkxPast, "hyperliquid": HyperliquidPast,
}  # fmt: skip
HASTY = Patience(first_s=0.01, longest_s=0.05, haste=1e3)


@dataclass
class World:
    """Local venues and what is needed to download from them."""

    venues: dict[str, VenuePast]
    loopback: Loopback
    out: Path

    async def download(self, patience: Patience = HASTY, **changes: Any) -> Outcome:
        wanted = Wanted(
            **{"symbols": ["BTC", "ALT"], "span": Span(FROM, NOW), "directory": self.out} | changes
        )
        async with self.loopback.session() as session:
            sources = [CLIENTS[name](session, np.random.default_rng(1), patience) for name in self.venues]
            return await download(sources, wanted, NOW)

    def asked(self) -> int:
        return sum(len(venue.asked) for venue in self.venues.values())


@asynccontextmanager
async def world(out: Path, *names: str, roomy: bool = True) -> AsyncIterator[World]:
    venues = {name: SERVERS[name](PAST) for name in names or SERVERS}
    if roomy:  # a test has no minutes to wait for the next budget; that it is kept is shown by its own test
        for venue in venues.values():
            for budget in [value for value in vars(venue).values() if hasattr(value, "spend")]:
                budget.units = 1e9
    async with serve({venue.host: venue.app() for venue in venues.values()}) as loopback:
        yield World(venues, loopback, out)


def run(
    out: Path, script: Callable[[World], Coroutine[Any, Any, None]], *names: str, roomy: bool = True
) -> None:
    async def main() -> None:
        async with world(out, *names, roomy=roomy) as made:
            await script(made)

    asyncio.run(main())


def series(tables: dict[str, pl.DataFrame], name: str, venue: str, symbol: str) -> pl.DataFrame:
    found = tables[name].filter((pl.col("venue") == venue) & (pl.col("symbol") == symbol)).sort("ts")
    return found.with_columns(ms=pl.col("ts").dt.epoch("ms"))


def test_every_row_of_every_venue_is_there_once_and_right(tmp_path: Path) -> None:
    """If this fails, a venue's history is downloaded with holes, twice, or in the wrong unit."""

    async def script(made: World) -> None:
        outcome = await made.download()
        assert outcome.complete
        assert outcome.unlisted == {}
        assert all(len(told.conflicts) == 0 for told in outcome.told)

    run(tmp_path, script)
    tables = load_tables(tmp_path, None)
    for venue in SERVERS:
        for market in PAST.markets:
            symbol = market.symbol
            prints = series(tables, "funding", venue, symbol)
            assert prints["ms"].to_list() == list(PAST.settlements(market, FROM, NOW))
            assert prints["funding_rate"].to_list() == [float(rate(venue, symbol, ts)) for ts in prints["ms"]]
            bars = series(tables, "ohlcv", venue, symbol)
            opens = list(PAST.hours(market, FROM, NOW - HOUR_MS - 5 * MINUTE_MS))
            assert bars["ms"].to_list() == opens  # none that is still open
            told = [candle(venue, symbol, ts) for ts in opens]
            assert bars.select("open", "high", "low", "close", "volume").rows() == [
                tuple(map(float, row)) for row in told
            ]
            assert set(bars["volume_unit"]) == {"base"}
    assert series(tables, "funding", "binance", "BTC")["mark_price"].to_list() == [
        price("binance", "BTC", ts) for ts in PAST.settlements(PAST.markets[0], FROM, NOW)
    ]


def test_premium_and_open_interest_stand_at_the_instant_they_were_known(tmp_path: Path) -> None:
    """If this fails, a replay sees a premium an hour before its candle closed, or interest in contracts."""
    run(tmp_path, lambda made: _complete(made))
    tables = load_tables(tmp_path, None)
    for venue in ("binance", "bybit"):
        told = series(tables, "premium", venue, "BTC")
        assert told["ms"].to_list() == list(range(FROM, NOW - 5 * MINUTE_MS, HOUR_MS))
        assert told["premium"].to_list() == [float(premium(venue, "BTC", ts)) for ts in told["ms"]]
    prints = list(PAST.settlements(PAST.markets[0], FROM, NOW))
    told = series(tables, "premium", "hyperliquid", "BTC")
    assert told["ms"].to_list() == prints
    for venue, days in (("binance", 29), ("bybit", 80), ("okx", 60)):
        told = series(tables, "open_interest", venue, "BTC")
        assert told["open_interest_base"].to_list() == [interest(venue, "BTC", ts) for ts in told["ms"]]
        assert len(told) == pytest.approx(days * 24, abs=24)
    now = series(tables, "open_interest", "hyperliquid", "BTC")
    assert now["ms"].to_list() == [NOW]  # the present alone
    assert now["known_ts"].to_list() == now["ts"].to_list()


async def _complete(made: World) -> None:
    assert (await made.download()).complete


def test_a_change_of_the_interval_is_stored_with_its_prints_and_is_no_gap(tmp_path: Path) -> None:
    """If this fails, a rate of four hours is read as one of eight, and the report is full of gaps that are none."""

    async def script(made: World) -> None:
        outcome = await made.download(symbols=["ALT"], tables=["funding"])
        for told in outcome.told:
            assert [(gap.missing, gap.edge) for gap in told.gaps if not gap.edge] == [(1, False)]
            inner = next(gap for gap in told.gaps if not gap.edge)
            assert inner.span.holds(LOST)

    run(tmp_path, script, "binance", "bybit", "okx")
    for venue in ("binance", "bybit", "okx"):
        frame = pl.read_parquet(tmp_path / "funding" / venue / "ALT.parquet")
        changes = frame.group_by("interval_hours").agg(pl.col("ts").dt.epoch("ms").min()).sort("ts")
        # the first print after a change still covers what was before it
        assert changes.rows() == [
            (8.0, LISTED),
            (4.0, TODAY - 30 * DAY_MS + 4 * HOUR_MS),
            (1.0, TODAY - 10 * DAY_MS + HOUR_MS),
        ]


def test_pages_that_are_shorter_than_they_could_be_lose_nothing(tmp_path: Path) -> None:
    """If this fails, the first short page is taken for the end of the history."""

    async def script(made: World) -> None:
        for venue in made.venues.values():
            venue.short = 37
        outcome = await made.download(symbols=["BTC"], tables=["funding"])
        expected = len(list(PAST.settlements(PAST.markets[0], FROM, NOW)))
        assert [told.rows for told in outcome.told if told.table == "funding"] == [expected] * 4

    run(tmp_path, script)


def test_a_second_run_asks_for_nothing_but_what_may_have_come_since(tmp_path: Path) -> None:
    """If this fails, keeping a directory up to date costs as much as filling it."""

    async def script(made: World) -> None:
        await made.download(symbols=["BTC"])
        first = made.asked()
        outcome = await made.download(symbols=["BTC"])
        # the listing of each venue (and Binance's intervals, Bybit's two pages): no history at all
        assert made.asked() - first == 6
        assert all(told.added == 0 for told in outcome.told)

    run(tmp_path, script)


def test_a_download_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """If this fails, a download of hours starts anew after a kill, or leaves a hole where it died."""

    async def script(made: World) -> None:
        made.venues["okx"].short = 20
        task = asyncio.create_task(made.download(symbols=["BTC"], tables=["ohlcv"]))
        while len(made.venues["okx"].asked) < 40:  # noqa: ASYNC110 (what is waited for is the server's state)
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        there = len(pl.read_parquet(tmp_path / "ohlcv" / "okx" / "BTC.parquet"))
        assert there >= 20 * 20
        before = made.asked()
        outcome = await made.download(symbols=["BTC"], tables=["ohlcv"])
        whole = len(range(FROM, NOW - HOUR_MS, HOUR_MS))
        assert (outcome.told[0].rows, outcome.told[0].added) == (whole, whole - there)
        assert made.asked() - before < (whole - there) / 20 + 8

    run(tmp_path, script, "okx")


def test_a_value_that_is_told_differently_is_reported_and_not_taken(tmp_path: Path) -> None:
    """If this fails, a venue rewrites history in a directory that a model was trained on."""

    async def script(made: World) -> None:
        await made.download(symbols=["BTC"], tables=["funding"])
        path = tmp_path / "funding" / "binance" / "BTC.parquet"
        rows = pl.read_parquet(path)
        at = rows["ts"][10]
        forged = rows.with_columns(
            funding_rate=pl.when(pl.col("ts") == at).then(0.5).otherwise(pl.col("funding_rate"))
        )
        # two holes close together are asked for with what lies between them
        forged.filter(~pl.col("ts").is_in([rows["ts"][9], rows["ts"][11]])).write_parquet(path)
        told = (await made.download(symbols=["BTC"], tables=["funding"])).told[0]
        assert told.added == 2
        assert told.conflicts.select("ts", "standing_funding_rate").rows() == [(at, 0.5)]
        assert pl.read_parquet(path).filter(pl.col("ts") == at)["funding_rate"].to_list() == [0.5]
        report = json.loads((tmp_path / "download.json").read_text())
        assert [row["standing_funding_rate"] for row in report["series"][0]["conflicts"]] == [0.5]

    run(tmp_path, script, "binance")


def test_one_venue_that_is_away_does_not_cost_the_others(tmp_path: Path) -> None:
    """If this fails, a venue's outage makes the whole download fail, or passes in silence."""

    async def script(made: World) -> None:
        made.venues["bybit"].faults = [Fault(503, "maintenance")] * 50
        outcome = await made.download(symbols=["BTC"], tables=["funding"])
        assert not outcome.complete
        assert list(outcome.lost) == ["bybit"]
        assert "HTTP 503 (maintenance), asked 6 times" in outcome.lost["bybit"]
        assert {told.key.venue for told in outcome.told} == {"binance", "okx", "hyperliquid"}
        report = json.loads((tmp_path / "download.json").read_text())
        assert report["lost"] == outcome.lost

    run(tmp_path, script)


@pytest.mark.parametrize("status", [500, 502, 429, 418])
def test_what_passes_is_waited_for(tmp_path: Path, status: int) -> None:
    """If this fails, one bad answer of a venue ends its download."""

    async def script(made: World) -> None:
        headers = {"Retry-After": "0"} if status in (418, 429) else {}
        made.venues["binance"].faults = [Fault(status, headers=headers)] * 3
        assert (await made.download(symbols=["BTC"], tables=["funding"])).complete

    run(tmp_path, script, "binance")


def test_the_venue_says_how_long_to_wait_and_is_obeyed(tmp_path: Path) -> None:
    """If this fails, a limit is answered by more requests, until the venue bans the address."""

    async def script(made: World) -> None:
        made.venues["binance"].faults = [Fault(429, headers={"Retry-After": "1"})]
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        assert (await made.download(symbols=["BTC"], tables=["funding"])).complete
        assert loop.time() - started_s >= 1.0

    run(tmp_path, script, "binance")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(429, headers={"Retry-After": "7200"}), "start again in 7200 s"),
        (Fault(451, "Service unavailable from a restricted location"), "refuses this machine"),
        (Fault(403, "<html>blocked</html>"), "refuses this machine"),
        (Fault(400, '{"code":-1121}'), "HTTP 400"),
    ],
)
def test_what_does_not_pass_is_not_waited_for(tmp_path: Path, fault: Fault, told: str) -> None:
    """If this fails, a download hangs for hours on a venue that has said no."""

    async def script(made: World) -> None:
        made.venues["binance"].faults = [fault]
        outcome = await made.download(symbols=["BTC"], tables=["funding"])
        assert told in outcome.lost["binance"]
        assert made.asked() == 1

    run(tmp_path, script, "binance")


def test_an_answer_that_is_a_web_page_is_no_history(tmp_path: Path) -> None:
    """If this fails, a maintenance page with HTTP 200 reads as a market without history."""

    async def script(made: World) -> None:
        made.venues["okx"].faults = [Fault(text="<html>we are back soon</html>")] * 2
        assert (await made.download(symbols=["BTC"], tables=["funding"])).complete
        made.venues["okx"].faults = [Fault(text='{"code":"50011","msg":"Too Many Requests","data":[]}')]
        assert (await made.download(symbols=["BTC"], tables=["funding"])).complete

    run(tmp_path, script, "okx")


def test_an_answer_of_another_shape_costs_one_series(tmp_path: Path) -> None:
    """If this fails, a renamed field ends the whole download in a traceback."""

    async def script(made: World) -> None:
        row = {"instId": "BTC-USDT-SWAP", "ctType": "linear", "settleCcy": "USDT", "listTime": "0"}
        answers = ({"code": "0", "msg": "", "data": [told]} for told in (row, {"when": "1", "rate": "2"}))
        made.venues["okx"].faults = [Fault(text=json.dumps(answer)) for answer in answers]
        outcome = await made.download(symbols=["BTC"], tables=["funding"])
        assert "the answer cannot be read: KeyError" in str(outcome.told[0].fault)
        assert outcome.lost == {}

    run(tmp_path, script, "okx")


def test_a_rate_that_is_not_told_stays_a_gap(tmp_path: Path) -> None:
    """If this fails, an empty field hides a missing print from the report, and from every later run."""

    async def script(made: World) -> None:
        assert (await made.download(symbols=["BTC"], tables=["ohlcv"])).complete
        listing = {"instId": "BTC-USDT-SWAP", "ctType": "linear", "settleCcy": "USDT", "listTime": "0"}
        prints = [
            {"fundingTime": str(TODAY - hours * HOUR_MS), "fundingRate": rate, "realizedRate": rate}
            for hours, rate in ((0, "0.0001"), (8, ""), (16, "0.0001"))
        ]
        told = [{"code": "0", "msg": "", "data": rows} for rows in ([listing], prints, [], [], [])]
        made.venues["okx"].faults = [Fault(text=json.dumps(answer)) for answer in told]
        span = Span(TODAY - 16 * HOUR_MS, TODAY + HOUR_MS)
        outcome = await made.download(symbols=["BTC"], tables=["funding"], span=span)
        assert [(gap.missing, gap.edge) for gap in outcome.told[0].gaps] == [(1, False)]

    run(tmp_path, script, "okx")


@pytest.mark.parametrize("venue", list(SERVERS))
def test_no_venue_is_asked_faster_than_it_allows(tmp_path: Path, venue: str) -> None:
    """If this fails, a plain download runs into the venue's limit, with headroom gone."""

    async def script(made: World) -> None:
        calm = Patience(first_s=0.01, haste=1.0)
        span = Span(NOW - 10 * DAY_MS, NOW)
        assert (await made.download(calm, symbols=["BTC", "ALT"], span=span)).complete
        assert made.venues[venue].refused == 0

    run(tmp_path, script, venue, roomy=False)


def test_a_symbol_that_a_venue_does_not_list_is_named(tmp_path: Path) -> None:
    """If this fails, a typing error looks like a market without history."""

    async def script(made: World) -> None:
        outcome = await made.download(symbols=["BTC", "NONE"], tables=["funding"])
        assert outcome.unlisted == {venue: ["NONE"] for venue in SERVERS}
        assert outcome.complete

    run(tmp_path, script)


def test_what_was_downloaded_can_be_backtested(tmp_path: Path) -> None:
    """If this fails, a new user's first download is of no use to the command it was made for."""
    data = tmp_path / "data"
    run(data, _complete)
    config = parse_config(
        {
            "book": {"positions": {"BTC": {"usd": 100_000}}},
            "hedge": {"venues": ["binance", "bybit"], "forecaster": "ewma"},
            "cycle": {"history_days": 7},
        }
    )
    window = Window(TODAY - 2 * DAY_MS, TODAY - DAY_MS)
    summary, _ = run_backtest(config, BacktestOptions(data, ["BTC"], window, tmp_path / "out", None))
    assert summary["data_gaps"] == []
    assert summary["unhedged_funding_usd"] != 0
