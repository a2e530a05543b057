"""The `Trading` port on Injective: orders are sent here, the account is read by the reader that the book uses too.

A market order is matched at the end of the block that includes it, and its transaction says nothing of the fill. So an
order passes three proofs: accepted by a node, in a block and worked, filled or not (`outcomes.py`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hedged.adapters.injective.codes import NO_ORDER, says
from hedged.adapters.injective.fills import Fills
from hedged.adapters.injective.messages import Kind, Messages, Ticket, make_ticket
from hedged.adapters.injective.orders import Orders
from hedged.adapters.injective.outcomes import Outcomes, key_of
from hedged.adapters.injective.past_positions import PastPositions
from hedged.adapters.injective.reads import AccountReader, Rules
from hedged.adapters.injective.retries import patiently
from hedged.adapters.injective.sent import Sent, orders_in
from hedged.adapters.injective.transactions import Patience, Transactions
from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Balance, Position
from hedged.domain.clock import Clock
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE
from hedged.domain.orders import CLIENT_ID, Execution, Intent, OrderState, OrderStatus
from hedged.domain.transactions import SignedTx, TxJournal, TxOutcome


class InjectiveTrading:
    """Orders and account of one subaccount."""

    venue = INJECTIVE

    def __init__(
        self,
        reader: AccountReader,
        rules: Rules,
        orders: Orders,
        messages: Messages,
        transactions: Transactions,
        journal: TxJournal,
        clock: Clock,
        leverage: Decimal,
        patience: Patience,
        fills: Fills,
        past: PastPositions,
    ) -> None:
        self._reader = reader
        self._rules = rules
        self._orders = orders
        self._messages = messages
        self._transactions = transactions
        self._journal = journal
        self._leverage = leverage
        self._outcomes = Outcomes(reader, orders, fills, transactions, past, clock, patience)

    @property
    def clock_offset_ms(self) -> int | None:
        """This machine's clock − the chain's, ms; None before that is known."""
        return self._rules.clock_offset_ms

    @property
    def restriction(self) -> str:
        """Why no order of ours can fill now; empty while they can."""
        return self._rules.restriction

    async def positions(self) -> Mapping[str, Position]:
        """Return all open positions by symbol. Raises Retryable when unknown."""
        return await self._outcomes.positions()

    async def balance(self) -> Balance:
        """Return the collateral. Raises Retryable when unknown."""
        return await self._reader.balance()

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return executions with ts ≥ since, oldest first."""
        return await self._reader.executions(since_ms)

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return funding paid or received with ts > since, oldest first."""
        return await self._reader.funding_payments(since_ms)

    def see(self, block: Any) -> None:
        """Take from a block of the event stream what own orders filled, and which the chain could not execute."""
        self._outcomes.fills.see(block)

    async def recover(self) -> None:
        """Look up what an earlier life sent. What stays unknown blocks its own market only (the executor knows it)."""
        await patiently("what was sent before", self._transactions.recover)

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Send a market order bounded by the worst price; return what filled.

        Raises Rejected or Retryable (the order does not exist) or OutcomeUnknown (look it up, never resend).
        """
        return await self._send(approved, Kind.MARKET, expires_at=0)

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return best bid and best ask, as the chain has them. Raises Retryable where one lacks, or both cross."""
        found = await self._rules.perpetual(symbol)
        if found is None:
            raise Retryable(f"Injective has no market {symbol} now")
        bid, ask = await self._orders.touch(found[0].market_id)
        if not 0 < bid < ask:
            told = f"best bid is {bid.normalize():f}, its best ask {ask.normalize():f}"
            raise Retryable(f"Injective, {symbol}: the book's {told}")
        return bid, ask

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        """Leave a post-only order in the book at the worst price; the chain ends it after about `lifetime_s`.

        Possible in post-only mode too. Raises WouldTake where it would have been filled at once, else like `place`.
        """
        return await self._send(approved, Kind.POST_ONLY, await self._transactions.height_in(lifetime_s))

    async def batch(self, approved: Sequence[ApprovedIntent]) -> dict[str, OrderState | Rejected]:
        """Send several market orders, of different markets, in one transaction; each succeeds or fails on its own.

        Returns by client id what filled, or why it was not created. Raises like `place` where the whole transaction
        failed or is of unknown outcome.
        """
        tickets = [await self._ticket(one, Kind.MARKET, 0) for one in approved]
        client_ids = [one.client_id for one in approved]
        message = self._messages.batch(tickets)
        for one in approved:
            self._outcomes.sending(one.client_id, one.intent.key.symbol)
        tx = await self._transactions.send(self._messages.signed_by_grantee([message]), client_ids)
        failed = _failed(tx)
        return {
            c: Rejected(failed[c]) if c in failed else await self._told(one, ticket, tx)
            for c, one, ticket in zip(client_ids, approved, tickets, strict=True)
        }

    async def lookup(self, client_id: str) -> OrderState | None:
        """Return the order; None when it certainly never existed. Raises OutcomeUnknown while that is not proven."""
        signed = [await self._transactions.resolve(tx) for tx in await self._journal.of_order(client_id)]
        if any(tx.outcome is TxOutcome.PENDING for tx in signed):
            raise OutcomeUnknown(f"the transaction of order {client_id} is neither in a block nor expired")
        included = [tx for tx in signed if tx.outcome is TxOutcome.INCLUDED]
        if signed and (not included or client_id in _failed(included[-1])):
            return None
        sent = orders_in(included[-1].raw).get(client_id) if included else None
        key = key_of(self._rules.symbol_of(sent.market_id) if sent else None, sent.market_id if sent else "")
        state = await self._outcomes.told(key, client_id, sent)
        if state is not None or sent is None or self._outcomes.fills.failure(client_id):
            return state
        if not sent.is_market:
            return await self._outcomes.expired(key, client_id, included[-1], sent)
        return await self._outcomes.unfilled(key, client_id, included[-1], sent)

    async def open_orders(self) -> Sequence[OrderState]:
        """Return all resting orders of the subaccount, as the chain has them, in whatever market.

        The markets traded here are always looked into, others where the indexer knows of an order.
        """
        found = await asyncio.gather(
            *(self._orders.resting(market_id) for market_id in await self._markets())
        )
        return [state for market in found for state in market]

    async def _markets(self) -> list[str]:
        """Return the ids of all markets in which orders of the subaccount may rest."""
        return sorted({*self._rules.market_ids(), *(await self._orders.markets())})

    async def cancel(self, client_id: str) -> None:
        """Cancel a resting order; one that is already gone is no error.

        Gone is what the indexer shows as ended, or what the chain refuses to cancel: that the indexer does not show an
        order proves nothing, and the cancellation is sent. An order that is not the daemon's is left alone. Raises like
        `place`.
        """
        if not CLIENT_ID.match(client_id):
            return
        market_id = await self._rests_in(client_id)
        if market_id is None:
            return
        message = self._messages.cancel(market_id, client_id)
        try:
            await self._transactions.send(self._messages.signed_by_grantee([message]))
        except Rejected as error:
            if not says(str(error), "exchange", NO_ORDER):
                raise

    async def _rests_in(self, client_id: str) -> str | None:
        """Return the market in which an order may rest; None where it certainly rests nowhere. Raises Retryable."""
        signed = await self._journal.of_order(client_id)
        for tx in signed:
            sent = orders_in(tx.raw).get(client_id)
            if sent is None or sent.is_market or tx.outcome not in (TxOutcome.PENDING, TxOutcome.INCLUDED):
                continue
            return None if await self._has_ended(client_id) else sent.market_id
        if signed:
            return None
        for market_id in await self._markets():  # not sent by this journal
            if any(state.client_id == client_id for state in await self._orders.resting(market_id)):
                return market_id
        return None

    async def _has_ended(self, client_id: str) -> bool:
        try:
            state = await self._orders.state(client_id)
        except Retryable:
            return False
        return state is not None and state.status is not OrderStatus.OPEN

    async def _send(self, approved: ApprovedIntent, kind: Kind, expires_at: int) -> OrderState:
        ticket = await self._ticket(approved, kind, expires_at)
        messages = self._messages.signed_by_grantee([self._messages.create(ticket)])
        self._outcomes.sending(approved.client_id, approved.intent.key.symbol)
        tx = await self._transactions.send(messages, (approved.client_id,))
        return await self._told(approved, ticket, tx)

    async def _told(self, approved: ApprovedIntent, ticket: Ticket, tx: SignedTx) -> OrderState:
        quantity, is_market = ticket.side.sign * ticket.quantity, ticket.kind is Kind.MARKET
        sent = Sent(ticket.market_id, quantity, is_market, ticket.expires_at)
        return await self._outcomes.wait(approved.intent.key, approved.client_id, tx, sent)

    async def _ticket(self, approved: ApprovedIntent, kind: Kind, expires_at: int) -> Ticket:
        """Make the order, by the market's rules of now. Raises Rejected where they are not those of the decision."""
        intent = approved.intent
        found = await self._rules.perpetual(intent.key.symbol)
        if found is None:
            raise Rejected(f"{intent.key}: Injective has no such market now")
        perpetual, mark = found
        ticket = make_ticket(
            intent, approved.client_id, perpetual.market, perpetual.market_id, mark, self._leverage,
            reduces=intent.reduce_only, kind=kind, expires_at=expires_at,
        )  # fmt: skip
        if ticket.quantity != intent.quantity:
            raise Rejected(
                f"{intent.key}: {intent.quantity} is off the market's step {perpetual.market.quantity_step}: "
                "it has changed since the decision"
            )
        if kind is Kind.MARKET:
            _must_reach(intent, self._rules.best(intent.key.symbol, intent.side), mark)
        return ticket


def _must_reach(intent: Intent, best: Decimal | None, mark: Decimal) -> None:
    """Spare the fee of an order that the chain would only refuse. Raises Rejected."""
    if best is not None and intent.side.sign * (best - intent.worst_price) > 0:
        away_bp = abs(best / mark - 1) * 10_000
        raise Rejected(
            f"the book's best price {best.normalize():f} is {away_bp:.0f} bp from the mark, beyond the worst price "
            f"{intent.worst_price.normalize():f} that risk.price_collar_bp allows: nothing would fill, nothing was sent"
        )


def _failed(tx: SignedTx) -> dict[str, str]:
    """Return client id → reason of the orders that an included transaction did not create."""
    pairs = (part.partition(": ") for part in tx.detail.split("; ") if part)
    return {client_id: why for client_id, _, why in pairs if client_id in tx.client_ids}
