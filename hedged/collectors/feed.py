"""One venue's market data, kept current: its streams, and REST where they do not speak.

A stream that is down, or a market that it is silent about, shows as the age of its values on the board; polls set in
once that is too old, and end when it is not. What streams do not tell is polled all the time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from hedged.collectors.lags import GROUPS, Lags
from hedged.collectors.reconnecting import Pace, Route, Stream, Tally
from hedged.collectors.updates import Dialect, Sink, Top, Update
from hedged.domain.bars import Field
from hedged.domain.clock import Clock
from hedged.domain.errors import OutcomeUnknown, Retryable

log = structlog.get_logger(__name__)

OnTop = Callable[[str, int, Top], None]


@dataclass(frozen=True, slots=True)
class Poll:
    """A question to the venue's REST interface that puts the answer on the board; asked no more often than `every_s`.

    `while_stale`: only while something is older than it may be; `at_once`: also when the feed begins.
    """

    name: str
    ask: Callable[[], Awaitable[None]]
    every_s: float
    while_stale: bool = False
    at_once: bool = True
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How old values may grow, in seconds, before REST is asked; how often that is looked at; the longest back-off."""

    look_s: float = 2.0
    longest_retry_s: float = 60.0
    limits_s: Mapping[Field, float] = field(
        default_factory=lambda: {
            Field.MARK: 15.0,
            Field.FUNDING_ESTIMATE: 180.0,  # OKX tells it every 30 … 90 s
        }
    )

    def at_speed(self, speed: float) -> "Patience":
        """Return the same patience in wall time, where ages are measured by a clock of that speed."""
        return replace(self, limits_s={one: limit_s * speed for one, limit_s in self.limits_s.items()})


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How a feed stands. Counts since the start; `ages_s`: of the oldest market; `lags_s`: since the last status."""

    venue: str
    live: Mapping[str, bool]
    connections: int
    messages: int
    garbage: int
    refused: int
    fallbacks: int
    ages_s: Mapping[str, float]
    lags_s: Mapping[str, float]
    periods_s: Mapping[str, float]


class VenueFeed:
    """Keeps one board current. `run` is one task with one owner."""

    def __init__(
        self,
        venue: str,
        symbols: Sequence[str],
        dialects: Sequence[Dialect],
        sink: Sink,
        clock: Clock,
        rng: np.random.Generator,
        polls: Sequence[Poll] = (),
        route: Route | None = None,
        pace: Pace | None = None,
        patience: Patience | None = None,
        on_top: OnTop = lambda *_: None,
    ) -> None:
        """`on_top` receives every new top with its symbol and the instant of its receipt."""
        self.venue, self.symbols = venue, tuple(symbols)
        self._sink, self._clock, self._rng, self._polls = sink, clock, rng, polls
        self._patience = patience or Patience()
        self._lags = Lags()
        self._failing: set[str] = set()  # names of polls
        self._fallbacks = 0
        self.streams = [Stream(d, self.take, clock, rng, route, pace) for d in dialects]
        self._on_top = on_top

    async def run(self) -> None:
        """Follow the venue until cancelled."""
        async with asyncio.TaskGroup() as group:
            for stream in self.streams:
                group.create_task(stream.run(), name=f"stream {stream.name}")
            for poll in self._polls:
                group.create_task(self._keep(poll), name=f"poll {self.venue} {poll.name}")

    def take(self, updates: Sequence[Update], received_ms: int) -> None:
        """Put what a stream told on the board. It counts from its receipt."""
        for update in updates:
            if update.values:
                self._sink.put(update.symbol, received_ms, update.values)
            if update.settles is not None:
                self._sink.put_settlement(update.symbol, received_ms, *update.settles)
            if update.top is not None:
                self._on_top(update.symbol, received_ms, update.top)
            self._lags.saw(update, received_ms)

    def stale(self, now_ms: int) -> list[tuple[str, Field]]:
        """Name the values that are unknown or older than they may be."""
        ages = self._sink.ages_s(now_ms)
        return [
            (symbol, one)
            for one, limit_s in self._patience.limits_s.items()
            for symbol in self.symbols
            if ages.get((symbol, one), float("inf")) > limit_s
        ]

    def status(self) -> FeedStatus:
        """Tell how the feed stands."""
        tallies: list[Tally] = [stream.tally for stream in self.streams]
        ages = self._sink.ages_s(self._clock.now_ms())
        oldest: dict[str, float] = {}
        for (symbol, one), age_s in ages.items():
            if one in GROUPS and symbol in self.symbols:  # REST tells of others too
                oldest[GROUPS[one]] = max(oldest.get(GROUPS[one], 0.0), age_s)
        return FeedStatus(
            venue=self.venue,
            live={stream.name: stream.live for stream in self.streams},
            connections=sum(t.connections for t in tallies),
            messages=sum(t.messages for t in tallies),
            garbage=sum(t.garbage for t in tallies),
            refused=sum(t.refused for t in tallies),
            fallbacks=self._fallbacks,
            ages_s=oldest,
            lags_s=self._lags.lags_s(),
            periods_s=self._lags.periods_s(),
        )

    async def _keep(self, poll: Poll) -> None:
        """Ask again and again, more and more slowly while it fails."""
        if not poll.at_once:
            await asyncio.sleep(poll.every_s)
        failures = 0
        while True:
            if poll.while_stale and not self.stale(self._clock.now_ms()):
                await asyncio.sleep(self._patience.look_s)
                continue
            self._fallbacks += poll.while_stale
            failures = 0 if await self._ask(poll) else min(failures + 1, 8)
            longest_s = max(poll.every_s, self._patience.longest_retry_s)
            wait_s = min(longest_s, poll.every_s * 2**failures)
            await asyncio.sleep(wait_s * (float(self._rng.uniform(0.5, 1.0)) if failures else 1.0))

    async def _ask(self, poll: Poll) -> bool:
        """Ask, and log once when the first kind of question fails and once when all are answered again."""
        why = ""
        try:
            async with asyncio.timeout(poll.deadline_s):
                await poll.ask()
        except (Retryable, OutcomeUnknown, TimeoutError) as error:
            why = str(error) or f"no answer within {poll.deadline_s:g} s"
        if why:
            if not self._failing:
                log.warning("venue_polls_failing", venue=self.venue, poll=poll.name, why=why)
            self._failing.add(poll.name)
            return False
        if poll.name in self._failing:
            self._failing.discard(poll.name)
            if not self._failing:
                log.info("venue_polls_back", venue=self.venue)
        return True
