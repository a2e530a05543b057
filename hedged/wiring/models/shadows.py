"""Challengers in shadow: opened beside the model that serves, asked what it is asked, heard by nobody who trades.

`Scoring` asks them, off the event loop and a few times a day. The newest challengers run, and one whose contest has
begun goes on before a newer one; with them the champion before, for some weeks after the daemon promoted another one,
so that a mistake shows by the same test. One that cannot be opened, is slow, fails or says nothing retires, with the
reason.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import DAY_MS, Clock, ms_of, perf_s
from hedged.domain.errors import ConfigError, Rejected
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.forecast.models.history import Act, History
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.port import Forecaster
from hedged.forecast.record.sheet import unsound
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.asking import PATIENCE_S
from hedged.wiring.models.serving import Served, from_registry, speaking
from hedged.wiring.models.threads import off_loop

DAEMON = "daemon"
"""Who changes the registry by itself, as its history calls it."""
EVERY_S = 60.0
STRIKES = 3
"""So many faults in a row, a day of them, and a challenger retires: one may be the machine's."""
PROBATION_MS = 30 * DAY_MS
"""So long after a promotion by the daemon the champion before runs in shadow."""

log = structlog.get_logger(__name__)


class Shadow:
    """A challenger that counts its faults in a row. `fault`: the last one, empty after a forecast without."""

    def __init__(self, forecaster: Forecaster, slow_s: float) -> None:
        self._forecaster, self._slow_s = forecaster, slow_s
        self.model_hash, self.feature_hash = forecaster.model_hash, forecaster.feature_hash
        self.fault, self.strikes = "", 0
        self._asked_s: float | None = None

    @property
    def hangs(self) -> bool:
        """Whether it has been at a forecast for longer than anybody waits."""
        return self._asked_s is not None and perf_s() - self._asked_s > PATIENCE_S

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast; see `Forecaster`. Raises what the model raises."""
        self._asked_s = begun_s = perf_s()
        try:
            told = self._forecaster.forecast(grid, now_ms, horizon_h)
        except Exception as error:
            self._judge(f"it fails: {type(error).__name__}: {error}")
            raise
        finally:
            self._asked_s = None
        took_s = perf_s() - begun_s
        slow = f"it is slow: {took_s:.0f} s for a forecast" if took_s > self._slow_s else ""
        self._judge(_unspoken(told) or slow)
        return told

    def _judge(self, fault: str) -> None:
        self.fault, self.strikes = fault, self.strikes + 1 if fault else 0


def _unspoken(told: ForecastSet) -> str:
    """Say what is wrong with a forecast; empty where nothing is."""
    if wrong := list(unsound(told)):
        return f"what it says of {wrong[0]} is no law"
    own = [key for key in told.keys if told.made_by.get(key) != STAND_IN]
    return "" if own or not told.keys else f"it forecasts none of {len(told.keys)} series"


def runners(history: History, most: int, begun: Iterable[str], now_ms: int) -> tuple[str, ...]:
    """Return who is to run in shadow: of the challengers `most`, those whose contest has `begun` before newer ones, and
    the champion before, while the one that the daemon promoted is young.
    """
    begun, newest = set(begun), history.challengers[::-1]
    first = [*(one for one in newest if one in begun), *(one for one in newest if one not in begun)]
    before = on_probation(history, now_ms) if most else None
    return (*first[:most], *([before] if before else []))


def on_probation(history: History, now_ms: int) -> str | None:
    """Return the champion before, while the promotion of this one may yet prove a mistake; None: not, or no more."""
    if not history.events or history.before is None:
        return None
    crowned = [one for one in history.events if one.act in (Act.PROMOTED, Act.ROLLED_BACK)]
    if not crowned or crowned[-1].act is not Act.PROMOTED or crowned[-1].by != DAEMON:
        return None
    return history.before if now_ms - ms_of(crowned[-1].ts) < PROBATION_MS else None


@dataclass(slots=True)
class Shadows:
    """`app`: returns what they run beside, None before there is any; `served`: who serves; `begun`: whose contest goes
    on before newer ones, asked in a thread; `in_real_time`: else looked at with every cycle. `run` is one task with one
    owner.
    """

    config: Config
    clock: Clock
    metrics: Metrics
    app: Callable[[], App | None]
    served: Callable[[], Served]
    begun: Callable[[], Iterable[str]]
    in_real_time: bool = True
    _open: dict[str, Shadow] = field(default_factory=dict)
    _faulty: dict[str, str] = field(default_factory=dict)
    _unread: str = ""

    def forecasters(self) -> Mapping[str, Forecaster]:
        """Return whom to ask beside the model that serves, by name."""
        serves = self.served().model
        return {model: shadow for model, shadow in self._open.items() if model != serves}

    async def run(self) -> None:
        """Look every minute until cancelled; mostly there is nothing to do."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S if self.in_real_time else float(self.config.cycle.interval_s))

    async def look(self) -> None:
        """Let go of who no longer runs, retire who is at fault, open who is to run."""
        app = self.app()
        if app is None or not app.progress.prepared or not from_registry(self.config):
            return
        registry = ModelRegistry.of(self.config.state_dir)
        for model, one in list(self._open.items()):
            if one.hangs:
                self._refuse(model, f"it hangs: no answer within {PATIENCE_S:.0f} s")
            elif one.strikes >= STRIKES:
                self._refuse(model, f"{one.fault}, {STRIKES} times in a row")
        history = await self._read(registry)
        if history is None:
            return
        wanted = self._wanted(history, await off_loop(self.begun))
        for model in self._open.keys() - set(wanted):
            del self._open[model]
            log.info("shadow_ends", model=model)
        for model in wanted:
            if model not in self._open:
                await self._begin(app, registry, model)
        for model in [one for one in history.challengers if one in self._faulty]:
            await self._retire(registry, model)

    async def _read(self, registry: ModelRegistry) -> History | None:
        """Read the registry; None for one that cannot be read: then all stays as it is."""
        try:
            history, self._unread = await off_loop(registry.read), ""
        except ConfigError as error:
            if str(error) != self._unread:
                log.error("challengers_unknown", why=str(error), does="those that run go on")
            self._unread = str(error)
            return None
        return history

    def _wanted(self, history: History, begun: Iterable[str]) -> tuple[str, ...]:
        told = runners(history, self.config.models.challengers, begun, self.clock.now_ms())
        return tuple(one for one in told if one != self.served().model and one not in self._faulty)

    async def _begin(self, app: App, registry: ModelRegistry, model: str) -> None:
        """Open a challenger, with the memory of the one that serves."""
        try:
            ensemble, forecaster = await off_loop(lambda: speaking(registry.open(model), None, threads=1))
        except (OSError, MemoryError) as error:  # the machine's fault: the next look tries again
            log.warning("shadow_waits", model=model, why=str(error))
            return
        except Exception as error:  # whatever a file may hold and the graph's library may say of it
            self._refuse(model, f"it cannot be opened: {error}")
            return
        served, heard = self.served(), False
        before = (served.benched or served).ensemble
        if before is not None:
            async with app.cycle.desk.busy:
                heard = await app.cycle.thought() and ensemble.succeed(before)
        self._open[model] = Shadow(forecaster, self.config.models.slow_s)
        log.info("shadow_begins", model=model, beside=self.served().model, memory_taken_over=heard)

    def _refuse(self, model: str, why: str) -> None:
        """Run a model no longer in shadow; one that may yet serve is to retire."""
        self._open.pop(model, None)
        self._faulty[model] = why
        log.error("challenger_faulty", model=model, why=why)

    async def _retire(self, registry: ModelRegistry, model: str) -> None:
        """Take a challenger out of the running, with the reason; what fails is tried again with the next look."""
        why = self._faulty[model]
        try:
            await off_loop(registry.retire, model, Author(self.clock.now_ms(), DAEMON, why))
        except (ConfigError, Rejected, OSError) as error:
            log.warning("challenger_not_retired", model=model, why=str(error))
            return
        del self._faulty[model]
        self.metrics.contests.labels("retired").inc()
        log.warning("challenger_retired", model=model, why=why)
