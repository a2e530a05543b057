"""What the venues say of the account, brought into the journal: positions, executions, funding payments, open orders.

One pass of `refresh` is the reconciliation that every cycle starts with. What could not be asked is unknown: it is
never taken as flat, and while anything is unknown the gate lets no order through. The parts are in `reconcile/`:
whose coins they are (attribution), whether executions explain positions (evidence), whose fills and orders carry our
tag without standing in our journal (strangers, orphans), whether funding was paid as it says (ledger).
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from hedged.config.reconcile import ReconcileConfig
from hedged.domain.book import Position, own_quantity
from hedged.domain.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, OrderState, Purpose, Strategy
from hedged.domain.ports import TellsMode, TellsTime, Trading
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.reconcile.agreement import Agreement
from hedged.execution.reconcile.asking import Answer, ask
from hedged.execution.reconcile.checks import Checks, Reader
from hedged.execution.reconcile.intake import Intake
from hedged.execution.reconcile.orphans import Orphans
from hedged.execution.reconcile.records import STATE, Records
from hedged.execution.reconcile.state import AccountState, Taken
from hedged.execution.reconcile.strangers import Strangers
from hedged.execution.turn import Turn

__all__ = ["OVERLAP_MS", "AccountState", "Accounts", "Reader", "Taken"]

OVERLAP_MS = 10 * MINUTE_MS  # executions are asked for again over this span: venues report some late
FUNDING_OVERLAP_MS = 2 * HOUR_MS  # funding too: venues book some markets long after others
AWAITED_MS = HOUR_MS
"""After a start, executions are waited for of orders that were acknowledged so long before."""
EARLIER_MS = HOUR_MS
"""A start asks for what came so long before the last that is known: its clock, or the one of before, may be ahead."""
UNTOLD_MS = 24 * HOUR_MS
"""Where a venue tells of no execution, those of this span are asked for: by its own time, not by this clock alone."""
PAID_APART_S = 4.0
"""True seconds between two questions for funding: venues allow few of them, and an unwinding must not wait for one. Two
looks of the fast loop lie further apart.
"""
REMEMBERED_MS = 3 * HOUR_MS
"""Executions are remembered one by one for so long after funding must be paid: they tell what it must be."""


class Accounts:
    """Keeps the daemon's own part of every market, and the watermarks up to which the journal is complete.

    `latest`: what the last refresh found, `asked_ms`: when that was; `owned`: tells the ids of the orders that the
    executor owns now: what rests beside them is swept, nothing while nobody tells; `unsettled`: tells the markets with
    orders of unknown outcome.
    """

    def __init__(
        self, trading: Mapping[str, Trading], journal: Journal, start_ms: int, deadline_s: float = 20, *,
        rules: ReconcileConfig | None = None, account: str = "", markets: Collection[SeriesKey] = (),
        reader: Reader | None = None, speed: float = 1.0, turn: Turn | None = None,
    ) -> None:  # fmt: skip
        """`account`: whose tag is looked for, nobody's where it is empty; `markets`: those that are traded, all where
        there are none; `speed`: of the clock; `turn`: asking the venues yields it to who must not wait.
        """
        rules = rules or ReconcileConfig()
        self._trading, self._journal = trading, journal
        self._turn = turn or Turn()
        self._start_ms, self._deadline_s = start_ms, deadline_s
        self._rules, self._speed = rules, speed
        self._executions_from_ms = dict.fromkeys(trading, start_ms)
        self._funding_from_ms = dict.fromkeys(trading, start_ms)
        self._records = Records(journal)
        strangers = Strangers(account, rules.disown_before_ms)
        self._intake = Intake(journal, self._records, strangers, start_ms)
        self.agreement = Agreement(trading, self._intake, markets, rules, speed)
        self.checks = Checks(
            rules, speed, self._records, Orphans(trading, self._records, deadline_s), reader or Reader()
        )
        self._booked: dict[tuple[SeriesKey, int], int] = {}  # funding payments already told
        self._listed_ms: dict[str, int] = {}  # when a venue last told its open orders
        self._newest_ms: dict[str, int] = {}  # of the executions that a venue has told
        self._paid_ms: dict[str, int] = {}  # when it was last asked what it paid
        self._looking_back = False  # for fills of a lost journal
        self._awaited: dict[str, tuple[str, Decimal]] = {}  # by client id: venue, acknowledged as filled
        self.owned: Callable[[], Collection[str]] | None = None
        self.unsettled: Callable[[], Collection[SeriesKey]] = tuple
        self.latest = AccountState()
        self._last_own: dict[str, Decimal] = {}
        self.told: set[SeriesKey] = set()  # markets whose disagreement was published
        self.asked_ms = 0

    async def load(self) -> None:
        """Read from the journal what the daemon did before, and how far the journal is complete.

        A venue is asked again for all that came after the last thing the journal heard of it, so that what filled or
        was paid while the daemon was down is not taken for the trader's own doing.
        """
        await self._intake.load()
        kept = await self._records.load(STATE)
        self._looking_back = not kept and not self._intake.attribution.claims and self._intake.strangers.looks
        for venue in self._trading:
            executions_ms, funding_ms = await self._journal(JournalStore.complete_to, venue)
            if executions_ms is not None:
                self._executions_from_ms[venue] = min(self._start_ms, executions_ms) - EARLIER_MS
            elif not self._looking_back:
                self._executions_from_ms[venue] -= EARLIER_MS
            else:
                self._executions_from_ms[venue] -= self._rules.lookback_h * HOUR_MS
            if funding_ms is not None:
                # what was booked last is not all of its settlement: other markets may be told later
                self._funding_from_ms[venue] = min(
                    self._funding_from_ms[venue], funding_ms - FUNDING_OVERLAP_MS
                )
        for payment in await self._journal(JournalStore.funding):
            self._booked[(payment.settlement.key, payment.settlement.ts_ms)] = payment.settlement.ts_ms
        for client_id, at, filled in await self._journal(
            JournalStore.acknowledged_since, self._start_ms - AWAITED_MS
        ):
            self.expect(client_id, at, filled)
        self._intake.began_ms = int(kept.get("began_ms", self._start_ms))
        self.agreement.load(kept.get("venues", {}))
        await self.checks.load()
        self._forget()

    @property
    def attributed(self) -> Mapping[SeriesKey, Decimal]:
        """The daemon's signed coins by market, as far as the venues have told by the last refresh."""
        return self._intake.attribution.held

    @property
    def owners(self) -> Mapping[SeriesKey, Strategy]:
        """For which strategy each of those markets is, or was last, held."""
        return self._intake.attribution.owners

    def claim(self, client_id: str, purpose: Purpose, reference_price: Decimal) -> None:
        """Note that executions under this client id are the daemon's own, and what they are for."""
        self._intake.attribution.claims[client_id] = (purpose, reference_price)

    def expect(self, client_id: str, venue: str, filled: Decimal) -> None:
        """Note how much of an order a venue acknowledged as filled.

        Until its executions say so too the venue counts as unknown: its positions may already show the fill, which
        would then pass for the trader's own trade.
        """
        self._awaited[client_id] = (venue, filled)

    @property
    def awaiting(self) -> set[str]:
        """The venues that acknowledged more than they have reported as executed: something is held there unseen."""
        return {venue for venue, _ in self._awaited.values()}

    async def refresh(
        self, now_ms: int, patience_s: float | None = None, *, funding: bool = True
    ) -> AccountState:
        """Ask every venue, write what is new, derive N. Never raises for a venue's failure: that venue is unknown.

        `patience_s`: for a venue to answer, where that is less than usual; without `funding` those are not asked what
        they paid that have told it in this life. Raises Yielded, with nothing taken in, where who must not wait wants
        the turn.
        """
        limit_s = self._deadline_s if patience_s is None else min(patience_s, self._deadline_s)
        async with self._turn.yielding():
            answers = await asyncio.gather(
                *(self._ask(venue, now_ms, limit_s, funding=funding) for venue in self._trading)
            )
        known = {v: a for v, a in zip(self._trading, answers, strict=True) if isinstance(a, Answer)}
        unknown = {v: a for v, a in zip(self._trading, answers, strict=True) if isinstance(a, str)}
        self._look_back_less(unknown)
        executions = [e for answer in known.values() for e in answer.executions]
        fills, taken, alarm = await self._intake.take(executions, self.checks.orphans.known)
        payments = await self._book([p for answer in known.values() for p in answer.payments or ()])
        orders = {v: a.orders for v, a in known.items() if a.orders is not None}
        alarm = await self._sweep(now_ms, orders) or alarm
        for venue in self._behind():
            unknown[venue] = "fills were acknowledged whose executions it does not report yet"
            known.pop(venue, None)
        if INJECTIVE in known and self.agreement.lags(now_ms, known[INJECTIVE].positions):
            unknown[INJECTIVE] = "its positions are older than its executions"  # N would be wrong by them
            known.pop(INJECTIVE)
        for venue, answer in known.items():
            taken += await self.agreement.look(now_ms, venue, answer.positions)
            self._go_by(venue, now_ms, answer)
            if answer.payments is not None:
                self._paid_ms[venue] = now_ms
                self._funding_from_ms[venue] = max(self._funding_from_ms[venue], now_ms - FUNDING_OVERLAP_MS)
        self._forget()
        found = self._state(known, unknown, payments, fills, taken)
        late = await self.checks.settle(now_ms, found, self.agreement.held_at, self._booked)
        await self._keep()
        self.latest = replace(
            found,
            frozen=self.checks.ledger.frozen() | self.agreement.frozen(),
            orders=orders,
            alarm=alarm or late,
        )
        self.asked_ms = now_ms
        return self.latest

    def _state(
        self, known: Mapping[str, Answer], unknown: Mapping[str, str], payments: Sequence[FundingPayment],
        fills: Sequence[Fill], taken: Sequence[Taken],
    ) -> AccountState:  # fmt: skip
        attributed, owners = self._intake.attribution.held, self._intake.attribution.owners
        return AccountState(
            own=self._own(known[INJECTIVE].positions) if INJECTIVE in known else {},
            attributed=attributed,
            collateral_usd={venue: answer.balance.total_usd for venue, answer in known.items()},
            unknown=unknown,
            payments=payments,
            fills=fills,
            owners={key: owner for key, owner in owners.items() if attributed[key]},
            free_usd={venue: answer.balance.free_usd for venue, answer in known.items()},
            positions={p.key: p for answer in known.values() for p in answer.positions.values()},
            clock_offsets_ms=self._clock_offsets_ms(),
            restricted={
                v: t.restriction
                for v, t in self._trading.items()
                if isinstance(t, TellsMode) and t.restriction
            },
            taken=taken,
            orphans=tuple(self.checks.orphans.open.values()),
        )

    def _clock_offsets_ms(self) -> dict[str, int]:
        """Return this machine's clock − the venue's, of the venues that have measured it."""
        told = {v: t.clock_offset_ms for v, t in self._trading.items() if isinstance(t, TellsTime)}
        return {venue: offset_ms for venue, offset_ms in told.items() if offset_ms is not None}

    async def _ask(self, venue: str, now_ms: int, limit_s: float, *, funding: bool) -> Answer | str:
        """Ask one venue: for what is late, further back; for its open orders first of all, then now and then; for
        funding not twice within seconds.
        """
        executions_ms, funding_ms = self._executions_from_ms[venue], self._funding_from_ms[venue]
        if (doubted_ms := self.agreement.evidence.asks_from_ms(venue)) is not None:
            executions_ms = min(executions_ms, doubted_ms)
        if (awaited_ms := self.checks.funding_from_ms(venue, now_ms)) is not None:
            funding_ms = min(funding_ms, awaited_ms)
        paid_ms = self._paid_ms.get(venue)
        paid = paid_ms is not None and 0 <= now_ms - paid_ms < PAID_APART_S * SECOND_MS * self._speed
        again_ms = self._rules.open_orders_s * SECOND_MS * self._speed
        listed_ms = self._listed_ms.get(venue)
        due = listed_ms is None or now_ms - listed_ms >= again_ms
        since_ms = None if paid or (paid_ms is not None and not funding) else funding_ms
        return await ask(self._trading[venue], executions_ms, since_ms, limit_s, orders=due)

    async def _book(self, payments: Sequence[FundingPayment]) -> list[FundingPayment]:
        """Write the payments that are new, and return them."""
        told = {(payment.settlement.key, payment.settlement.ts_ms): payment for payment in payments}
        new = {identity: payment for identity, payment in told.items() if identity not in self._booked}
        if new:
            await self._journal(JournalStore.record_funding, new.values())
            self._booked |= {identity: identity[1] for identity in new}
        return list(new.values())

    async def _sweep(self, now_ms: int, orders: Mapping[str, Sequence[OrderState]]) -> str:
        """Cancel what rests of ours and nobody owns; return an alarm for orders that another daemon keeps placing."""
        listed, self._listed_ms = self._listed_ms, self._listed_ms | dict.fromkeys(orders, now_ms)
        if self.owned is None:
            return ""
        left = await self._intake.left([state for told in orders.values() for state in told], self.owned())
        known, claims = self.checks.orphans.known, self._intake.attribution.claims
        new = [one for one in left if one.client_id not in claims and one.client_id not in known]
        alarms = [
            f"another daemon trades on this account: {one.key}, resting order {one.client_id}"
            for one in new
            if one.key.venue in listed  # at the first look it may be a lost journal's
        ]
        for gone in await self.checks.orphans.sweep(now_ms, left):
            if gone.client_id in claims:
                self.expect(gone.client_id, gone.key.venue, gone.filled)
        return alarms[0] if alarms else ""

    def _go_by(self, venue: str, now_ms: int, answer: Answer) -> None:
        """Move the watermark of a venue's executions: as far as it has told, for this clock may be ahead of it."""
        newest_ms = max((e.ts_ms for e in answer.executions), default=0)
        self._newest_ms[venue] = newest_ms = max(newest_ms, self._newest_ms.get(venue, 0))
        complete_ms = min(now_ms, max(newest_ms, now_ms - UNTOLD_MS)) - OVERLAP_MS
        self._executions_from_ms[venue] = max(self._executions_from_ms[venue], complete_ms)

    def _behind(self) -> set[str]:
        """Return the venues that acknowledged more than they have reported as executed."""
        executed = self._intake.attribution.executed
        self._awaited = {
            client_id: (venue, filled)
            for client_id, (venue, filled) in self._awaited.items()
            if executed.get(client_id, Decimal(0)) < filled
        }
        return self.awaiting

    async def _keep(self) -> None:
        kept = {"began_ms": self._intake.began_ms, "venues": self.agreement.evidence.to_json()}
        await self._records.keep(STATE, kept)

    def _look_back_less(self, unknown: Collection[str]) -> None:
        """Look half as far back into a past that a venue could not tell within the deadline."""
        for venue in unknown:
            far_ms = self._start_ms - self._executions_from_ms[venue]
            if venue not in self._listed_ms and far_ms > HOUR_MS and self._looking_back:
                self._executions_from_ms[venue] += far_ms // 2

    def _forget(self) -> None:
        """Drop what is too old to be reported again, so that memory does not grow with uptime.

        A venue that has not answered for long will be asked from its own watermark, so the oldest one counts.
        """
        for venue, from_ms in self._executions_from_ms.items():
            told_ms = self.asked_ms - self.checks.grace_ms - REMEMBERED_MS
            self._intake.attribution.forget(venue, min(from_ms, told_ms) if self.asked_ms else from_ms)
        if len(self._booked) > 4_096:
            oldest_ms = min(self._funding_from_ms.values()) - 24 * HOUR_MS
            self._booked = {key: ts for key, ts in self._booked.items() if ts > oldest_ms}

    def _own(self, positions: Mapping[str, Position]) -> dict[str, Decimal]:
        """Return N by symbol: without the daemon's part, and without what is a daemon's and of no known journal.

        While an order's outcome is unknown there, what it filled would pass for the trader's: then the position counts
        that executions explain, not the one that is shown. Where they explain it only in part N stays what it was.
        """
        unsettled = {key.symbol for key in self.unsettled() if key.venue == INJECTIVE}
        others = self._intake.strangers.on_injective()
        held = self._intake.attribution.held
        own = {}
        for symbol in sorted({*positions, *others, *unsettled, *(key.symbol for key in held)}):
            key = SeriesKey(INJECTIVE, symbol)
            shown = positions[symbol].quantity if symbol in positions else Decimal(0)
            daemons = held.get(key, Decimal(0)) + others.get(symbol, Decimal(0))
            own[symbol] = own_quantity(shown, daemons)
            if symbol in unsettled:
                explained = self.agreement.expected(key)
                own[symbol] = (
                    self._last_own.get(symbol, own[symbol])
                    if explained is None
                    else own_quantity(explained, daemons)
                )
        self._last_own = own
        return own
