"""How far from the mark a reduction may trade: further after every order that found too little there."""

from decimal import Decimal

from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.execution.working.work import Work


class Collars:
    """By market, in basis points: `narrow_bp` at first, doubled by each miss up to `wide_bp`, narrow again once an
    order was filled or an hour after the last miss. Openings always have the narrow one.
    """

    def __init__(self, narrow_bp: Decimal, wide_bp: Decimal) -> None:
        self.reconfigure(narrow_bp, wide_bp)
        self._missed: dict[SeriesKey, tuple[int, int]] = {}  # how often in a row, and when last

    def reconfigure(self, narrow_bp: Decimal, wide_bp: Decimal) -> None:
        """Go by other bounds; what was missed stays missed."""
        self._narrow_bp, self._wide_bp = narrow_bp, max(narrow_bp, wide_bp)

    def worked(self, one: Work, now_ms: int) -> None:
        """Note what came of a reduction."""
        if one.missed:
            self.missed(one.intent.key, now_ms)
        elif not one.left:
            self.met(one.intent.key)

    def missed(self, key: SeriesKey, now_ms: int) -> None:
        """Note that a reduction found less than it wanted within its worst price."""
        times, _ = self._missed.get(key, (0, 0))
        widest = self._narrow_bp * 2**times >= self._wide_bp
        self._missed[key] = (times if widest else times + 1, now_ms)

    def met(self, key: SeriesKey) -> None:
        """Note that a reduction was filled."""
        self._missed.pop(key, None)

    def of(self, now_ms: int) -> dict[SeriesKey, Decimal]:
        """Return the collars that are wider than the narrow one now."""
        self._missed = {key: one for key, one in self._missed.items() if one[1] > now_ms - HOUR_MS}
        return {
            key: min(self._wide_bp, self._narrow_bp * 2**times) for key, (times, _) in self._missed.items()
        }
