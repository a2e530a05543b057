"""What is known of every market of one exchange, and since when: REST polls and websocket streams write into it alike.

A value counts from the moment it was received. Of each field the last few values are kept, so that an instant a little
in the past can still be told; a value that nobody has confirmed for longer than its life is unknown.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hedged.domain.bars import Field, Observation, blank_observation
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.market import SeriesKey

KEPT = 64
"""Values kept of each field: a stream that tells one every 100 ms can be asked for the last six seconds."""
LIFE_MS: Mapping[Field, int] = {
    Field.FUNDING_SETTLED: 2 * DAY_MS,
    Field.SETTLED_INTERVAL_H: 2 * DAY_MS,
    Field.OPEN_INTEREST: 2 * HOUR_MS,
    Field.LONG_SHORT_RATIO: 2 * HOUR_MS,
}
USUAL_LIFE_MS = 30 * MINUTE_MS
SCHEDULE_LIFE_MS = DAY_MS
HOUR_S = HOUR_MS // SECOND_MS
ABSURD = 1e18
"""No rate, price or quantity is as large."""
LONGEST_MS = 14 * DAY_MS
"""No settlement is further away, and none covers more."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The coming settlement as it was told: its instant and the hours that it covers."""

    known_at_ms: int
    next_ms: int
    interval_h: float

    def settles_in_s(self, now_ms: int) -> float:
        """Return the seconds to the next settlement, in (0, interval]; once it has passed, to the one after it."""
        left_s, interval_s = (self.next_ms - now_ms) / SECOND_MS, self.interval_h * HOUR_S
        return left_s if left_s > 0 else interval_s - (-left_s) % interval_s


class Board:
    """Values by symbol and field. `put` takes them in any order; `observation` tells what was known at an instant."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.told_ms = 0
        """When anything was told last, by whomever."""
        self._values: dict[tuple[str, Field], deque[tuple[int, float]]] = {}
        self._schedules: dict[str, deque[Schedule]] = {}

    def put(self, symbol: str, known_at_ms: int, values: Mapping[Field, float]) -> None:
        """Take over values received at `known_at_ms`. What is absurd or older than what is there is dropped.

        SETTLES_IN_S changes by the second and is derived: raises ValueError for it, tell `put_settlement`.
        """
        self.told_ms = max(self.told_ms, known_at_ms)
        for field, value in values.items():
            if field is Field.SETTLES_IN_S:
                raise ValueError("seconds to a settlement are derived: tell put_settlement its instant")
            if not abs(value) < ABSURD:  # NaN compares false
                continue
            kept = self._values.setdefault((symbol, field), deque(maxlen=KEPT))
            if not kept or kept[-1][0] <= known_at_ms:
                kept.append((known_at_ms, float(value)))

    def put_settlement(self, symbol: str, known_at_ms: int, next_ms: int, interval_h: float) -> None:
        """Take over when the coming settlement is and how many hours it covers."""
        if not 0 < interval_h * HOUR_MS <= LONGEST_MS or not abs(next_ms - known_at_ms) <= LONGEST_MS:
            return
        kept = self._schedules.setdefault(symbol, deque(maxlen=KEPT))
        if not kept or kept[-1].known_at_ms <= known_at_ms:
            kept.append(Schedule(known_at_ms, next_ms, interval_h))

    def latest(self, symbol: str, field: Field, now_ms: int) -> tuple[int, float] | None:
        """Return (since when known, value) as of an instant; None where it is unknown."""
        kept = self._values.get((symbol, field))
        if not kept or kept[0][0] > now_ms:  # as of all bars before the start
            return None
        oldest_ms = now_ms - LIFE_MS.get(field, USUAL_LIFE_MS)
        for known_at_ms, value in reversed(kept):
            if known_at_ms <= now_ms:
                return (known_at_ms, value) if known_at_ms >= oldest_ms else None
        return None

    def schedule(self, symbol: str, now_ms: int) -> Schedule | None:
        """Return the coming settlement as known at an instant; None where it is unknown."""
        kept = self._schedules.get(symbol)
        if not kept or kept[0].known_at_ms > now_ms:
            return None
        for one in reversed(kept):
            if one.known_at_ms <= now_ms:
                return one if one.known_at_ms >= now_ms - SCHEDULE_LIFE_MS else None
        return None

    def observation(self, symbol: str, now_ms: int) -> Observation:
        """Tell a market as it was known at an instant: NaN, known since 0, where nothing is known."""
        seen = blank_observation(SeriesKey(self.venue, symbol), now_ms)
        for field in Field:
            found = self.latest(symbol, field, now_ms)
            if found is not None:
                seen.known_at_ms[field], seen.values[field] = found
        schedule = self.schedule(symbol, now_ms)
        if schedule is not None:
            seen.values[Field.INTERVAL_H] = schedule.interval_h
            seen.values[Field.SETTLES_IN_S] = schedule.settles_in_s(now_ms)
            seen.known_at_ms[[Field.INTERVAL_H, Field.SETTLES_IN_S]] = schedule.known_at_ms
        return seen

    def ages_s(self, now_ms: int) -> Mapping[tuple[str, Field], float]:
        """Return how long ago each value was last confirmed, in seconds, also of those too old to be told."""
        ages = {key: (now_ms - kept[-1][0]) / SECOND_MS for key, kept in self._values.items() if kept}
        for symbol, kept in self._schedules.items():
            if kept:
                ages[symbol, Field.SETTLES_IN_S] = (now_ms - kept[-1].known_at_ms) / SECOND_MS
        return ages

    def symbols(self) -> Iterator[str]:
        """Walk the symbols of which anything was ever told."""
        yield from sorted({symbol for symbol, _ in self._values} | set(self._schedules))
