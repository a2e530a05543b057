"""The recorder: the running daemon appends what it collects to a data directory, a file a day (settlements: a month).

It works beside the cycles: a bar is handed over without waiting, files are written off the loop. Whatever goes wrong
here, a full disk or a venue without an answer, costs the recording and never a cycle.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from hedged.buffer.directory import TABLES, Table, frame_of, merged, read_part, write_part
from hedged.buffer.recording import Known, Row, Rows, bars_rows, print_rows
from hedged.domain.bars import Observation
from hedged.domain.clock import HOUR_MS, iso
from hedged.domain.errors import HedgedError
from hedged.domain.funding import Settlement
from hedged.domain.ports import MarketData

log = structlog.get_logger(__name__)

WAITING_BARS = 16
"""Bars that may wait for a slow disk; of more the oldest are given up."""
KEPT_ROWS = 50_000
"""Rows that are kept while they cannot be written."""
PRINT_OVERLAP_MS = 3 * HOUR_MS
"""Settlements are asked for again over this span: a venue tells them some time after they were due."""
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Reported:
    """Where the recorder says how it fares: rows written, bars given up, whether it cannot write."""

    rows: Callable[[int], None] = lambda _: None
    given_up: Callable[[], None] = lambda: None
    failing: Callable[[bool], None] = lambda _: None


Bar = tuple[int, Sequence[Observation]]


class Recorder:
    """Hand it bars with `take`; `run` must run for them to be written. One recorder a directory."""

    def __init__(
        self,
        directory: Path,
        sources: Mapping[str, MarketData],
        symbols: Sequence[str],
        bar_ms: int,
        history_ms: int = 0,
        report: Reported | None = None,
    ) -> None:
        """`history_ms`: how far back settlements are recorded that came before the first bar."""
        self._directory, self._sources, self._symbols = directory, sources, frozenset(symbols)
        self._bar_ms, self._history_ms, self._report = bar_ms, history_ms, report or Reported()
        self._bars: deque[Bar] = deque()
        self._arrived = asyncio.Event()
        self._known = Known()
        self._told_to_ms: dict[str, int] = {}
        self._first_bar_ms = 0
        self._recording = False
        self._unwritten: list[tuple[str, Row]] = []
        self._parts: dict[Path, pl.DataFrame] = {}
        self._latest: dict[str, Path] = {}
        self._bad = False

    def take(self, ts_ms: int, seen: Sequence[Observation]) -> None:
        """Take over what is known at a bar's end. Returns at once."""
        if len(self._bars) >= WAITING_BARS:
            self._bars.popleft()
            self._report.given_up()
        self._bars.append((ts_ms, seen))
        self._arrived.set()

    @property
    def busy(self) -> bool:
        """Whether something that was taken over is not written yet (or could not be)."""
        return bool(self._bars) or self._recording

    async def run(self) -> None:
        """Record until cancelled; what was taken over by then is still written."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._bars:
                    self._recording = True
                    await self._guarded(self._record(*self._bars.popleft()))
                    self._recording = False
        finally:
            for _, seen in self._bars:
                self._note(bars_rows(self._known, seen, self._bar_ms))
            self._bars.clear()
            await self._guarded(self._write())

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some of the work; whatever goes wrong in it must not reach the daemon, which ends with its tasks."""
        try:
            await work
        except Exception as error:  # of any kind: a source's odd answer, polars, the disk
            self._fails(error)

    def _fails(self, error: Exception) -> None:
        if not self._bad:
            self._bad = True
            log.error(
                "recording_failed", directory=str(self._directory), error=f"{type(error).__name__}: {error}"
            )
        self._report.failing(True)

    async def _record(self, ts_ms: int, seen: Sequence[Observation]) -> None:
        self._first_bar_ms = self._first_bar_ms or ts_ms
        self._note(bars_rows(self._known, seen, self._bar_ms))
        told = await asyncio.gather(*(self._settlements(venue, ts_ms) for venue in self._sources))
        prints = [one for venue in told for one in venue]
        self._note({"funding": print_rows(prints, seen, self._first_bar_ms)})
        await self._write()

    async def _settlements(self, venue: str, ts_ms: int) -> Sequence[Settlement]:
        """Return the settlements that a venue can tell by now; the next bar asks again for those that it cannot."""
        since_ms = self._told_to_ms.get(venue, ts_ms - self._history_ms) - PRINT_OVERLAP_MS
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = await self._sources[venue].settlements(since_ms, ts_ms)
        except (HedgedError, TimeoutError):
            return ()  # the poller tells that a venue is lost
        self._told_to_ms[venue] = ts_ms
        return [one for one in found if one.key.symbol in self._symbols]

    def _note(self, rows: Rows) -> None:
        """Keep rows until they are written, the newest where they are too many."""
        self._unwritten += [(table, row) for table, told in rows.items() for row in told]
        del self._unwritten[: max(0, len(self._unwritten) - KEPT_ROWS)]

    async def _write(self) -> None:
        rows, self._unwritten = self._unwritten, []
        if not rows:
            return
        writing = asyncio.get_running_loop().run_in_executor(None, self._append, rows)
        try:
            try:
                written = await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait([writing])
                raise
        except (OSError, HedgedError) as error:
            self._unwritten = rows + self._unwritten
            self._fails(error)
            return
        self._report.rows(written)
        if self._bad:
            self._bad = False
            log.info("recording_again", directory=str(self._directory))
        self._report.failing(False)

    def _append(self, rows: Sequence[tuple[str, Row]]) -> int:
        """Write rows into the files of their days; return how many are new. Raises OSError or DataError."""
        by_part: dict[tuple[str, str], list[Row]] = {}
        for table, row in rows:
            by_part.setdefault((table, period_of(table, int(row["ts"]))), []).append(row)
        written = 0
        for (name, period), told in sorted(by_part.items()):
            path = self._directory / name / f"{period}.parquet"
            written += self._append_to(path, TABLES[name], told)
            if period == max(other for table, other in by_part if table == name):
                self._latest[name] = path
        # what is over is not written any more, or seldom: it need not stay in memory
        self._parts = {path: rows for path, rows in self._parts.items() if path in self._latest.values()}
        return written

    def _append_to(self, path: Path, table: Table, told: Sequence[Row]) -> int:
        held = self._parts.get(path)
        if held is None:
            held = read_part(path, table)
        new = frame_of(table, told)
        found = merged(table, held, self._without_downloaded(new) if table.name == "funding" else new)
        if found.added:
            write_part(path, found.rows, hidden=True)  # it tells which coins are held
        self._parts[path] = found.rows
        return found.added

    def _without_downloaded(self, prints: pl.DataFrame) -> pl.DataFrame:
        """Leave out prints that a download has put into the same directory."""
        table = TABLES["funding"]
        for venue, symbol in prints.select("venue", "symbol").unique().iter_rows():
            other = read_part(self._directory / table.name / venue / f"{symbol}.parquet", table)
            prints = prints.join(other, on=["ts", "venue", "symbol"], how="anti")
        return prints


def period_of(table: str, ts_ms: int) -> str:
    """Return the name of the file that a row belongs to: its UTC day, its month where rows are few."""
    return iso(ts_ms)[: 7 if table == "funding" else 10]
