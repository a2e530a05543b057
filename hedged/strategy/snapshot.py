"""The snapshot: everything a cycle decides on, frozen at one instant. Nothing in it was unknown at `now_ms`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.forecast import ForecastSet
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes, Purpose, Strategy
from hedged.domain.signals import SignalEffect
from hedged.features.market_now import MarketsNow
from hedged.features.moments import Moments


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`own`: N by symbol, signed coins; `attributed`: the daemon's own signed coins by market, `owners`: for which
    strategy they are held; `marks`: fresh marks only, so a market that is missing is stale or unknown;
    `collateral_usd`: by hedge venue, unknown ones missing; `closed`: markets on which nothing may be opened, and why;
    `signals`: what signals mean, by symbol; `quarantined`: series whose data are not believed; `now`: running rates and
    the like, of markets that a strategy asks for; `reserved_usd`: by symbol what the cascade hedge asks of the cap and
    nobody gives yet.
    """

    now_ms: int
    hashes: Hashes
    forecasts: ForecastSet
    moments: Moments
    own: Mapping[str, Decimal]
    attributed: Mapping[SeriesKey, Decimal]
    marks: Mapping[SeriesKey, Decimal]
    markets: Mapping[SeriesKey, Market]
    collateral_usd: Mapping[str, Decimal]
    equity_usd: Decimal
    closed: Mapping[SeriesKey, str] = field(default_factory=dict)
    signals: Mapping[str, SignalEffect] = field(default_factory=dict)
    owners: Mapping[SeriesKey, Strategy] = field(default_factory=dict)
    quarantined: frozenset[SeriesKey] = frozenset()
    now: MarketsNow = field(default_factory=MarketsNow)
    reserved_usd: Mapping[str, float] = field(default_factory=dict)

    def part_of(self, strategy: Strategy) -> dict[SeriesKey, Decimal]:
        """Return the signed coins that are held for one strategy, by market, without zeros."""
        return {
            key: quantity
            for key, quantity in self.attributed.items()
            if quantity != 0 and self.owners.get(key, Strategy.FUNDING_HEDGE) is strategy
        }


@dataclass(frozen=True, slots=True)
class DesiredPosition:
    """Where the daemon's own part of a market should be: signed coins, and what a trade towards it is for."""

    key: SeriesKey
    quantity: Decimal
    purpose: Purpose
    reason: str
