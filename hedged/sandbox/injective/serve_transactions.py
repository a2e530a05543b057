"""Chain gRPC of transactions: simulation, broadcast, look-up; and the price of gas."""

from typing import Any

import grpc
from pyinjective.proto.cosmos.base.abci.v1beta1 import abci_pb2
from pyinjective.proto.cosmos.tx.v1beta1 import service_pb2 as tx_service
from pyinjective.proto.cosmos.tx.v1beta1 import service_pb2_grpc as tx_grpc
from pyinjective.proto.cosmos.tx.v1beta1 import tx_pb2
from pyinjective.proto.injective.txfees.v1beta1 import query_pb2 as fee_query
from pyinjective.proto.injective.txfees.v1beta1 import query_pb2_grpc as fee_grpc

from hedged.domain.clock import iso
from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.gate import refuse
from hedged.sandbox.injective.results import TxResult
from hedged.sandbox.injective.wire import chain_dec


class Transactions(tx_grpc.ServiceServicer):
    """Simulate, broadcast, look up."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def Simulate(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the gas used; a transaction that would fail is UNKNOWN with the chain's text, as on a real node."""
        try:
            used = self._chain.simulate(request.tx_bytes)
        except ChainError as error:
            await refuse(
                context, grpc.StatusCode.UNKNOWN, f"{error.log} [cosmos/cosmos-sdk]: unknown request"
            )
        response = tx_service.SimulateResponse()
        response.gas_info.gas_wanted, response.gas_info.gas_used = 50_000_000, used
        return response

    async def BroadcastTx(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Run check-tx. Code 0 says only that the transaction waits."""
        result = self._chain.broadcast(request.tx_bytes)
        if self._chain.faults.lost_ack and result.code == 0:
            await refuse(context, grpc.StatusCode.UNAVAILABLE, "connection reset by peer")
        response = abci_pb2.TxResponse(
            txhash=result.tx_hash, codespace=result.codespace, code=result.code, raw_log=result.raw_log
        )
        return tx_service.BroadcastTxResponse(tx_response=response)

    async def GetTx(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a transaction that is in a block; NOT_FOUND before and otherwise."""
        result = self._chain.results.get(request.hash.upper().removeprefix("0X"))
        if result is None or result.height > self._chain.stated_header().height:
            await refuse(context, grpc.StatusCode.NOT_FOUND, f"tx not found: {request.hash}")
        return tx_service.GetTxResponse(tx=_tx(result), tx_response=_tx_response(result))


def _tx(result: TxResult) -> Any:
    raw = tx_pb2.TxRaw.FromString(result.raw)
    return tx_pb2.Tx(
        body=tx_pb2.TxBody.FromString(raw.body_bytes),
        auth_info=tx_pb2.AuthInfo.FromString(raw.auth_info_bytes),
        signatures=raw.signatures,
    )


def _tx_response(result: TxResult) -> Any:
    return abci_pb2.TxResponse(
        height=result.height,
        txhash=result.tx_hash,
        codespace=result.codespace,
        code=result.code,
        data=result.data,
        raw_log=result.raw_log,
        gas_wanted=result.gas_wanted,
        gas_used=result.gas_used,
        timestamp=iso(result.time_ms),
    )


class TxFees(fee_grpc.QueryServicer):
    """The price of gas."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def GetEipBaseFee(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the base fee, inj units a gas × 1e18."""
        return fee_query.QueryEipBaseFeeResponse(
            base_fee=fee_query.EipBaseFee(base_fee=chain_dec(self._chain.base_fee))
        )
