"""Do executions explain positions? What does not agree freezes its market until it does, or until it is accepted.

position(now) = base + Σ signed quantity of every execution that the journal holds, whoever traded

`base` is what the account held before the journal knows of it: set once per venue, kept across restarts. Liquidations
and deliveries are executions, funding changes no quantity, so the equation holds for ever; only reports may be late.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Self

import structlog

from hedged.config.reconcile import ReconcileConfig
from hedged.domain.clock import MINUTE_MS, SECOND_MS
from hedged.domain.market import SeriesKey

DUST = Decimal("1e-9")
NOTHING = Decimal(0)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A position and its executions do not agree. `moved`: coins that no execution explains, signed.

    `refreshes`: how often it was seen; `steady_ms`: since when `moved` is what it is; `frozen`: whether it has lasted.
    """

    since_ms: int
    steady_ms: int
    moved: Decimal
    refreshes: int = 1
    frozen: bool = False

    @property
    def text(self) -> str:
        """Say it."""
        return f"the venue's position differs by {self.moved.normalize():+f} coins from what its executions add up to"


@dataclass(frozen=True, slots=True)
class Moved:
    """A difference that has stood long enough: a position that was moved outside of executions. Signed coins."""

    key: SeriesKey
    quantity: Decimal


class Evidence:
    """`doubts`: by market, what does not agree now."""

    def __init__(self, rules: ReconcileConfig, speed: float = 1.0) -> None:
        self._late_ms = rules.evidence_s * SECOND_MS * speed
        self._accept_ms = rules.evidence_accept_s * SECOND_MS * speed
        self._base: dict[str, dict[str, Decimal]] = {}
        self._since_ms: dict[str, int] = {}  # from when on a venue's base is true
        self._seen: set[str] = set()  # venues that have answered in this life
        self.doubts: dict[SeriesKey, Doubt] = {}

    @classmethod
    def load(cls, rules: ReconcileConfig, speed: float, kept: Mapping[str, Any]) -> Self:
        """Go on where an earlier life has ended."""
        made = cls(rules, speed)
        for venue, of in kept.items():
            made._since_ms[venue] = of["since_ms"]
            made._base[venue] = {symbol: Decimal(q) for symbol, q in of["base"].items()}
        return made

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return {
            venue: {
                "since_ms": self._since_ms[venue],
                "base": {s: str(q) for s, q in sorted(by.items()) if q},
            }
            for venue, by in sorted(self._base.items())
        }

    def begin_anew(self, venue: str) -> None:
        """Forget what a venue's evidence began with: it makes its positions anew with every life."""
        self._base.pop(venue, None)

    def base(self, key: SeriesKey, at_ms: int) -> Decimal | None:
        """Return what executions do not explain of a position at an instant; None where that is not known, or in
        doubt.
        """
        if key.venue not in self._base or key in self.doubts or at_ms < self._since_ms[key.venue]:
            return None
        return self._base[key.venue].get(key.symbol, NOTHING)

    def expected(self, key: SeriesKey, total: Decimal) -> Decimal | None:
        """Return the position that executions of `total` signed coins explain; None before the venue's first look."""
        return self._base[key.venue].get(key.symbol, NOTHING) + total if key.venue in self._base else None

    def look(
        self,
        now_ms: int,
        venue: str,
        positions: Mapping[str, Decimal],
        totals: Mapping[SeriesKey, Decimal],
        watched: Iterable[SeriesKey],
    ) -> list[Moved]:
        """Compare a venue's positions with the sums of its executions; return what is accepted as moved.

        A difference freezes its market once it was seen twice, `evidence_s` apart. In the first look of a life there is
        none before it: what differs then freezes at once.
        """
        sums = {key.symbol: total for key, total in totals.items() if key.venue == venue}
        first = venue not in self._seen
        self._seen.add(venue)
        if venue not in self._base:
            told = {*positions, *sums}
            self._since_ms[venue] = now_ms
            self._base[venue] = {s: positions.get(s, NOTHING) - sums.get(s, NOTHING) for s in told}
            return []
        base = self._base[venue]
        moved = []
        for symbol in {key.symbol for key in watched if key.venue == venue} or {*positions, *sums, *base}:
            key = SeriesKey(venue, symbol)
            explained = base.get(symbol, NOTHING) + sums.get(symbol, NOTHING)
            found = self._judge(now_ms, key, positions.get(symbol, NOTHING) - explained, first)
            if found is not None:
                base[symbol] = base.get(symbol, NOTHING) + found.quantity
                moved.append(found)
                self._since_ms[venue] = now_ms
        return moved

    def _judge(self, now_ms: int, key: SeriesKey, difference: Decimal, first: bool) -> Moved | None:
        before = self.doubts.get(key)
        if abs(difference) <= DUST:
            if self.doubts.pop(key, None) is not None and before is not None and before.frozen:
                log.warning("position_explained", market=str(key))
            return None
        if before is None:
            doubt = Doubt(now_ms, now_ms, difference)
        else:
            steady_ms = before.steady_ms if before.moved == difference else now_ms
            doubt = replace(before, steady_ms=steady_ms, moved=difference, refreshes=before.refreshes + 1)
        lasts = first or (doubt.refreshes > 1 and now_ms - doubt.since_ms >= self._late_ms)
        if lasts and not doubt.frozen:
            doubt = replace(doubt, frozen=True)
            log.error(
                "position_not_explained",
                market=str(key),
                moved=f"{difference:+f}",
                does="opens nothing there",
            )
        self.doubts[key] = doubt
        if doubt.frozen and doubt.refreshes > 2 and now_ms - doubt.steady_ms >= self._accept_ms:
            del self.doubts[key]
            log.error("position_moved_outside_of_executions", market=str(key), accepted=f"{difference:+f}")
            return Moved(key, difference)
        return None

    def asks_from_ms(self, venue: str) -> int | None:
        """Return from when on executions of a venue should be asked for again; None where nothing is in doubt."""
        since = [doubt.since_ms for key, doubt in self.doubts.items() if key.venue == venue]
        return min(since) - 60 * MINUTE_MS if since else None
