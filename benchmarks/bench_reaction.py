"""How long it takes from the last thing that had to be known to the bytes of an order at the venue's socket.

The venues are a process of their own (a local Injective and Binance over TLS); the daemon's parts run here, on a
journal on disk. Two ways: a cycle begins and opens a hedge; the fast loop looks and finds a hedge to be unwound. Both
ask every venue for the account before they send, which is most of it. A price waits for the look up to
cycle.guard_interval_s more.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from exchange_stage import LIVE, dear, living, stage

from hedged.app import App
from hedged.config import parse_config
from hedged.domain.clock import SystemClock
from hedged.execution.journal.thread import Journal
from hedged.execution.stops import Stops
from hedged.telemetry.logs import configure_logs

VENUE = "binance"
ROUNDS = {False: 40, True: 12}
"""By whether the exchange's limit on requests is kept: with it, a round takes ten seconds."""
APART_S = 1.0
"""Between two actions, so that the limiters of requests are as full as they are between two cycles."""


async def serve(out: Path) -> None:
    """Be the venues: print where the configuration lies, then the instant (ns) at which each order arrives."""
    async with stage(out, (VENUE,), dear) as on:
        import yaml

        (out / "bench.yaml").write_text(yaml.safe_dump(on.tree | {"telemetry": {"port": 0}} | LIVE))
        exchange: Any = on.hall.protocols[VENUE].exchange
        take = exchange.place

        def place(ticket: Any) -> Any:
            print(time.monotonic_ns(), flush=True)
            return take(ticket)

        exchange.place = place
        print("ready", flush=True)
        await asyncio.Event().wait()


class Watched:
    """The daemon's parts with stopwatches: when the executor was told, how long the journal took."""

    def __init__(self, app: App) -> None:
        self.told_ns = 0
        executor: Any = app.cycle.desk.executor
        execute = executor.execute

        async def timed(approved: Any) -> Any:
            self.told_ns = time.monotonic_ns()
            return await execute(approved)

        executor.execute = timed


async def measure(folder: Path, *, limited: bool) -> dict[str, list[float]]:
    """Open and unwind again and again; return ms by name. `limited`: by the exchange's limit on requests, as live."""
    pipe = asyncio.subprocess.PIPE
    venues = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "venues", str(folder), stdout=pipe
    )
    assert venues.stdout is not None
    found: dict[str, list[float]] = {
        "cycle begins → bytes": [], "of that, gate → bytes": [], "look → bytes": [], "of that, gate → bytes (stop)": []
    }  # fmt: skip
    try:
        assert await venues.stdout.readline() == b"ready\n"
        import yaml

        tree = yaml.safe_load((folder / "bench.yaml").read_text())
        tree["risk"] |= {"max_orders_per_hour": 10_000, "max_notional_per_hour_usd": 10**9}
        tree["execution"] = {"rest_s": 0}  # one order a decision, which takes
        config = parse_config(tree)
        if not limited:
            unlimited = config.cex_of(VENUE).model_copy(update={"rate_share": Decimal(50)})
            config = config.model_copy(update={"cex": {VENUE: unlimited}})
        clock, journal = SystemClock(), Journal.open(folder / "journal.sqlite")
        async with living(config, clock, journal) as (app, _):
            watched, desk = Watched(app), app.cycle.desk
            for _ in range(ROUNDS[limited]):
                desk.stops = Stops(config, {}, dict(desk.accounts.latest.own))
                for way, act in (("cycle begins", app.step), ("look", app.guard)):
                    if way == "look":
                        # as if it had cost more than it can ever earn
                        desk.stops.episodes["INJ"] = replace(desk.stops.episodes["INJ"], costs_usd=1e6)
                    await asyncio.sleep(APART_S)
                    began_ns = time.monotonic_ns()
                    await act(clock.now_ms())
                    arrived_ns = int(await asyncio.wait_for(venues.stdout.readline(), 5))
                    found[f"{way} → bytes"].append((arrived_ns - began_ns) / 1e6)
                    name = "of that, gate → bytes" + (" (stop)" if way == "look" else "")
                    found[name].append((arrived_ns - watched.told_ns) / 1e6)
        journal.close()
    finally:
        venues.kill()
        await venues.wait()
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile, as `share` of 1."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def main() -> None:
    """Measure and print."""
    configure_logs(SystemClock().now_ms, "critical", "console")
    if sys.argv[1:2] == ["venues"]:
        asyncio.run(serve(Path(sys.argv[2])))
        return
    for limited in (False, True):
        print(
            "within the exchange's limit on requests" if limited else "as if there were no limit on requests"
        )
        with TemporaryDirectory() as folder:
            for name, ms in asyncio.run(measure(Path(folder), limited=limited)).items():
                print(
                    f"  {name:<32} p50 {quantile(ms, 0.5):8.1f} ms   p99 {quantile(ms, 0.99):8.1f} ms   of {len(ms)}"
                )


if __name__ == "__main__":
    main()
