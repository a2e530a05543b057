"""The chain stream v2: one response per block, with what its filters let through. `*` in a filter means all."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from pyinjective.proto.cosmos.base.v1beta1 import coin_pb2
from pyinjective.proto.injective.exchange.v2 import exchange_pb2, order_pb2
from pyinjective.proto.injective.stream.v2 import query_pb2 as stream
from pyinjective.proto.injective.stream.v2 import query_pb2_grpc as stream_grpc

from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.events import BlockEvents, FundingUpdate, OrderUpdate, Trade
from hedged.sandbox.injective.ledger import USDT
from hedged.sandbox.injective.wire import chain_dec, owner_of

BUFFER = 256
"""Blocks that a slow reader may fall behind before its stream is ended, as a real node does."""


class Broadcast:
    """Hands blocks to all open streams, and breaks them when told to."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._readers: set[asyncio.Queue[BlockEvents | grpc.StatusCode]] = set()
        self._late: list[BlockEvents] = []
        self._skip = 0

    @property
    def open_streams(self) -> int:
        """How many clients are listening."""
        return len(self._readers)

    def on_block(self, events: BlockEvents) -> None:
        """Send a block; hold it back while the node lags."""
        self._late.append(events)
        while len(self._late) > self._chain.faults.lag_blocks:
            self._send(self._late.pop(0))

    def skip_blocks(self, count: int = 1) -> None:
        """Withhold the next blocks: readers see a gap in the heights."""
        self._skip += count

    def drop(self) -> None:
        """End every stream as a lost connection does."""
        self._end(grpc.StatusCode.UNAVAILABLE)

    def overflow(self) -> None:
        """End every stream as a node does whose reader is too slow."""
        self._end(grpc.StatusCode.INTERNAL)

    def _end(self, status: grpc.StatusCode) -> None:
        for reader in self._readers:
            while reader.full():
                reader.get_nowait()
            reader.put_nowait(status)

    def _send(self, events: BlockEvents) -> None:
        if self._skip:
            self._skip -= 1
            return
        if self._chain.faults.silent_stream:
            return
        for reader in self._readers:
            if reader.full():
                self._overflow_one(reader)
            else:
                reader.put_nowait(events)

    @staticmethod
    def _overflow_one(reader: "asyncio.Queue[BlockEvents | grpc.StatusCode]") -> None:
        while not reader.empty():
            reader.get_nowait()
        reader.put_nowait(grpc.StatusCode.INTERNAL)

    async def blocks(self) -> AsyncIterator[BlockEvents | grpc.StatusCode]:
        """Yield every block from now on, or the status with which the stream is to end."""
        reader: asyncio.Queue[BlockEvents | grpc.StatusCode] = asyncio.Queue(BUFFER)
        self._readers.add(reader)
        try:
            while True:
                yield await reader.get()
        finally:
            self._readers.discard(reader)


class Stream(stream_grpc.StreamServicer):
    """The service."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    async def StreamV2(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Send blocks until the client goes or the stream is broken."""
        async for item in self._broadcast.blocks():
            if isinstance(item, grpc.StatusCode):
                overflowed = item is grpc.StatusCode.INTERNAL
                text = "chain stream event buffer overflow" if overflowed else "connection reset by peer"
                await context.abort(item, text)
            else:
                yield response_of(item, request)


def response_of(events: BlockEvents, request: Any) -> Any:
    """Return a block as one client asked to see it."""
    response = stream.StreamResponse(
        block_height=events.height, block_time=events.time_ms, gas_price=str(events.gas_price)
    )
    _put_accounts(response, events, request)
    if request.HasField("derivative_trades_filter"):
        wanted = request.derivative_trades_filter
        shown = (t for t in events.trades if _passes(wanted, t.market_id, t.subaccount_id))
        response.derivative_trades.extend(_trade(trade) for trade in shown)
    if request.HasField("derivative_orders_filter"):
        wanted = request.derivative_orders_filter
        updates = (u for u in events.orders if _passes(wanted, u.order.market_id, u.order.subaccount_id))
        response.derivative_orders.extend(_order(update) for update in updates)
    if request.HasField("positions_filter"):
        _put_positions(response, events, request.positions_filter)
    if request.HasField("oracle_price_filter"):
        for symbol, mark in events.marks.items():
            if _among(request.oracle_price_filter.symbol, symbol):
                response.oracle_prices.add(symbol=symbol, price=chain_dec(mark), type="pyth")
    if request.HasField("order_failures_filter"):
        for failure in events.failures:
            if _among(request.order_failures_filter.accounts, failure.account):
                response.order_failures.add(
                    account=failure.account,
                    order_hash=failure.order_hash,
                    cid=failure.cid,
                    error_code=failure.code,
                )
    if request.HasField("market_funding_filter"):
        shown_funding = (
            f for f in events.funding if _among(request.market_funding_filter.market_ids, f.market_id)
        )
        response.market_funding_updates.extend(_funding(update) for update in shown_funding)
    return response


def _among(wanted: Iterable[str], name: str) -> bool:
    names = list(wanted)
    return "*" in names or name in names


def _passes(wanted: Any, market_id: str, subaccount_id: str) -> bool:
    return _among(wanted.market_ids, market_id) and _among(wanted.subaccount_ids, subaccount_id)


def _put_accounts(response: Any, events: BlockEvents, request: Any) -> None:
    if request.HasField("bank_balances_filter"):
        for address, coins in events.bank.items():
            if _among(request.bank_balances_filter.accounts, address):
                balances = [
                    coin_pb2.Coin(denom=denom, amount=str(units)) for denom, units in sorted(coins.items())
                ]
                response.bank_balances.add(account=address, balances=balances)
    if request.HasField("subaccount_deposits_filter"):
        for subaccount_id, (available, total) in events.deposits.items():
            if _among(request.subaccount_deposits_filter.subaccount_ids, subaccount_id):
                deposit = exchange_pb2.Deposit(
                    available_balance=chain_dec(available), total_balance=chain_dec(total)
                )
                row = stream.SubaccountDeposit(denom=USDT, deposit=deposit)
                response.subaccount_deposits.add(subaccount_id=subaccount_id, deposits=[row])


def _put_positions(response: Any, events: BlockEvents, wanted: Any) -> None:
    """A closed position is sent once more, with quantity zero."""
    for (market_id, subaccount_id), position in events.positions.items():
        if not _passes(wanted, market_id, subaccount_id):
            continue
        row = response.positions.add(market_id=market_id, subaccount_id=subaccount_id)
        row.quantity = row.entry_price = row.margin = row.cumulative_funding_entry = "0"
        if position is not None:
            row.isLong, row.quantity = position.is_long, chain_dec(position.quantity)
            row.entry_price, row.margin = chain_dec(position.entry_price), chain_dec(position.margin)
            row.cumulative_funding_entry = chain_dec(position.cumulative_funding_entry)


def _trade(trade: Trade) -> Any:
    delta = exchange_pb2.PositionDelta(
        is_long=trade.is_buy,
        execution_quantity=chain_dec(trade.quantity),
        execution_margin=chain_dec(trade.margin),
        execution_price=chain_dec(trade.price),
    )
    return stream.DerivativeTrade(
        market_id=trade.market_id,
        is_buy=trade.is_buy,
        executionType=trade.execution.chain_name,
        subaccount_id=trade.subaccount_id,
        position_delta=delta,
        payout=chain_dec(trade.payout),
        fee=chain_dec(trade.fee),
        order_hash=trade.order_hash,
        fee_recipient_address=trade.fee_recipient or owner_of(trade.subaccount_id),
        cid=trade.cid,
        trade_id=trade.trade_id,
        is_liquidation=trade.execution.name == "LIQUIDATION",
    )


def _order(update: OrderUpdate) -> Any:
    order = update.order
    info = order_pb2.OrderInfo(
        subaccount_id=order.subaccount_id,
        fee_recipient=order.fee_recipient,
        price=chain_dec(order.price),
        quantity=chain_dec(order.quantity),
        cid=order.cid,
    )
    limit = order_pb2.DerivativeLimitOrder(
        order_info=info,
        order_type=int(order.order_type),
        margin=chain_dec(order.margin),
        fillable=chain_dec(update.fillable),
        order_hash=bytes.fromhex(order.order_hash[2:]),
        expiration_block=order.expiration_block,
    )
    inner = stream.DerivativeOrder(market_id=order.market_id, order=limit, is_market=order.is_market)
    return stream.DerivativeOrderUpdate(
        status=int(update.status), order_hash=order.order_hash, cid=order.cid, order=inner
    )


def _funding(update: FundingUpdate) -> Any:
    row = stream.MarketFundingUpdate(market_id=update.market_id, is_hourly_funding=update.settled is not None)
    row.funding.cumulative_funding = chain_dec(update.cumulative_funding)
    row.funding.cumulative_price = chain_dec(update.cumulative_price)
    row.funding.last_timestamp = update.last_s
    if update.settled is not None:
        row.funding_payment, row.mark_price = (
            chain_dec(update.settled.payment),
            chain_dec(update.settled.mark),
        )
    return row
