"""A live daemon as a process, on local exchanges served from a thread of the test: hedged, and then hung."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from commands import Done, in_a_process
from exchange_stage import LIVE, Stage, stage
from rehearsal import STARTUP_S, Running, running

VENUE = "binance"
PLANTED = """
import signal, sys
def spin(*_):
    while True:
        pass
signal.signal(signal.SIGALRM, spin)
from hedged.cli import main
sys.argv = ["hedged", *sys.argv[1:]]
main()
"""
"""`hedged`, with a fault: on SIGALRM the main thread, and with it the event loop, does nothing else any more."""


@dataclass
class Scene:
    """The stage, and how to run a daemon on it."""

    on: Stage
    folder: Path

    def held(self) -> Decimal:
        return self.on.held(VENUE)

    def config(self, name: str, **changes: Any) -> Path:
        """Write a live configuration with a state directory, and by default an account name, of its own."""
        tree = {**self.on.tree, **LIVE, "state_dir": str(self.folder / name), "account": name, **changes}
        tree["cycle"] = {"history_days": 7}
        tree["cex"] = {VENUE: tree["cex"][VENUE] | {"rate_share": 1}}
        tree.setdefault("control", {})
        tree["control"] |= {"lease_dir": str(self.folder / "leases")}
        tree["telemetry"] = {"port": 0} | tree.get("telemetry", {})
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(tree))
        return file

    @contextmanager
    def daemon(self, config: Path) -> Iterator[Running]:
        """Run it until it holds a hedge."""
        with running("-c", PLANTED, "run", "--config", str(config)) as daemon:
            daemon.wait_for('"event": "order_done"', STARTUP_S)
            daemon.wait_for('"event": "decision"', STARTUP_S)
            assert self.held() < 0
            yield daemon


def kill(config: Path, level: str, *more: str) -> Done:
    return in_a_process("kill", "--level", level, "--reason", "a drill", "--config", str(config), *more)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Serve chain and exchange from a thread of its own."""
    up, found = threading.Event(), list[Stage]()
    loop, down = asyncio.new_event_loop(), asyncio.Event()

    async def main() -> None:
        async with stage(folder, (VENUE,)) as on:
            found.append(on)
            up.set()
            await down.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert up.wait(STARTUP_S)
        yield Scene(found[0], folder)
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(STARTUP_S)
