"""Orders read back from the bytes of a signed transaction: what the journal knows without asking anybody."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_pb2
from pyinjective.proto.cosmos.tx.v1beta1 import tx_pb2
from pyinjective.proto.injective.exchange.v2 import order_pb2
from pyinjective.proto.injective.exchange.v2 import tx_pb2 as exchange_pb2

from hedged.adapters.injective.messages import BATCH_UPDATE, LIMIT_ORDER, MARKET_ORDER

BUYS = (order_pb2.OrderType.BUY, order_pb2.OrderType.BUY_PO)


@dataclass(frozen=True, slots=True)
class Sent:
    """An order as it stands in a signed transaction.

    `quantity` > 0 bought, in coins; `expires_at`: the last height at which it rests, 0 for ever.
    """

    market_id: str
    quantity: Decimal
    is_market: bool
    expires_at: int = 0


def orders_in(raw: bytes) -> dict[str, Sent]:
    """Return by client id the orders that the bytes of a signed transaction create."""
    found = {}
    for packed in tx_pb2.TxBody.FromString(tx_pb2.TxRaw.FromString(raw).body_bytes).messages:
        inner = (
            authz_pb2.MsgExec.FromString(packed.value).msgs
            if packed.type_url.endswith("MsgExec")
            else [packed]
        )
        for order, is_market in (pair for one in inner for pair in _orders(one)):
            sign = 1 if order.order_type in BUYS else -1
            quantity = sign * Decimal(order.order_info.quantity).scaleb(-18)
            found[order.order_info.cid] = Sent(order.market_id, quantity, is_market, order.expiration_block)
    return found


def _orders(packed: Any) -> list[tuple[Any, bool]]:
    name = "/" + packed.type_url.rpartition("/")[2]
    if name == MARKET_ORDER:
        return [(exchange_pb2.MsgCreateDerivativeMarketOrder.FromString(packed.value).order, True)]
    if name == LIMIT_ORDER:
        return [(exchange_pb2.MsgCreateDerivativeLimitOrder.FromString(packed.value).order, False)]
    if name == BATCH_UPDATE:
        batch = exchange_pb2.MsgBatchUpdateOrders.FromString(packed.value)
        market = [(order, True) for order in batch.derivative_market_orders_to_create]
        return market + [(order, False) for order in batch.derivative_orders_to_create]
    return []
