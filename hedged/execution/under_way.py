"""What is under way and may be ended where it waits: when the process is about to end, and nothing is being sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger(__name__)


class UnderWay:
    """Knows what is being done, so that somebody else can end it."""

    def __init__(self) -> None:
        self._scopes: list[asyncio.Timeout] = []

    @asynccontextmanager
    async def doing(self, what: str) -> AsyncIterator[None]:
        """Do something that `abandon` may end; then it just ends, and the log says so."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scopes.append(scope)
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            log.warning("abandoned", what=what)
        finally:
            if scope in self._scopes:
                self._scopes.remove(scope)

    def abandon(self) -> None:
        """End all that is under way, at the await where it is."""
        now_s = asyncio.get_running_loop().time()
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(now_s)
