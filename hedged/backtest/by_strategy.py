"""What each strategy made in a run: its own fills, and the funding of what was held for it."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hedged.domain.funding import FundingPayment, Settlement, funding_payment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, Strategy


class Owners:
    """Whose market it was, at any time of a run: the strategy whose fill opened it."""

    def __init__(self, fills: Sequence[Fill]) -> None:
        self._times: dict[SeriesKey, list[int]] = defaultdict(list)
        self._owners: dict[SeriesKey, list[Strategy]] = defaultdict(list)
        held: dict[SeriesKey, Decimal] = defaultdict(Decimal)
        for fill in sorted(fills, key=lambda f: f.execution.ts_ms):
            before = held[fill.key]
            held[fill.key] = before + fill.signed_quantity
            if before * held[fill.key] <= 0:
                self._times[fill.key].append(fill.execution.ts_ms)
                self._owners[fill.key].append(fill.purpose.strategy)

    def before(self, key: SeriesKey, ts_ms: int) -> Strategy:
        """Return the owner strictly before an instant; the funding hedge where nobody has traded yet."""
        at = bisect_left(self._times[key], ts_ms) - 1
        return self._owners[key][at] if at >= 0 else Strategy.FUNDING_HEDGE


def by_strategy(
    fills: Sequence[Fill],
    payments: Sequence[FundingPayment],
    own: Mapping[str, Decimal],
    settlements: Sequence[Settlement],
    finals: Mapping[SeriesKey, Decimal | None],
) -> dict[str, dict[str, Any]]:
    """Return money by strategy, USD; summed up it is the run's net PnL against the unhedged book.

    `settlements`: Injective's prints within the run; `finals`: the last prices. `funding_usd`: of the legs, and what
    cuts spared; > 0 received.
    """
    owners = Owners(fills)
    funding: dict[Strategy, Decimal] = defaultdict(Decimal)
    for payment in payments:
        key = payment.settlement.key
        # on Injective the funding hedge alone trades
        owner = (
            Strategy.FUNDING_HEDGE if key.venue == INJECTIVE else owners.before(key, payment.settlement.ts_ms)
        )
        funding[owner] += payment.payment_usd
    for settlement in settlements:
        unhedged = funding_payment(own.get(settlement.key.symbol, Decimal(0)), settlement)
        funding[Strategy.FUNDING_HEDGE] -= unhedged.payment_usd
    return {str(strategy): _money(fills, strategy, funding[strategy], finals) for strategy in Strategy}


def _money(
    fills: Sequence[Fill],
    strategy: Strategy,
    funding: Decimal,
    finals: Mapping[SeriesKey, Decimal | None],
) -> dict[str, Any]:
    mine = [fill for fill in fills if fill.purpose.strategy is strategy]
    fees = sum((f.execution.fee_usd for f in mine), Decimal(0))
    spread = sum((f.spread_usd for f in mine), Decimal(0))
    price = sum((price_pnl(f, finals) for f in mine), Decimal(0))
    return {
        "fills": len(mine),
        "turnover_usd": float(sum((f.execution.quantity * f.execution.price for f in mine), Decimal(0))),
        "funding_usd": float(funding),
        "fees_usd": float(fees),
        "spread_usd": float(spread),
        "price_pnl_usd": float(price),
        "net_pnl_usd": float(funding + price - fees - spread),
    }


def price_pnl(fill: Fill, finals: Mapping[SeriesKey, Decimal | None]) -> Decimal:
    """Return what the price made of a fill from the mark at its decision to the end; 0 without a last price."""
    final = finals.get(fill.key)
    return Decimal(0) if final is None else fill.signed_quantity * (final - fill.reference_price)
