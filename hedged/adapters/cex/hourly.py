"""What an exchange tells by the hour of the past, packed: 90 days of 25 markets at three exchanges are three hundred
thousand rows.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import overload

Row = tuple[int, float]
"""(since when known, value)."""


class Hourly(Sequence[Row]):
    """Rows, ascending by since when they are known."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        told = list(rows)
        self._times_ms = array("q", (ts_ms for ts_ms, _ in told))
        self._values = array("d", (value for _, value in told))

    def __len__(self) -> int:
        return len(self._times_ms)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return list(zip(self._times_ms[at], self._values[at], strict=True))
        return self._times_ms[at], self._values[at]

    def latest(self, now_ms: int) -> Row | None:
        """Return the last row known at an instant."""
        at = bisect_right(self._times_ms, now_ms)
        return self[at - 1] if at else None

    def forget_before(self, ts_ms: int) -> None:
        """Drop what is older."""
        gone = bisect_left(self._times_ms, ts_ms)
        del self._times_ms[:gone], self._values[:gone]
