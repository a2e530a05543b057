"""Work that somebody else may end at the await where it is, as a deadline may end it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Cut(Exception):
    """The work was ended by somebody else."""


class Scopes:
    """What is at work and may be cut."""

    def __init__(self) -> None:
        self._open: list[asyncio.Timeout] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Do what `cut` may end. Raises Cut where it did; a deadline of the work's own stays a TimeoutError."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._open.append(scope)
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise Cut from None
        finally:
            if scope in self._open:
                self._open.remove(scope)

    def cut(self) -> None:
        """End all that is open, at the await where it is."""
        now_s = asyncio.get_running_loop().time()
        for scope in self._open:
            if not scope.expired():
                scope.reschedule(now_s)
