"""The status page: what is not believed stands there, with its reason."""

import asyncio

import aiohttp
from prometheus_client import CollectorRegistry

from hedged.app import quarantine_row
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Fault, Quarantine
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
