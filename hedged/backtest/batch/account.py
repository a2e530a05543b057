"""The account on all paper venues: positions, cash and funding, told at once instead of asked for."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from hedged.adapters.paper_fills import Holding, check_reduces, fill_price
from hedged.adapters.replay.prices import prices_at
from hedged.backtest.world import World
from hedged.domain.approved import ApprovedIntent
from hedged.domain.errors import Rejected
from hedged.domain.funding import FundingPayment, FundingRate, Settlement, funding_payment
from hedged.domain.market import INJECTIVE, Market, SeriesKey, decimal_of
from hedged.domain.orders import Execution, Fill, Strategy
from hedged.domain.quarantine import Doubted
from hedged.execution.reconcile.state import AccountState


class Prints(NamedTuple):
    """Settlements of one market that can be priced, oldest first."""

    ts_ms: list[int]
    rate: list[float]
    hours: list[float]
    price: list[float]


def prints_of(world: World, key: SeriesKey, since_ms: int, until_ms: int) -> Prints:
    """Return a market's prints with since < ts ≤ until; one that cannot be priced is left out."""
    data = world.series[key]
    low, high = np.searchsorted(data.funding_ts, (since_ms, until_ms), side="right").tolist()
    price = prices_at(world.series, key, data.funding_ts[low:high], settling=True).price
    known = np.flatnonzero((price > 0) & ~np.isnan(data.funding_rate[low:high]))
    parts = (data.funding_ts, data.funding_rate, data.funding_hours)
    ts_ms, rate, hours = (part[low:high][known].tolist() for part in parts)
    return Prints(ts_ms, rate, hours, price[known].tolist())


@dataclass(slots=True)
class Account:
    """`own`: N by symbol, `cash_usd` by hedge venue; `mine`: the daemon's part by market; `doubted`: prices that are
    not gone by now, `doubtful`: the same of settlements, by instant; `prints`: see `look_ahead`.
    """

    world: World
    own: Mapping[str, Decimal]
    cash_usd: dict[str, Decimal]
    from_ms: int
    mine: dict[SeriesKey, Holding] = field(default_factory=dict)
    doubted: Doubted = field(default_factory=dict)
    doubtful: dict[tuple[SeriesKey, int], Decimal] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    prints: dict[SeriesKey, Prints] = field(default_factory=dict)
    _paid_to_ms: int = 0
    _executions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._paid_to_ms = self.from_ms

    @property
    def attributed(self) -> dict[SeriesKey, Decimal]:
        """Signed coins of the daemon's by market, of every market in which it ever traded."""
        return {key: holding.now for key, holding in self.mine.items()}

    @property
    def followed(self) -> list[SeriesKey]:
        """Every market on which anything was held."""
        return sorted({*self.mine, *(SeriesKey(INJECTIVE, symbol) for symbol in self.own)})

    def settle(self, now_ms: int) -> list[FundingPayment]:
        """Pay what has become due since the last call on markets in which the daemon has, or had, a part."""
        since_ms, self._paid_to_ms = self._paid_to_ms, now_ms
        paid = []
        for key, holding in self.mine.items():
            if holding.now or holding.at_ms[-1] > since_ms:
                paid += self.paid(key, since_ms, now_ms)
        for payment in paid:
            if (venue := payment.settlement.key.venue) != INJECTIVE:
                self.cash_usd[venue] += payment.payment_usd
        return paid

    def paid(self, key: SeriesKey, since_ms: int, until_ms: int) -> list[FundingPayment]:
        """Return what a market paid with since < ts ≤ until, on all that was held there strictly before."""
        own = self.own.get(key.symbol, Decimal(0)) if key.venue == INJECTIVE else Decimal(0)
        holding, found = self.mine.get(key), []
        prints = self.prints.get(key) or prints_of(self.world, key, since_ms, until_ms)
        for i in range(bisect_right(prints.ts_ms, since_ms), bisect_right(prints.ts_ms, until_ms)):
            ts_ms = prints.ts_ms[i]
            quantity = own + (holding.strictly_before(ts_ms) if holding else 0)
            if quantity:
                price = self.doubtful.get((key, ts_ms)) or decimal_of(prints.price[i])
                rate = FundingRate(key.venue, decimal_of(prints.rate[i]), decimal_of(prints.hours[i]))
                found.append(funding_payment(quantity, Settlement(key, ts_ms, rate, price)))
        return found

    def doubt(self, doubted: Doubted, now_ms: int) -> None:
        """Go by other prices from now on; settlements that became due since the last call are paid by them too."""
        self.doubted = doubted
        for key, price in doubted.items():
            if price is not None:
                for ts_ms in prints_of(self.world, key, self._paid_to_ms, now_ms).ts_ms:
                    self.doubtful[key, ts_ms] = price

    def look_ahead(self, since_ms: int, until_ms: int) -> None:
        """Keep the prints of a span at hand."""
        self.prints = {
            key: prints_of(self.world, key, since_ms, until_ms)
            for key in self.world.markets
            if key in self.world.series
        }

    def state(
        self,
        marks: Mapping[SeriesKey, Decimal],
        payments: Iterable[FundingPayment],
        fills: Iterable[Fill] = (),
    ) -> AccountState:
        """Say what all venues would say together. `marks`: as they tell them, whatever their age."""
        total, free = dict(self.cash_usd), dict(self.cash_usd)
        margin = dict.fromkeys(self.cash_usd, Decimal(0))
        for key, holding in self.mine.items():
            if key.venue != INJECTIVE and holding.now:
                mark = marks.get(key, holding.entry_price)
                total[key.venue] += (mark - holding.entry_price) * holding.now
                margin[key.venue] += abs(holding.now) * mark * self.world.markets[key].initial_margin_ratio
        free = {venue: max(Decimal(0), usd - margin[venue]) for venue, usd in total.items()}
        attributed = self.attributed
        return AccountState(
            own=self.own, attributed=attributed, collateral_usd=total, free_usd=free, payments=tuple(payments),
            fills=tuple(fills), owners={key: Strategy.FUNDING_HEDGE for key, q in attributed.items() if q},
        )  # fmt: skip

    def place(self, order: ApprovedIntent, now_ms: int) -> Fill:
        """Fill an order at the price of now. Raises Rejected as the paper venue does."""
        intent, key = order.intent, order.intent.key
        market, mark = self._market(key), self._mark(key, now_ms)
        price = fill_price(intent, market, mark)
        holding = self.mine.get(key) or Holding()
        held = holding.now + (self.own[key.symbol] if key.venue == INJECTIVE else 0)
        check_reduces(intent, held)
        self.mine[key] = holding
        fee = intent.quantity * price * market.costs.taker_fee
        realised = holding.change(now_ms, intent.signed_quantity, price)
        if key.venue != INJECTIVE:
            self.cash_usd[key.venue] += realised - fee
        count = self._executions.get(key.venue, 0)
        self._executions[key.venue] = count + 1
        execution = Execution(
            now_ms, key, f"{key.venue}-{count}-{order.client_id[:8]}", order.client_id, intent.side, intent.quantity,
            price, fee,
        )  # fmt: skip
        fill = Fill(execution, intent.purpose, intent.reference_price)
        self.fills.append(fill)
        return fill

    def _market(self, key: SeriesKey) -> Market:
        market = self.world.markets.get(key)
        if market is None:
            raise Rejected(f"{key}: no market or no price")
        return market

    def _mark(self, key: SeriesKey, now_ms: int) -> Decimal:
        found = float(prices_at(self.world.series, key, np.array([now_ms], dtype=np.int64)).price[0])
        mark = self.doubted.get(key, decimal_of(found) if found > 0 else None)
        if not found > 0 or mark is None:
            raise Rejected(f"{key}: no market or no price")
        return mark
