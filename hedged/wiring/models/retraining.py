"""The daemon trains anew when it is due: an order, a process of its own, a verdict, a challenger in the registry.

The order is written down first; whoever finds one without an end goes on with it. A cycle waits for nothing here.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import get_args

import structlog

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import Clock, iso
from hedged.domain.errors import HedgedError
from hedged.features.regimes import NORMAL
from hedged.forecast.models.registry import ModelRegistry
from hedged.forecast.models.schedule import due, failing, retry_ms, too_old
from hedged.forecast.models.trainings import Asked, Order, Outcome, Recipe, Training, Trainings
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.child import Ending, OnProgress, train_in_child
from hedged.wiring.models.learnable import recipe_of, unable
from hedged.wiring.models.orders import closed, data_end_ms, newest_ms, ordered, settle
from hedged.wiring.models.threads import off_loop

EVERY_S = 5.0
LOOK_AGAIN_MS = 3_600_000
"""What cannot be trained is looked at again after that, not at every look."""
ALARMING = 3
TENTHS = 10
Launcher = Callable[[Trainings, Order, float, OnProgress, threading.Event], Ending]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Retraining:
    """`app`: returns what forecasts, None before there is any; `regime`, `drift`: the market's, and why drift is proven
    (empty: it is not); `in_real_time`: else looked at with every cycle, and time stands still while a model is trained;
    `launch`: does the work, in a thread.
    """

    config: Config
    clock: Clock
    metrics: Metrics
    app: Callable[[], App | None]
    regime: Callable[[], str] = lambda: NORMAL
    drift: Callable[[], str] = lambda: ""
    in_real_time: bool = True
    launch: Launcher = train_in_child
    recipe: Callable[[Config], Recipe] = recipe_of
    unable: str = ""
    failures: tuple[int, str] = (0, "")
    _text: str = ""
    _looked_ms: int | None = None
    _told: str | None = None
    _newest: tuple[tuple[int, int, int], int | None] | None = None

    def __post_init__(self) -> None:
        for outcome in get_args(Outcome):
            self.metrics.training.outcomes.labels(outcome)

    @property
    def text(self) -> str:
        """What it is at, in a line; empty where nothing is trained."""
        return self._text

    @property
    def alarming(self) -> str:
        """Why trainings fail again and again; empty while they do not."""
        count, why = self.failures
        return f"{count} times in a row; the last time: {why}" if count >= ALARMING else ""

    async def run(self) -> None:
        """Look every few seconds until cancelled; mostly nothing is due."""
        while True:
            app = self.app()
            if app is not None:
                self.config = app.parts.config
            await self.look()
            await asyncio.sleep(EVERY_S if self.in_real_time else float(self.config.cycle.interval_s))

    async def look(self) -> None:
        """Train where that is due; returns when it has ended."""
        app = self.app()
        if app is None or not app.progress.prepared:
            return
        trainings = Trainings.of(self.config.state_dir)
        try:
            order = await off_loop(self._next, trainings, self.clock.now_ms(), self.regime(), self.drift())
            if order is not None:
                await self._carry_out(trainings, order)
        except Exception as error:  # a training may fail in any way; the daemon protects all the same
            why = (
                str(error)
                if isinstance(error, (OSError, HedgedError))
                else f"{type(error).__name__}: {error}"
            )
            self._say(f"training cannot go on: {why}", log.error)

    def _next(self, trainings: Trainings, now_ms: int, regime: str, drift: str) -> Order | None:
        """Return the order to carry out now; None: none. In a thread."""
        wish = trainings.asked()
        order = trainings.order()
        if order is not None:
            return self._left(trainings, order, wish, now_ms)
        self._tell_failures(trainings, None)
        if wish is None and not self.config.models.retrain:
            return None
        if wish is None and self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_AGAIN_MS:
            return None
        registry = ModelRegistry.of(self.config.state_dir)
        if wish is None:
            when = due(
                self.config.models,
                trainings.ended(),
                self._newest_ms(registry),
                regime,
                drift,
                now_ms,
            )
            if when.at_ms > now_ms:
                return None
            by, why, drifted = "daemon", when.why, when.drift
        else:
            by, why, drifted = wish.by, wish.why, False
        self.unable = unable(self.config, data_end_ms(now_ms))
        if self.unable:
            self._looked_ms = now_ms
            self._say(f"no model is trained: {self.unable}")
            if wish is not None:
                trainings.close(
                    Training(
                        now_ms,
                        now_ms,
                        data_end_ms(now_ms),
                        self.recipe(self.config),
                        why,
                        "unable",
                        self.unable,
                    )
                )
                trainings.heard()
            return None
        self._looked_ms = None
        order = ordered(self.config, registry, self.recipe(self.config), now_ms, by, why, drift=drifted)
        trainings.place(order)
        trainings.heard()
        return order

    def _newest_ms(self, registry: ModelRegistry) -> int | None:
        """Return until when the newest model knows; read again when the registry has changed."""
        mark = registry.mark()
        if self._newest is None or self._newest[0] != mark:
            self._newest = mark, newest_ms(registry)
        return self._newest[1]

    def _left(self, trainings: Trainings, order: Order, wish: Asked | None, now_ms: int) -> Order | None:
        """Say whether to go on with an order that was left."""
        if trainings.busy():
            self._text = "a training is at work beside the daemon (`hedged model retrain`)"
            return None
        if order.attempts and order.attempts[-1].ended_ms is None:
            order = order.ended(now_ms, "lost", "whoever watched its process was killed")
            trainings.place(order)
        if trainings.result(order) is not None:
            return order
        if why := too_old(order, now_ms):
            trainings.close(closed(order, now_ms, "given up", why))
            self._count("given up")
            log.error("training_given_up", why=why, ordered=iso(order.ordered_ms))
            return None
        self._tell_failures(trainings, order)
        if wish is not None:
            trainings.heard()
            return order
        at_ms = retry_ms(order, now_ms)
        self._text = f"a training ({order.why}) goes on at {iso(at_ms)}" if at_ms > now_ms else ""
        return order if at_ms <= now_ms and self.config.models.retrain else None

    async def _carry_out(self, trainings: Trainings, order: Order) -> None:
        """Train, and take the model in where it is good enough."""
        if await off_loop(trainings.result, order) is None:
            order = order.begun(self.clock.now_ms())
            await off_loop(trainings.place, order)
            order, peak_mb = await self._attempt(trainings, order)
            if await off_loop(trainings.result, order) is None:
                return
        else:
            peak_mb = 0.0  # by a process whose watcher was killed
        training = await off_loop(settle, trainings, order, self.config, self.clock.now_ms(), peak_mb)
        self._count(training.outcome)
        self._tell_failures(trainings, None)
        self.metrics.training.last.set(training.ended_ms / 1_000)
        self.metrics.training.seconds.set(training.seconds)
        tell = log.warning if training.outcome == "added" else log.error
        tell(
            "training_ended", outcome=training.outcome, model=training.model, text=training.text, why=training.why,
            seconds=training.seconds, peak_mb=training.peak_mb,
        )  # fmt: skip

    async def _attempt(self, trainings: Trainings, order: Order) -> tuple[Order, float]:
        """Have one process work on the order; return the order with what came of that, and its most memory in MB."""
        log.warning(
            "training_started", why=order.why, recipe=order.recipe, to=iso(order.to_ms), attempt=len(order.attempts),
            memory_mb=order.memory_mb,
        )  # fmt: skip
        self.metrics.training.running.set(1)
        stop, loop = threading.Event(), asyncio.get_running_loop()
        at = _At(order, self.clock.now_ms(), self, loop)
        pool = ThreadPoolExecutor(1, "training")  # its own: it lasts for hours
        job = loop.run_in_executor(
            pool, self.launch, trainings, order, self.config.models.hours, at.told, stop
        )
        try:
            ending = await asyncio.shield(job)
        except asyncio.CancelledError:
            stop.set()
            ending = await job
            trainings.place(order.ended(self.clock.now_ms(), ending.outcome or "interrupted", ending.why))
            raise
        finally:
            pool.shutdown(wait=False)
            self.metrics.training.running.set(0)
            self._text = ""
        now_ms = self.clock.now_ms()
        if ending.outcome is None:
            return order.ended(now_ms, "added", ""), ending.peak_mb
        order = order.ended(now_ms, ending.outcome, ending.why)
        await off_loop(trainings.place, order)
        self._count(ending.outcome)
        log.error(
            "training_broke_off", outcome=ending.outcome, why=ending.why, peak_mb=round(ending.peak_mb, 1),
            again=iso(retry_ms(order, now_ms)), does="the model that serves goes on",
        )  # fmt: skip
        return order, ending.peak_mb

    def _tell_failures(self, trainings: Trainings, order: Order | None) -> None:
        self.failures = failing(trainings.ended(), order)
        self.metrics.training.failures.set(self.failures[0])

    def _count(self, outcome: str) -> None:
        self.metrics.training.outcomes.labels(outcome).inc()

    def _say(self, text: str, tell: Callable[..., object] | None = None) -> None:
        """Say once what keeps it from training, and again when it is something else."""
        if text != self._told:
            self._told = text
            # a young daemon has too little to learn from, a simulated one nothing: no fault of anybody's
            (tell or log.info)("no_training", why=text)

    def at_work(self, text: str, share: float) -> None:
        """Take what a training is at."""
        self._text = text
        self.metrics.training.progress.set(share)


class _At:
    """What an attempt is at: on the page at once, in the log at every tenth."""

    def __init__(
        self, order: Order, since_ms: int, owner: Retraining, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._order, self._since_ms, self._owner, self._loop = order, since_ms, owner, loop
        self._tenth = -1

    def told(self, stage: str, share: float) -> None:
        """Take what the process says; from its watcher's thread."""
        self._loop.call_soon_threadsafe(self._tell, stage, share)

    def _tell(self, stage: str, share: float) -> None:
        self._owner.at_work(
            f"training {share * 100:.0f} %, {stage}, since {iso(self._since_ms)}: {self._order.why}", share
        )
        if int(share * TENTHS) > self._tenth:
            self._tenth = int(share * TENTHS)
            log.info("training", share=round(share, 2), stage=stage)
