"""The account on the paper venues themselves, asked without waiting: what each answers is there at once."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from hedged.adapters.paper import PaperVenue
from hedged.adapters.paper.ledger import Ledger
from hedged.adapters.paper.record import AccountRecord
from hedged.adapters.paper.terms import Terms, terms_of
from hedged.backtest.batch.course import BatchCourse
from hedged.backtest.batch.source import Source
from hedged.backtest.paid import Paid
from hedged.backtest.world import World
from hedged.config import Config
from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Position, own_quantity
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import Fatal
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, OrderState
from hedged.domain.quarantine import Doubted
from hedged.execution.reconcile.attribution import Attribution
from hedged.execution.reconcile.state import AccountState, Taken

T = TypeVar("T")
REMEMBERED_MS = 3 * HOUR_MS


@dataclass(slots=True)
class Time:
    """A clock that is set."""

    ms: int = 0
    slice_s: float = float("inf")

    def now_ms(self) -> int:
        """Return the instant it was set to."""
        return self.ms


class BatchVenue(PaperVenue):
    """A paper venue whose orders arrive at once: its clock is moved on by the time that they take."""

    def __init__(
        self, source: Source, clock: Time, collateral_usd: Decimal, terms: Terms, doubted: Doubted
    ) -> None:
        super().__init__(source, clock, collateral_usd, terms, doubted)
        self.clock = clock
        self._course: BatchCourse = BatchCourse(source, self._ledger, doubted)

    @property
    def paid(self) -> Paid:
        """All funding that was paid here."""
        return self._course.paid

    async def _travel(self, latency_ms: int) -> None:
        self.clock.ms += latency_ms

    async def look(self, now_ms: int) -> None:
        """Bring the account up to an instant; one that is past changes nothing."""
        await self._course.look(now_ms)

    @property
    def ledger(self) -> Ledger:
        """The account here."""
        return self._ledger


def at_once(asked: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that has nothing to wait for."""
    try:
        asked.send(None)
    except StopIteration as answer:
        found: T = answer.value
        return found
    raise Fatal("the batch engine cannot wait for a venue")


@dataclass(slots=True)
class Account:
    """`venues` and their `sources` by name; `attribution`: the daemon's part; `fills`: all that were told."""

    world: World
    venues: dict[str, BatchVenue]
    sources: dict[str, Source]
    clock: Time
    doubted: Doubted
    attribution: Attribution = field(default_factory=Attribution)
    fills: list[Fill] = field(default_factory=list)
    _executed: dict[str, int] = field(default_factory=dict)
    _paid: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        config: Config,
        world: World,
        book: Mapping[str, tuple[Decimal, Decimal]],
        equity: Decimal,
        at_ms: int,
        keys: Sequence[SeriesKey],
    ) -> "Account":
        """Put the book on Injective and idle margin at each hedge venue, as `runner.paper_venues` does."""
        clock, doubted, venues = Time(at_ms), Doubted(), {}
        sources = {name: Source(name, world, keys) for name in (INJECTIVE, *config.hedge.venues)}
        sources[INJECTIVE].wanted = set(book)
        for name, source in sources.items():
            share = Decimal(1) if name == INJECTIVE else config.hedge.collateral_share
            venues[name] = BatchVenue(source, clock, equity * share, terms_of(config.paper, name), doubted)
        for symbol, (quantity, price) in book.items():
            venues[INJECTIVE].seed(symbol, quantity, price, at_ms)
        return cls(world, venues, sources, clock, doubted)

    @property
    def attributed(self) -> dict[SeriesKey, Decimal]:
        """Signed coins of the daemon's by market, of every market in which it ever traded."""
        return self.attribution.held

    @property
    def own(self) -> dict[str, Decimal]:
        """N by symbol: what lies on Injective without the daemon's part."""
        here, mine = self.venues[INJECTIVE].ledger, self.attribution.held
        symbols = {*here.held, *(key.symbol for key in mine)}
        return {
            s: own_quantity(here.quantity(s), mine.get(SeriesKey(INJECTIVE, s), Decimal(0)))
            for s in sorted(symbols)
        }

    def place(self, order: ApprovedIntent) -> OrderState:
        """Send an order; the clock then stands at its arrival. Raises Rejected as the paper venue does."""
        self.sources[order.intent.key.venue].wanted.add(order.intent.key.symbol)
        self.attribution.claims[order.client_id] = (order.intent.purpose, order.intent.reference_price)
        return at_once(self.venues[order.intent.key.venue].place(order))

    def refresh(self) -> AccountState:
        """Ask every venue at the clock's present; what is new is told once. Payments: those that hedges have a part in,
        which are all that stops and PnL count.
        """
        positions: dict[SeriesKey, Position] = {}
        total, free = {}, {}
        fills: list[Fill] = []
        taken: list[Taken] = []
        payments: list[FundingPayment] = []
        for name, venue in self.venues.items():
            held, balance = at_once(venue.positions()), at_once(venue.balance())
            positions |= {one.key: one for one in held.values()}
            total[name], free[name] = balance.total_usd, balance.free_usd
            executions = venue.ledger.executions
            for execution in executions[self._executed.get(name, 0) :]:
                fill, lost = self.attribution.add(execution)
                fills += (
                    []
                    if fill is None
                    else [Fill(fill.execution, fill.purpose, fill.reference_price, made=False)]
                )
                taken += lost
            self._executed[name] = len(executions)
            self.attribution.forget(name, self.clock.ms - REMEMBERED_MS)
        self.attribution.claims.clear()  # whatever was sent has been filled or refused at once
        self.attribution.executed.clear()
        self.fills += sorted(fills, key=lambda f: f.execution.ts_ms)
        attributed, owners, own = self.attribution.held, self.attribution.owners, self.own
        for name, venue in self.venues.items():
            payments += venue.paid.beside(own if name == INJECTIVE else {}, self._paid.get(name, 0))
            self._paid[name] = len(venue.paid)
        return AccountState(
            own=own, attributed=attributed, collateral_usd=total, free_usd=free, positions=positions,
            payments=payments, fills=sorted(fills, key=lambda f: f.execution.ts_ms), taken=taken,
            owners={key: owner for key, owner in owners.items() if attributed[key]},
        )  # fmt: skip

    def bring_up(self) -> None:
        """Let everything happen that was due by the end of the chunk's last bar: what it tells is gone after that."""
        for name, venue in self.venues.items():
            source = self.sources[name]
            self.doubted.clear()
            self.doubted.update(source.doubts(len(source.times_ms) - 1))
            at_once(venue.look(source.times_ms[-1]))

    def records(self) -> dict[str, AccountRecord]:
        """Return each venue's money as of the last look."""
        return {name: venue.record() for name, venue in self.venues.items()}

    @property
    def payments(self) -> Paid:
        """Everything that was paid, by instant and market."""
        return Paid.together([venue.paid for venue in self.venues.values()])
