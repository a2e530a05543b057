"""`hedged run` killed and started again beside a venue that counts what it is asked."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from injective_reading import reading
from prometheus_client import CollectorRegistry
from rehearsal import STARTUP_S, running

from hedged.config import Config, parse_config
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.process import Process
from hedged.sandbox.cex.exchanges import Hall
from hedged.sandbox.cex.rehearsal import exchanges_beside
from hedged.sandbox.injective.rehearsal import prepare
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.wiring.warm_start import origin_of

DAYS = 45
INDEXED = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=None, history_hours=24 * 8)
CHAIN = SandboxConfig(symbols=("INJ",), block_time_s=0.2, history_hours=480)


@contextmanager
def served(out: Path) -> Iterator[list[tuple[str, str]]]:
    """Serve Injective and Binance from a thread of its own; give all that Binance was asked."""
    asked: list[tuple[str, str]] = []
    up, down = threading.Event(), threading.Event()

    async def main() -> None:
        def opened(hall: Hall) -> None:
            hall.protocols["binance"].asked = asked  # type: ignore[assignment]

        async with (
            InjectiveSandbox(CHAIN) as chain,
            exchanges_beside(("binance",), 0, 7, opened)(chain, out) as more,
        ):
            prepare(chain, {"INJ": Decimal(80_000)}, out, 7, *more)
            up.set()
            while not down.is_set():  # noqa: ASYNC110 (the event is of another thread)
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert up.wait(STARTUP_S)
        yield asked
    finally:
        down.set()
        thread.join(STARTUP_S)


def start(config: Path, *, kill: bool) -> list[dict[str, Any]]:
    """Run the daemon until its first decision and end it; return its log."""
    with running("-m", "hedged", "run", "--config", str(config)) as daemon:
        daemon.wait_for('"event": "decision"', STARTUP_S)
        if kill:
            daemon.wait_for('"event": "snapshot_written"', STARTUP_S)
            daemon.process.kill()
            daemon.process.wait()
        else:
            assert daemon.end() == 0
        return daemon.events()


def told(log: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [row for row in log if row["event"] == event]


def test_a_killed_daemon_goes_on_from_what_it_kept(tmp_path: Path) -> None:
    """If this fails, every restart reads months again, or starts on a window with a hole."""
    with served(tmp_path) as asked:
        tree = yaml.safe_load((tmp_path / "config.yaml").read_text())
        tree |= {"telemetry": {"port": 0, "log_level": "debug"}, "cycle": {"history_days": DAYS}}
        tree["hedge"] |= {"forecaster": "ewma"}
        tree["execution"] = {"rest_s": 0}  # while orders rest the tail is read again
        config = tmp_path / "c.yaml"
        config.write_text(yaml.safe_dump(tree))
        logs, pages = [], []
        for kill in (True, False):
            logs.append(start(config, kill=kill))
            pages.append(sum(path.endswith(("markPriceKlines", "premiumIndexKlines")) for _, path in asked))
            asked.clear()
        # a thousand hours a page, of marks and of premiums; then the tail alone, and again with every hour that ends
        assert pages[0] >= 4 > pages[1]
        assert not told(logs[1], "snapshot_ignored")
        for log in logs:
            assert told(log, "prepared")[0]["bars"] == DAYS * 96
            assert "cannot be forecast" not in told(log, "decision")[0]["reason"]


def test_injective_resumes_with_a_tail_and_reaches_back_for_what_is_owed() -> None:
    """If this fails, a warm restart asks the indexer for everything, or funding from before it is never booked."""

    async def main() -> None:
        async with InjectiveSandbox(INDEXED) as sandbox, reading(sandbox) as reader:
            await sandbox.chain.next_block()
            now_ms = sandbox.chain.now_ms()
            reader.data.resume({"BTC": now_ms - HOUR_MS})
            assert reader.data.read_share == 0
            await reader.data.history([now_ms // HOUR_MS * HOUR_MS])
            assert reader.data.read_share == 1
            prints = {symbol: ticker.prints.prints for symbol, ticker in reader.data.tickers.items()}
            assert prints["BTC"][0].ts_ms > now_ms - 28 * HOUR_MS
            assert prints["INJ"][0].ts_ms < now_ms - 6 * DAY_MS
            since_ms = now_ms - 5 * DAY_MS
            told = await reader.data.settlements(since_ms, now_ms)
            owed = {s: [one.ts_ms for one in told if one.key.symbol == s] for s in ("BTC", "INJ")}
            assert owed["BTC"] == owed["INJ"]
            assert len(owed["BTC"]) == 5 * 24

    asyncio.run(main())


def test_it_says_how_far_it_has_read() -> None:
    """If this fails, an operator cannot tell a start that takes minutes from one that hangs."""
    process = Process(Config(), CollectorRegistry())
    assert process.not_ready() == ["starting: opening the journal, asking the venues"]
    process.reading = lambda: 0.65
    assert process.not_ready() == ["backfilling 62%"]


def test_another_world_has_another_name(tmp_path: Path) -> None:
    """If this fails, real venues go on from the prices of a rehearsal."""

    def origin(**tree: Any) -> str:
        return origin_of(
            parse_config({"hedge": {"venues": ["binance"]}, "data": {"source": "venues"}, **tree})
        )

    ca = tmp_path / "ca.pem"
    local = {"cex_loopback": {"port": 1, "ca_file": str(ca)}}
    names = [origin(), origin(injective={"network": "testnet"}), origin(cex={"binance": {"quote": "USDC"}})]
    for text in ("one", "another"):
        ca.write_text(text)
        names.append(origin(**local))
    assert len(set(names)) == len(names)
    assert origin(hedge={"venues": ["binance", "okx"]}) == names[0]  # one more venue is no other world
