"""Messages executed: protobuf in, calls on the exchange, protobuf response out."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from google.protobuf import any_pb2
from pyinjective.proto.cosmos.authz.v1beta1 import authz_pb2
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.bank.v1beta1 import tx_pb2 as bank_tx
from pyinjective.proto.injective.exchange.v2 import tx_pb2 as exchange_tx

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.book import OrderType
from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.events import OrderFailure
from hedged.sandbox.injective.exchange import Exchange, OrderRequest
from hedged.sandbox.injective.grants import Grants
from hedged.sandbox.injective.ledger import USDT, USDT_DECIMALS
from hedged.sandbox.injective.wire import from_chain_dec, owner_of, resolve_subaccount

Handler = Callable[["Executor", Any], Any]


class Executor:
    """Executes one transaction's messages on the state of the block that is being made."""

    def __init__(self, exchange: Exchange, grants: Grants, tx_hash: str) -> None:
        self.exchange, self.grants, self.tx_hash = exchange, grants, tx_hash

    def execute(self, type_url: str, value: bytes) -> Any:
        """Run a message; return its response. Raises ChainError: then the whole transaction fails."""
        if type_url not in HANDLERS:
            raise codes.sdk(codes.UNKNOWN_REQUEST, f"unrecognized message route: {type_url}: unknown request")
        message_type, handler = HANDLERS[type_url]
        return handler(self, message_type.FromString(value))

    def place(self, sender: str, order: Any, *, is_market: bool) -> str:
        """Place one order; return its hash."""
        return self.exchange.place(_request(sender, order, is_market=is_market), self.tx_hash).order_hash

    def cancel(self, sender: str, data: Any) -> None:
        """Cancel one order."""
        subaccount = _own(sender, data.subaccount_id)
        self.exchange.cancel(data.market_id.lower(), subaccount, data.order_hash, data.cid)


def signer_of(type_url: str, value: bytes) -> str:
    """Return the address in whose name a message acts. Raises ChainError 6 for an unknown type."""
    if type_url not in HANDLERS:
        raise codes.sdk(codes.UNKNOWN_REQUEST, f"unrecognized message route: {type_url}: unknown request")
    message = HANDLERS[type_url][0].FromString(value)
    for name in ("sender", "granter", "from_address"):
        if hasattr(message, name):
            return str(getattr(message, name))
    raise codes.sdk(codes.UNKNOWN_REQUEST, f"{type_url} has no signer: unknown request")


def _own(sender: str, subaccount: str) -> str:
    resolved = resolve_subaccount(sender, subaccount)
    if owner_of(resolved) != sender:
        raise codes.exchange(codes.BAD_SUBACCOUNT, f"{subaccount}: subaccount id is not valid")
    return resolved


def _request(sender: str, order: Any, *, is_market: bool) -> OrderRequest:
    info = order.order_info
    try:
        order_type = OrderType(order.order_type)
    except ValueError:
        raise codes.exchange(7, f"{order.order_type}: unrecognized order type") from None
    return OrderRequest(
        market_id=order.market_id.lower(),
        subaccount_id=_own(sender, info.subaccount_id),
        cid=info.cid,
        order_type=order_type,
        price=from_chain_dec(info.price),
        quantity=from_chain_dec(info.quantity),
        margin=from_chain_dec(order.margin),
        fee_recipient=info.fee_recipient,
        is_market=is_market,
        expiration_block=order.expiration_block,
    )


def _market_order(executor: Executor, message: Any) -> Any:
    order_hash = executor.place(message.sender, message.order, is_market=True)
    return exchange_tx.MsgCreateDerivativeMarketOrderResponse(
        order_hash=order_hash, cid=message.order.order_info.cid
    )


def _limit_order(executor: Executor, message: Any) -> Any:
    order_hash = executor.place(message.sender, message.order, is_market=False)
    return exchange_tx.MsgCreateDerivativeLimitOrderResponse(
        order_hash=order_hash, cid=message.order.order_info.cid
    )


def _cancel_order(executor: Executor, message: Any) -> Any:
    executor.cancel(message.sender, message)
    return exchange_tx.MsgCancelDerivativeOrderResponse()


def _batch_cancel(executor: Executor, message: Any) -> Any:
    successes = [_tried_cancel(executor, message.sender, data) for data in message.data]
    return exchange_tx.MsgBatchCancelDerivativeOrdersResponse(success=successes)


def _batch_limits(executor: Executor, message: Any) -> Any:
    response = exchange_tx.MsgBatchCreateDerivativeLimitOrdersResponse()
    into = (response.order_hashes, response.created_orders_cids, response.failed_orders_cids)
    _place_each(executor, message.sender, message.orders, into, is_market=False)
    return response


def _batch_update(executor: Executor, message: Any) -> Any:
    """Cancel first, then create. A single order that fails does not fail the transaction: its hash is the code."""
    response = exchange_tx.MsgBatchUpdateOrdersResponse()
    if message.subaccount_id:
        subaccount = _own(message.sender, message.subaccount_id)
        for market_id in message.derivative_market_ids_to_cancel_all:
            executor.exchange.cancel_all(market_id.lower(), subaccount)
    for data in message.derivative_orders_to_cancel:
        response.derivative_cancel_success.append(_tried_cancel(executor, message.sender, data))
    limits = (
        response.derivative_order_hashes,
        response.created_derivative_orders_cids,
        response.failed_derivative_orders_cids,
    )
    markets = (
        response.derivative_market_order_hashes,
        response.created_derivative_market_orders_cids,
        response.failed_derivative_market_orders_cids,
    )
    _place_each(executor, message.sender, message.derivative_orders_to_create, limits, is_market=False)
    _place_each(executor, message.sender, message.derivative_market_orders_to_create, markets, is_market=True)
    return response


def _tried_cancel(executor: Executor, sender: str, data: Any) -> bool:
    try:
        executor.cancel(sender, data)
    except ChainError:
        return False
    return True


def _place_each(executor: Executor, sender: str, orders: Any, into: Any, *, is_market: bool) -> None:
    hashes, created, failed = into
    for order in orders:
        try:
            hashes.append(executor.place(sender, order, is_market=is_market))
            created.append(order.order_info.cid)
        except ChainError as error:
            hashes.append(str(error.code))
            failed.append(order.order_info.cid)
            failure = OrderFailure(sender, error.order_hash, order.order_info.cid, error.code)
            executor.exchange.events.failures.append(failure)


def _deposit(executor: Executor, message: Any) -> Any:
    usdt = _usdt(message.amount)
    ledger, sender = executor.exchange.ledger, message.sender
    subaccount = _own(sender, message.subaccount_id)
    if ledger.bank[sender][USDT] < int(message.amount.amount):
        raise codes.sdk(codes.INSUFFICIENT_FUNDS, "spendable balance is smaller: insufficient funds")
    ledger.credit_bank(sender, USDT, -int(message.amount.amount))
    ledger.pay(subaccount, usdt)
    return exchange_tx.MsgDepositResponse()


def _withdraw(executor: Executor, message: Any) -> Any:
    usdt = _usdt(message.amount)
    ledger, sender = executor.exchange.ledger, message.sender
    subaccount = _own(sender, message.subaccount_id)
    if ledger.deposits[subaccount].available < int(message.amount.amount):
        raise codes.exchange(codes.INSUFFICIENT_DEPOSIT, "subaccount has insufficient deposits")
    ledger.pay(subaccount, -usdt)
    ledger.credit_bank(sender, USDT, int(message.amount.amount))
    return exchange_tx.MsgWithdrawResponse()


def _usdt(coin: Any) -> Decimal:
    if coin.denom != USDT:
        raise codes.exchange(
            codes.INSUFFICIENT_DEPOSIT, f"{coin.denom}: the sandbox knows USDT deposits only"
        )
    return Decimal(coin.amount).scaleb(-USDT_DECIMALS)


def _grant(executor: Executor, message: Any) -> Any:
    executor.grants.put(
        message.granter,
        message.grantee,
        message.grant.authorization,
        message.grant.expiration.seconds if message.grant.HasField("expiration") else None,
    )
    return authz_tx.MsgGrantResponse()


def _revoke(executor: Executor, message: Any) -> Any:
    executor.grants.revoke(message.granter, message.grantee, message.msg_type_url)
    return authz_tx.MsgRevokeResponse()


def _send(executor: Executor, message: Any) -> Any:
    ledger = executor.exchange.ledger
    for coin in message.amount:
        units = int(coin.amount)
        if ledger.bank[message.from_address][coin.denom] < units:
            raise codes.sdk(codes.INSUFFICIENT_FUNDS, "spendable balance is smaller: insufficient funds")
        ledger.credit_bank(message.from_address, coin.denom, -units)
        ledger.credit_bank(message.to_address, coin.denom, units)
    return bank_tx.MsgSendResponse()


def generic_authorization(msg_type: str) -> Any:
    """Return the authorisation to send one type of message, without limits."""
    packed = any_pb2.Any(type_url="/cosmos.authz.v1beta1.GenericAuthorization")
    packed.value = authz_pb2.GenericAuthorization(msg=msg_type).SerializeToString()
    return packed


_EXCHANGE = "/injective.exchange.v2."
HANDLERS: dict[str, tuple[Any, Handler]] = {
    _EXCHANGE + "MsgCreateDerivativeMarketOrder": (exchange_tx.MsgCreateDerivativeMarketOrder, _market_order),
    _EXCHANGE + "MsgCreateDerivativeLimitOrder": (exchange_tx.MsgCreateDerivativeLimitOrder, _limit_order),
    _EXCHANGE + "MsgBatchCreateDerivativeLimitOrders": (
        exchange_tx.MsgBatchCreateDerivativeLimitOrders,
        _batch_limits,
    ),
    _EXCHANGE + "MsgCancelDerivativeOrder": (exchange_tx.MsgCancelDerivativeOrder, _cancel_order),
    _EXCHANGE + "MsgBatchCancelDerivativeOrders": (exchange_tx.MsgBatchCancelDerivativeOrders, _batch_cancel),
    _EXCHANGE + "MsgBatchUpdateOrders": (exchange_tx.MsgBatchUpdateOrders, _batch_update),
    _EXCHANGE + "MsgDeposit": (exchange_tx.MsgDeposit, _deposit),
    _EXCHANGE + "MsgWithdraw": (exchange_tx.MsgWithdraw, _withdraw),
    "/cosmos.authz.v1beta1.MsgGrant": (authz_tx.MsgGrant, _grant),
    "/cosmos.authz.v1beta1.MsgRevoke": (authz_tx.MsgRevoke, _revoke),
    "/cosmos.bank.v1beta1.MsgSend": (bank_tx.MsgSend, _send),
}
