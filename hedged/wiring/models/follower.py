"""The daemon follows the registry: when the champion is another one, it takes over between two cycles.

Loaded and tried off the event loop, on the memory of the one before it; exchanged only when it has spoken. Until then,
and where it cannot, the old one goes on. Nothing here stops a cycle or a look at the stops.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import HOUR_MS, Clock, iso
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.forecast.models.fitness import SILENT_SHARE
from hedged.forecast.models.registry import ModelRegistry, Running
from hedged.telemetry.metrics import Metrics
from hedged.thinking import Thinking
from hedged.wiring.models.demotion import Demotion
from hedged.wiring.models.serving import Served, from_registry, speaking
from hedged.wiring.models.threads import copy_of, off_loop

EVERY_S = 2.0
CHECKED_MS = HOUR_MS
"""So often the model that serves is looked at on disk: it goes on from memory, a restart would not."""
OUTCOMES = ("swapped", "refused", "restored")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ModelFollower:
    """`app`: returns what forecasts, None before there is any; `served`: who does now; `in_real_time`: else looked at
    with every cycle; `damaged`: what is wrong on disk with the model that serves. `run` is one task with one owner.
    """

    config: Config
    clock: Clock
    metrics: Metrics
    app: Callable[[], App | None]
    served: Served
    in_real_time: bool = True
    demotion: Demotion = field(init=False)
    damaged: str = ""
    _checked_ms: int = 0
    _mark: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        self.demotion = Demotion(self.clock, self.metrics, self)
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
            app = self.app()
            if app is not None and app.progress.last is not None:
                await self.demotion.look(app)
            await self.check()
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
            history = await off_loop(registry.read)
        except ConfigError as error:
            if "registry" not in tried:
                self._refuse("registry", str(error))
        else:
            champion, benched = history.champion, self.served.benched
            if benched is not None and champion == benched.model:
                await self.demotion.heed(app, history)
            elif champion == self.served.model:
                self.served = replace(self.served, refused=())
            elif champion not in tried:
                await self._follow(app, registry, champion)
        await self._tell(registry)

    async def check(self) -> None:
        """See, now and then, whether the model that serves is still whole on disk."""
        asked, now_ms = self.served.benched or self.served, self.clock.now_ms()
        if not asked.model or asked.model == STAND_IN or now_ms < self._checked_ms + CHECKED_MS:
            return
        self._checked_ms, before = now_ms, self.damaged
        try:
            await off_loop(ModelRegistry.of(self.config.state_dir).open, asked.model)
        except (ConfigError, OSError) as error:
            self.damaged = str(error)
        else:
            self.damaged = ""
        if self.damaged and not before:
            log.error("model_damaged", model=asked.model, why=self.damaged, does="it goes on from memory")
        elif before and not self.damaged:
            log.warning("model_whole_again", model=asked.model)

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
        self.demotion.end()
        await app.exchange(heir.forecaster)
        self.metrics.model_swaps.labels("swapped").inc()
        log.warning(
            "model_swapped", model=heir.model, before=before.name, hash=heir.forecaster.model_hash,
            hash_before=before.forecaster.model_hash,
        )  # fmt: skip

    async def _heir(self, app: App, registry: ModelRegistry, champion: str) -> Served:
        """Load the champion, hand it the memory of the one that serves, and hear it once. Raises what it raises."""
        share = self.config.strategies.crowded_share
        ensemble, forecaster = await off_loop(lambda: speaking(registry.open(champion), share))
        cycle, before = app.cycle, (self.served.benched or self.served).ensemble
        async with cycle.desk.busy:
            knows = await cycle.thought() and self.demotion.remembers
            if before is not None and not (knows and ensemble.succeed(before)):
                why = (
                    "the one before has other members, or is at work" if knows else "the one before it failed"
                )
                log.warning("model_begins_anew", model=champion, why=why)
            window, last = copy_of(cycle.buffer.window()), app.progress.last
        thinking = Thinking(app.parts.config.models.slow_s)
        told, _ = await thinking.of(forecaster, window, self.clock.now_ms(), app.parts.config.hedge.horizon_h)
        if thinking.last is not None and thinking.last.failed:
            raise ConfigError(f"it fails: {thinking.last.failed}")
        known = len(last.forecasts.keys) if last is not None else 0
        if known and _spoken(told) < SILENT_SHARE * known:
            raise ConfigError(f"it forecasts {_spoken(told)} of {known} series that are forecast now")
        return Served(champion, forecaster, ensemble)

    def _refuse(self, model: str, why: str) -> None:
        """Keep who serves, and say so."""
        self.served = replace(self.served, refused=((model, why),))
        self.metrics.model_swaps.labels("refused").inc()
        log.error("model_refused", model=model, why=why, does=f"{self.served.model} goes on")

    async def tell(self) -> None:
        """Let the command line know who serves, where it is the registry that says who should."""
        if from_registry(self.config):
            await self._tell(ModelRegistry.of(self.config.state_dir))

    async def _tell(self, registry: ModelRegistry) -> None:
        served, model_hash = self.served, self.served.forecaster.model_hash
        asked = served.benched or served
        champion = served.refused[0][0] if served.refused else asked.model
        why = "; ".join(filter(None, (served.why, self.demotion.told)))
        told = Running(served.model, model_hash, champion, why, iso(self.clock.now_ms()))
        try:
            await off_loop(registry.tell, told)
        except (ConfigError, OSError) as error:
            log.warning("model_not_told", why=str(error))


def _spoken(told: ForecastSet) -> int:
    """Count the series that the model itself forecasts, not its fallback: what is not a number it leaves out."""
    return sum(name == "ensemble" for name in told.made_by.values())
