"""Rows of an account's history, page by page, as each exchange wants to be asked; each row once."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any

from hedged.domain.clock import DAY_MS, SECOND_MS

OLDEST_MS = 90 * DAY_MS
"""No exchange tells more than about so much."""
WINDOW_MS = 7 * DAY_MS - 1
MOST_PAGES = 100
LIMITS = (100, 1_000)
"""Rows asked for: what every exchange grants, and where that does not do, what some do."""
ROUNDED_MS = SECOND_MS
"""An end is asked for so much later: some count in whole seconds and drop the rest of the last one."""
LEAST_CUT = 20
"""No exchange cuts an answer shorter than this: fewer rows are all there are."""

Rows = list[Mapping[str, Any]]


class Unreachable(ValueError):
    """Some rows of a history cannot be asked for."""


async def forward(
    ask: Callable[[int, int], Awaitable[Sequence[Mapping[str, Any]]]],
    time_of: Callable[[Mapping[str, Any]], int],
    since_ms: int,
    now_ms: int,
    limit: int,
    window_ms: int = WINDOW_MS,
) -> Rows:
    """Walk windows, oldest first; `ask(from, until)` returns at most `limit` rows, oldest first."""
    from_ms = max(since_ms, now_ms - OLDEST_MS, 0)
    rows: Rows = []
    for _ in range(MOST_PAGES):
        until_ms = min(from_ms + window_ms, now_ms + 1)
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


async def either(
    ask: Callable[[int, int, int], Awaitable[Sequence[Mapping[str, Any]]]],
    time_of: Callable[[Mapping[str, Any]], int],
    key_of: Callable[[Mapping[str, Any]], Hashable],
    since_ms: int,
    now_ms: int,
    limits: Sequence[int] = LIMITS,
    window_ms: int = WINDOW_MS - ROUNDED_MS,
) -> Rows:
    """Walk windows, oldest first, of an exchange that may cut an answer at either end, and how short is not known.

    `ask(from, until, limit)` returns rows in any order; what lies beside them is asked for until nothing new comes.
    A full answer that tells nothing new (where nobody cares for the end: Gate's payments) is asked for with the next of
    `limits`; after the last one, or where that brings no more, it raises Unreachable.
    """
    limit, *higher = limits
    cut = limit
    found: dict[Hashable, Mapping[str, Any]] = {}
    todo = [
        (from_ms, min(from_ms + window_ms, now_ms))
        for from_ms in range(max(since_ms, 0), now_ms + 1, window_ms + 1)
    ]
    for _ in range(MOST_PAGES + len(todo)):
        if not todo:
            return sorted(found.values(), key=time_of)
        from_ms, until_ms = todo.pop(0)
        page = await ask(from_ms, until_ms + ROUNDED_MS, limit)
        fresh = {key_of(row): row for row in page if key_of(row) not in found}
        found |= fresh
        if fresh and len(page) >= LEAST_CUT:
            times_ms = [time_of(row) for row in page]
            edges = (from_ms, min(*times_ms, until_ms)), (max(*times_ms, from_ms), until_ms)
            todo += [(first, last) for first, last in edges if first < last]
        elif len(page) == limit and higher:
            limit = higher.pop(0)
            todo.insert(0, (from_ms, until_ms))
        elif len(page) in (limit, cut):
            raise Unreachable(f"{len(page)} rows from {from_ms} on, and those beyond cannot be asked for")
    raise Unreachable(f"more than {MOST_PAGES} answers since {since_ms}")
