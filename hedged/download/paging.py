"""What is still to be asked of a venue, from what it has answered so far. Pure.

Every venue pages in its own way: oldest or newest first, short pages amid a history, pages that overlap or repeat rows,
pages that reach beyond what was asked. So nothing is concluded from a page's length: a page settles the stretch between
its end and its innermost row, an empty one all that was asked, and what then is missing is asked once more.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from hedged.domain.clock import HOUR_MS

APART_MS = HOUR_MS
"""Nothing that is downloaded comes more often than hourly."""
ASKED_IN_VAIN = 2
"""After so many answers that tell nothing new, a hole is the venue's own."""


class Span(NamedTuple):
    """A stretch of time: from inclusive, to exclusive, ms since the epoch."""

    from_ms: int
    to_ms: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.from_ms >= self.to_ms

    def holds(self, ts_ms: int) -> bool:
        """Whether an instant lies in it."""
        return self.from_ms <= ts_ms < self.to_ms


Ask = Callable[[Span], Awaitable[Sequence[int]]]
"""Asks for one page of a stretch, keeps its rows and returns their instants, in any order."""
Missing = Callable[[], Awaitable[Sequence[Span]]]
"""Tells the stretches of which no row is kept yet."""


def rest(asked: Span, page_ms: Iterable[int], *, newest_first: bool) -> Span | None:
    """Return what a page leaves to be asked of a stretch; None when it is done. Each page makes it shorter.

    Rows are at least `APART_MS` from each other: a shorter remainder holds none.
    """
    inside = [ts_ms for ts_ms in page_ms if asked.holds(ts_ms)]
    if not inside:
        return None
    left = Span(asked.from_ms, min(inside)) if newest_first else Span(max(inside) + 1, asked.to_ms)
    return None if left.to_ms - left.from_ms < APART_MS else left


def joined(holes: Sequence[Span], apart_ms: int) -> list[Span]:
    """Join holes (ascending) that lie closer than `apart_ms`: one request answers both."""
    found: list[Span] = []
    for hole in holes:
        if found and hole.from_ms - found[-1].to_ms <= apart_ms:
            found[-1] = Span(found[-1].from_ms, max(hole.to_ms, found[-1].to_ms))
        else:
            found.append(hole)
    return found


async def walk(ask: Ask, span: Span, *, newest_first: bool) -> None:
    """Ask page after page until a stretch is done."""
    left: Span | None = None if span.empty else span
    while left is not None:
        left = rest(left, await ask(left), newest_first=newest_first)


async def fill(ask: Ask, missing: Missing, apart_ms: int, *, newest_first: bool) -> None:
    """Ask for everything that is missing, and for what then still is missing again, until nothing more comes.

    Holes closer than `apart_ms` are asked for together at first, one by one when that told nothing new.
    """
    holes, in_vain = await missing(), 0
    while holes and in_vain < ASKED_IN_VAIN:
        for hole in holes if in_vain else joined(holes, apart_ms):
            await walk(ask, hole, newest_first=newest_first)
        before, holes = holes, await missing()
        in_vain = in_vain + 1 if list(holes) == list(before) else 0
