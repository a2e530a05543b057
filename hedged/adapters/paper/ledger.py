"""The account at a paper venue: positions, cash, and the margin behind each position. No clock, no data, no I/O."""

from bisect import insort
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hedged.adapters.paper.holding import Holding
from hedged.adapters.paper.margin import NOTHING, Leg, Loss
from hedged.adapters.paper.record import AccountRecord, Forced, Why
from hedged.adapters.paper.terms import Backing, Terms
from hedged.domain.errors import Rejected
from hedged.domain.funding import FundingPayment
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Execution, Side


@dataclass(slots=True)
class Ledger:
    """`margins`: by symbol, what backs each position where each has its own; part of the cash."""

    venue: str
    cash_usd: Decimal
    terms: Terms
    holdings: dict[str, Holding] = field(default_factory=dict)
    margins: dict[str, Decimal] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    payments: list[FundingPayment] = field(default_factory=list)
    forced: list[Forced] = field(default_factory=list)
    begin_usd: Decimal = field(init=False)
    realised_usd: Decimal = NOTHING
    fees_usd: Decimal = NOTHING
    funding_usd: Decimal = NOTHING
    added_usd: Decimal = NOTHING
    _lowest: tuple[Decimal, int] | None = None

    def __post_init__(self) -> None:
        self.begin_usd = self.cash_usd

    @property
    def isolated(self) -> bool:
        """Whether each position has a margin of its own."""
        return self.terms.backing in (Backing.ISOLATED, Backing.TOPPED_UP)

    @property
    def held(self) -> dict[str, Holding]:
        """Open positions by symbol."""
        return {symbol: h for symbol, h in self.holdings.items() if h.now}

    @property
    def unassigned_usd(self) -> Decimal:
        """Cash that backs no position by itself."""
        return self.cash_usd - sum(self.margins.values(), NOTHING)

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed coins held."""
        holding = self.holdings.get(symbol)
        return holding.now if holding else NOTHING

    def back(self) -> None:
        """Spread the cash over the positions that have no margin yet, in proportion to their notional at entry."""
        if not self.isolated:
            return
        bare = {s: abs(h.now) * h.entry_price for s, h in self.held.items() if s not in self.margins}
        total, free = sum(bare.values(), NOTHING), max(NOTHING, self.unassigned_usd)
        self.margins |= {symbol: free * usd / total for symbol, usd in bare.items()}

    def legs(
        self, marks: Mapping[str, Decimal], markets: Mapping[str, Market], only: Collection[str] | None = None
    ) -> dict[str, Leg]:
        """Return the open positions, or some of them, as legs at these marks, where both are known."""
        looked = self.holdings if only is None else {symbol: self.holdings[symbol] for symbol in only}
        return {
            symbol: Leg(h.now, h.entry_price, marks[symbol], markets[symbol].maintenance_margin_ratio)
            for symbol, h in looked.items()
            if h.now and symbol in marks and symbol in markets
        }

    def total_usd(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return cash plus unrealised profit; without a mark a position counts at its entry."""
        profit = ((marks.get(s, h.entry_price) - h.entry_price) * h.now for s, h in self.held.items())
        return self.cash_usd + sum(profit, NOTHING)

    def free_usd(self, marks: Mapping[str, Decimal], markets: Mapping[str, Market]) -> Decimal:
        """Return what may back new positions: all beyond the initial margins, or what no position has; may be < 0."""
        if self.terms.backing is Backing.ISOLATED:
            return self.unassigned_usd
        margin = (
            abs(h.now) * marks.get(s, h.entry_price) * markets[s].initial_margin_ratio
            for s, h in self.held.items()
            if s in markets
        )
        return self.total_usd(marks) - sum(margin, NOTHING)

    def watch_free(self, free_usd: Decimal, now_ms: int) -> None:
        """Note how much was free at an instant."""
        if self._lowest is None or free_usd < self._lowest[0]:
            self._lowest = (free_usd, now_ms)

    def check_backed(
        self, symbol: str, by: Decimal, price: Decimal, market: Market, free_usd: Decimal
    ) -> None:
        """Raise Rejected where what a fill opens is not backed by the initial margin."""
        if self.terms.backing not in (Backing.CROSS, Backing.ISOLATED):
            return
        held = self.quantity(symbol)
        opens = abs(by) if held * by >= 0 else max(NOTHING, abs(by) - abs(held))
        need = opens * price * market.initial_margin_ratio
        if opens and need > free_usd:
            raise Rejected(
                f"{market.key}: insufficient margin, {need:,.2f} USD are needed, {free_usd:,.2f} free"
            )

    def fill(self, execution: Execution, market: Market) -> None:
        """Book an execution of the account's own order."""
        self._apply(execution, market.initial_margin_ratio)
        self.fees_usd += execution.fee_usd
        insort(self.executions, execution, key=lambda e: e.ts_ms)

    def restore(self, execution: Execution, at_ms: int) -> None:
        """Put back what an earlier life did: position and cash, as of `at_ms`; `back` comes after."""
        self._apply(replace(execution, ts_ms=at_ms), None)
        self.fees_usd += execution.fee_usd

    def restore_funding(self, payment_usd: Decimal) -> None:
        """Put back what an earlier life was paid."""
        self.cash_usd += payment_usd
        self.funding_usd += payment_usd

    def force(self, key: SeriesKey, ts_ms: int, price: Decimal, why: Why, loss: Loss) -> None:
        """Close a position whole, as the venue does by itself: no client id."""
        held = self.quantity(key.symbol)
        side = Side.SELL if held > 0 else Side.BUY
        ts_ms = max(ts_ms, self.holdings[key.symbol].at_ms[-1])
        name = f"{self.venue}-{key.symbol}-{ts_ms}-{why}"
        execution = Execution(ts_ms, key, name, None, side, abs(held), price, loss.fee_usd)
        self._apply(execution, NOTHING)
        self.forced.append(Forced(execution, why, loss.penalty_usd, loss.insured_usd))
        insort(self.executions, execution, key=lambda e: e.ts_ms)

    def pay(self, payment: FundingPayment) -> None:
        """Book funding: from and to the margin of the position where it has its own."""
        symbol = payment.settlement.key.symbol
        self.cash_usd += payment.payment_usd
        self.funding_usd += payment.payment_usd
        if symbol in self.margins and self.quantity(symbol):
            self.margins[symbol] += payment.payment_usd
        insort(self.payments, payment, key=lambda p: p.settlement.ts_ms)

    def top_up(self, symbol: str, usd: Decimal) -> None:
        """Meet a margin call: from cash that backs nothing, the rest from outside."""
        outside = max(NOTHING, usd - max(NOTHING, self.unassigned_usd))
        self.cash_usd += outside
        self.added_usd += outside
        self.margins[symbol] += usd

    def record(
        self, marks: Mapping[str, Decimal], markets: Mapping[str, Market], now_ms: int
    ) -> AccountRecord:
        """Return the account's money from its beginning until now."""
        self.watch_free(self.free_usd(marks, markets), now_ms)
        lowest_usd, lowest_ms = self._lowest or (NOTHING, now_ms)
        return AccountRecord(
            begin_usd=self.begin_usd, end_usd=self.cash_usd, realised_usd=self.realised_usd,
            fees_usd=self.fees_usd, funding_usd=self.funding_usd, added_usd=self.added_usd,
            unrealised_usd=self.total_usd(marks) - self.cash_usd,
            lowest_free_usd=lowest_usd, lowest_free_ms=lowest_ms, forced=tuple(self.forced),
        )  # fmt: skip

    def _apply(self, execution: Execution, initial: Decimal | None) -> None:
        symbol, by = execution.key.symbol, execution.signed_quantity
        holding = self.holdings.setdefault(symbol, Holding())
        held = holding.now
        realised = holding.change(execution.ts_ms, by, execution.price)
        self.realised_usd += realised
        self.cash_usd += realised - execution.fee_usd
        if self.isolated and initial is not None:
            self._margin(symbol, held, by, execution.price, initial)

    def _margin(self, symbol: str, held: Decimal, by: Decimal, price: Decimal, initial: Decimal) -> None:
        """Take from or give back to a position's margin in proportion to its size, within what is there."""
        after, margin = held + by, self.margins.pop(symbol, NOTHING)
        if not after:
            return
        if held * after <= 0:
            margin, held = NOTHING, NOTHING  # it is a new position
        if abs(after) <= abs(held):
            self.margins[symbol] = margin * after / held
            return
        least = (abs(after) - abs(held)) * price * initial
        alike = margin * (after - held) / held if held else least
        free = self.cash_usd - sum(self.margins.values(), margin)
        self.margins[symbol] = margin + max(least, min(alike, free))
