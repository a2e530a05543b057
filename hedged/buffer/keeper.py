"""The keeper: writes the buffer's snapshot every hour and at the end, off the loop and beside the cycles.

Whatever goes wrong here costs the snapshot, and at the next start some minutes, never a cycle.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.buffer.snapshot import read_snapshot, write_snapshot
from hedged.domain.bars import Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError

log = structlog.get_logger(__name__)
SNAPSHOT_FILE = "buffer.snapshot"


async def restored(path: Path, bar_ms: int, origin: str, from_ms: int, now_ms: int) -> BarWindow | None:
    """Return what an earlier run kept of the window (from, now]; None, said once, where that cannot be used."""
    read = partial(read_snapshot, path, bar_ms, origin, from_ms, now_ms)
    try:
        return await asyncio.get_running_loop().run_in_executor(None, read)
    except DataError as error:
        log.warning("snapshot_ignored", file=str(path), why=str(error), then="a cold start")
        return None


class Keeper:
    """Hand it the buffer with `keep` and every bar with `take`; `run` must run for snapshots to be written."""

    def __init__(self, path: Path, origin: str, every_ms: int = HOUR_MS) -> None:
        """`every_ms`: a bar that ends at a multiple of it is followed by a snapshot."""
        self._path, self._origin, self._every_ms = path, origin, every_ms
        self._buffer: RingBuffer | None = None
        self._due = asyncio.Event()
        self._written_ms: int | None = None
        self._bad = False

    def keep(self, buffer: RingBuffer) -> None:
        """Keep this buffer from now on; what it holds by now took long to read, and is written first."""
        self._buffer = buffer
        self._due.set()

    def take(self, ts_ms: int, _: Sequence[Observation] = ()) -> None:
        """Note that a bar was closed. Returns at once."""
        if ts_ms % self._every_ms == 0:
            self._due.set()

    async def run(self) -> None:
        """Write snapshots until cancelled, then the last one."""
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                await self._guarded()
        finally:
            await self._guarded()

    async def _guarded(self) -> None:
        try:
            await self._write()
        except Exception as error:  # of any kind: polars, the disk; it must not reach the daemon
            if not self._bad:
                log.warning("snapshot_not_written", file=str(self._path), why=str(error))
            self._bad = True

    async def _write(self) -> None:
        buffer = self._buffer
        if buffer is None or buffer.last_ms == self._written_ms:
            return
        last_ms, window = buffer.last_ms, buffer.window()
        size = await _to_its_end(partial(write_snapshot, self._path, window, self._origin))
        self._written_ms, self._bad = last_ms, False
        log.debug("snapshot_written", file=str(self._path), bars=len(window.times_ms), bytes=size)


async def _to_its_end(work: Callable[[], Any]) -> Any:
    """Work off the loop; a cancellation waits for it, so that nothing is written behind anybody's back."""
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
