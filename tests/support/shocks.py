"""A market that is hit at once, a few minutes into a run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from worlds import START_MS

from hedged.domain.bars import Field, Observation
from hedged.domain.clock import MINUTE_MS, SECOND_MS

SHOCK_MS = START_MS + 7 * MINUTE_MS + 3 * SECOND_MS
"""Between two cycles, and between two looks."""
FAR = "bybit"


class Shocked:
    """A venue whose prices stream, and lose 8 % at once where it is the one that is hit."""

    times = 0.92

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        bar_ms = now_ms - now_ms % (15 * MINUTE_MS)
        return [self._now(seen, now_ms) for seen in await self._inner.observe(bar_ms)]

    def _now(self, seen: Observation, now_ms: int) -> Observation:
        values, known_ms = seen.values.copy(), seen.known_at_ms.copy()
        known_ms[Field.MARK] = now_ms
        if seen.key.venue == FAR and now_ms >= SHOCK_MS:
            values[Field.MARK] *= self.times
        return replace(seen, ts_ms=now_ms, values=values, known_at_ms=known_ms)
