"""One history of one market, from the venue into the directory: asked page by page, kept, measured at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.errors import DataError, Rejected, Retryable
from hedged.domain.market import SeriesKey
from hedged.download.gaps import Gap, gaps
from hedged.download.paging import Span, fill
from hedged.download.source import History, Listed, Source, series_in
from hedged.download.store import SeriesStore

T = TypeVar("T")
LATE_MS = 5 * MINUTE_MS
"""A row may be published so long after its instant: younger ones are left to the next run."""
KEPT_PAGES = 10
"""So many pages are kept in memory before they are written: what a kill costs at most."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one series: rows now held within what was asked for, where some are missing, what went wrong."""

    key: SeriesKey
    table: str
    added: int
    rows: int
    first_ms: int | None
    last_ms: int | None
    gaps: Sequence[Gap]
    conflicts: pl.DataFrame
    fault: str | None = None


@dataclass(slots=True)
class _Kept:
    """Rows that are not written yet, by table."""

    rows: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    pages: int = 0


def offered(history: History, market: Listed, wanted: Span, now_ms: int) -> Span:
    """Return the part of a stretch that a venue can tell of a market by now."""
    earliest = [wanted.from_ms, (market.listed_ms or 0) + history.begins_ms]
    if history.reach_ms is not None:
        earliest.append(now_ms - history.reach_ms)
    return Span(max(earliest), min(wanted.to_ms, now_ms - history.closes_ms - LATE_MS))


async def download_series(
    source: Source,
    market: Listed,
    history: History,
    span: Span,
    directory: Path,
    on_share: Callable[[float], None],
) -> list[Told]:
    """Download what is missing of a stretch. A venue's failure is told in the result, with what came before it.

    Raises DataError where the directory cannot be read or written.
    """
    key = SeriesKey(source.venue, market.symbol)
    names = (history.table, *history.also)
    stores = {
        name: await _kept_off(
            SeriesStore,
            directory,
            name,
            key,
            series_in(name, market),
            market.interval_h,
            infer=history.infer and name == "funding",
        )
        for name in names
    }
    lead, kept = stores[history.table], _Kept()

    async def flush() -> None:
        rows, kept.rows, kept.pages = kept.rows, {}, 0
        for name, told in rows.items():
            await _kept_off(stores[name].add, told)

    async def ask(asked: Span) -> Sequence[int]:
        page = await understood(source.venue, history.ask(asked))
        for name, told in page.items():
            within = (row for row in told if asked.holds(int(row["ts"])) and stores[name].says(row))
            kept.rows.setdefault(name, []).extend(within)
        kept.pages += 1
        if kept.pages >= KEPT_PAGES:
            await flush()
        on_share(_share(asked, span, newest_first=history.newest_first))
        return [int(row["ts"]) for row in page.get(history.table, ())]

    async def missing() -> Sequence[Span]:
        await flush()
        return [gap.span for gap in lacking(lead, history, span)]

    fault = None
    try:
        apart_ms = history.page_rows * (history.step_ms or HOUR_MS)
        await fill(ask, missing, apart_ms, newest_first=history.newest_first)
    except (Retryable, Rejected) as error:
        fault = str(error)
    await flush()
    on_share(1.0)
    return [_told(stores[name], history, span, fault, leads=name == history.table) for name in names]


async def download_present(source: Source, market: Listed, now_ms: int, directory: Path) -> list[Told]:
    """Keep what a venue tells of the present alone. Raises DataError where the directory cannot be written."""
    key = SeriesKey(source.venue, market.symbol)
    try:
        page = await understood(source.venue, source.present(market, now_ms))
    except (Retryable, Rejected) as error:
        empty = pl.DataFrame()
        return [Told(key, "present", 0, 0, None, None, (), empty, str(error))]
    told = []
    for name, rows in page.items():
        store = await _kept_off(SeriesStore, directory, name, key, series_in(name, market))
        await _kept_off(store.add, rows)
        instants = store.ts_ms
        told.append(
            Told(key, name, store.added, len(instants), instants[0], instants[-1], (), store.conflicts)
        )
    return told


async def understood(venue: str, answer: Awaitable[T]) -> T:
    """Await an answer; one that cannot be read is refused. Raises Retryable or Rejected."""
    try:
        return await answer
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Rejected(f"{venue}: the answer cannot be read: {type(error).__name__} {error}") from None


def lacking(store: SeriesStore, history: History, span: Span) -> list[Gap]:
    """Return where a series has no rows within a stretch."""
    ts_ms = store.ts_ms
    step_ms = (
        [hours * HOUR_MS for hours in store.hours]
        if history.step_ms is None
        else [float(history.step_ms)] * len(ts_ms)
    )
    return gaps(ts_ms, step_ms, span)


def _share(asked: Span, span: Span, *, newest_first: bool) -> float:
    """Estimate how much of a stretch is done once a page of `asked` has come."""
    done_ms = span.to_ms - asked.to_ms if newest_first else asked.from_ms - span.from_ms
    return min(max(done_ms / max(span.to_ms - span.from_ms, 1), 0.0), 0.99)


def _told(store: SeriesStore, history: History, span: Span, fault: str | None, *, leads: bool) -> Told:
    inside = [ts for ts in store.ts_ms if span.holds(ts)]
    return Told(
        store.key,
        store.table.name,
        store.added,
        len(inside),
        inside[0] if inside else None,
        inside[-1] if inside else None,
        lacking(store, history, span) if leads else (),
        store.conflicts,
        fault if leads else None,
    )


async def _kept_off(work: Callable[..., T], *args: Any, **options: Any) -> T:
    """Work on files off the loop, to its end also when cancelled. Raises DataError where they are not writable."""
    task = asyncio.get_running_loop().run_in_executor(None, partial(work, *args, **options))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    except OSError as error:
        raise DataError(f"the data directory cannot be written: {error}") from None
