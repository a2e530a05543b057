"""The account's orders as the indexer tells them: one by its client id, and all that rest."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2_grpc as indexer_grpc

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.units import plain
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import OrderState, OrderStatus

PAGE = 100

SymbolOf = Callable[[str], str | None]
"""Symbol of a market id; None for a market that this program does not know."""


class Orders:
    """Orders of one subaccount. Every method raises Retryable where it gets no answer."""

    def __init__(self, channel: Any, subaccount_id: str, symbol_of: SymbolOf) -> None:
        self._stub = indexer_grpc.InjectiveDerivativeExchangeRPCStub(channel)
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

    async def resting(self) -> Sequence[tuple[str, OrderState]]:
        """Return market id and state of every order that rests, however many pages they fill."""
        found: list[tuple[str, OrderState]] = []
        while True:
            request = indexer_pb2.OrdersRequest(
                subaccount_id=self._subaccount_id, skip=len(found), limit=PAGE, is_conditional="false"
            )
            with asking("resting orders"):
                rows = list((await self._stub.Orders(request)).orders)
                found += [(row.market_id, read_resting(row, self._key(row.market_id))) for row in rows]
            if len(rows) < PAGE:
                return found

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
    """Read one resting order."""
    quantity, unfilled = plain(row.quantity), plain(row.unfilled_quantity)
    return OrderState(row.cid, key, OrderStatus.OPEN, quantity - unfilled, unfilled)
