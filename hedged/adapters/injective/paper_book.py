"""The trader's real account with simulated fills on top: the `Trading` port of paper mode on a real book.

What the trader holds is read from the chain in every cycle and followed when it changes by hand; what the daemon does
is filled by the paper venue. Positions, money and funding are the sum of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from hedged.adapters.injective.account import InjectiveAccount
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.paper import LATE_MS, PaperVenue
from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Balance, Position
from hedged.domain.clock import MINUTE_MS, Clock
from hedged.domain.errors import Retryable
from hedged.domain.funding import FundingPayment, Settlement, funding_payment
from hedged.domain.market import INJECTIVE
from hedged.domain.orders import Execution, OrderState
from hedged.domain.ports import Explains

INDEXER_LATE_MS = 10 * MINUTE_MS
"""So long a payment of the real position is waited for; then the chain booked none."""

Moment = tuple[str, int]
"""Symbol and instant of a settlement, ms."""


class PaperBook:
    """Real positions plus simulated ones."""

    venue = INJECTIVE
    explains = Explains.IN_PART

    def __init__(
        self,
        account: InjectiveAccount,
        paper: PaperVenue,
        data: InjectiveData,
        clock: Clock,
        before: Sequence[Execution] = (),
    ) -> None:
        """`before`: what an earlier life of the daemon filled here; `paper` holds it already."""
        self._account, self._paper, self._data, self._clock = account, paper, data, clock
        self._before = list(before)
        self._real: dict[str, Decimal] = {}  # as last laid into the paper venue
        self._funded: dict[Moment, int] = {}
        self._funded_usd, self._funded_to_ms = Decimal(0), 0

    @property
    def clock_offset_ms(self) -> int | None:
        """This machine's clock − the chain's, ms; None before the first answer."""
        return self._data.clock_offset_ms

    @property
    def restriction(self) -> str:
        """Why no order of ours can fill now; empty while they can."""
        return self._data.restriction

    async def positions(self) -> Mapping[str, Position]:
        """Return the sum of both by symbol, in markets that are watched; the paper venue follows the real book.

        The liquidation price is the real position's, and so is the margin, less what a simulated cut would have freed.
        """
        real = await self._account.positions()
        now_ms = self._clock.now_ms()
        for symbol in sorted({*real, *self._real}):
            held = real[symbol].quantity if symbol in real else Decimal(0)
            change = held - self._real.get(symbol, Decimal(0))
            price = await self._price(symbol)
            if change:
                entry = real[symbol].entry_price if symbol in real else price
                self._paper.seed(symbol, change, entry, now_ms)
                self._real[symbol] = held
        both = await self._paper.positions()
        return {s: _margined(position, real[s]) if s in real else position for s, position in both.items()}

    async def balance(self) -> Balance:
        """Return the real collateral with the profit of the simulated trades."""
        real = await self._account.balance()
        profit = Decimal(0)
        for e in await self._executions():
            profit += e.signed_quantity * (await self._price(e.key.symbol) - e.price) - e.fee_usd
        profit += await self._funding()
        return Balance(INJECTIVE, real.total_usd + profit, max(Decimal(0), real.free_usd + profit))

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Fill on paper, against the position that both make together."""
        await self.positions()
        return await self._paper.place(approved)

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return the simulated touch. Raises Retryable where it cannot be told."""
        return await self._paper.touch(symbol)

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        """Rest on paper, against the position that both make together."""
        await self.positions()
        return await self._paper.rest(approved, lifetime_s)

    async def lookup(self, client_id: str) -> OrderState | None:
        """Return the simulated order, or None when it never arrived."""
        return await self._paper.lookup(client_id)

    async def open_orders(self) -> Sequence[OrderState]:
        """Return the simulated orders that rest."""
        return await self._paper.open_orders()

    async def cancel(self, client_id: str) -> None:
        """Cancel a simulated order."""
        await self._paper.cancel(client_id)

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return the simulated executions; the trader's own show as changes of the position."""
        return await self._paper.executions(since_ms)

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return one payment a settlement: what the chain booked plus what the simulated part would have got.

        A settlement is told when the chain's own booking is known, or the account held nothing there.
        """
        real = {_moment(p.settlement): p for p in await self._account.funding_payments(since_ms)}
        prints = await self._prints(since_ms)
        found = []
        for moment in sorted({*real, *prints}, key=lambda m: (m[1], m[0])):
            symbol, ts_ms = moment
            simulated = await self._simulated(symbol, ts_ms)
            booked = real.get(moment)
            if booked is None:
                late = self._clock.now_ms() - self._data.told_ms(symbol, ts_ms) > INDEXER_LATE_MS
                if not simulated or (symbol in self._account.holdings and not late):
                    continue
                found.append(funding_payment(simulated, prints[moment]))
                continue
            extra = funding_payment(simulated, booked.settlement).payment_usd
            total = booked.payment_usd + extra
            found.append(FundingPayment(booked.settlement, booked.quantity + simulated, total))
        return found

    async def _executions(self) -> list[Execution]:
        return [*self._before, *await self._paper.executions(0)]

    async def _simulated(self, symbol: str, ts_ms: int) -> Decimal:
        """Return the daemon's own signed coins held strictly before an instant."""
        mine = (e for e in await self._executions() if e.key.symbol == symbol and e.ts_ms < ts_ms)
        return sum((e.signed_quantity for e in mine), Decimal(0))

    async def _funding(self) -> Decimal:
        """Return the funding of the simulated part since its first trade, USD; each settlement is counted once."""
        for moment, settlement in (await self._prints(self._funded_to_ms - LATE_MS)).items():
            if moment not in self._funded:
                self._funded[moment] = settlement.ts_ms
                self._funded_usd += funding_payment(await self._simulated(*moment), settlement).payment_usd
                self._funded_to_ms = max(self._funded_to_ms, settlement.ts_ms)
        oldest_ms = self._funded_to_ms - 2 * LATE_MS
        self._funded = {moment: ts for moment, ts in self._funded.items() if ts > oldest_ms}
        return self._funded_usd

    async def _prints(self, since_ms: int) -> dict[Moment, Settlement]:
        """Return the settlements of markets in which the daemon ever traded, from its first trade on."""
        executions = await self._executions()
        if not executions:
            return {}
        traded = {e.key.symbol for e in executions}
        first_ms = max(since_ms, min(e.ts_ms for e in executions))
        told = await self._data.settlements(first_ms, self._clock.now_ms())
        return {_moment(s): s for s in told if s.key.symbol in traded}

    async def _price(self, symbol: str) -> Decimal:
        found = await self._data.perpetual(symbol)
        if found is None:
            raise Retryable(f"Injective shows no market for {symbol}, in which the account has traded")
        return self._paper.believed(symbol, found[1]) or found[1]


def _margined(both: Position, real: Position) -> Position:
    share = min(Decimal(1), abs(both.quantity / real.quantity))
    margin = None if real.margin_usd is None else real.margin_usd * share
    return replace(both, margin_usd=margin, liquidation_price=real.liquidation_price)


def _moment(settlement: Settlement) -> Moment:
    return settlement.key.symbol, settlement.ts_ms
