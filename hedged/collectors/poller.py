"""The poller: asks every venue what it knows now, and closes a bar in the ring buffer at each bar boundary."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal

import structlog

from hedged.buffer.ring import RingBuffer
from hedged.collectors.believed import BelievedMarks
from hedged.collectors.quality.judge import Judge
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import Clock
from hedged.domain.errors import OutcomeUnknown, Retryable
from hedged.domain.market import SeriesKey, decimal_of
from hedged.domain.ports import MarketData
from hedged.domain.quarantine import Doubted, Quarantine

log = structlog.get_logger(__name__)

OnBar = Callable[[int, Sequence[Observation]], None]
"""Takes over what was received of every market by a bar's end, whether it is believed or not."""


class Poller:
    """Keeps the latest observation of every series, as far as it is believed.

    A venue that fails is logged once, and once on recovery; so is a series in quarantine.
    """

    def __init__(
        self,
        sources: Mapping[str, MarketData],
        buffer: RingBuffer,
        judge: Judge,
        clock: Clock,
        deadline_s: float = 20.0,
        on_bar: OnBar = lambda *_: None,
        doubted: Doubted | None = None,
    ) -> None:
        """`on_bar` is called with every bar that is closed, and must return at once.

        `doubted` is kept current for whoever else goes by these prices.
        """
        self._sources, self._on_bar = sources, on_bar
        self.buffer, self._judge, self._clock = buffer, judge, clock
        self._deadline_s = deadline_s
        self._bad: set[str] = set()
        self._wanted = set(buffer.keys)
        self._told_ms: dict[SeriesKey, int] = {}
        self._doubted = {} if doubted is None else doubted
        self.latest: dict[SeriesKey, Observation] = {}
        self.quarantined: Mapping[SeriesKey, Quarantine] = {}
        self.newly_quarantined: Sequence[SeriesKey] = ()

    async def poll(self, now_ms: int) -> None:
        """Observe every venue; at a bar boundary append the bar. Series without an answer become a gap."""
        answers = await asyncio.gather(*(self._observe(venue, now_ms) for venue in self._sources))
        told = [o for answer in answers for o in answer if o.key in self._wanted]
        judged = self._judge.look(now_ms, told, self._clock.now_ms())
        for observation in judged.received:
            self._told_ms[observation.key] = int(observation.known_at_ms[Field.MARK])
        for observation in judged.latest:
            self.latest[observation.key] = observation
        self._tell_quarantines()
        self._doubt({key for key, held in self.quarantined.items() if held.fault.doubts_price})
        last_ms = self.buffer.last_ms
        if now_ms % self.buffer.bar_ms == 0 and (last_ms is None or now_ms > last_ms):
            self.buffer.append(now_ms, judged.bars)
            self._on_bar(now_ms, judged.received)

    @property
    def lost(self) -> frozenset[str]:
        """Venues whose data could not be had at the last poll."""
        return frozenset(self._bad)

    def fresh_marks(self, now_ms: int, stale_after_ms: int) -> dict[SeriesKey, Decimal]:
        """Return the mark price of every series whose mark is known, positive and young enough.

        For one in quarantine it is a price by which what is held can be reduced: nothing is opened there.
        """
        marks = {}
        for key, seen in self.latest.items():
            mark = float(seen.values[Field.MARK])
            if mark > 0 and now_ms - int(seen.known_at_ms[Field.MARK]) <= stale_after_ms:
                marks[key] = decimal_of(mark)
        return marks

    def believed(self, now_ms: int) -> BelievedMarks:
        """Return the marks of the last poll that are not in doubt: what hedges are valued by."""
        doubts = {k: held.text for k, held in self.quarantined.items() if held.fault.doubts_price}
        return _believed(now_ms, [o for o in self.latest.values() if o.key not in doubts], doubts)

    async def glance(self, now_ms: int, symbols: Collection[str]) -> BelievedMarks:
        """Return the present marks of these coins between two polls; a venue that does not answer tells none.

        Nothing is written to the buffer and nothing changes what the next poll believes.
        """
        answers = await asyncio.gather(*(self._observe(venue, now_ms) for venue in self._sources))
        told = [o for answer in answers for o in answer if o.key in self._wanted and o.key.symbol in symbols]
        doubts = self._judge.glance(now_ms, told, self._clock.now_ms())
        quarantined = {key for key, held in self.quarantined.items() if held.fault.doubts_price}
        self._doubt(quarantined | set(doubts))
        return _believed(now_ms, [o for o in told if o.key not in doubts], doubts)

    def _doubt(self, keys: Collection[SeriesKey]) -> None:
        """Say by which price to go where a market's own is in doubt: the one of the last poll."""
        self._doubted.clear()
        for key in keys:
            mark = float(self.latest[key].values[Field.MARK]) if key in self.latest else 0.0
            self._doubted[key] = decimal_of(mark) if mark > 0 else None

    def ages_s(self, now_ms: int) -> dict[SeriesKey, float]:
        """Return the age of every series' mark, believed or not, in seconds; series never seen are missing."""
        return {key: (now_ms - told_ms) / 1_000 for key, told_ms in self._told_ms.items() if told_ms}

    def _tell_quarantines(self) -> None:
        """Log who was put into quarantine since the last poll, and who was released."""
        before, self.quarantined = self.quarantined, self._judge.quarantined
        self.newly_quarantined = [key for key in self.quarantined if key not in before]
        for key in self.newly_quarantined:
            held = self.quarantined[key]
            log.warning(
                "series_quarantined",
                venue=key.venue,
                symbol=key.symbol,
                fault=held.fault,
                figures=held.figures,
            )
        for key in before:
            if key not in self.quarantined:
                log.info("series_released", venue=key.venue, symbol=key.symbol, fault=before[key].fault)

    async def _observe(self, venue: str, now_ms: int) -> Sequence[Observation]:
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await self._sources[venue].observe(now_ms)
        except (Retryable, OutcomeUnknown, TimeoutError) as error:
            if venue not in self._bad:
                self._bad.add(venue)
                log.warning("venue_data_lost", venue=venue, error=str(error) or type(error).__name__)
            return ()
        if venue in self._bad:
            self._bad.discard(venue)
            log.info("venue_data_back", venue=venue)
        return answer


def _believed(now_ms: int, seen: Sequence[Observation], doubts: Mapping[SeriesKey, str]) -> BelievedMarks:
    priced = {o.key: o for o in seen if float(o.values[Field.MARK]) > 0}
    marks = {key: float(o.values[Field.MARK]) for key, o in priced.items()}
    known_ms = {key: int(o.known_at_ms[Field.MARK]) for key, o in priced.items()}
    return BelievedMarks(now_ms, marks, known_ms, doubts)
