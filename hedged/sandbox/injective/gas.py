"""Gas: a fixed price per kind of order, a little below what injective-py's heuristics allow for."""

from pyinjective.proto.injective.exchange.v2 import tx_pb2 as exchange_tx

from hedged.sandbox.injective.transactions import SignedTx

ANTE = 90_000
PER_MESSAGE = 15_000
LIMIT_ORDER, POST_ONLY_ORDER, MARKET_ORDER, CANCEL, OTHER = 100_000, 120_000, 90_000, 60_000, 30_000
_POST_ONLY = (7, 8)


def used(tx: SignedTx) -> int:
    """Return the gas that executing a transaction takes."""
    return ANTE + sum(PER_MESSAGE + _of(message.type_url, message.value) for message in tx.messages)


def _of(type_url: str, value: bytes) -> int:
    name = type_url.rsplit(".", 1)[-1]
    if name == "MsgCreateDerivativeMarketOrder":
        return MARKET_ORDER
    if name == "MsgCreateDerivativeLimitOrder":
        return _limit(exchange_tx.MsgCreateDerivativeLimitOrder.FromString(value).order.order_type)
    if name == "MsgBatchUpdateOrders":
        batch = exchange_tx.MsgBatchUpdateOrders.FromString(value)
        cancels = len(batch.derivative_orders_to_cancel)
        return (
            cancels * CANCEL
            + sum(_limit(order.order_type) for order in batch.derivative_orders_to_create)
            + len(batch.derivative_market_orders_to_create) * MARKET_ORDER
        )
    return CANCEL if "Cancel" in name else OTHER


def _limit(order_type: int) -> int:
    return POST_ONLY_ORDER if order_type in _POST_ONLY else LIMIT_ORDER
