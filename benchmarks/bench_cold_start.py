"""Times the start of `hedged run`, cold and warm, and counts what it asks of each venue.

First the whole daemon on a local Injective and three exchanges, with the markets that the sandbox has: from the
process's start until /readyz answers 200. Then the exchanges alone with 25 markets each, at the request rates that real
ones are asked with: reading 90 days and laying them out in the buffer.
"""

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import yaml

from hedged.buffer.backfill import backfill
from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.config import parse_config
from hedged.domain.bars import BAR_MS
from hedged.domain.clock import DAY_MS, SystemClock
from hedged.domain.market import SeriesKey
from hedged.sandbox.cex.exchanges import Hall, serve_all
from hedged.sandbox.cex.instruments import BINANCE, BYBIT, OKX, Instrument
from hedged.sandbox.cex.rehearsal import exchanges_beside
from hedged.sandbox.injective.rehearsal import prepare
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.telemetry.logs import configure_logs
from hedged.wiring.cex_venues import CexVenues

VENUES = ("binance", "bybit", "okx")
HELD = {"INJ": Decimal(80_000), "BTC": Decimal(60_000), "ETH": Decimal(-40_000)}
MANY = 25
DAYS = 90


def counted(hall: Hall) -> dict[str, Any]:
    for protocol in hall.protocols.values():
        protocol.asked = []  # type: ignore[assignment]  # all of them, not the latest
    return {venue: hall.protocols[venue].asked for venue in VENUES}


def stage(out: Path, pipe: Connection) -> None:
    """Run Injective and the exchanges; answer every message with the requests so far, until told None."""

    async def main() -> None:
        found: list[Hall] = []
        async with AsyncExitStack() as stack:
            config = SandboxConfig(symbols=tuple(HELD), history_hours=DAYS * 24)
            chain = await stack.enter_async_context(InjectiveSandbox(config))
            more = await stack.enter_async_context(exchanges_beside(VENUES, 0, 7, found.append)(chain, out))
            prepare(chain, HELD, out, 7, *more)
            await serving(pipe, counted(found[0]))

    asyncio.run(main())


def exchanges(pipe: Connection) -> None:
    """Run the exchanges alone, with many markets."""
    for listed in (BINANCE, BYBIT, OKX):
        for n in range(MANY - len(listed)):
            like: Instrument = listed["INJ"]
            listed[f"C{n}"] = Instrument(  # type: ignore[index]
                f"C{n}", like.price, like.tick, like.step, like.contract, interval_h=8
            )

    async def main() -> None:
        hall = Hall(SystemClock())
        async with serve_all(hall) as loopback:
            asked = counted(hall)
            with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
                file.write(loopback.authority.pem)
            pipe.send((loopback.port, file.name, list(BINANCE)))
            await serving(pipe, asked)

    asyncio.run(main())


async def serving(pipe: Connection, asked: dict[str, Any]) -> None:
    pipe.send("up")
    while True:
        while not pipe.poll():  # noqa: ASYNC110  (a pipe has no event)
            await asyncio.sleep(0.05)
        if pipe.recv() is None:
            return
        pipe.send({venue: Counter(path for _, path in rows) for venue, rows in asked.items()})
        for rows in asked.values():
            rows.clear()


def daemon(config: Path, port: int, stop: signal.Signals) -> float:
    """Start the daemon, wait until it is ready, stop it; return the seconds until then."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "hedged", "run", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
                break
            except OSError:  # not there yet, or not ready
                if process.poll() is not None:
                    raise SystemExit(process.stdout.read() if process.stdout else "") from None
            time.sleep(0.1)
        took_s = time.perf_counter() - started
        time.sleep(2)
        process.send_signal(stop)
        process.communicate(timeout=60)
    return took_s


def whole() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out, context = Path(folder), get_context("spawn")
        ours, theirs = context.Pipe()
        node = context.Process(target=stage, args=(out, theirs), daemon=True)
        node.start()
        ours.recv()
        tree = yaml.safe_load((out / "config.yaml").read_text())
        tree["telemetry"] = {"port": 19_465}
        config = out / "bench.yaml"
        config.write_text(yaml.safe_dump(tree))
        for name, stop in (
            ("cold", signal.SIGKILL),
            ("warm, after kill -9", signal.SIGTERM),
            ("warm", signal.SIGTERM),
        ):
            took_s = daemon(config, 19_465, stop)
            ours.send("so far")
            asked = {venue: sum(paths.values()) for venue, paths in ours.recv().items()}
            print(f"{len(HELD)} markets, {name}: ready after {took_s:.1f} s; requests {asked}")
        size = (out / "state" / "buffer.snapshot").stat().st_size
        print(f"snapshot: {size / 1e6:.2f} MB")
        ours.send(None)
        node.join()


async def many(port: int, ca_file: str, coins: list[str], held: BarWindow | None) -> BarWindow:
    config = parse_config(
        {
            "hedge": {"venues": list(VENUES)},
            "data": {"source": "venues"},
            "cex_loopback": {"port": port, "ca_file": ca_file},
        }
    )
    clock = SystemClock()
    venues = CexVenues.connect(config, clock, np.random.default_rng(0))
    started = time.perf_counter()
    done: dict[str, float] = {}
    try:
        if held is not None:
            for venue, data in venues.sources.items():
                data.resume({key.symbol: int(held.times_ms[-1]) for key in held.keys if key.venue == venue})

        async def noted(venue: str, data: Any) -> None:
            data.watch(coins)
            await data.snapshot()
            await data.load()
            data.fed()  # as in the daemon, whose feeds poll from here on
            data._silent_ms = np.inf
            done[venue] = time.perf_counter() - started

        await asyncio.gather(*(noted(venue, data) for venue, data in venues.sources.items()))
        read_s, cpu_s = time.perf_counter() - started, time.process_time()
        keys = sorted(SeriesKey(venue, coin) for venue in VENUES for coin in coins)
        bars = DAYS * DAY_MS // BAR_MS
        buffer = RingBuffer(keys, bars, BAR_MS)
        last_ms = clock.now_ms() // BAR_MS * BAR_MS
        times = range(last_ms - (bars - 1) * BAR_MS, last_ms + 1, BAR_MS)
        await backfill(buffer, times, venues.sources, held, lambda _: True)
        filled_s, cpu_s = time.perf_counter() - started - read_s, time.process_time() - cpu_s
    finally:
        await venues.close()
    by_venue = ", ".join(f"{venue} {s:.0f} s" for venue, s in done.items())
    print(f"  read {read_s:.0f} s ({by_venue}), laid out {filled_s:.1f} s ({cpu_s:.1f} s of CPU)")
    return buffer.window()


def alone() -> None:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    node = context.Process(target=exchanges, args=(theirs,), daemon=True)
    node.start()
    port, ca_file, coins = ours.recv()
    ours.recv()
    held = None
    for name in ("cold", "warm"):
        print(f"{MANY} markets at each of three exchanges, {name}:")
        held = asyncio.run(many(port, ca_file, coins, held))
        ours.send("so far")
        for venue, paths in ours.recv().items():
            print(f"  {venue}: {sum(paths.values())} requests", dict(paths))
    ours.send(None)
    node.join()


if __name__ == "__main__":
    configure_logs(SystemClock().now_ms, "warning", "json")
    whole()
    alone()
