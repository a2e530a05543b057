"""What the venues say of the account, brought into the journal: positions, executions, funding payments.

One pass of `refresh` is the reconciliation that every cycle starts with. What could not be asked is unknown: it is
never taken as flat, and while anything is unknown the gate lets no order through.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from hedged.domain.book import Balance, Position, own_quantity
from hedged.domain.errors import OutcomeUnknown, Retryable
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Fill, Purpose, Strategy
from hedged.domain.ports import TellsMode, TellsTime, Trading
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore

FUNDING_OVERLAP_MS = 2 * 60 * 60 * 1_000  # funding too: venues book some markets long after others
log = structlog.get_logger(__name__)

OVERLAP_MS = 10 * 60 * 1_000  # executions are asked for again over this span: venues report some late


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

    @property
    def liquidation_prices(self) -> dict[SeriesKey, Decimal]:
        """Marks at which whole positions are liquidated, where venues tell them."""
        told = {key: p.liquidation_price for key, p in self.positions.items()}
        return {key: price for key, price in told.items() if price is not None}

    @property
    def reconciled(self) -> bool:
        """Whether every venue in use answered."""
        return not self.unknown


@dataclass(frozen=True, slots=True)
class _Answer:
    positions: Mapping[str, Position]
    balance: Balance
    executions: Sequence[Execution]
    payments: Sequence[FundingPayment]


class Accounts:
    """Keeps the daemon's own part of every market, and the watermarks up to which the journal is complete.

    `latest`: what the last refresh found, `asked_ms`: when that was.
    """

    def __init__(
        self, trading: Mapping[str, Trading], journal: Journal, start_ms: int, deadline_s: float = 20
    ) -> None:
        self._trading = trading
        self._journal = journal
        self._deadline_s = deadline_s
        self._executions_from_ms = dict.fromkeys(trading, start_ms)
        self._funding_from_ms = dict.fromkeys(trading, start_ms)
        self._attributed: dict[SeriesKey, Decimal] = {}
        self._owners: dict[SeriesKey, Strategy] = {}
        self._ours: dict[str, tuple[Purpose, Decimal]] = {}  # client id → purpose, reference price
        self._taken: list[Taken] = []  # since the last refresh
        self._counted: dict[tuple[str, str], int] = {}
        self._booked: dict[tuple[SeriesKey, int], int] = {}  # funding payments already told
        self._executed: dict[str, Decimal] = {}  # client id → quantity reported as executed
        self.latest = AccountState()
        self.asked_ms = 0
        self._awaited: dict[
            str, tuple[str, Decimal]
        ] = {}  # client id → venue, quantity acknowledged as filled

    async def load(self) -> None:
        """Read from the journal what the daemon did before, and how far the journal is complete.

        A venue is asked again for all that came after the last thing the journal heard of it, so that what filled or
        was paid while the daemon was down is not taken for the trader's own doing.
        """
        for client_id, purpose, reference_price in await self._journal(JournalStore.intents):
            self.claim(client_id, purpose, reference_price)
        known = [fill.execution for fill in await self._journal(JournalStore.fills)]
        known += await self._journal(JournalStore.foreign_executions)
        for execution in sorted(known, key=lambda e: e.ts_ms):
            if execution.client_id in self._ours:
                self._count(execution)
            else:
                self._take_away(execution)
        self._taken = []
        for venue in self._trading:
            executions_ms, funding_ms = await self._journal(JournalStore.complete_to, venue)
            if executions_ms is not None:
                self._executions_from_ms[venue] = min(
                    self._executions_from_ms[venue], executions_ms - OVERLAP_MS
                )
            if funding_ms is not None:
                # what was booked last is not all of its settlement: other markets may be told later
                self._funding_from_ms[venue] = min(
                    self._funding_from_ms[venue], funding_ms - FUNDING_OVERLAP_MS
                )
        for payment in await self._journal(JournalStore.funding):
            self._booked[(payment.settlement.key, payment.settlement.ts_ms)] = payment.settlement.ts_ms
        self._forget()

    @property
    def attributed(self) -> Mapping[SeriesKey, Decimal]:
        """The daemon's signed coins by market, as far as the venues have told by the last refresh."""
        return self._attributed

    @property
    def owners(self) -> Mapping[SeriesKey, Strategy]:
        """For which strategy each of those markets is, or was last, held."""
        return self._owners

    def claim(self, client_id: str, purpose: Purpose, reference_price: Decimal) -> None:
        """Note that executions under this client id are the daemon's own, and what they are for."""
        self._ours[client_id] = (purpose, reference_price)

    def expect(self, client_id: str, venue: str, filled: Decimal) -> None:
        """Note how much of an order a venue acknowledged as filled.

        Until its executions say so too the venue counts as unknown: its positions may already show the fill, which
        would then pass for the trader's own trade.
        """
        self._awaited[client_id] = (venue, filled)

    async def refresh(self, now_ms: int) -> AccountState:
        """Ask every venue, write what is new, derive N. Never raises for a venue's failure: that venue is unknown."""
        answers = await asyncio.gather(*(self._ask(venue) for venue in self._trading))
        known: dict[str, _Answer] = {}
        unknown: dict[str, str] = {}
        for venue, answer in zip(self._trading, answers, strict=True):
            if isinstance(answer, str):
                unknown[venue] = answer
            else:
                known[venue] = answer
        executions = [e for answer in known.values() for e in answer.executions]
        payments = [p for answer in known.values() for p in answer.payments if self._is_new(p)]
        if executions:
            await self._journal(JournalStore.record_executions, executions)
        if payments:
            await self._journal(JournalStore.record_funding, payments)
        fills = [
            fill for e in sorted(executions, key=lambda e: e.ts_ms) if (fill := self._fill(e)) is not None
        ]
        for venue in self._behind():
            unknown[venue] = "fills were acknowledged whose executions it does not report yet"
            known.pop(venue, None)
        for venue in known:
            self._executions_from_ms[venue] = max(self._executions_from_ms[venue], now_ms - OVERLAP_MS)
            self._funding_from_ms[venue] = max(self._funding_from_ms[venue], now_ms - FUNDING_OVERLAP_MS)
        self._forget()
        own = self._own(known[INJECTIVE].positions) if INJECTIVE in known else {}
        taken, self._taken = self._taken, []
        self.latest = AccountState(
            own=own,
            attributed=dict(self._attributed),
            collateral_usd={venue: answer.balance.total_usd for venue, answer in known.items()},
            unknown=unknown,
            payments=payments,
            fills=fills,
            owners={key: owner for key, owner in self._owners.items() if self._attributed.get(key)},
            free_usd={venue: answer.balance.free_usd for venue, answer in known.items()},
            positions={p.key: p for answer in known.values() for p in answer.positions.values()},
            clock_offsets_ms=self._clock_offsets_ms(),
            restricted={
                v: t.restriction
                for v, t in self._trading.items()
                if isinstance(t, TellsMode) and t.restriction
            },
            taken=taken,
        )
        self.asked_ms = now_ms
        return self.latest

    def _clock_offsets_ms(self) -> dict[str, int]:
        """Return this machine's clock − the venue's, of the venues that have measured it."""
        told = {v: t.clock_offset_ms for v, t in self._trading.items() if isinstance(t, TellsTime)}
        return {venue: offset_ms for venue, offset_ms in told.items() if offset_ms is not None}

    async def _ask(self, venue: str) -> _Answer | str:
        trading = self._trading[venue]
        try:
            async with asyncio.timeout(self._deadline_s):
                # executions before positions: a fill in between shows as the trader's own for one cycle at most
                executions = await trading.executions(self._executions_from_ms[venue])
                positions = await trading.positions()
                balance = await trading.balance()
                payments = await trading.funding_payments(self._funding_from_ms[venue])
        except (Retryable, OutcomeUnknown, TimeoutError) as error:
            return str(error) or type(error).__name__
        return _Answer(positions, balance, executions, payments)

    def _fill(self, execution: Execution) -> Fill | None:
        """Count an execution if it is the daemon's own and new; return it as a fill then."""
        claim = self._ours.get(execution.client_id or "")
        if claim is None and (taken := self._take_away(execution)):
            log.warning("hedge_taken_away", market=str(execution.key), quantity=f"{taken:f}")
        if claim is None or not self._count(execution):
            return None
        return Fill(execution, *claim)

    def _count(self, execution: Execution) -> bool:
        """Add an execution to the daemon's own part; False when it was counted before."""
        identity = (execution.key.venue, execution.execution_id)
        if identity in self._counted:
            return False
        self._counted[identity] = execution.ts_ms
        held, client_id = self._attributed.get(execution.key, Decimal(0)), execution.client_id or ""
        self._attributed[execution.key] = held + execution.signed_quantity
        if held * self._attributed[execution.key] <= 0:  # opened, or turned over
            self._owners[execution.key] = self._ours[client_id][0].strategy
        self._executed[client_id] = self._executed.get(client_id, Decimal(0)) + execution.quantity
        return True

    def _take_away(self, execution: Execution) -> Decimal:
        """Count an execution that is not the daemon's: return what it took of a hedge, signed coins.

        At an exchange the account's position is one, so whoever trades against the hedge (liquidation, deleveraging,
        delivery, the operator by hand) makes it smaller. On Injective the trader's own trades change N instead.
        """
        identity = (execution.key.venue, execution.execution_id)
        if execution.key.venue == INJECTIVE or identity in self._counted:
            return Decimal(0)
        self._counted[identity] = execution.ts_ms
        held, change = self._attributed.get(execution.key, Decimal(0)), execution.signed_quantity
        if held * change >= 0:
            return Decimal(0)
        taken = change if abs(change) < abs(held) else -held
        self._attributed[execution.key] = held + taken
        owner = self._owners.get(execution.key, Strategy.FUNDING_HEDGE)
        self._taken.append(Taken(execution, taken, owner))
        return taken

    def _behind(self) -> set[str]:
        """Return the venues that acknowledged more than they have reported as executed."""
        self._awaited = {
            client_id: (venue, filled)
            for client_id, (venue, filled) in self._awaited.items()
            if self._executed.get(client_id, Decimal(0)) < filled
        }
        return {venue for venue, _ in self._awaited.values()}

    def _is_new(self, payment: FundingPayment) -> bool:
        """Tell whether a payment has not been told before, and remember it."""
        identity = (payment.settlement.key, payment.settlement.ts_ms)
        if identity in self._booked:
            return False
        self._booked[identity] = payment.settlement.ts_ms
        return True

    def _forget(self) -> None:
        """Drop identities too old to be reported again, so that memory does not grow with uptime.

        A venue that has not answered for long will be asked from its own watermark, so the oldest one counts.
        """
        if len(self._counted) > 4_096:
            oldest_ms = min(self._executions_from_ms.values())
            self._counted = {key: ts for key, ts in self._counted.items() if ts >= oldest_ms}
        if len(self._booked) > 4_096:
            oldest_ms = min(self._funding_from_ms.values())
            self._booked = {key: ts for key, ts in self._booked.items() if ts > oldest_ms}

    def _own(self, positions: Mapping[str, Position]) -> dict[str, Decimal]:
        symbols = set(positions) | {key.symbol for key in self._attributed}
        return {
            symbol: own_quantity(
                positions[symbol].quantity if symbol in positions else Decimal(0),
                self._attributed.get(SeriesKey(INJECTIVE, symbol), Decimal(0)),
            )
            for symbol in sorted(symbols)
        }
