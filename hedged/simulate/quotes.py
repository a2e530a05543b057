"""Market data of one venue, as told to one life of the daemon."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hedged.domain.bars import Field, Observation, blank_observation
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.errors import Retryable
from hedged.domain.funding import Settlement
from hedged.domain.market import Market, SeriesKey
from hedged.simulate.faults import Fault
from hedged.simulate.market import INTERVALS_H

if TYPE_CHECKING:
    from hedged.simulate.life import Life

OF_DATA = (
    Fault.STALE, Fault.FROZEN, Fault.NAN, Fault.PRICE_UNIT, Fault.OUTLIER, Fault.FUTURE, Fault.RATE_UNIT,
    Fault.SIGN_FLIP,
)  # fmt: skip
"""At most one of these befalls a value."""


class Quotes:
    """The `MarketData` port."""

    def __init__(self, venue: str, life: "Life") -> None:
        self.venue, self._life = venue, life
        self._dice = life.world.dice

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets."""
        await self._wait(0.05)
        return {
            key.symbol: rules
            for key, rules in self._life.world.market.markets.items()
            if key.venue == self.venue
        }

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what was last heard of every market, a moment ago."""
        world = self._life.world
        at_ms = world.now_ms()
        clock_ms = world.clock.now_ms()
        lost = world.faults.lasting(Fault.DATA_LOST, at_ms, self.venue) or world.faults.strikes(
            Fault.QUERY_FAILS, at_ms
        )
        empty = world.faults.lasting(Fault.DATA_EMPTY, at_ms, self.venue)
        age_ms = int(self._dice.between(0, 2) * SECOND_MS)
        told = [
            self._one(key, min(now_ms, clock_ms), at_ms, age_ms)
            for key in world.market.keys
            if key.venue == self.venue
        ]
        slow = world.faults.strikes(Fault.SLOW, at_ms)
        await self._wait(self._dice.between(3, 45) if slow else self._dice.between(0.0, 0.1))
        if lost:
            raise Retryable(f"{self.venue}: no data")
        if empty:
            return ()
        marks = {one.key: (float(one.values[Field.MARK]), int(one.known_at_ms[Field.MARK])) for one in told}
        self._life.note("told", venue=self.venue, marks=marks, clock_ms=world.clock.now_ms())
        return told

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return what was known at past bar ends, as far back as the run goes: what came before is held."""
        world = self._life.world
        keys = [key for key in world.market.keys if key.venue == self.venue]
        return [
            [self._plain(key, ts_ms, ts_ms) for key in keys] if ts_ms >= world.from_ms else []
            for ts_ms in times_ms
        ]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return the prints."""
        world, every_ms = self._life.world, INTERVALS_H[self.venue] * HOUR_MS
        first = since_ms // every_ms * every_ms + every_ms
        return [
            world.market.settlement(key, due_ms)
            for due_ms in range(first, until_ms + 1, every_ms)
            for key in world.market.keys
            if key.venue == self.venue
        ]

    def _plain(self, key: SeriesKey, known_ms: int, at_ms: int) -> Observation:
        """Return the truth of an instant, stamped with the daemon's time of it."""
        market, hours = self._life.world.market, INTERVALS_H[self.venue]
        one = blank_observation(key, known_ms)
        mark, rate = market.mark(key, at_ms), market.rate(key, at_ms)
        last_ms = market.last_due_ms(self.venue, at_ms)
        told = {
            Field.MARK: mark,
            Field.INDEX: mark * 0.9999,
            Field.PREMIUM: rate * 8,
            Field.FUNDING_ESTIMATE: rate,
            Field.FUNDING_SETTLED: market.rate(key, last_ms - 1),
            Field.SETTLED_INTERVAL_H: hours,
            Field.INTERVAL_H: hours,
            Field.SETTLES_IN_S: (last_ms + hours * HOUR_MS - at_ms) / SECOND_MS,
            Field.SETTLED_AGO_S: (at_ms - last_ms) / SECOND_MS,
            Field.OPEN_INTEREST: 1_000.0 + rate * 1e5,
        }
        for field, value in told.items():
            one.values[field] = value
            one.known_at_ms[field] = known_ms
        return one

    def _one(self, key: SeriesKey, clock_ms: int, at_ms: int, age_ms: int) -> Observation:
        """Return an observation, with what is wrong with it."""
        faults = self._life.world.faults
        known_ms, known_at_ms = clock_ms - age_ms, at_ms - age_ms
        for fault in OF_DATA:
            span = faults.lasting(fault, at_ms, self.venue, key.symbol)
            if span is None:
                continue
            since_ms = at_ms - span.from_ms
            if fault is Fault.STALE:
                return self._plain(key, known_ms - since_ms, span.from_ms)
            one = self._plain(key, known_ms, known_at_ms)
            if fault is Fault.FROZEN:
                one.values[Field.MARK] = self._life.world.market.mark(key, span.from_ms)
            elif fault is Fault.NAN:
                one.values[Field.MARK], one.values[Field.FUNDING_ESTIMATE] = float("nan"), float("inf")
            elif fault is Fault.PRICE_UNIT:
                one.values[Field.MARK] *= 1_000
            elif fault is Fault.OUTLIER:
                one.values[Field.MARK] *= 1.25
            elif fault is Fault.FUTURE:
                one.known_at_ms[:] += 10 * 60 * SECOND_MS
            elif fault is Fault.RATE_UNIT:
                one.values[[Field.FUNDING_ESTIMATE, Field.FUNDING_SETTLED]] *= 8
            else:
                one.values[[Field.FUNDING_ESTIMATE, Field.FUNDING_SETTLED, Field.PREMIUM]] *= -1
            return one
        return self._plain(key, known_ms, known_at_ms)

    async def _wait(self, seconds: float) -> None:
        await self._life.wait(seconds)
