"""What became of an order that is in a block: filled, resting, or nothing at all.

Three tell of it, and none is taken at its silence: the event stream (at once, while it runs), the chain's own book
(what rests), the indexer (everything, but late). That a market order filled nothing is concluded from the chain: its
block has not moved the position. Where no node keeps that state any more it takes an indexer that is past the order's
block, and positions that its executions explain.
"""

import asyncio
from collections.abc import Mapping
from decimal import Decimal

from hedged.adapters.injective.fills import MOST, Fills
from hedged.adapters.injective.orders import Orders
from hedged.adapters.injective.past_positions import PastPositions
from hedged.adapters.injective.reads import AccountReader
from hedged.adapters.injective.sent import Sent
from hedged.adapters.injective.transactions import DEAD_MARGIN_BLOCKS, Patience, Transactions
from hedged.domain.book import Position
from hedged.domain.clock import MINUTE_MS, SECOND_MS, Clock
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import OrderState, OrderStatus
from hedged.domain.transactions import SignedTx

SILENCE_MS = 120 * SECOND_MS
"""So long after its block an order that nobody tells of may count as unfilled, where the rest agrees."""


class Outcomes:
    """Finds out about orders; remembers what was held before each was sent."""

    def __init__(
        self,
        reader: AccountReader,
        orders: Orders,
        fills: Fills,
        transactions: Transactions,
        past: PastPositions,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self.fills = fills
        self._reader, self._orders, self._transactions, self._past = reader, orders, transactions, past
        self._clock, self._patience = clock, patience
        self._ended_ms: dict[str, int] = {}  # client id → time of a block by which its order had expired
        self._held: tuple[int, Mapping[str, Position]] | None = None
        self._before: dict[str, tuple[int, Decimal]] = {}  # client id → when, and coins held then

    async def positions(self) -> Mapping[str, Position]:
        """Return the positions, and remember them for the orders that follow from them."""
        now_ms = self._clock.now_ms()
        held = await self._reader.positions()
        self._held = (now_ms, held)
        return held

    def sending(self, client_id: str, symbol: str) -> None:
        """Note that an order is about to be sent."""
        if self._held is None:
            return
        at_ms, held = self._held
        self._before[client_id] = (at_ms, _quantity(held, symbol))
        while len(self._before) > MOST:
            del self._before[next(iter(self._before))]

    async def wait(self, key: SeriesKey, client_id: str, tx: SignedTx, sent: Sent) -> OrderState:
        """Wait until somebody tells what became of an order in a block. Raises Rejected, OutcomeUnknown."""
        why = "the indexer does not know it yet"
        try:
            async with asyncio.timeout(self._patience.fill_s):
                while True:
                    try:
                        state = await self.told(key, client_id, sent)
                    except Retryable as error:
                        state, why = None, str(error)
                    if state is not None:
                        return state
                    if failure := self.fills.failure(client_id):
                        raise Rejected(failure)
                    await asyncio.sleep(self._patience.poll_s)
        except TimeoutError:
            pass
        if sent.is_market and await self._moved_nothing(tx, sent):
            return _unfilled(key, client_id, sent)
        raise OutcomeUnknown(f"order {client_id} is in a block, what it filled is not known: {why}")

    async def _moved_nothing(self, tx: SignedTx, sent: Sent) -> bool:
        """Whether the chain shows, within a moment, that the block of a market order has not moved the position."""
        try:
            async with asyncio.timeout(self._patience.chain_s):
                block = await self._transactions.block_of(tx)
                return block is not None and await self._past.moved(sent.market_id, block[0]) == 0
        except (TimeoutError, Retryable):
            return False

    async def told(self, key: SeriesKey, client_id: str, sent: Sent | None) -> OrderState | None:
        """Return what stream, chain or indexer tell of an order; None where none does. Raises Retryable."""
        if sent is None:
            return await self._orders.state(client_id)
        filled, quantity = self.fills.filled(client_id), abs(sent.quantity)
        if filled >= quantity:
            return OrderState(client_id, key, OrderStatus.FILLED, filled, Decimal(0))
        if sent.is_market and filled:
            rest = quantity - filled
            return OrderState(client_id, key, OrderStatus.CANCELLED, filled, rest, "the rest was cancelled")
        if sent.is_market:
            return await self._orders.state(client_id)
        if (resting := await self._resting(client_id, sent)) is not None:
            return resting
        told = await self._orders.state(client_id)
        if told is None or told.status is OrderStatus.OPEN or told.filled < filled:
            return None  # chain and stream are ahead of the indexer: how the order has ended is not told yet
        return told

    async def _resting(self, client_id: str, sent: Sent) -> OrderState | None:
        found = await self._orders.resting(sent.market_id)
        return next((state for state in found if state.client_id == client_id), None)

    async def expired(self, key: SeriesKey, client_id: str, tx: SignedTx, sent: Sent) -> OrderState:
        """Conclude what an order filled that rests no more, where nobody tells of its end. Raises OutcomeUnknown.

        It takes a chain that is past the order's last block and does not have it, and an indexer that is past that too:
        then the executions that it tells are all that there will be.
        """
        await self._must_have_expired(client_id, sent)
        if await self._orders.told_to_ms(sent.market_id) <= self._ended_ms[client_id] + SECOND_MS:
            raise OutcomeUnknown(
                f"order {client_id} rests no more, and the indexer has not come to the block by which it had expired"
            )
        executions = await self._reader.executions(tx.created_ms - MINUTE_MS)
        filled = sum((one.quantity for one in executions if one.client_id == client_id), Decimal(0))
        if filled < self.fills.filled(client_id):
            raise OutcomeUnknown(
                f"order {client_id}: the indexer tells less of it than the stream has filled"
            )
        quantity = abs(sent.quantity)
        status = OrderStatus.FILLED if filled >= quantity else OrderStatus.CANCELLED
        return OrderState(
            client_id, key, status, filled, max(quantity - filled, Decimal(0)), "it has expired"
        )

    async def _must_have_expired(self, client_id: str, sent: Sent) -> None:
        """Note when an order had expired at the latest. Raises OutcomeUnknown.

        The height is asked for before and after the book, so that a change to a node that lags proves nothing.
        """
        if client_id in self._ended_ms:
            return
        why = f"order {client_id} rests no more and the indexer does not know how it ended"
        past = sent.expires_at + DEAD_MARGIN_BLOCKS
        if not sent.expires_at or (await self._transactions.head()).height <= past:
            raise OutcomeUnknown(why)
        resting = await self._resting(client_id, sent)
        head = await self._transactions.head()
        if resting is not None or head.height <= past:
            raise OutcomeUnknown(why)
        self._ended_ms[client_id] = head.ts_ms
        while len(self._ended_ms) > MOST:
            del self._ended_ms[next(iter(self._ended_ms))]

    async def unfilled(self, key: SeriesKey, client_id: str, tx: SignedTx, sent: Sent) -> OrderState:
        """Conclude that a market order filled nothing. Raises OutcomeUnknown while anything speaks against it."""
        block = await self._transactions.block_of(tx)
        if block is None:
            raise OutcomeUnknown(f"order {client_id} is in a block that the node does not tell now")
        height, included_ms = block
        moved = await self._past.moved(sent.market_id, height)
        if moved is None:
            await self._untold(key, client_id, included_ms, sent)
        elif moved:
            raise OutcomeUnknown(
                f"order {client_id}: the indexer knows nothing of it, and its block has changed {key.symbol} by "
                f"{moved.normalize():f}"
            )
        return _unfilled(key, client_id, sent)

    async def _untold(self, key: SeriesKey, client_id: str, included_ms: int, sent: Sent) -> None:
        """Return where an order may count as unfilled because nobody tells of it. Raises OutcomeUnknown else."""
        if self._clock.now_ms() - included_ms < SILENCE_MS:
            raise OutcomeUnknown(f"order {client_id} is in a block and the indexer does not know it")
        if (
            await self._orders.told_to_ms(sent.market_id) <= included_ms + SECOND_MS
        ):  # it is told in whole seconds
            raise OutcomeUnknown(
                f"order {client_id} is in a block that the indexer, which does not know it, has not come to"
            )
        change = await self._unexplained(key.symbol, client_id)
        if change:
            raise OutcomeUnknown(
                f"order {client_id}: the indexer knows nothing of it, and {key.symbol} on the chain has changed by "
                f"{change.normalize():f}, which no execution explains"
            )

    async def _unexplained(self, symbol: str, client_id: str) -> Decimal:
        """Return by what the position has changed since before the order, beyond the executions told.

        0 after a restart, which has forgotten what was held.
        """
        before = self._before.get(client_id)
        if before is None:
            return Decimal(0)
        at_ms, held = before
        executions = await self._reader.executions(at_ms)
        now = _quantity(await self._reader.positions(), symbol)
        explained = sum((e.signed_quantity for e in executions if e.key.symbol == symbol), Decimal(0))
        return now - held - explained


def _unfilled(key: SeriesKey, client_id: str, sent: Sent) -> OrderState:
    quantity = abs(sent.quantity)
    return OrderState(client_id, key, OrderStatus.CANCELLED, Decimal(0), quantity, "nothing was filled")


def _quantity(held: Mapping[str, Position], symbol: str) -> Decimal:
    return held[symbol].quantity if symbol in held else Decimal(0)


def key_of(symbol: str | None, market_id: str) -> SeriesKey:
    """Return the series of a market; by its id where its symbol is not known."""
    return SeriesKey(INJECTIVE, symbol or market_id)
