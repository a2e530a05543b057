"""What is under way and may be ended where it waits: when the process is about to end, and nothing is being sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from hedged.execution.scopes import Cut, Scopes

log = structlog.get_logger(__name__)


class UnderWay:
    """Knows what is being done, so that somebody else can end it."""

    def __init__(self) -> None:
        self._scopes = Scopes()

    @asynccontextmanager
    async def doing(self, what: str) -> AsyncIterator[None]:
        """Do something that `abandon` may end; then it just ends, and the log says so."""
        try:
            async with self._scopes.open():
                yield
        except Cut:
            log.warning("abandoned", what=what)

    def abandon(self) -> None:
        """End all that is under way, at the await where it is."""
        self._scopes.cut()
