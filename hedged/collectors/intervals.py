"""How many hours the coming settlement covers, where a stream tells its instant alone."""

from hedged.collectors.updates import Hours, Settles
from hedged.domain.clock import HOUR_MS

LONGEST_H = 24


class Intervals:
    """Takes what REST has told, and what a settlement passing by shows: the next one follows after one interval.

    Venues change a market's interval (8 h → 4 h → 1 h) when it becomes extreme, just when it matters most.
    """

    def __init__(self, told: Hours) -> None:
        self._told = told
        self._next_ms: dict[str, int] = {}
        self._seen: dict[
            str, tuple[float | None, float]
        ] = {}  # what was told when it was seen, and what was seen

    def settles(self, symbol: str, next_ms: int, venue_ms: int) -> Settles | None:
        """Return the coming settlement; None where its interval is unknown or cannot be right."""
        before_ms = self._next_ms.get(symbol)
        told = self._told(symbol)
        if before_ms is not None and before_ms != next_ms:
            self._pass(symbol, before_ms, next_ms, venue_ms, told)
        self._next_ms[symbol] = next_ms
        seen = self._seen.get(symbol)
        # once something else is told, that is newer than what was seen
        hours = seen[1] if seen is not None and told in (seen[0], seen[1]) else told
        if hours is None or hours <= 0 or next_ms - venue_ms > hours * HOUR_MS:
            return None
        return Settles(next_ms, hours)

    def _pass(self, symbol: str, before_ms: int, next_ms: int, venue_ms: int, told: float | None) -> None:
        """Learn from a settlement that has just passed; after a longer gap several may have."""
        hours, rest = divmod(next_ms - before_ms, HOUR_MS)
        if 1 <= hours <= LONGEST_H and not rest and 0 <= venue_ms - before_ms < HOUR_MS:
            self._seen[symbol] = (told, float(hours))
