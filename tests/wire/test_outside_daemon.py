"""The daemon with outside sources configured, on a local Injective: it asks them, shows them and counts them."""

import asyncio
import signal
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from injective_reading import SUBACCOUNT, TRADER, settings
from outside_world import GLASS_KEY, HOUR_MS, outside_world

from hedged.config import parse_config
from hedged.daemon import run_daemon
from hedged.domain.clock import SystemClock
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

SILENT = "http://127.0.0.1:9"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def page(port: int) -> tuple[dict[str, Any], str]:
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/api/status") as answer:
            about = (await answer.json())["about"]
        async with session.get(f"{url}/metrics") as answer:
            return about, await answer.text()


def test_the_daemon_asks_shows_and_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, configured sources are never asked, or nobody can see that a venue is closed or unknown."""
    monkeypatch.setenv("GLASS", GLASS_KEY)

    async def main() -> None:
        port = free_port()
        still = SandboxConfig(symbols=("BTC",), block_time_s=0.1, moving=False)
        async with outside_world() as (world, _), InjectiveSandbox(still) as chain:
            chain.chain.fund(TRADER, usdt=20_000)
            chain.chain.seed_position(SUBACCOUNT, "BTC", Decimal("0.5"), chain.markets["BTC"].mark)
            await chain.chain.next_block()
            now_ms = SystemClock().now_ms()
            world.bybit_status = [{"state": "ongoing", "begin": str(now_ms), "end": str(now_ms + HOUR_MS)}]
            hosts = dict.fromkeys(("binance", "binance_futures", "bybit"), world.url) | {"okx": SILENT}
            config = parse_config(
                {
                    "state_dir": str(tmp_path),
                    "data": {"source": "venues"},
                    "book": {"source": "injective", "address": TRADER},
                    "hedge": {"venues": [], "forecaster": "nowcast"},
                    "cycle": {"history_days": 7},
                    "injective": settings(chain).model_dump(mode="json", exclude_none=True),
                    "telemetry": {"port": port},
                    "outside": {
                        "coinglass": {"url": world.url, "key_env": "GLASS"},
                        "status": {"venues": ["binance", "bybit", "okx"], "hosts": hosts},
                    },
                }
            )
            task = asyncio.create_task(run_daemon(config))
            about, metrics = {"announced": None}, ""
            while "hedged_cycles_total 1" not in metrics or about["announced"] is None:
                assert not task.done(), task.exception()
                await asyncio.sleep(0.1)
                try:
                    about, metrics = await page(port)
                except aiohttp.ClientError:
                    continue
            signal.raise_signal(signal.SIGTERM)
            await task
        assert about["announced"].startswith("bybit is in maintenance 20")
        assert "; okx: unknown (" in about["announced"]
        assert 'hedged_outside_last_answer_timestamp_seconds{source="coinglass"}' in metrics
        assert 'hedged_venue_status_unknown{venue="okx"} 1.0' in metrics
        assert 'hedged_venue_status_unknown{venue="bybit"} 0.0' in metrics
        assert 'hedged_venue_closed{symbol="BTC",venue="injective"} 0.0' in metrics

    asyncio.run(main())
