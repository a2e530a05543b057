"""One divergence trade from flat to flat: what it was opened for, what it has earned and cost, when it is stopped.

Kept in the journal, so that a restart goes on where it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any, Self

from hedged.domain.funding import FundingPayment
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Fill


@dataclass(frozen=True, slots=True)
class DivergenceEpisode:
    """USD; > 0 is a gain, costs > 0. `expected_usd`: funding expected at the opening; `all_costs_usd`: of the whole
    trade as expected then; `floor_usd`: the least distance of the stop; `marks`: price by venue at its last valuation.
    Not open while `opened_ms` is 0; nothing is opened before `waits_until_ms`.
    """

    opened_ms: int = 0
    expected_usd: float = 0.0
    all_costs_usd: float = 0.0
    floor_usd: float = 0.0
    received_usd: float = 0.0
    costs_usd: float = 0.0
    price_pnl_usd: float = 0.0
    marks: Mapping[str, float] = field(default_factory=dict)
    waits_until_ms: int = 0

    @property
    def net_usd(self) -> float:
        """What it has made so far, before the costs of closing."""
        return self.price_pnl_usd + self.received_usd - self.costs_usd

    def stop_usd(self, cushion: float) -> float:
        """Return the price loss at which it is closed: where funding no longer makes up for it, plus a cushion (E7)."""
        funding = max(self.expected_usd, self.received_usd)
        break_even = max(0.0, funding - max(self.all_costs_usd, self.costs_usd))
        return max((1.0 + cushion) * break_even, self.floor_usd)

    def stopped(self, cushion: float) -> str:
        """Say why it must be closed at its stop; empty where it need not be. The cycle and the fast loop both ask."""
        stop_usd = self.stop_usd(cushion)
        if -self.price_pnl_usd <= stop_usd:
            return ""
        lost = f"{-self.price_pnl_usd:,.2f} USD, more than the {stop_usd:,.2f}"
        return f"stop: price took {lost} that were allowed for"

    def advance(
        self, symbol: str, held: Mapping[SeriesKey, Decimal], marks: Mapping[SeriesKey, Decimal]
    ) -> Self:
        """Value what was held since the last call at today's marks.

        `held`: the strategy's own part by market. Without any the episode is over.
        """
        mine = {key: q for key, q in held.items() if key.symbol == symbol and q != 0}
        if not mine:
            return type(self)(waits_until_ms=self.waits_until_ms)
        now = {key.venue: float(marks[key]) for key in mine if key in marks}
        pnl = sum(
            float(q) * (now[key.venue] - self.marks.get(key.venue, now[key.venue]))
            for key, q in mine.items()
            if key.venue in now
        )
        return replace(self, price_pnl_usd=self.price_pnl_usd + pnl, marks=dict(self.marks) | now)

    def book(self, fills: Iterable[Fill], payments: Iterable[FundingPayment]) -> Self:
        """Add the cost of fills, which are valued from their reference price on, and the funding of its venues."""
        cost, marks = 0.0, dict(self.marks)
        for fill in fills:
            cost += float(fill.execution.fee_usd + fill.spread_usd)
            marks.setdefault(fill.key.venue, float(fill.reference_price))
        received = sum(float(p.payment_usd) for p in payments if p.settlement.key.venue in marks)
        return replace(
            self,
            costs_usd=self.costs_usd + cost,
            received_usd=self.received_usd + received,
            marks=marks,
        )

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return asdict(self)
