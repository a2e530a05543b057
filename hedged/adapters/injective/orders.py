"""The account's orders: what rests as the chain itself has it, what became of each as the indexer tells it."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2_grpc as indexer_grpc
from pyinjective.proto.injective.exchange.v2 import query_pb2, query_pb2_grpc

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.units import from_chain, plain
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import OrderState, OrderStatus

PAGE = 100

SymbolOf = Callable[[str], str | None]
"""Symbol of a market id; None for a market that this program does not know."""


class Orders:
    """Orders of one subaccount. Every method raises Retryable where it gets no answer."""

    def __init__(self, chain: Any, indexer: Any, subaccount_id: str, symbol_of: SymbolOf) -> None:
        """`chain` and `indexer`: channels."""
        self._chain = query_pb2_grpc.QueryStub(chain)
        self._stub = indexer_grpc.InjectiveDerivativeExchangeRPCStub(indexer)
        self._subaccount_id = subaccount_id
        self._symbol_of = symbol_of

    async def state(self, client_id: str) -> OrderState | None:
        """Return the order with this client id; None where the indexer knows none, which it may do seconds late."""
        request = indexer_pb2.OrdersHistoryRequest(
            subaccount_id=self._subaccount_id, cid=client_id, limit=PAGE
        )
        with asking(f"order {client_id}"):
            rows = (await self._stub.OrdersHistory(request)).orders
            # an indexer that knows no filter by client id returns everything: look at each row
            states = [read_history(row, self._key(row.market_id)) for row in rows if row.cid == client_id]
        known = [state for state in states if state is not None]
        return max(known, key=lambda s: s.filled, default=None)

    async def told_to_ms(self, market_id: str) -> int:
        """Return the time of the newest trade or settlement of a market that the indexer tells; 0 for none.

        What happened before it the indexer has seen.
        """
        trades = indexer_pb2.TradesV2Request(market_id=market_id, limit=1)
        prints = indexer_pb2.FundingRatesRequest(market_id=market_id, limit=1)
        with asking("newest trade"):
            told = [row.executed_at for row in (await self._stub.TradesV2(trades)).trades]
            told += [row.timestamp for row in (await self._stub.FundingRates(prints)).funding_rates]
        return max(told, default=0)

    async def markets(self) -> set[str]:
        """Return the ids of the markets in which the indexer knows orders of the subaccount to rest, any market."""
        found: set[str] = set()
        skip, more = 0, True
        while more:
            request = indexer_pb2.SubaccountOrdersListRequest(
                subaccount_id=self._subaccount_id, skip=skip, limit=PAGE
            )
            with asking("resting orders"):
                rows = (await self._stub.SubaccountOrdersList(request)).orders
            found |= {row.market_id for row in rows}
            skip, more = skip + len(rows), len(rows) == PAGE
        return found

    async def touch(self, market_id: str) -> tuple[Decimal, Decimal]:
        """Return a market's best bid and ask, as the chain has them; 0 where nobody rests."""
        request = query_pb2.QueryDerivativeMidPriceAndTOBRequest(market_id=market_id)
        with asking("best prices"):
            answer = await self._chain.DerivativeMidPriceAndTOB(request)
            return from_chain(answer.best_buy_price or "0"), from_chain(answer.best_sell_price or "0")

    async def resting(self, market_id: str) -> Sequence[OrderState]:
        """Return the orders that rest in a market, as the chain has them."""
        request = query_pb2.QueryTraderDerivativeOrdersRequest(
            market_id=market_id, subaccount_id=self._subaccount_id
        )
        with asking("resting orders"):
            rows = (await self._chain.TraderDerivativeOrders(request)).orders
            return [read_resting(row, self._key(market_id)) for row in rows]

    def _key(self, market_id: str) -> SeriesKey:
        return SeriesKey(INJECTIVE, self._symbol_of(market_id) or market_id)


def read_history(row: Any, key: SeriesKey) -> OrderState | None:
    """Read one order; None while it is not decided what it is: a market order before its block's matching is told.

    What a market order left unfilled is gone, so it is cancelled with what it filled.
    """
    quantity, filled = plain(row.quantity), plain(row.filled_quantity or "0")
    if filled >= quantity > 0:
        return OrderState(row.cid, key, OrderStatus.FILLED, filled, Decimal(0))
    if row.state == "canceled" or (row.execution_type == "market" and filled > 0):
        detail = "the rest was cancelled" if filled else "nothing was filled"
        return OrderState(row.cid, key, OrderStatus.CANCELLED, filled, quantity - filled, detail)
    if row.execution_type == "market":
        return None
    return OrderState(row.cid, key, OrderStatus.OPEN, filled, quantity - filled)


def read_resting(row: Any, key: SeriesKey) -> OrderState:
    """Read one resting order of the chain."""
    quantity, unfilled = from_chain(row.quantity), from_chain(row.fillable)
    return OrderState(row.cid, key, OrderStatus.OPEN, quantity - unfilled, unfilled)
