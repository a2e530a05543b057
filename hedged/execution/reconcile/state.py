"""What a reconciliation found: the account as all venues together tell it, and what of it is not understood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.book import Position
from hedged.domain.funding import FundingPayment
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Fill, OrderState, Strategy


@dataclass(frozen=True, slots=True)
class Taken:
    """What an execution that is not the daemon's took of a hedge (liquidation, deleveraging, a trade by hand).

    `quantity`: signed change of the hedge, in coins.
    """

    execution: Execution
    quantity: Decimal
    owner: Strategy


@dataclass(frozen=True, slots=True)
class AccountState:
    """`own`: N by symbol; `attributed`: the daemon's signed coins by market, `owners`: for which strategy it holds
    them; `unknown`: venue → what went wrong; `positions`: as the venues tell them; `collateral_usd`, `free_usd`,
    `clock_offsets_ms`: by venue, where they are known; `restricted`: venues that fill no order now, and why.

    `frozen`: markets on which nothing may be opened because what venues tell does not agree, and why; `orders`: all
    that rest, of the venues that were asked for them now; `orphans`: those of ours that nobody owns; `alarm`: why
    everything must halt, empty where nothing must.

    `payments`, `fills` and `taken` are those that were new in this refresh.
    """

    own: Mapping[str, Decimal] = field(default_factory=dict)
    attributed: Mapping[SeriesKey, Decimal] = field(default_factory=dict)
    collateral_usd: Mapping[str, Decimal] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    payments: Sequence[FundingPayment] = ()
    fills: Sequence[Fill] = ()
    owners: Mapping[SeriesKey, Strategy] = field(default_factory=dict)
    free_usd: Mapping[str, Decimal] = field(default_factory=dict)
    positions: Mapping[SeriesKey, Position] = field(default_factory=dict)
    clock_offsets_ms: Mapping[str, int] = field(default_factory=dict)
    restricted: Mapping[str, str] = field(default_factory=dict)
    taken: Sequence[Taken] = ()
    frozen: Mapping[SeriesKey, str] = field(default_factory=dict)
    orders: Mapping[str, Sequence[OrderState]] = field(default_factory=dict)
    orphans: Sequence[OrderState] = ()
    alarm: str = ""

    @property
    def liquidation_prices(self) -> dict[SeriesKey, Decimal]:
        """Marks at which whole positions are liquidated, where venues tell them."""
        told = {key: p.liquidation_price for key, p in self.positions.items()}
        return {key: price for key, price in told.items() if price is not None}

    @property
    def reconciled(self) -> bool:
        """Whether every venue in use answered."""
        return not self.unknown
