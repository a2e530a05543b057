"""The chain's gRPC as trading needs it: account, gas price, grants, transactions. Raw stubs, plain values.

Not the SDK's AsyncClient: that starts a task of its own, swallows errors, and counts sequences up when nothing was
sent.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import grpc
import grpc.aio
from pyinjective.proto.cosmos.auth.v1beta1 import auth_pb2
from pyinjective.proto.cosmos.auth.v1beta1 import query_pb2 as auth_query
from pyinjective.proto.cosmos.auth.v1beta1 import query_pb2_grpc as auth_grpc
from pyinjective.proto.cosmos.authz.v1beta1 import query_pb2 as authz_query
from pyinjective.proto.cosmos.authz.v1beta1 import query_pb2_grpc as authz_grpc
from pyinjective.proto.cosmos.bank.v1beta1 import query_pb2 as bank_query
from pyinjective.proto.cosmos.bank.v1beta1 import query_pb2_grpc as bank_grpc
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint_query
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_grpc
from pyinjective.proto.cosmos.tx.v1beta1 import service_pb2 as tx_service
from pyinjective.proto.cosmos.tx.v1beta1 import service_pb2_grpc as tx_grpc
from pyinjective.proto.injective.txfees.v1beta1 import query_pb2 as fees_query
from pyinjective.proto.injective.txfees.v1beta1 import query_pb2_grpc as fees_grpc
from pyinjective.proto.injective.types.v1beta1 import account_pb2

from hedged.adapters.injective.asking import asking, explain
from hedged.adapters.injective.codes import TX_IN_CACHE
from hedged.adapters.injective.units import coins, from_chain
from hedged.domain.errors import OutcomeUnknown, Retryable, WouldTake

INJ = "inj"
INJ_DECIMALS = 18
INJ_UNIT = Decimal(10) ** INJ_DECIMALS
MOST_GRANTS = 1_000  # asked for in one page
CROSSES = "exceeds top of book"
"""What the chain says of a post-only order that would take; simulation gives texts only, no codes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block a node has. `ts_ms`: the block's own time."""

    height: int
    ts_ms: int
    chain_id: str


@dataclass(frozen=True, slots=True)
class AccountPoint:
    """What a signature needs of an account: its number, and the sequence that the next transaction must have."""

    number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class TxResult:
    """What a node says of a transaction. `height` 0: checked only. `data`: TxMsgData, the messages' responses.
    `ts_ms`: time of the block, 0 where not told."""

    tx_hash: str
    height: int
    codespace: str
    code: int
    log: str
    data: bytes = b""
    events: tuple[Any, ...] = ()
    ts_ms: int = 0


class Chain:
    """Queries raise Retryable whenever there is no answer; `broadcast` raises OutcomeUnknown."""

    def __init__(self, channel: Any) -> None:
        self._auth = auth_grpc.QueryStub(channel)
        self._authz = authz_grpc.QueryStub(channel)
        self._bank = bank_grpc.QueryStub(channel)
        self._tendermint = tendermint_grpc.ServiceStub(channel)
        self._tx = tx_grpc.ServiceStub(channel)
        self._fees = fees_grpc.QueryStub(channel)

    async def head(self) -> Head:
        """Return the node's newest block."""
        request = tendermint_query.GetLatestBlockRequest()
        with asking("latest block"):
            answer = await self._tendermint.GetLatestBlock(request)
        header = answer.sdk_block.header if answer.HasField("sdk_block") else answer.block.header
        if header.height <= 0:
            raise Retryable("latest block: the node gives no height")
        ts_ms = header.time.seconds * 1_000 + header.time.nanos // 1_000_000
        return Head(header.height, ts_ms, header.chain_id)

    async def account(self, address: str) -> AccountPoint | None:
        """Return the account's number and sequence as of the newest block; None where it has never had any coin."""
        request = auth_query.QueryAccountRequest(address=address)
        answer = await _unless_absent("account", self._auth.Account(request))
        if answer is None:
            return None
        with asking("account"):
            base = _base_account(answer.account)
            return AccountPoint(base.account_number, base.sequence)

    async def inj(self, address: str) -> Decimal:
        """Return the INJ in the account's bank balance, from which gas is paid."""
        request = bank_query.QueryBalanceRequest(address=address, denom=INJ)
        with asking("balance"):
            answer = await self._bank.Balance(request)
            return coins(answer.balance.amount or "0", INJ_DECIMALS)

    async def gas_price(self) -> int:
        """Return the base fee, in 1e-18 INJ per unit of gas."""
        with asking("gas price"):
            answer = await self._fees.GetEipBaseFee(fees_query.QueryEipBaseFeeRequest())
            price = int(from_chain(answer.base_fee.base_fee or "0"))
        if price <= 0:
            raise Retryable("gas price: the node gives none")
        return price

    async def grants(self, granter: str, grantee: str) -> list[Any]:
        """Return everything that `granter` lets `grantee` do, as cosmos.authz.v1beta1.Grant."""
        request = authz_query.QueryGrantsRequest(granter=granter, grantee=grantee)
        request.pagination.limit = MOST_GRANTS
        answer = await _unless_absent("grants", self._authz.Grants(request))
        return list(answer.grants) if answer is not None else []

    async def find(self, tx_hash: str) -> TxResult | None:
        """Return a transaction that is in a block; None where this node knows none of this hash."""
        request = tx_service.GetTxRequest(hash=tx_hash)
        answer = await _unless_absent("transaction", self._tx.GetTx(request))
        if answer is None:
            return None
        with asking("transaction"):
            said = answer.tx_response
            data, events = bytes.fromhex(said.data), tuple(said.events)
            ts_ms = round(datetime.fromisoformat(said.timestamp).timestamp() * 1_000) if said.timestamp else 0
            return TxResult(
                said.txhash, said.height, said.codespace, said.code, said.raw_log, data, events, ts_ms
            )

    async def simulate(self, raw: bytes) -> int:
        """Return the gas that a transaction would use. Raises Retryable; `sequence_is_wrong` tells a mismatch.

        Raises WouldTake for a post-only order that would take.
        """
        try:
            with asking("simulation"):
                answer = await self._tx.Simulate(tx_service.SimulateRequest(tx_bytes=raw))
        except Retryable as error:
            if CROSSES in str(error).lower():
                raise WouldTake(str(error)) from None
            raise
        return int(answer.gas_info.gas_used)

    async def broadcast(self, raw: bytes) -> TxResult:
        """Send bytes and return what the node's CheckTx says. Raises OutcomeUnknown for every failure to answer."""
        request = tx_service.BroadcastTxRequest(tx_bytes=raw, mode=tx_service.BROADCAST_MODE_SYNC)
        try:
            answer = await self._tx.BroadcastTx(request)
        except grpc.aio.AioRpcError as error:
            if "already exists in cache" in (error.details() or ""):
                return TxResult("", 0, "sdk", TX_IN_CACHE, error.details() or "")
            raise OutcomeUnknown(f"broadcast: {explain(error)}") from None
        said = answer.tx_response
        return TxResult(said.txhash, 0, said.codespace, said.code, said.raw_log)


def sequence_is_wrong(error: Retryable) -> bool:
    """Tell whether a simulation failed for the sequence."""
    return "account sequence mismatch" in str(error)


async def _unless_absent(what: str, call: Awaitable[T]) -> T | None:
    """Return the answer, or None where the node says that there is no such thing."""
    with asking(what):
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise


def _base_account(packed: Any) -> Any:
    """Unpack an account of Injective, or of plain cosmos as a local chain may have."""
    kind = packed.type_url.rpartition("/")[2]
    if kind == account_pb2.EthAccount.DESCRIPTOR.full_name:
        return account_pb2.EthAccount.FromString(packed.value).base_account
    if kind == auth_pb2.BaseAccount.DESCRIPTOR.full_name:
        return auth_pb2.BaseAccount.FromString(packed.value)
    raise Retryable(f"account: of a kind that cannot sign here: {kind}")
