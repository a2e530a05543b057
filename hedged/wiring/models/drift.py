"""Whether the model that serves has drifted, what the market is like, and which inputs are others than in training.

Looked at when something new is to be judged: the verdict when outcomes have come, the market at midnight, the inputs
with either. Retraining and demotion read `verdict` and `regime`; nothing is done about them here.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import structlog

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import DAY_MS, iso
from hedged.domain.errors import NoJournal
from hedged.execution.journal.store import JournalStore
from hedged.features.resample import hourly
from hedged.forecast.drift.cusum import Cusum
from hedged.forecast.drift.inputs import Shifted
from hedged.forecast.drift.market import Market, market_of
from hedged.forecast.drift.verdict import DriftVerdict, better, judge
from hedged.forecast.paired import Paired
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.serving import Served
from hedged.wiring.models.threads import copy_of, off_loop

STATE = "model_drift"
EVERY_S = 60.0
KEPT = 4
"""Models whose CUSUM is remembered: one that serves again goes on with its own."""
Losses = Callable[[str, int], Paired | None]
"""By name of a model and the instant (ms) from which on its losses beside the stand-in's, None before there are any."""
UNJUDGED = DriftVerdict(False, "nothing is judged yet")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Drift:
    """`served`: who forecasts; `losses`: what the book of scores says, asked in a thread; `in_real_time`: else it looks
    with every cycle. `run` is one task with one owner. A model that gave way to the EWMA is judged on.
    """

    config: Config
    metrics: Metrics
    app: Callable[[], App | None]
    served: Callable[[], Served]
    losses: Losses
    in_real_time: bool = True
    verdict: DriftVerdict = UNJUDGED
    market: Market = field(default_factory=Market)
    shifted: Shifted = field(default_factory=Shifted)
    _cusums: dict[str, Cusum] | None = None
    _judged: tuple[str, int] = ("", -1)
    _better: tuple[str, int, str] = ("", 0, "")

    def __post_init__(self) -> None:
        self.metrics.drift.of_market(self.market)

    @property
    def regime(self) -> str:
        """What the market is like: calm, normal or stormy."""
        return self.market.regime

    @property
    def model(self) -> str:
        """Whom `verdict` is about, as the registry calls it; empty before anything is judged."""
        return self._judged[0]

    def worse(self, model: str) -> str:
        """By what a model is surely worse than the EWMA; empty where it is not, or is not the one that is judged."""
        return self.verdict.worse if model == self.model else ""

    def better(self, model: str, since_ms: int) -> str:
        """By what a model that gave way is surely better than the EWMA since an instant; empty where it is not."""
        return self._better[2] if self._better[:2] == (model, since_ms) else ""

    @property
    def drifts(self) -> str:
        """By what drift is proven; empty where it is not."""
        return self.verdict.why if self.verdict.proven else ""

    @property
    def silent(self) -> str:
        """Name the inputs that have gone silent, where they are many."""
        return self.shifted.why if self.shifted.gone else ""

    @property
    def told(self) -> tuple[str | None, str | None]:
        """Say what the market is like, and whether the model has drifted; None before anything is known."""
        market = self.market
        text = f"{market.regime}: {'; '.join((market.why, *market.changes))}" if market.day_ms else None
        return text, ("drifts: " if self.verdict.proven else "") + self.verdict.why if self.model else None

    async def run(self) -> None:
        """Look every minute until cancelled; mostly there is nothing new."""
        while True:
            every_s = EVERY_S if self.in_real_time else float(self.config.cycle.interval_s)
            await asyncio.sleep(every_s)
            with suppress(
                NoJournal
            ):  # told by the journal; what was not kept is judged again after a restart
                await self.look()

    async def look(self) -> None:
        """Judge what is new. Raises NoJournal."""
        app = self.app()
        if app is None or not app.progress.prepared:
            return
        if self._cusums is None:
            self._cusums = _read(await app.parts.journal(JournalStore.load_state, STATE))
        new = await self._look_at_market(app)
        new = await self._look_at_model(app, self._cusums) or new
        if new:
            self._look_at_inputs()

    async def _look_at_market(self, app: App) -> bool:
        """Name the regime of a new day; tell whether there was one."""
        buffer = app.cycle.buffer
        if buffer.last_ms is None or buffer.last_ms // DAY_MS * DAY_MS <= self.market.day_ms:
            return False
        window = copy_of(buffer.window())
        before, self.market = self.market, await off_loop(lambda: market_of(hourly(window)))
        if not self.market.day_ms:  # no week yet: asked again tomorrow
            self.market = replace(self.market, day_ms=buffer.last_ms // DAY_MS * DAY_MS)
        if self.market.regime != before.regime:
            log.info("regime_changed", regime=self.market.regime, before=before.regime, why=self.market.why)
        for line in self.market.changes:
            if line not in before.changes:
                log.info("market_changed", what=line)
        self.metrics.drift.of_market(self.market)
        return True

    async def _look_at_model(self, app: App, cusums: dict[str, Cusum]) -> bool:
        """Judge the model if outcomes have come since, or another one serves; tell whether."""
        served = self.served()
        model = served.benched or served
        name = model.model or model.forecaster.model_hash.split("+")[0]
        paired = await off_loop(self.losses, name, 0)
        if paired is None or not len(paired):
            return False
        last_ms = int(paired.origin_ms[-1])
        if (name, last_ms) == self._judged:
            return False
        before, floor = self.verdict if name == self.model else UNJUDGED, self.config.models.direction_floor
        cusum = cusums.pop(name, Cusum())
        # drawn alike whenever the same outcomes are judged
        verdict = await off_loop(lambda: judge(paired, cusum, np.random.default_rng(last_ms), floor))
        cusums[name] = verdict.cusum
        for oldest in list(cusums)[:-KEPT]:
            del cusums[oldest]
        self.verdict, self._judged, self._better = verdict, (name, last_ms), ("", 0, "")
        if served.benched is not None:
            since = await off_loop(self.losses, name, served.benched_ms)
            why = better(since, np.random.default_rng(last_ms)) if since is not None and len(since) else ""
            self._better = name, served.benched_ms, why
        if verdict.proven != before.proven:
            since_ms = verdict.since_ms
            event = "model_drifts" if verdict.proven else "model_drifts_no_more"
            log.warning(event, model=name, why=verdict.why, since=iso(since_ms) if since_ms else None)
        self.metrics.drift.of_model(verdict)
        await app.parts.journal(JournalStore.save_state, STATE, _written(cusums))
        return True

    def _look_at_inputs(self) -> None:
        """Compare the inputs of the model that serves with its training's."""
        served = self.served()
        ensemble = (served.benched or served).ensemble
        inputs = ensemble.inputs if ensemble is not None else None
        shifted = inputs.shifted() if inputs is not None else Shifted()
        if shifted.gone and shifted.silent != self.shifted.silent:
            log.warning("inputs_silent", inputs=shifted.why)
        self.shifted = shifted
        self.metrics.drift.of_inputs(shifted)


def _read(body: Mapping[str, Any]) -> dict[str, Cusum]:
    return {name: Cusum.from_json(one) for name, one in body.get("cusums", {}).items()}


def _written(cusums: Mapping[str, Cusum]) -> dict[str, Any]:
    return {"cusums": {name: one.to_json() for name, one in cusums.items()}}
