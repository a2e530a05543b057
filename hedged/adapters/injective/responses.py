"""What the messages of a successful transaction answered: a batch returns code 0 although single orders failed."""

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.base.abci.v1beta1 import abci_pb2
from pyinjective.proto.injective.exchange.v2 import tx_pb2 as exchange_tx

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.chain import TxResult
from hedged.adapters.injective.codes import explain

EXEC_RESPONSE = authz_tx.MsgExecResponse.DESCRIPTOR.full_name
BATCH_RESPONSE = exchange_tx.MsgBatchUpdateOrdersResponse.DESCRIPTOR.full_name


def failed_orders(result: TxResult) -> dict[str, str]:
    """Return client id → reason of every order that a batch in this transaction did not create. Raises Retryable."""
    with asking("what a transaction answered"):
        reasons = _reasons(result.events)
        cids = [
            cid
            for response in _batches(result.data)
            for cid in (
                *response.failed_derivative_orders_cids,
                *response.failed_derivative_market_orders_cids,
            )
        ]
    return {cid: reasons.get(cid, "the batch did not create it and the chain gave no reason") for cid in cids}


def _batches(data: bytes) -> Iterator[Any]:
    """Yield the responses to batch updates, sent by the trader's own key or by a grantee."""
    for packed in abci_pb2.TxMsgData.FromString(data).msg_responses:
        kind = packed.type_url.rpartition("/")[2]
        if kind == BATCH_RESPONSE:
            yield exchange_tx.MsgBatchUpdateOrdersResponse.FromString(packed.value)
        elif kind == EXEC_RESPONSE:
            for result in authz_tx.MsgExecResponse.FromString(packed.value).results:
                yield from _if_batch(result)


def _if_batch(result: bytes) -> Iterator[Any]:
    """MsgExec's results carry no type. The responses to single orders have nothing where a batch lists failures."""
    try:
        yield exchange_tx.MsgBatchUpdateOrdersResponse.FromString(result)
    except DecodeError:
        return


def _reasons(events: tuple[Any, ...]) -> dict[str, str]:
    """Return client id → reason out of the events of failed orders, whose attributes are JSON."""
    reasons: dict[str, str] = {}
    for event in events:
        if event.type.rpartition(".")[2] == "EventOrderFail":
            said = {attribute.key: attribute.value for attribute in event.attributes}
            cids, flags = _json_list(said.get("cids", "")), _json_list(said.get("flags", ""))
            reasons |= {
                str(cid): explain("exchange", int(flag), "") for cid, flag in zip(cids, flags, strict=False)
            }
    return reasons


def _json_list(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return value if isinstance(value, list) else []
