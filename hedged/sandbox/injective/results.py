"""What a node says of a transaction: code, log, and the messages' responses packed as it packs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import any_pb2
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.base.abci.v1beta1 import abci_pb2

from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.transactions import MSG_EXEC, Message


@dataclass(frozen=True, slots=True)
class TxResult:
    """What became of a transaction. `height` 0 = not in a block. `data`: packed responses, upper-case hex."""

    tx_hash: str
    height: int
    codespace: str
    code: int
    raw_log: str
    data: str
    gas_wanted: int
    gas_used: int
    time_ms: int
    raw: bytes


def result_of(
    name: str,
    raw: bytes,
    error: ChainError | None,
    height: int = 0,
    time_ms: int = 0,
    data: str = "",
    gas_wanted: int = 0,
    gas_used: int = 0,
) -> TxResult:
    """Return what became of a transaction: code 0 where nothing went wrong."""
    codespace, code, log = (error.codespace, error.code, error.log) if error else ("", 0, "")
    return TxResult(name, height, codespace, code, log, data, gas_wanted, gas_used, time_ms, raw)


def packed(
    envelopes: Sequence[tuple[str, int]], messages: Sequence[Message], responses: Sequence[Any]
) -> str:
    """Pack responses as a node does: one Any per outer message, a MsgExec's holding those of its inner ones."""
    data = abci_pb2.TxMsgData()
    start = 0
    for type_url, count in envelopes:
        inner = responses[start : start + count]
        if type_url == MSG_EXEC:
            outer = authz_tx.MsgExecResponse(results=[response.SerializeToString() for response in inner])
            url = MSG_EXEC + "Response"
        else:
            outer, url = inner[0], messages[start].type_url + "Response"
        data.msg_responses.append(any_pb2.Any(type_url=url, value=outer.SerializeToString()))
        start += count
    return str(data.SerializeToString().hex().upper())
