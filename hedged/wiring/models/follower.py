"""The daemon follows the registry: when the champion is another one, it takes over between two cycles.

Loaded and tried off the event loop, on the memory of the one before it; exchanged only when it has spoken. Until then,
and where it cannot, the old one goes on. Nothing here stops a cycle or a look at the stops.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from hedged.app import App
from hedged.buffer.ring import BarWindow
from hedged.config import Config
from hedged.domain.clock import Clock, iso
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.forecast import ForecastSet
from hedged.features.resample import hourly
from hedged.forecast.models.registry import ModelRegistry, Running
from hedged.forecast.port import Forecaster
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.serving import Served, from_registry, speaking

EVERY_S = 2.0
OUTCOMES = ("swapped", "refused")
T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ModelFollower:
    """`app`: returns what forecasts, None before there is any; `served`: who does now; `in_real_time`: else looked at
    with every cycle. `run` is one task with one owner.
    """

    config: Config
    clock: Clock
    metrics: Metrics
    app: Callable[[], App | None]
    served: Served
    in_real_time: bool = True
    _mark: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        for outcome in OUTCOMES:
            self.metrics.model_swaps.labels(outcome)
        if self.served.refused:
            self.metrics.model_swaps.labels("refused").inc()

    @property
    def refused(self) -> str:
        """Why another model serves than should; empty where all is as it should be."""
        return self.served.why

    async def run(self) -> None:
        """Look every few seconds until cancelled; mostly nothing has changed."""
        every_s = EVERY_S if self.in_real_time else float(self.config.cycle.interval_s)
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """Follow the registry where it has changed. A champion that was refused is tried again with its next change."""
        app = self.app()
        if app is None or not app.progress.prepared or not from_registry(self.config):
            return
        registry = ModelRegistry.of(self.config.state_dir)
        mark = registry.mark()
        if mark == self._mark:
            return
        # what was refused at the start, a moment ago, is not tried once more
        tried, self._mark = dict(self.served.refused) if self._mark is None else {}, mark
        try:
            champion = await _off_loop(lambda: registry.read().champion)
        except ConfigError as error:
            if "registry" not in tried:
                self._refuse("registry", str(error))
        else:
            if champion == self.served.model:
                self.served = replace(self.served, refused=())
            elif champion not in tried:
                await self._follow(app, registry, champion)
        await self._tell(registry)

    async def _follow(self, app: App, registry: ModelRegistry, champion: str) -> None:
        """Have the champion take over, or say why it cannot."""
        try:
            heir = await self._heir(app, registry, champion)
        except Exception as error:  # a model may be anything; the one that serves goes on whatever it is
            self._refuse(
                champion, str(error) if isinstance(error, Fatal) else f"{type(error).__name__}: {error}"
            )
            return
        before, self.served = self.served, heir
        await app.exchange(heir.forecaster)
        self.metrics.model_swaps.labels("swapped").inc()
        log.warning(
            "model_swapped", model=heir.model, before=before.model, hash=heir.forecaster.model_hash,
            hash_before=before.forecaster.model_hash,
        )  # fmt: skip

    async def _heir(self, app: App, registry: ModelRegistry, champion: str) -> Served:
        """Load the champion, hand it the memory of the one that serves, and hear it once. Raises what it raises."""
        share = self.config.strategies.crowded_share
        ensemble, forecaster = await _off_loop(lambda: speaking(registry.open(champion), share))
        cycle = app.cycle
        async with cycle.desk.busy:
            await cycle.thought()
            if self.served.ensemble is not None and not ensemble.succeed(self.served.ensemble):
                log.warning(
                    "model_begins_anew", model=champion, why="it has other members than the one before"
                )
            window, last = _copy(cycle.buffer.window()), app.progress.last
        now_ms, horizon_h = self.clock.now_ms(), app.parts.config.hedge.horizon_h
        told = await _off_loop(lambda: _heard(forecaster, window, now_ms, horizon_h))
        if last is not None and _spoken(last.forecasts) and not _spoken(told):
            raise ConfigError(
                f"it forecasts none of {_spoken(last.forecasts)} series that the other one forecasts"
            )
        return Served(champion, forecaster, ensemble)

    def _refuse(self, model: str, why: str) -> None:
        """Keep who serves, and say so."""
        self.served = replace(self.served, refused=((model, why),))
        self.metrics.model_swaps.labels("refused").inc()
        log.error("model_refused", model=model, why=why, does=f"{self.served.model} goes on")

    async def _tell(self, registry: ModelRegistry) -> None:
        """Let the command line know who serves."""
        served, model_hash = self.served, self.served.forecaster.model_hash
        champion = served.refused[0][0] if served.refused else served.model
        told = Running(served.model, model_hash, champion, served.why, iso(self.clock.now_ms()))
        try:
            await _off_loop(registry.tell, told)
        except (ConfigError, OSError) as error:
            log.warning("model_not_told", why=str(error))


async def _off_loop(function: Callable[..., T], *args: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


def _copy(window: BarWindow) -> BarWindow:
    """Return it apart from the buffer, which goes on."""
    return replace(window, times_ms=window.times_ms.copy(), values=window.values.copy())


def _heard(forecaster: Forecaster, window: BarWindow, now_ms: int, horizon_h: int) -> ForecastSet:
    return forecaster.forecast(hourly(window), now_ms, horizon_h)


def _spoken(told: ForecastSet) -> int:
    """Count the series that the model itself forecasts, not its fallback: what is not a number it leaves out."""
    return sum(name == "ensemble" for name in told.made_by.values())
