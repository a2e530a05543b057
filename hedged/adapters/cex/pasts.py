"""The past of every market of one exchange: read once, then kept up, and no further back than somebody needs it."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping
from typing import Any

import structlog

from hedged.adapters.cex.board import Board
from hedged.adapters.cex.errors import reading
from hedged.adapters.cex.hourly import Hourly
from hedged.adapters.cex.markets import Perpetual
from hedged.adapters.cex.past import Past, PastReader
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, Clock
from hedged.domain.errors import Retryable

log = structlog.get_logger(__name__)

PRINT_OVERLAP_MS = 2 * DAY_MS
MARK_OVERLAP_MS = 3 * HOUR_MS
LATE_MS = 15 * MINUTE_MS
"""A settlement that was due longer ago and is still not told is asked for together with the next one."""
AT_ONCE = 4
"""Markets that are read together: enough to use the request rate up, few enough that some are done early."""
AGAIN_MS = HOUR_MS
"""What an exchange would not tell of the past is asked for again after so long."""


class Pasts:
    """`of`: what is known of the past, by symbol."""

    def __init__(self, reader: PastReader, board: Board, clock: Clock, history_ms: int) -> None:
        """`board` tells when settlements fall due; `history_ms`: how far back is read at most."""
        self._reader, self._board, self._clock, self._history_ms = reader, board, clock, history_ms
        self._venue = board.venue
        self.of: dict[str, Past] = {}
        self._resumed: dict[str, int] = {}
        self._read: set[str] = set()
        self._lacking = False
        self._loading = asyncio.Lock()  # of its own: polls go on while history is read
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def load(self, perpetuals: Iterable[Perpetual]) -> None:
        """Read the past of these markets: once, then what is new. Raises Retryable."""
        async with self._loading:
            await all_of(self._load(perpetual) for perpetual in perpetuals)

    def share(self, symbols: Collection[str]) -> float:
        """Return the share of these markets whose past has been read, 0 … 1."""
        return len(self._read.intersection(symbols)) / max(1, len(symbols))

    def resume(self, held_to_ms: Mapping[str, int]) -> None:
        """Note up to when bars are held, by symbol: the past of these is read from there on."""
        self._resumed = {symbol: ts_ms - PRINT_OVERLAP_MS for symbol, ts_ms in held_to_ms.items()}

    def _first_ms(self, symbol: str, now_ms: int) -> int:
        return max(now_ms - self._history_ms, self._resumed.get(symbol, 0))

    async def reach_back(self, since_ms: int) -> None:
        """Let settlements be read from an earlier instant than bars are: somebody is owed them."""
        async with self._loading:
            for symbol, from_ms in self._resumed.items():
                if since_ms < from_ms:
                    self._resumed[symbol] = since_ms
                    past = self.of.get(symbol, Past())
                    past.read_to_ms, past.marks = (
                        0,
                        Hourly(),
                    )  # the next reading begins anew; what is known stays

    async def _load(self, perpetual: Perpetual) -> None:
        async with self._at_once:
            past = self.of.setdefault(perpetual.symbol, Past())
            await self._load_settled(perpetual, past)
            await self._load_hourly(perpetual, past)
            self._read.add(perpetual.symbol)

    async def _load_settled(self, perpetual: Perpetual, past: Past) -> None:
        """Read funding history and hourly marks. Raises Retryable."""
        now_ms = self._clock.now_ms()
        if past.read_to_ms and not self._owes(perpetual.symbol, past, now_ms):
            return
        first_ms = self._first_ms(perpetual.symbol, now_ms)
        since_ms = max(first_ms, past.read_to_ms - PRINT_OVERLAP_MS) if past.read_to_ms else first_ms
        marks_from_ms = max(first_ms, past.marks[-1][0] - MARK_OVERLAP_MS) if past.marks else first_ms
        marks = await self._reader.marks(perpetual, marks_from_ms, now_ms)
        past.marks = Hourly(
            [*(row for row in past.marks if marks and first_ms <= row[0] < marks[0][0]), *marks]
        )
        rows = await self._reader.prints(perpetual, since_ms, now_ms)
        with reading(f"{self._venue}, funding history of {perpetual.symbol}"):
            past.take(rows, self._clock.now_ms(), self._reader.usual_interval_h)
        past.forget_before(first_ms)

    async def _load_hourly(self, perpetual: Perpetual, past: Past) -> None:
        """Read the premium and the open interest from before they are polled, once.

        Nobody waits for them: what cannot be read stays unknown, and is asked for again after a while.
        """
        now_ms = self._clock.now_ms()
        if past.complete or now_ms - past.asked_ms < AGAIN_MS:
            return
        past.begun_ms, past.asked_ms = past.begun_ms or now_ms, now_ms
        first_ms = self._first_ms(perpetual.symbol, now_ms)
        try:
            past.premiums = await self._reader.premiums(perpetual, first_ms, past.begun_ms)
            past.interests = await self._reader.interests(perpetual, first_ms, past.begun_ms)
            past.complete = True
        except Retryable as error:
            if not self._lacking:
                log.warning("past_incomplete", venue=self._venue, why=str(error), then="it stays unknown")
            self._lacking = True

    def _owes(self, symbol: str, past: Past, now_ms: int) -> bool:
        """Tell whether a settlement has fallen due that was not told yet."""
        schedule, last = self._board.schedule(symbol, now_ms), past.prints.last(now_ms)
        interval_h = schedule.interval_h if schedule else float(last.interval_h) if last else 1.0
        span_ms = int(interval_h * HOUR_MS)
        # some tell no schedule (Bitget's rates): then the coming one is an interval after the last
        next_ms = schedule.next_ms if schedule else last.ts_ms + span_ms if last else now_ms
        due_ms = next_ms if next_ms <= now_ms else next_ms - span_ms
        due_ms += (now_ms - due_ms) // span_ms * span_ms
        if last is not None and last.price is None and now_ms - last.ts_ms <= LATE_MS:
            return True  # the candle that tells its price comes a little later
        owed = due_ms <= now_ms and (last is None or last.ts_ms < due_ms)
        return owed and (past.read_to_ms < due_ms or now_ms - due_ms <= LATE_MS)


async def all_of(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do everything at once, to its end; then raise the first error."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
