"""Positions against executions: where they do not agree nothing is opened, and what is gone is no hedge any more."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from hedged.config.reconcile import ReconcileConfig
from hedged.domain.book import Position
from hedged.domain.clock import MINUTE_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.ports import Explains, TellsExplains, Trading
from hedged.execution.reconcile.attribution import Shown
from hedged.execution.reconcile.evidence import Evidence
from hedged.execution.reconcile.intake import Intake
from hedged.execution.reconcile.ledger import Range
from hedged.execution.reconcile.state import Taken

EDGE_MS = MINUTE_MS
"""An execution so near to a settlement may have counted for it or not."""
LAG_MS = 2 * MINUTE_MS
"""A venue's positions may be so much older than its executions."""
NOTHING = Decimal(0)


class Agreement:
    """`evidence`: what is in doubt now."""

    def __init__(
        self, trading: Mapping[str, Trading], intake: Intake, markets: Collection[SeriesKey],
        rules: ReconcileConfig, speed: float,
    ) -> None:  # fmt: skip
        """`markets`: those that are traded; all that are told where there are none."""
        self._intake, self._markets, self._rules, self._speed = intake, markets, rules, speed
        self._explains = {
            venue: one.explains if isinstance(one, TellsExplains) else Explains.WHOLLY
            for venue, one in trading.items()
        }
        self.evidence = Evidence(rules, speed)
        self._lags_since_ms: int | None = None

    def load(self, kept: Mapping[str, Any]) -> None:
        """Go on where an earlier life has ended."""
        self.evidence = Evidence.load(self._rules, self._speed, kept)
        for venue, explains in self._explains.items():
            if explains is not Explains.WHOLLY:
                self.evidence.begin_anew(venue)

    async def look(self, now_ms: int, venue: str, positions: Mapping[str, Position]) -> list[Taken]:
        """Compare; return what was taken of hedges without an execution that says so.

        On Injective a position that has moved is the trader's own, and N follows. At an exchange what moved against a
        hedge took it away, as an execution would have.
        """
        if self._explains[venue] is Explains.IN_PART:
            return []
        told = {symbol: position.quantity for symbol, position in positions.items()}
        attribution, taken = self._intake.attribution, []
        for moved in self.evidence.look(now_ms, venue, told, attribution.totals, self._markets):
            held = attribution.held.get(moved.key, NOTHING)
            if venue != INJECTIVE and held * moved.quantity < 0:
                left = held + moved.quantity
                most = left if left * held > 0 else NOTHING
                taken += await self._intake.limit(Shown(now_ms, moved.key, most))
        return taken

    def lags(self, now_ms: int, positions: Mapping[str, Position]) -> bool:
        """Tell whether positions on Injective are those from before the last executions: not for longer than `LAG_MS`,
        then they are what does not agree.
        """
        behind = [
            key
            for key in self._intake.attribution.totals
            if key.venue == INJECTIVE and self._older(key, positions)
        ]
        if not behind:
            self._lags_since_ms = None
            return False
        self._lags_since_ms = now_ms if self._lags_since_ms is None else min(now_ms, self._lags_since_ms)
        return now_ms - self._lags_since_ms < LAG_MS * self._speed

    def expected(self, key: SeriesKey) -> Decimal | None:
        """Return the position that executions explain, signed coins; None where they do in part, or at no look yet."""
        return self.evidence.expected(key, self._intake.attribution.totals.get(key, NOTHING))

    def _older(self, key: SeriesKey, positions: Mapping[str, Position]) -> bool:
        told = positions[key.symbol].quantity if key.symbol in positions else NOTHING
        expected = self.expected(key)
        if expected is None or told == expected:
            return False
        for signed in self._intake.attribution.latest(key, LAG_MS):
            expected -= signed
            if told == expected:
                return True
        return False

    def held_at(self, key: SeriesKey, ts_ms: int) -> Range | None:
        """Return least and most coins that the account held around an instant, anybody's; None where not known."""
        attribution = self._intake.attribution
        edge_ms = round(EDGE_MS * self._speed)
        base, later = self.evidence.base(key, ts_ms - edge_ms), attribution.since(key, ts_ms, edge_ms)
        if base is None or later is None:
            return None
        now = base + attribution.totals.get(key, NOTHING)
        return now - later[1], now - later[0]

    def frozen(self) -> dict[SeriesKey, str]:
        """Say where nothing may be opened; a doubt on Injective is one on N, and so on every market of the coin."""
        why = {key: doubt.text for key, doubt in self.evidence.doubts.items() if doubt.frozen}
        here = {key.symbol: reason for key, reason in why.items() if key.venue == INJECTIVE}
        wide = {key: here[key.symbol] for key in self._markets if key.symbol in here}
        return wide | why | self._intake.strangers.frozen(self._markets)
