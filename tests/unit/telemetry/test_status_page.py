"""The status page: what is not believed stands there, with its reason."""

import asyncio

import aiohttp
from hedged.telemetry.rows import ahead_row, quarantine_row
from prometheus_client import CollectorRegistry

from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Fault, Quarantine
from hedged.strategy.outlook import Amount, SpanOutlook
from hedged.telemetry.http import StatusSource, start_http

HELD = Quarantine(Fault.PRICE_UNIT, "mark 6e+07, <60000> by binance", 1_750_003_200_000)


def test_the_page_and_its_json_name_the_series_the_reason_and_since_when() -> None:
    """If this fails, the operator sees no hedge opened and is not told why."""
    rows = [quarantine_row(SeriesKey("bybit", "BTC"), HELD)]

    async def main() -> None:
        source = StatusSource(CollectorRegistry(), list, list, list, dict, quarantined=lambda: rows)
        runner, port = await start_http(source, "127.0.0.1", 0)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                page = await (await session.get("/")).text()
                told = await (await session.get("/status.json")).json()
        finally:
            await runner.cleanup()
        assert told["quarantined"] == rows
        assert "<h2>Not believed</h2>" in page
        assert "&lt;60000&gt;" in page
        for word in ("bybit", "BTC", "price_unit", "2025-06-15"):
            assert word in page

    asyncio.run(main())


def test_the_page_shows_the_funding_of_the_whole_book() -> None:
    """If this fails, the operator reads the band of one market for that of the book, or none."""
    book = SpanOutlook(
        168, "the mean of 120 h", {}, {}, Amount(-90.0, -120.0, -40.0), Amount(-50.0, -80.0, -20.0), ("INJ",)
    )
    row = ahead_row(book)
    assert row["within"] == "7 days"
    assert row["unhedged"] == "-90.00 USD\n80 %: -120.00 … -40.00"
    assert row["as hedged now"].startswith("-50.00 USD")
    assert row["rests on"] == "the mean of 120 h; without INJ, not forecast"

    async def main() -> None:
        source = StatusSource(CollectorRegistry(), list, list, list, dict, ahead=lambda: [row])
        runner, port = await start_http(source, "127.0.0.1", 0)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                page = await (await session.get("/")).text()
                assert (await (await session.get("/status.json")).json())["ahead"] == [row]
        finally:
            await runner.cleanup()
        assert "<h2>Funding of the whole book</h2>" in page
        assert "{{" not in page

    asyncio.run(main())
