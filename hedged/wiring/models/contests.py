"""The daemon acts on contests: a challenger that is better with confidence is promoted, one clearly worse retires.

All evidence follows from the book of scores and the registry, so a restart goes on with the same. A champion that
the daemon promoted has a contest to stand yet, against the one before it, on the outcomes since: where that one is
better with confidence, the registry is rolled back.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from hedged.config import Config
from hedged.domain.clock import Clock, iso, ms_of
from hedged.domain.errors import ConfigError, Rejected
from hedged.domain.forecast import STAND_IN
from hedged.domain.market import SeriesKey
from hedged.forecast.models.contest import Rules, Standing, Verdict, judged
from hedged.forecast.models.history import Act, History
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.models.standings import Contest, write_contests
from hedged.forecast.paired import Paired
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.serving import Served, from_registry
from hedged.wiring.models.shadows import DAEMON, on_probation
from hedged.wiring.models.threads import off_loop

EVERY_S = 600.0
"""Outcomes come a few times a day."""
OUTCOMES = ("promoted", "rolled back", "retired")
ENDED = {Standing.WORSE: "it is worse", Standing.GIVEN_UP: "it was given up"}

log = structlog.get_logger(__name__)


class Book(Protocol):
    """What is known of forecasts that have come true."""

    def paired(
        self, name: str, other: str, *, venue: str | None = None, symbol: str | None = None, since_ms: int = 0
    ) -> Paired:
        """Return the losses of two forecasters on the same outcomes."""
        ...


@dataclass(slots=True)
class Contests:
    """`book`: returns the scores, None before they are read; `keys`: of which series; `served`: who serves.

    `standings`: how every contest stands, None before the first look. `run` is one task with one owner.
    """

    config: Config
    clock: Clock
    metrics: Metrics
    book: Callable[[], Book | None]
    keys: Callable[[], Collection[SeriesKey]]
    served: Callable[[], Served]
    in_real_time: bool = True
    standings: tuple[Contest, ...] = ()
    _told: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for outcome in OUTCOMES:
            self.metrics.contests.labels(outcome)

    @property
    def would_promote(self) -> str:
        """Name the challenger that is better, where the daemon may not promote it; empty where there is none."""
        if self.config.models.promote:
            return ""
        return next((one.model for one in self.standings if one.standing == Standing.BETTER), "")

    async def run(self) -> None:
        """Look every ten minutes until cancelled; mostly nothing has changed."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S if self.in_real_time else float(self.config.cycle.interval_s))

    async def look(self) -> None:
        """Judge every contest, and act where one is decided. Only of a champion that serves, or drifted."""
        book = self.book()
        if book is None or not from_registry(self.config):
            return
        registry = ModelRegistry.of(self.config.state_dir)
        try:
            history = await off_loop(registry.read)
        except ConfigError:
            return  # the follower says so
        served = self.served()
        if (served.benched or served).model != history.champion:
            return  # what was heard of another one decides nothing
        stands_in = served.benched is not None
        found = await off_loop(self._judged, book, history, self.clock.now_ms(), stands_in)
        self._tell(found, history)
        for model, verdict in found.items():
            if await self._act(registry, history, model, verdict):
                break  # another champion, or one challenger less: the next look judges anew
        await self._write(registry)

    def _judged(self, book: Book, history: History, now_ms: int, stands_in: bool) -> dict[str, Verdict]:
        """Judge whoever runs beside the champion; beside the EWMA too, where it stands in for it."""
        found = {}
        for model in history.challengers:
            since_ms = _since_ms(history, model, Act.ADDED)
            verdict = self._contest(book, history.champion, model, since_ms)
            if stands_in and verdict.standing is Standing.BETTER:
                verdict = _beside_stand_in(self._contest(book, STAND_IN, model, since_ms), verdict)
            found[model] = verdict
        if before := on_probation(history, now_ms):
            since_ms = _since_ms(history, history.champion, Act.PROMOTED)
            found[before] = self._contest(book, history.champion, before, since_ms)
        return found

    def _contest(self, book: Book, champion: str, model: str, since_ms: int) -> Verdict:
        settings = self.config.models
        rules = Rules(settings.confidence, settings.shadow_days, horizon_h=self.config.hedge.horizon_h)
        verdict = judged(book.paired(model, champion, since_ms=since_ms), rules)
        if verdict.standing is not Standing.BETTER:
            return verdict
        # the parts are asked for only where they can change something
        keys = self.keys()
        venues, symbols = sorted({key.venue for key in keys}), sorted({key.symbol for key in keys})
        return judged(
            book.paired(model, champion, since_ms=since_ms),
            rules,
            {name: book.paired(model, champion, venue=name, since_ms=since_ms) for name in venues},
            {name: book.paired(model, champion, symbol=name, since_ms=since_ms) for name in symbols},
        )

    async def _act(self, registry: ModelRegistry, history: History, model: str, verdict: Verdict) -> bool:
        """Do what a verdict asks for; tell whether the registry is another one now."""
        returns = model == history.before and model not in history.challengers
        if verdict.standing is Standing.BETTER:
            if not self.config.models.promote:
                self._once("model_would_be_promoted", model, verdict)
                return False
            outcome = "rolled back" if returns else "promoted"
            champion = history.champion
            change = (
                (lambda author: registry.rollback(author, champion))
                if returns
                else (lambda author: registry.promote(model, author, champion))
            )
        elif verdict.standing in ENDED and not returns:
            outcome, change = "retired", lambda author: registry.retire(model, author)
        else:
            return False
        author = Author(self.clock.now_ms(), DAEMON, verdict.why)
        try:
            await off_loop(change, author)
        except (ConfigError, Rejected, OSError) as error:
            log.error("contest_without_effect", model=model, wanted=outcome, why=str(error))
            return False
        self.metrics.contests.labels(outcome).inc()
        log.warning(
            "contest_decided", model=model, outcome=outcome, champion=history.champion, why=verdict.why
        )
        return True

    def _once(self, event: str, model: str, verdict: Verdict) -> None:
        if (event, model) not in self._told:
            self._told.add((event, model))
            log.warning(event, model=model, why=verdict.why, does="models.promote is off")

    def _tell(self, found: Mapping[str, Verdict], history: History) -> None:
        """Keep how contests stand, and say so in the metrics."""
        self.standings = tuple(
            Contest(
                model, history.champion, str(one.standing), one.why, None if one.ratio != one.ratio else one.ratio,
                one.days, round(one.progress, 4),
            )
            for model, one in found.items()
        )  # fmt: skip
        self.metrics.challenger_ratio.clear()
        self.metrics.challenger_days.clear()
        for one in self.standings:
            self.metrics.challenger_days.labels(one.model).set(one.days)
            if one.ratio is not None:
                self.metrics.challenger_ratio.labels(one.model).set(one.ratio)

    async def _write(self, registry: ModelRegistry) -> None:
        """Let the command line know how contests stand."""
        try:
            await off_loop(write_contests, registry.directory, self.standings, iso(self.clock.now_ms()))
        except OSError as error:
            log.warning("contests_not_told", why=str(error))


def _beside_stand_in(verdict: Verdict, of_champion: Verdict) -> Verdict:
    """Return the verdict on a challenger that is better than a champion which gave way: it has to be better than who
    serves. That it is not is no reason to retire it: the champion is worse.
    """
    if verdict.standing is Standing.BETTER:
        return replace(of_champion, why=f"{of_champion.why}; beside the EWMA, which serves: {verdict.why}")
    why = f"better than the champion, which gave way; beside the EWMA, which serves: {verdict.why}"
    return replace(of_champion, standing=Standing.NOT_YET, why=why, capital=verdict.capital)


def _since_ms(history: History, model: str, act: Act) -> int:
    """Return when this last happened to a model; a challenger that is added again begins anew."""
    return max((ms_of(one.ts) for one in history.of(model) if one.act is act), default=0)
