"""Venues reached ahead of a takeover, while it is not known yet whether the daemon hangs: connections and public data.

Nothing of the account is asked, and nothing is sent: that takes the lease and the journal.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np

from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.errors import HedgedError
from hedged.wiring.cex_venues import CexVenues
from hedged.wiring.real_venues import RealVenues, connect

T = TypeVar("T")


@dataclass(slots=True)
class Reaching:
    """`begin` starts it for every venue; `exchange` and `chain` wait for one, or begin it now. `cleanup` closes all."""

    config: Config
    clock: Clock
    cleanup: AsyncExitStack
    _begun: dict[str, asyncio.Task[Any]] = field(default_factory=dict)

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Reach for all venues of a live account at once, in tasks of this group; what fails is told to who waits."""
        if self.config.mode != "live":
            return
        for venue in self.config.hedge.venues:
            self._begun[venue] = group.create_task(_told(self._exchange(venue)))
        self._begun[""] = group.create_task(_told(self._chain()))

    def end(self) -> None:
        """Begin nothing more: what is still under way is given up."""
        for task in self._begun.values():
            task.cancel()

    async def exchange(self, venue: str) -> CexVenues:
        """Return one exchange, its markets and prices known. Raises Retryable, ConfigError."""
        found: CexVenues = await self._had(venue, lambda: self._exchange(venue))
        return found

    async def chain(self) -> RealVenues:
        """Return Injective, without any exchange. Raises Retryable, ConfigError."""
        found: RealVenues = await self._had("", self._chain)
        return found

    async def _had(self, name: str, anew: Callable[[], Awaitable[Any]]) -> Any:
        if name not in self._begun:
            return await anew()
        found = await asyncio.shield(self._begun[name])
        # what failed while it was only being prepared is tried once more, now that it is needed
        return await anew() if isinstance(found, HedgedError) else found

    async def _exchange(self, venue: str) -> CexVenues:
        config = self.config
        alone = {
            "hedge": config.hedge.model_copy(update={"venues": [venue]}),
            # nobody else asks there any more: the whole rate is for closing
            "cex": {**config.cex, venue: config.cex_of(venue).model_copy(update={"rate_share": Decimal(1)})},
        }
        venues = CexVenues.connect(config.model_copy(update=alone), self.clock, np.random.default_rng())
        self.cleanup.push_async_callback(venues.close)
        await venues.sources[venue].snapshot()
        return venues

    async def _chain(self) -> RealVenues:
        hedge = self.config.hedge.model_copy(update={"venues": []})
        alone = self.config.model_copy(update={"hedge": hedge})
        real = connect(alone, self.clock, np.random.default_rng())
        self.cleanup.push_async_callback(real.close)
        await real.data.markets()
        return real


async def _told(work: Coroutine[Any, Any, T]) -> T | HedgedError:
    """Return what went wrong instead of raising it."""
    try:
        return await work
    except HedgedError as error:
        return error
