"""What the process asks of the C library's allocator, and how it gives back what it does not need.

glibc gives every thread an arena of its own, and with each large block that is freed it raises the size from which
blocks are mapped one by one: both keep for good what a start needed for a moment. Where the library is another one,
or already told through the environment, nothing is done.
"""

import asyncio
import ctypes
import os

ARENAS = 2
MAPPED_FROM_BYTES = 4 * 2**20
"""Larger blocks are mapped, and given back when they are freed. From 1 MiB on a forecast would take a third longer."""
UPKEEP_S = 900.0
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8


def frugal() -> None:
    """Keep little of what is freed. Before any thread is started."""
    library = _glibc()
    if library is None:
        return
    for name, option, value in (
        ("MALLOC_ARENA_MAX", _M_ARENA_MAX, ARENAS),
        ("MALLOC_MMAP_THRESHOLD_", _M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
    ):
        if name not in os.environ:
            library.mallopt(option, value)


def give_back() -> None:
    """Give free pages back to the system; takes some milliseconds, and may be called from any thread."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


class MemoryUpkeep:
    """Runs beside the cycles, so that what a start or a day's learning needed for a moment is not kept."""

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(UPKEEP_S)
            await asyncio.to_thread(give_back)


def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
