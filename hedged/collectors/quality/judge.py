"""The judge: reads what all venues tell at one instant and says which series are not to be believed.

Pure but for what it remembers, which is bounded by the number of series; time is passed in. Backtest and daemon, past
and present go through it alike. What was received is not touched: a quarantine is a judgement on top of it.
"""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf, isnan
from statistics import median

import numpy as np

from hedged.collectors.quality.prices import doubt_mark, doubt_stillness, note_mark
from hedged.collectors.quality.rates import Peers, doubt_interest, doubt_rate
from hedged.collectors.quality.reading import Memory, Reading
from hedged.config.quality import QualityConfig
from hedged.domain.bars import Field, Observation, blank_observation
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Fault, Finding, Quarantine

SKEW_MS = 60 * SECOND_MS
"""What is stamped later than this after the clock's present shows that a clock was set, or that a venue's is wrong."""
LIMITS: Mapping[Field, tuple[float, float]] = {
    **dict.fromkeys((Field.MARK, Field.INDEX), (sys.float_info.min, sys.float_info.max)),
    **dict.fromkeys((Field.INTERVAL_H, Field.SETTLED_INTERVAL_H), (1 / 60, 168.0)),
    **dict.fromkeys(
        (
            Field.OPEN_INTEREST, Field.VOLUME, Field.BID_DEPTH_USD, Field.ASK_DEPTH_USD, Field.LONG_SHORT_RATIO,
            Field.LIQUIDATIONS_USD,
        ),
        (0.0, sys.float_info.max),
    ),
}  # fmt: skip
"""Least and largest value that a field can have; of the others any finite one."""


@dataclass(frozen=True, slots=True)
class Judged:
    """`received`: as known by then, untouched; `bars`: the same, blank where in quarantine; `latest`: the same as
    `bars`, but a series in quarantine has a mark by which what is held may be reduced, if one is known.
    """

    received: list[Observation]
    bars: list[Observation]
    latest: list[Observation]


@dataclass(slots=True)
class _Held:
    quarantine: Quarantine
    sound: int = 0
    last_ms: int = 0


class Judge:
    """Remembers every series of which something was told. `quarantined`: those that decide nothing now, and why."""

    def __init__(self, config: QualityConfig, speed: float = 1.0) -> None:
        """`speed`: of the clock; how far apart answers come is a matter of networks and told in wall time."""
        self._config = config
        self._skew_ms, self._apart_ms = SKEW_MS * speed, config.alike_s * SECOND_MS * speed
        most = config.rate_limit_per_hour
        rates = dict.fromkeys((Field.FUNDING_ESTIMATE, Field.FUNDING_SETTLED), (-most, most))
        whole = (-sys.float_info.max, sys.float_info.max)
        self._limits = [(dict(LIMITS) | rates).get(field, whole) for field in Field]
        self._memory: dict[SeriesKey, Memory] = defaultdict(Memory)
        self._held: dict[SeriesKey, _Held] = {}

    @property
    def quarantined(self) -> Mapping[SeriesKey, Quarantine]:
        """Every series in quarantine."""
        return {key: held.quarantine for key, held in sorted(self._held.items())}

    def look(
        self, now_ms: int, observations: Sequence[Observation], received_ms: int | None = None
    ) -> Judged:
        """Judge all that is told at an instant. A series without an observation stays as it was.

        `received_ms`: the clock when the last venue had answered, where that is later than the instant.
        """
        latest_ms = max(now_ms, received_ms or now_ms) + self._skew_ms
        received = [as_known(one, now_ms) for one in observations]
        readings, findings, by_symbol = self._read(observations, received, now_ms, latest_ms)
        # everyone is measured by those that were believed until now: the order of the venues does not matter
        believed = {key for key in readings if key not in findings and key not in self._held}
        marks = {key: self._marks(seen, by_symbol[key.symbol], believed) for key, seen in readings.items()}
        for key, seen in readings.items():
            if key not in findings:
                peers = self._peers(seen, by_symbol[key.symbol], believed)
                found = self._doubt(seen, marks[key], peers)
                if found is not None:
                    findings[key] = found
        for key, seen in readings.items():
            self._settle(seen, findings.get(key))
            self._note(seen, marks[key], findings.get(key))
        bars, latest = [], []
        for one in received:
            quarantined = one.key in self._held
            bars.append(blank_observation(one.key, now_ms) if quarantined else one)
            latest.append(self._reducible(one, by_symbol[one.key.symbol], now_ms) if quarantined else one)
        return Judged(received, bars, latest)

    def glance(
        self, now_ms: int, observations: Sequence[Observation], received_ms: int | None = None
    ) -> dict[SeriesKey, str]:
        """Say whose marks are not to be believed at an instant between two looks, and why. Nothing is remembered.

        What is in quarantine for its price stays in doubt until `look` releases it.
        """
        latest_ms = max(now_ms, received_ms or now_ms) + self._skew_ms
        received = [as_known(one, now_ms) for one in observations]
        readings, findings, by_symbol = self._read(observations, received, now_ms, latest_ms)
        held = {key: one.quarantine for key, one in self._held.items() if one.quarantine.fault.doubts_price}
        believed = {key for key in readings if key not in findings and key not in held}
        for key in sorted(believed):
            marks = self._marks(readings[key], by_symbol[key.symbol], believed)
            found = doubt_mark(readings[key], self._memory[key], marks, self._config)
            if found is not None:
                findings[key] = found
        told = {key: f"{found.fault}: {found.figures}" for key, found in findings.items()}
        return told | {key: quarantine.text for key, quarantine in held.items() if key in readings}

    def _read(
        self,
        observations: Sequence[Observation],
        received: Sequence[Observation],
        now_ms: int,
        latest_ms: float,
    ) -> tuple[dict[SeriesKey, Reading], dict[SeriesKey, Finding], dict[str, list[Reading]]]:
        """Read what was received, find what no market can be, and put the venues of each coin side by side."""
        readings = {one.key: Reading.of(one, now_ms) for one in received}
        findings = {
            raw.key: found
            for raw in observations
            if (found := _absurd(raw, readings[raw.key], latest_ms, self._limits)) is not None
        }
        by_symbol: dict[str, list[Reading]] = defaultdict(list)
        for reading in readings.values():
            by_symbol[reading.key.symbol].append(reading)
        return readings, findings, by_symbol

    def _doubt(self, seen: Reading, others: Mapping[str, float], peers: Peers) -> Finding | None:
        memory, config = self._memory[seen.key], self._config
        # every check has its say, for each remembers something; the first finding is the one that is told
        found = (
            doubt_mark(seen, memory, others, config),
            doubt_stillness(seen, memory, others, config),
            doubt_rate(seen, memory, peers, config),
            doubt_interest(seen, memory),
        )
        return next((one for one in found if one is not None), None)

    def _marks(self, seen: Reading, coin: Sequence[Reading], believed: set[SeriesKey]) -> Mapping[str, float]:
        """Return the believed marks of the coin's other venues that were known at about the same time.

        Where none is believed they are word against word, and all count: two that contradict each other must not
        be released for want of a witness.
        """
        others = [
            one
            for one in coin
            if one.key != seen.key and one.mark > 0 and abs(one.mark_ms - seen.mark_ms) <= self._apart_ms
        ]
        sound = [one for one in others if one.key in believed]
        return {one.key.venue: one.mark for one in sound or others if not isinf(one.mark)}

    def _peers(self, seen: Reading, coin: Sequence[Reading], believed: set[SeriesKey]) -> Peers:
        return {
            other.key.venue: other
            for other in coin
            if other.key != seen.key and other.key in believed and not isnan(other.rate)
        }

    def _settle(self, seen: Reading, found: Finding | None) -> None:
        """Put a series into quarantine, keep it there, or release it after enough sound observations in a row."""
        held = self._held.get(seen.key)
        if found is not None:
            if held is None:
                quarantine = Quarantine(found.fault, found.figures, seen.now_ms)
                held = self._held[seen.key] = _Held(quarantine)
            else:
                held.quarantine = Quarantine(found.fault, found.figures, held.quarantine.since_ms)
            held.sound, held.last_ms = 0, seen.mark_ms
            return
        if held is None or seen.mark_ms <= held.last_ms:  # nothing new was told: that proves nothing
            return
        held.sound, held.last_ms = held.sound + 1, seen.mark_ms
        if held.sound >= self._config.release_after:
            del self._held[seen.key]

    def _note(self, seen: Reading, others: Mapping[str, float], found: Finding | None) -> None:
        """Remember an observation; what is in quarantine for it does not become the measure of what comes."""
        memory, held = self._memory[seen.key], self._held.get(seen.key)
        fault = held.quarantine.fault if held else None
        if found is not None and found.fault in (Fault.IMPOSSIBLE, Fault.FUTURE):
            return
        note_mark(seen, memory, others, believed=fault is None or not fault.doubts_price)
        memory.note_rate(seen, believed=held is None)
        if held is None and not isnan(seen.rate):
            memory.course.learn(seen.now_ms, seen.rate, self._config.rate_evidence)
        if held is None and seen.interest > 0:
            memory.good_interest = seen.interest

    def _reducible(self, seen: Observation, coin: Sequence[Reading], now_ms: int) -> Observation:
        """Return an observation with nothing but a mark: its own where that is not in doubt, else that of the others,
        else its last good one.
        """
        blank = blank_observation(seen.key, now_ms)
        memory, quarantine = self._memory[seen.key], self._held[seen.key].quarantine
        others = [one for one in coin if one.key not in self._held and one.mark > 0]
        if not quarantine.fault.doubts_price:
            mark, known_ms = float(seen.values[Field.MARK]), int(seen.known_at_ms[Field.MARK])
        elif others:
            mark, known_ms = median(one.mark for one in others), min(one.mark_ms for one in others)
        elif memory.good_ms:
            mark, known_ms = memory.good_mark, memory.good_ms
        else:
            return blank
        blank.values[Field.MARK], blank.known_at_ms[Field.MARK] = mark, known_ms
        return blank


def as_known(observation: Observation, now_ms: int) -> Observation:
    """Leave out what was received after the instant that is decided on: it belongs to the next bar."""
    late = observation.known_at_ms > now_ms
    if not late.any():
        return observation
    values = np.where(late, np.nan, observation.values)
    return Observation(observation.key, now_ms, values, np.where(late, 0, observation.known_at_ms))


def _absurd(
    raw: Observation, seen: Reading, latest_ms: float, limits: Sequence[tuple[float, float]]
) -> Finding | None:
    """Say what no market can be, whatever the others tell. `latest_ms`: the last instant that can have been by now;
    `limits`: by field.
    """
    stamped_ms = int(raw.known_at_ms.max())
    if stamped_ms > latest_ms:
        return Finding(Fault.FUTURE, f"stamped {(stamped_ms - seen.now_ms) / SECOND_MS:.0f} s later than now")
    values = seen.values
    ago_s = values[Field.SETTLED_AGO_S]
    if seen.now_ms - ago_s * SECOND_MS > latest_ms:
        return Finding(Fault.FUTURE, f"a settlement of {-ago_s:.0f} s after now")
    for field, (value, (least, most)) in enumerate(zip(values, limits, strict=True)):
        if value < least or value > most:  # NaN is neither
            return Finding(Fault.IMPOSSIBLE, f"{Field(field).name.lower()} is {value:g}")
    return None
