"""What the hedges have earned or lost, all told: what the limits on daily loss and drawdown are measured by.

```
PnL of hedges of N  = Σ leg · Δ(price there − price on Injective) + funding received by the legs + funding spared by
                      cuts − fees − spread
PnL of divergence   = Σ leg · Δprice + funding − fees − spread
```
A price move cancels between a hedge and what it offsets (only the basis remains), as for the stops, so a rally does not
count as a loss of the short legs. The loss of a day is the last value known before 00:00 UTC less the present one; the
drawdown is the highest value of the last 30 days less the present one. Both are USD ≥ 0.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from hedged.domain.clock import DAY_MS
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, Strategy
from hedged.risk.facts import Losses

REMEMBERED_DAYS = 30

BookRow = tuple[int, str, str, Decimal]
"""A change of the own position as the journal keeps it: ms, venue, symbol, quantity after it."""


@dataclass(frozen=True, slots=True)
class HedgePnl:
    """USD, cumulative. `prices`: by market, the price or the distance from Injective's at which it was last valued.

    `highs`: by UTC day (as text), the highest value of that day; `before_usd`: the last value before today.
    """

    price_usd: float = 0.0
    funding_usd: float = 0.0
    costs_usd: float = 0.0
    prices: Mapping[str, float] = field(default_factory=dict)
    highs: Mapping[str, float] = field(default_factory=dict)
    before_usd: float = 0.0

    @property
    def total_usd(self) -> float:
        """Everything together, > 0 earned."""
        return self.price_usd + self.funding_usd - self.costs_usd

    @property
    def losses(self) -> Losses:
        """What was lost today, and since the best moment."""
        high = max(self.highs.values(), default=self.total_usd)
        return Losses(max(0.0, self.before_usd - self.total_usd), max(0.0, high - self.total_usd))

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return asdict(self)


def value(
    pnl: HedgePnl,
    now_ms: int,
    attributed: Mapping[SeriesKey, Decimal],
    owners: Mapping[SeriesKey, Strategy],
    marks: Mapping[SeriesKey, Decimal],
) -> HedgePnl:
    """Value what was held since the last call (call before trading). A market without a fresh mark keeps its value."""
    prices, gained = dict(pnl.prices), 0.0
    for key, mark in marks.items():
        name, price = str(key), float(mark)
        quantity = float(attributed.get(key, Decimal(0)))
        if owners.get(key) is not Strategy.DIVERGENCE:
            here = marks.get(SeriesKey(INJECTIVE, key.symbol))
            if here is None:
                continue  # half of a difference is none
            name, price = f"{name} − {INJECTIVE}", price - float(here)
        gained += quantity * (price - prices.get(name, price))
        prices[name] = price
    today = str(now_ms // DAY_MS)
    before = pnl.total_usd if today not in pnl.highs else pnl.before_usd
    valued = replace(pnl, price_usd=pnl.price_usd + gained, prices=prices, before_usd=before)
    return _marked(valued, today)


def pay(pnl: HedgePnl, payments: Iterable[FundingPayment], own: Mapping[str, Decimal]) -> HedgePnl:
    """Add funding: of what the daemon holds, also where that spares the trader's own position a payment."""
    paid = sum(_of_hedge(p, own.get(p.settlement.key.symbol, Decimal(0))) for p in payments)
    return replace(pnl, funding_usd=pnl.funding_usd + paid)


def charge(pnl: HedgePnl, fills: Iterable[Fill]) -> HedgePnl:
    """Take off the costs of fills."""
    return replace(pnl, costs_usd=pnl.costs_usd + _costs(fills))


def resumed(
    pnl: HedgePnl, fills: Iterable[Fill], payments: Iterable[FundingPayment], book: Sequence[BookRow]
) -> HedgePnl:
    """Take costs and funding from the journal, whatever the kept state had counted when the process ended.

    Without a kept state it all happened before, so that an upgrade starts with no loss.
    """
    own: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    for ts_ms, venue, symbol, quantity in book:
        if venue == INJECTIVE:
            own[symbol].append((ts_ms, quantity))
    paid = sum(_of_hedge(p, _own_at(own[p.settlement.key.symbol], p.settlement.ts_ms)) for p in payments)
    return replace(pnl, costs_usd=_costs(fills), funding_usd=paid)


def _marked(pnl: HedgePnl, today: str) -> HedgePnl:
    """Remember the highest value of each of the last days."""
    highs = {day: high for day, high in pnl.highs.items() if int(today) - int(day) < REMEMBERED_DAYS}
    # a day begins with what the last one left, so that a loss over midnight is not forgotten
    highs[today] = max(highs.get(today, pnl.before_usd), pnl.total_usd)
    return replace(pnl, highs=highs)


def _costs(fills: Iterable[Fill]) -> float:
    return sum(float(fill.execution.fee_usd + fill.spread_usd) for fill in fills)


def _of_hedge(payment: FundingPayment, own: Decimal) -> float:
    settled = payment.settlement
    if settled.key.venue != INJECTIVE:
        return float(payment.payment_usd)
    return -float((payment.quantity - own) * settled.rate.rate * settled.price)


def _own_at(changes: list[tuple[int, Decimal]], ts_ms: int) -> Decimal:
    """Return the own position that was known before an instant; the first one for what came before it."""
    if not changes:
        return Decimal(0)
    return changes[max(0, bisect_right(changes, ts_ms, key=lambda change: change[0]) - 1)][1]
