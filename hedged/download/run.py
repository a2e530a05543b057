"""A whole download: every venue at once, a few markets of each at a time; one venue's failure is not another's."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hedged.domain.clock import iso
from hedged.domain.errors import Rejected, Retryable
from hedged.download.paging import Span
from hedged.download.series import Told, download_present, download_series, offered, understood
from hedged.download.source import History, Listed, Source

AT_ONCE = 4
"""Series of one venue that are under way together; its pace is kept all the same."""
REPORT = "download.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to download. `tables`: None for all that are offered."""

    symbols: Collection[str]
    span: Span
    directory: Path
    tables: Collection[str] | None = None

    def includes(self, table: str) -> bool:
        """Whether a table is wanted."""
        return self.tables is None or table in self.tables


@dataclass(slots=True)
class Outcome:
    """What came of it. `lost`: venues that could not be reached, with the reason; `unlisted`: symbols a venue lacks."""

    told: list[Told] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    unlisted: dict[str, list[str]] = field(default_factory=dict)
    lacking: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every venue answered everything it was asked."""
        return not self.lost and all(told.fault is None for told in self.told)


OnProgress = Callable[[str, float], None]
"""Called with a venue and the share of its work that is done."""


async def download(
    sources: Sequence[Source], wanted: Wanted, now_ms: int, on_progress: OnProgress = lambda *_: None
) -> Outcome:
    """Download and write the report beside the tables. Raises DataError where the directory cannot be used."""
    outcome = Outcome()
    async with asyncio.TaskGroup() as group:
        for source in sources:
            group.create_task(_venue(source, wanted, now_ms, outcome, on_progress), name=source.venue)
    outcome.told.sort(key=lambda told: (told.key, told.table))
    await asyncio.to_thread(_write_report, wanted, outcome)
    return outcome


async def _venue(
    source: Source, wanted: Wanted, now_ms: int, outcome: Outcome, on_progress: OnProgress
) -> None:
    on_progress(source.venue, 0.0)
    try:
        markets = await understood(source.venue, source.markets(wanted.symbols))
    except (Retryable, Rejected) as error:
        outcome.lost[source.venue] = str(error)
        return
    outcome.lacking[source.venue] = {k: why for k, why in source.lacking.items() if wanted.includes(k)}
    if missing := sorted(set(wanted.symbols) - set(markets)):
        outcome.unlisted[source.venue] = missing
    jobs = [
        (market, history)
        for market in markets.values()
        for history in source.histories(market)
        if any(map(wanted.includes, (history.table, *history.also)))
    ]
    shares = [0.0] * len(jobs)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(at: int, market: Listed, history: History) -> None:
        def on_share(share: float) -> None:
            shares[at] = max(shares[at], share)
            on_progress(source.venue, sum(shares) / len(shares))

        async with turn:
            span = offered(history, market, wanted.span, now_ms)
            if not span.empty:
                told = await download_series(source, market, history, span, wanted.directory, on_share)
                outcome.told += told
            on_share(1.0)

    async with asyncio.TaskGroup() as group:
        for at, (market, history) in enumerate(jobs):
            group.create_task(
                one(at, market, history), name=f"{source.venue} {market.symbol} {history.table}"
            )
    if wanted.includes("open_interest") and wanted.span.holds(now_ms - 1):
        for market in markets.values():
            outcome.told += await download_present(source, market, now_ms, wanted.directory)
    on_progress(source.venue, 1.0)


def _write_report(wanted: Wanted, outcome: Outcome) -> None:
    tree = {
        "from": iso(wanted.span.from_ms),
        "to": iso(wanted.span.to_ms),
        "lost": outcome.lost,
        "unlisted": outcome.unlisted,
        "offered_only_in_part": outcome.lacking,
        "series": [_plain(told) for told in outcome.told],
    }
    text = json.dumps(tree, indent=1, ensure_ascii=False)
    partial = wanted.directory / f"{REPORT}.partial"
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(wanted.directory / REPORT)


def _plain(told: Told) -> dict[str, Any]:
    return {
        "venue": told.key.venue,
        "symbol": told.key.symbol,
        "table": told.table,
        "rows": told.rows,
        "new": told.added,
        "first": None if told.first_ms is None else iso(told.first_ms),
        "last": None if told.last_ms is None else iso(told.last_ms),
        "fault": told.fault,
        "gaps": [
            {
                "from": iso(gap.span.from_ms), "to": iso(gap.span.to_ms), "missing": gap.missing,
                "at_the_edge": gap.edge,
            }
            for gap in told.gaps
        ],
        "conflicts": json.loads(told.conflicts.write_json()) if len(told.conflicts) else [],
    }  # fmt: skip
