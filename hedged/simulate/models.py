"""Models in a simulated life: another is promoted now and then, and one that fails gives way to the EWMA.

The registry is a number here; who gives way, and when it comes back, is for the daemon's own demotion to say.
"""

import asyncio
from typing import TYPE_CHECKING

from hedged.simulate.forecaster import SimForecaster
from hedged.wiring.models.demotion import Demotion
from hedged.wiring.models.serving import Served

if TYPE_CHECKING:
    from hedged.app import App
    from hedged.simulate.world import World

EVERY_S = 10.0


class SimModels:
    """`run` is one task with one owner."""

    def __init__(self, world: "World", app: "App") -> None:
        self._world, self._app, self._number = world, app, world.model
        self.served = Served(f"{world.model}", app.parts.forecaster)
        self._demotion = Demotion(app.parts.clock, app.metrics, self)

    async def run(self) -> None:
        """Follow the registry, and judge who serves, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self._app.progress.last is None or not self._app.progress.prepared:
                continue
            if self._number != self._world.model:
                self._number = self._world.model
                self.served = Served(f"{self._number}", SimForecaster(self._world, self._number))
                self._demotion.end()
                await self._app.exchange(self.served.forecaster)
            await self._demotion.look(self._app)

    async def tell(self) -> None:
        """Nobody is at the command line."""
