"""Rows of an account's history, page by page, as each exchange wants to be asked; each row once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from hedged.domain.clock import DAY_MS

OLDEST_MS = 90 * DAY_MS
"""No exchange tells more than about so much."""
WINDOW_MS = 7 * DAY_MS - 1
MOST_PAGES = 100

Rows = list[Mapping[str, Any]]


async def forward(
    ask: Callable[[int, int], Awaitable[Sequence[Mapping[str, Any]]]],
    time_of: Callable[[Mapping[str, Any]], int],
    since_ms: int,
    now_ms: int,
    limit: int,
) -> Rows:
    """Walk windows of a week, oldest first; `ask(from, until)` returns at most `limit` rows, oldest first."""
    from_ms = max(since_ms, now_ms - OLDEST_MS, 0)
    rows: Rows = []
    for _ in range(MOST_PAGES):
        until_ms = min(from_ms + WINDOW_MS, now_ms + 1)
        page = await ask(from_ms, until_ms)
        rows += page
        if len(page) >= limit and (newest_ms := max(map(time_of, page))) > from_ms:
            from_ms = newest_ms  # again from there: rows of one instant may be cut in two
        elif until_ms > now_ms:
            break
        else:
            from_ms = until_ms + 1
    return rows


async def by_cursor(
    ask: Callable[[int, int, str | None], Awaitable[tuple[Rows, str | None]]], since_ms: int, now_ms: int
) -> Rows:
    """Walk windows of a week, each by the cursor that the page before gave (Bybit)."""
    from_ms = max(since_ms, now_ms - OLDEST_MS, 0)
    rows: Rows = []
    while from_ms <= now_ms:
        until_ms = min(from_ms + WINDOW_MS, now_ms + 1)
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page, cursor = await ask(from_ms, until_ms, cursor)
            rows += page
            if not page or not cursor:
                break
        from_ms = until_ms + 1
    return rows


async def back(
    ask: Callable[[str | None], Awaitable[Sequence[Mapping[str, Any]]]],
    id_of: Callable[[Mapping[str, Any]], str],
    time_of: Callable[[Mapping[str, Any]], int],
    since_ms: int,
    limit: int,
) -> Rows:
    """Walk back from the newest, `ask(before id)`, until a page is not full or reaches before `since_ms` (OKX)."""
    before: str | None = None
    rows: Rows = []
    for _ in range(MOST_PAGES):
        page = list(await ask(before))
        rows += page
        if len(page) < limit or min(map(time_of, page)) < since_ms:
            break
        before = id_of(min(page, key=lambda row: (time_of(row), int(id_of(row)))))
    return [row for row in rows if time_of(row) >= since_ms]
