"""What the strategies beside the funding hedge remember from one cycle to the next, and across restarts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from hedged.domain.funding import FundingPayment
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Fill, Strategy
from hedged.strategy.divergence_episode import DivergenceEpisode

STATE = "strategies"
"""Name of the state in the journal."""


@dataclass(frozen=True, slots=True)
class StrategyMemory:
    """`divergence`: trades by symbol; `cascade_since_ms`: when a symbol's cascade hedge was last wanted."""

    divergence: Mapping[str, DivergenceEpisode] = field(default_factory=dict)
    cascade_since_ms: Mapping[str, int] = field(default_factory=dict)

    def advance(self, held: Mapping[SeriesKey, Decimal], marks: Mapping[SeriesKey, Decimal]) -> Self:
        """Value the divergence trades; `held`: what that strategy holds. Once a cycle, before anything is decided."""
        symbols = {*self.divergence, *(key.symbol for key in held)}
        trades = {s: self.divergence.get(s, DivergenceEpisode()).advance(s, held, marks) for s in symbols}
        return type(self)(trades, self.cascade_since_ms)

    def book(self, fills: Iterable[Fill], payments: Iterable[FundingPayment]) -> Self:
        """Book what the divergence trades cost and were paid; every fill and payment once."""
        mine = [fill for fill in fills if fill.purpose.strategy is Strategy.DIVERGENCE]
        paid = list(payments)
        trades = dict(self.divergence)
        for symbol in {*trades, *(fill.key.symbol for fill in mine)}:
            trades[symbol] = trades.get(symbol, DivergenceEpisode()).book(
                [fill for fill in mine if fill.key.symbol == symbol],
                [payment for payment in paid if payment.settlement.key.symbol == symbol],
            )
        return type(self)(trades, self.cascade_since_ms)

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return {
            "divergence": {symbol: trade.to_json() for symbol, trade in self.divergence.items()},
            "cascade_since_ms": dict(self.cascade_since_ms),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; empty for an empty tree."""
        trades = {symbol: DivergenceEpisode(**trade) for symbol, trade in body.get("divergence", {}).items()}
        return cls(trades, dict(body.get("cascade_since_ms", {})))
