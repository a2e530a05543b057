"""What the gate judges by, as known now; and how it changes with every order that is approved."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hedged.domain.book import Position
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Hashes, Intent, Strategy
from hedged.risk.exposure import reducing_part
from hedged.risk.forecast_record import Misses
from hedged.risk.kill import KillLevel
from hedged.risk.limits import Limits

NOTHING = Decimal(0)
UNBOUNDED = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Losses:
    """What the hedges have lost, USD ≥ 0: since 00:00 UTC, and since their best moment (`hedged.risk.pnl`)."""

    day_usd: float = 0.0
    drawdown_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that may still fill: one of unknown outcome, or one that rests. `signed`: coins at most."""

    key: SeriesKey
    signed: Decimal


@dataclass(frozen=True, slots=True)
class GateFacts:
    """`attributed`: the daemon's signed coins by market, `owners`: for whom they are held; `own`: N by symbol;
    `unknown`: venues that do not say what is held; `alone`: markets of a pair that is half-done, all outcomes known.

    `collateral_usd`, `free_usd`: by venue, unknown ones missing; `positions`: as the venues tell them, the trader's own
    part included; `sigma`: standard deviation of a symbol's log price over the horizon, `basis_sigma`: of a market's
    against Injective's; `forecast_by`: who forecast a market, missing: nobody; `closed`: markets on which nothing may
    be opened, and why; `failures`: of a venue within the last hour; `clock_offsets_ms`: this machine's clock − the
    venue's, where it is measured; `settles_ms`: next settlement of a market; `book_usd`: the own book, gross, and what
    may stand beside it; `misses`: how a market's forecasts have lately done, where anything is known of that.

    The last three are kept by `review`: `taken_usd` of a book's depth and `committed_usd` of a venue's free collateral
    by the orders approved so far; `pending`: the legs of pairs that are still to be judged.
    """

    now_ms: int
    loaded: Hashes
    kill: KillLevel
    reconciled: bool
    own: Mapping[str, Decimal]
    attributed: Mapping[SeriesKey, Decimal]
    marks: Mapping[SeriesKey, Decimal]
    markets: Mapping[SeriesKey, Market]
    equity_usd: Decimal
    collateral_usd: Mapping[str, Decimal]
    free_usd: Mapping[str, Decimal]
    sigma: Mapping[str, float]
    basis_sigma: Mapping[SeriesKey, float]
    forecast_by: Mapping[SeriesKey, str]
    forecast_made_ms: int
    book_usd: Decimal
    orders_last_hour: int = 0
    notional_last_hour_usd: Decimal = NOTHING
    owners: Mapping[SeriesKey, Strategy] = field(default_factory=dict)
    positions: Mapping[SeriesKey, Position] = field(default_factory=dict)
    open_orders: tuple[OpenOrder, ...] = ()
    closed: Mapping[SeriesKey, str] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    clock_offsets_ms: Mapping[str, int] = field(default_factory=dict)
    settles_ms: Mapping[SeriesKey, int] = field(default_factory=dict)
    losses: Losses = Losses()
    misses: Mapping[SeriesKey, Misses] = field(default_factory=dict)
    taken_usd: Mapping[SeriesKey, Decimal] = field(default_factory=dict)
    committed_usd: Mapping[str, Decimal] = field(default_factory=dict)
    pending: tuple[Intent, ...] = ()
    unknown: frozenset[str] = frozenset()
    alone: frozenset[SeriesKey] = frozenset()

    def held(self, key: SeriesKey) -> Decimal:
        """Return the daemon's own part of a market, signed coins."""
        return self.attributed.get(key, NOTHING)

    def owner(self, key: SeriesKey) -> Strategy:
        """Return for which strategy a market is held; what is not said is held for the funding hedge."""
        return self.owners.get(key, Strategy.FUNDING_HEDGE)

    def usd(self, key: SeriesKey, coins: Decimal) -> Decimal:
        """Return the size of some coins at the market's mark, USD ≥ 0; infinite where that cannot be told."""
        if coins == 0:
            return NOTHING
        mark = self.marks.get(key, UNBOUNDED)
        return abs(coins) * mark if coins.is_finite() and mark.is_finite() and mark > 0 else UNBOUNDED

    def worst(self, key: SeriesKey, change: Decimal = NOTHING) -> Decimal:
        """Return the largest |own part| of a market after a change, whichever of its open orders fill, coins."""
        held = self.held(key) + change
        up = sum((o.signed for o in self.open_orders if o.key == key and o.signed > 0), NOTHING)
        down = sum((o.signed for o in self.open_orders if o.key == key and o.signed < 0), NOTHING)
        return max(abs(held + up), abs(held + down))

    def exposed(self) -> set[SeriesKey]:
        """Return every market in which the daemon holds something or may come to."""
        return {*self.attributed, *(o.key for o in self.open_orders)}

    def after(self, order: Intent, limits: Limits) -> "GateFacts":
        """Return the facts as if an approved order had been filled."""
        key, usd = order.key, self.usd(order.key, order.quantity)
        held, strategy = self.held(key), order.purpose.strategy
        opened = order.quantity - reducing_part(held, order.signed_quantity)
        frees = (
            key.venue == INJECTIVE and strategy is not Strategy.DIVERGENCE
        )  # a cut of the trader's own position
        margin = NOTHING if frees else self.usd(key, opened) / limits.of(strategy).max_leverage
        owners = self.owners
        if held * (held + order.signed_quantity) <= 0:  # opened, or turned over
            owners = {**owners, key: strategy}
        return replace(
            self,
            attributed={**self.attributed, key: held + order.signed_quantity},
            owners=owners,
            orders_last_hour=self.orders_last_hour + 1,
            notional_last_hour_usd=self.notional_last_hour_usd + usd,
            taken_usd={**self.taken_usd, key: self.taken_usd.get(key, NOTHING) + usd},
            committed_usd={
                **self.committed_usd, key.venue: self.committed_usd.get(key.venue, NOTHING) + margin
            },
        )  # fmt: skip
