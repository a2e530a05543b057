"""Legs of divergence trades that stand alone though no pair is being worked: a flatten closed one side before it was
cleared, the operator paused a pair, a leg was liquidated or closed by hand.

They are known by what is held, whatever left them. The fast loop closes them at once; what cannot be closed within
`naked_s` halts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.collectors.believed import BelievedMarks
from hedged.domain.clock import SECOND_MS, elapsing_ms
from hedged.domain.market import SeriesKey, decimal_of
from hedged.execution.desk import Desk
from hedged.risk.kill import KillLevel

WHY = "one leg stands alone: it is closed"


@dataclass(slots=True)
class LoneLegs:
    """Asked by whoever holds the desk. `since_ms`: by coin, since when one stands alone, in `elapsing_ms`."""

    desk: Desk
    since_ms: dict[str, int] = field(default_factory=dict)

    def find(self, trades: Mapping[SeriesKey, Decimal], believed: BelievedMarks) -> dict[SeriesKey, Decimal]:
        """Return the legs that stand alone, signed coins, of what is held for divergence trades.

        None under pause, cancel and flatten, nor while what the other side holds is not known: an order of unknown
        outcome, executions that are not told, a pair that an earlier life left.
        """
        executor, accounts = self.desk.executor, self.desk.accounts
        lasting = self.desk.kill in (KillLevel.NONE, KillLevel.REDUCE_ONLY)
        if self.desk.config.strategies.divergence.single_leg or not lasting or executor.left:
            self.since_ms.clear()
            return {}
        unsure = {key.symbol for key in executor.unresolved_markets()}
        unsure |= {key.symbol for key in self.desk.markets if key.venue in accounts.awaiting}
        found: dict[SeriesKey, Decimal] = {}
        for symbol in {key.symbol for key in trades}:
            legs = {key: q for key, q in trades.items() if key.symbol == symbol}
            one_sided = len({q > 0 for q in legs.values()}) == 1
            if one_sided and any(not self._is_dust(key, q, believed) for key, q in legs.items()):
                if symbol not in unsure:
                    found |= legs
            else:
                self.since_ms.pop(symbol, None)
        for symbol in set(self.since_ms) - {key.symbol for key in trades}:
            del self.since_ms[symbol]
        return found

    async def watch(self, alone: Mapping[SeriesKey, Decimal]) -> None:
        """Halt where one has stood alone for too long, counted anew from when a latch is cleared."""
        if self.desk.kill is not KillLevel.NONE:
            self.since_ms.clear()
            return
        now_ms = elapsing_ms(self.desk.config.clock.speed)
        for key, quantity in sorted(alone.items()):
            since_ms = self.since_ms.setdefault(key.symbol, now_ms)
            if now_ms - since_ms >= self.desk.naked_s * SECOND_MS:
                coins = f"{abs(quantity).normalize():f} {key.symbol}"
                await self.desk.halt(
                    f"a leg of {coins} on {key.venue} stands alone, and was not closed within {self.desk.naked_s:g} s"
                )

    def _is_dust(self, key: SeriesKey, quantity: Decimal, believed: BelievedMarks) -> bool:
        """Tell whether a leg is less than any order; a market that tells no price is judged by the coin's elsewhere."""
        market = self.desk.markets.get(key)
        elsewhere = [mark for other, mark in believed.marks.items() if other.symbol == key.symbol]
        mark = believed.marks.get(key) or max(elsewhere, default=0.0)
        if market is None or not mark:
            return False
        whole = market.quantise_quantity(abs(quantity))
        return whole * decimal_of(mark) < market.min_notional_usd or not whole
