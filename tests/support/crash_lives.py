"""Processes of the daemon that start at once: forked from one that has imported everything."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

BREEDER = """
import os, signal, sys
from decimal import Decimal
import hedged.cli, hedged.daemon, hedged.wiring.live_account, hedged.wiring.real_venues  # once, not in every life
import hedged.execution.working.executor
from hedged.adapters.cex.trading import CexTrading
from hedged.config import Config
plain = Config.cex_of
Config.cex_of = lambda self, venue: plain(self, venue).model_copy(update={"rate_share": Decimal(50)})
make = CexTrading.__init__
def impatient(self, *args, **options):
    make(self, *args, **options)
    self._proof_ms = min(self._proof_ms, proof_ms)
CexTrading.__init__ = impatient
hedged.execution.working.executor.LEAST_REST_S = 0.0
config, proof_ms = sys.argv[1], int(sys.argv[3])
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
print("ready", flush=True)
for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        os.dup2(log, 1), os.dup2(log, 2)
        sys.argv = ["hedged", "run", "--config", config]
        try:
            hedged.cli.main()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""Has everything imported, and forks a `hedged run` for each line it reads: a life then starts in no time.

The local exchanges have no limit on requests, so the daemon keeps to none, and orders rest however fast the clock is;
an order that is not found there a second after a start was never sent.
"""


@dataclass
class Life:
    """One process of the daemon."""

    pid: int
    _code: asyncio.Task[int]

    @property
    def returncode(self) -> int | None:
        return self._code.result() if self._code.done() else None

    def send(self, what: signal.Signals) -> None:
        """Signal it, if it still lives: its end may be on its way to us."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, what)

    async def ended(self) -> int:
        return await self._code


class Breeder:
    """Starts daemons, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def _number(self) -> int:
        assert self._process.stdout is not None
        return int(await self._process.stdout.readline())

    async def bear(self) -> Life:
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        pid = await self._number()
        return Life(pid, asyncio.create_task(self._number()))


@asynccontextmanager
async def breeder(config: Path, log: Path, proof_ms: int) -> AsyncIterator[Breeder]:
    """`proof_ms`: so long after its start, by its own clock, a life must not find an order for that to be a proof."""
    command = (sys.executable, "-c", BREEDER, str(config), str(log), str(proof_ms))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield Breeder(process)
    finally:
        process.kill()
        await process.wait()
