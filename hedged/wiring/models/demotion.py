"""A model that is not fit to serve gives way to the EWMA by itself, between two cycles, and comes back by itself.

What it remembers stays. One that raises, hangs, is slow or silent is tried again after an hour, then less and less
often; one that drifts goes on in shadow until it is better again, which the registry remembers over restarts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from hedged.app import App
from hedged.domain.clock import Clock, iso
from hedged.domain.errors import ConfigError, Rejected
from hedged.domain.forecast import STAND_IN
from hedged.forecast.fallback import StandIn
from hedged.forecast.models.fitness import ALWAYS, SILENT_SHARE, Bench, Cause, Fitness, benched
from hedged.forecast.models.history import History
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.port import Forecaster
from hedged.telemetry.metrics import Metrics
from hedged.thinking import Thinking
from hedged.wiring.models.serving import Served, from_registry, open_again
from hedged.wiring.models.threads import copied, off_loop

BY = "daemon"

log = structlog.get_logger(__name__)


class Seat(Protocol):
    """Who serves, and how that is told."""

    served: Served

    async def tell(self) -> None:
        """Let the command line know."""
        ...


@dataclass(slots=True)
class Demotion:
    """`drifts`: why a model is proven to drift; `better`: why one that drifted is better than the EWMA again since an
    instant (ms); both empty where it is not so. Called by the task that follows the registry, which alone changes who
    serves.
    """

    clock: Clock
    metrics: Metrics
    seat: Seat
    drifts: Callable[[str], str] = lambda _: ""
    better: Callable[[str, int], str] = lambda _, __: ""
    bench: Bench | None = None
    _fitness: Fitness = field(default_factory=lambda: Fitness(0.0))
    _of: Forecaster | None = None
    _served_ms: int = 0
    _before: Bench | None = None

    def __post_init__(self) -> None:
        for cause in Cause:
            self.metrics.model_demotions.labels(cause)
        self.metrics.model_stood_in.set_function(lambda: float(self.seat.served.model == STAND_IN))
        served = self.seat.served
        if served.benched is not None:
            self.bench = Bench(Cause.DRIFT, served.benched_why, served.benched_ms)

    @property
    def told(self) -> str:
        """Say which model gave way, why, and how it comes back; empty where none did."""
        bench, model = self.bench, self.seat.served.benched
        if bench is None or model is None:
            return ""
        back = (
            "when it is better than the EWMA again, or by `hedged model promote`"
            if bench.cause is Cause.DRIFT
            else f"when a trial succeeds, the next at {iso(bench.again_ms)}"
        )
        return f"{model.name} gave way at {iso(bench.since_ms)}: {bench.cause}, {bench.why}; it comes back {back}"

    @property
    def remembers(self) -> bool:
        """Whether the memory of the one that serves, or gave way, is whole: no failure left it half written."""
        return self.bench is None or self.bench.cause not in (Cause.RAISES, Cause.HANGS)

    def shadows(self) -> Mapping[str, Forecaster]:
        """Return the model that drifted, which goes on being asked and scored; one that failed is not asked."""
        model = self.seat.served.benched
        if self.bench is None or self.bench.cause is not Cause.DRIFT or model is None:
            return {}
        return {model.model: model.forecaster}

    async def look(self, app: App) -> None:
        """Judge who serves by its latest forecast, or see whether the one that gave way may come back."""
        if self.seat.served.benched is None:
            await self._judge(app)
        elif self.bench is not None and self.bench.cause is Cause.DRIFT:
            if why := self.better(self.seat.served.benched.model, self.bench.since_ms):
                await self.restore(app, why)
        elif self.bench is not None and self.clock.now_ms() >= self.bench.again_ms:
            await self._try(app)

    async def heed(self, app: App, history: History) -> None:
        """Bring a model back that the registry no longer calls demoted: somebody has promoted it."""
        if self.bench is not None and self.bench.cause is Cause.DRIFT and not history.demoted:
            await self.restore(app, "it was promoted", told=True)

    def end(self) -> None:
        """Forget who gave way: another model serves."""
        self.bench = self._before = None

    async def _judge(self, app: App) -> None:
        served, heard = self.seat.served, app.cycle.thinking.last
        if served.model == STAND_IN or app.parts.config.hedge.forecaster == STAND_IN:
            return
        models = app.parts.config.models
        if self._of is not served.forecaster:
            self._of, self._fitness = served.forecaster, Fitness(models.slow_s)
            self._served_ms = self.clock.now_ms()
        found = None
        if heard is not None and heard.model_hash == served.forecaster.model_hash:
            self._fitness.slow_s = models.slow_s
            found = self._fitness.hear(heard)
        if found is None and (why := self.drifts(served.model)):
            found = (Cause.DRIFT, why)
        if found is not None and (models.demote or found[0] in ALWAYS):
            await self._demote(app, *found)

    async def _demote(self, app: App, cause: Cause, why: str) -> None:
        """Put the EWMA in the model's place."""
        served, now_ms = self.seat.served, self.clock.now_ms()
        self.bench = benched(cause, why, now_ms, self._before, self._served_ms)
        stand_in = StandIn()
        self.seat.served = Served(
            STAND_IN, stand_in, refused=served.refused, benched=served, benched_why=why, benched_ms=now_ms
        )
        await app.exchange(stand_in)
        if cause is Cause.DRIFT:
            await self._record(app, "demote", served.model, why)
        self.metrics.model_demotions.labels(cause).inc()
        log.error(
            "model_demoted", model=served.name, cause=str(cause), why=why, by=STAND_IN, hash=stand_in.model_hash,
            does="the EWMA forecasts; stops and reductions go on", back=self.told.rpartition("; ")[2],
        )  # fmt: skip
        await self.seat.tell()

    async def restore(self, app: App, why: str, model: Served | None = None, *, told: bool = False) -> None:
        """Let the model that gave way serve again. `model`: it, opened anew; `told`: the registry knows."""
        back = model or self.seat.served.benched
        if back is None or self.bench is None:
            return
        drifted = self.bench.cause is Cause.DRIFT
        self._before, self.bench = self.bench, None
        self.seat.served = replace(back, refused=self.seat.served.refused)
        await app.exchange(back.forecaster)
        if drifted and not told:
            await self._record(app, "restore", back.model, why)
        self.metrics.model_swaps.labels("restored").inc()
        log.warning("model_restored", model=back.name, why=why, hash=back.forecaster.model_hash)
        await self.seat.tell()

    async def _try(self, app: App) -> None:
        """Ask a model that failed once more, off the loop; its next failure waits twice as long."""
        model, bench = self.seat.served.benched, self.bench
        if model is None or bench is None:
            return
        config, why = app.parts.config, ""
        anew, heir = not self.remembers, model
        try:
            if anew:
                heir = await off_loop(open_again, config, model)
            window = await copied(app)
            thinking = Thinking(config.models.slow_s, who=None if anew else model.forecaster)
            await thinking.of(heir.forecaster, window, self.clock.now_ms(), config.hedge.horizon_h)
            heard = thinking.last
            assert heard is not None
            why = heard.failed or (
                f"it forecast {heard.spoke} of {heard.of} series"
                if heard.of and heard.share < SILENT_SHARE * self._fitness.share
                else f"it took {heard.took_s:.0f} s" if heard.took_s > config.models.slow_s else ""
            )  # fmt: skip
        except Exception as error:  # whatever a file may hold and the graph's library may say of it
            why = f"{type(error).__name__}: {error}"
        if not why:
            await self.restore(app, "a trial succeeded", heir)
            return
        self.bench = replace(bench, why=why, since_ms=self.clock.now_ms(), times=bench.times + 1)
        log.warning("model_tried_in_vain", model=model.name, why=why, again=iso(self.bench.again_ms))
        await self.seat.tell()

    async def _record(self, app: App, act: str, model: str, why: str) -> None:
        """Write into the registry, so that a restart knows it; where the configuration names the model nobody asks."""
        if not from_registry(app.parts.config):
            return
        registry, author = ModelRegistry.of(app.parts.config.state_dir), Author(self.clock.now_ms(), BY, why)
        try:
            await off_loop(registry.demote if act == "demote" else registry.restore, model, author)
        except (ConfigError, Rejected, OSError) as error:
            log.warning("model_not_told", why=f"a restart will not know of it: {error}")
