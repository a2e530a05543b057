"""Chain gRPC outside the exchange: blocks, accounts, balances, grants."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import any_pb2
from pyinjective.proto.cosmos.auth.v1beta1 import query_pb2 as auth_query
from pyinjective.proto.cosmos.auth.v1beta1 import query_pb2_grpc as auth_grpc
from pyinjective.proto.cosmos.authz.v1beta1 import (
    authz_pb2,
)
from pyinjective.proto.cosmos.authz.v1beta1 import (
    query_pb2 as authz_query,
)
from pyinjective.proto.cosmos.authz.v1beta1 import (
    query_pb2_grpc as authz_grpc,
)
from pyinjective.proto.cosmos.bank.v1beta1 import query_pb2 as bank_query
from pyinjective.proto.cosmos.bank.v1beta1 import query_pb2_grpc as bank_grpc
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tm_query
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tm_grpc
from pyinjective.proto.cosmos.base.v1beta1 import coin_pb2
from pyinjective.proto.cosmos.tx.v1beta1 import service_pb2_grpc as tx_grpc
from pyinjective.proto.injective.txfees.v1beta1 import query_pb2_grpc as fee_grpc
from pyinjective.proto.injective.types.v1beta1 import account_pb2

from hedged.sandbox.injective.chain import Chain, Header
from hedged.sandbox.injective.gate import refuse
from hedged.sandbox.injective.grants import Grant
from hedged.sandbox.injective.serve_transactions import Transactions, TxFees
from hedged.sandbox.injective.wire import keccak


def add_chain_services(server: Any, chain: Chain) -> None:
    """Register everything of this module on a gRPC server."""
    tm_grpc.add_ServiceServicer_to_server(Tendermint(chain), server)
    auth_grpc.add_QueryServicer_to_server(Auth(chain), server)
    bank_grpc.add_QueryServicer_to_server(Bank(chain), server)
    authz_grpc.add_QueryServicer_to_server(Authz(chain), server)
    tx_grpc.add_ServiceServicer_to_server(Transactions(chain), server)
    fee_grpc.add_QueryServicer_to_server(TxFees(chain), server)


class Tendermint(tm_grpc.ServiceServicer):
    """Blocks and the node."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def GetLatestBlock(self, request: Any, context: Any) -> Any:  # noqa: N802  (names of the protocol)
        """Return the latest block's header; a lagging node's is older."""
        return self._block(self._chain.stated_header(), tm_query.GetLatestBlockResponse())

    async def GetBlockByHeight(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return an earlier header."""
        header = next((h for h in self._chain.headers if h.height == request.height), None)
        if header is None:
            await refuse(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                "requested block height is bigger then the chain length",
            )
        return self._block(header, tm_query.GetBlockByHeightResponse())

    async def GetNodeInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return who this is."""
        response = tm_query.GetNodeInfoResponse()
        response.default_node_info.network = self._chain.chain_id
        response.default_node_info.moniker = "hedged-sandbox"
        response.application_version.app_name = "injectived"
        response.application_version.version = "sandbox"
        return response

    async def GetSyncing(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A lagging node says that it is catching up."""
        return tm_query.GetSyncingResponse(syncing=self._chain.faults.lag_blocks > 0)

    def _block(self, header: Header, response: Any) -> Any:
        for block in (response.block, response.sdk_block):
            block.header.height, block.header.chain_id = header.height, self._chain.chain_id
            block.header.time.FromMilliseconds(header.time_ms)
        response.block_id.hash = keccak(f"{self._chain.chain_id}/{header.height}".encode())
        return response


class Auth(auth_grpc.QueryServicer):
    """Account numbers and sequences, as committed."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def Account(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return an EthAccount; NOT_FOUND for an address that never held anything."""
        account = self._chain.accounts.get(request.address)
        if account is None:
            await refuse(
                context, grpc.StatusCode.NOT_FOUND, f"account {request.address} not found: key not found"
            )
        message = account_pb2.EthAccount()
        message.base_account.address = request.address
        message.base_account.account_number = account.number
        message.base_account.sequence = account.sequence
        packed = any_pb2.Any()
        packed.Pack(message, type_url_prefix="")
        return auth_query.QueryAccountResponse(account=packed)


class Bank(bank_grpc.QueryServicer):
    """Bank balances, smallest units."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def _coins(self, address: str) -> list[Any]:
        held = self._chain.exchange.ledger.bank.get(address, {})
        return [coin_pb2.Coin(denom=d, amount=str(units)) for d, units in sorted(held.items()) if units]

    def _coin(self, address: str, denom: str) -> Any:
        units = self._chain.exchange.ledger.bank.get(address, {}).get(denom, 0)
        return coin_pb2.Coin(denom=denom, amount=str(units))

    async def Balance(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one coin's balance."""
        return bank_query.QueryBalanceResponse(balance=self._coin(request.address, request.denom))

    async def AllBalances(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return all balances that are not zero."""
        return bank_query.QueryAllBalancesResponse(balances=self._coins(request.address))

    async def SpendableBalances(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the same: nothing is locked here."""
        return bank_query.QuerySpendableBalancesResponse(balances=self._coins(request.address))

    async def SpendableBalanceByDenom(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the same for one coin."""
        coin = self._coin(request.address, request.denom)
        return bank_query.QuerySpendableBalanceByDenomResponse(balance=coin)


class Authz(authz_grpc.QueryServicer):
    """Grants that hold now; expired ones are pruned."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def _find(self, granter: str = "", grantee: str = "", msg_type: str = "") -> Sequence[Grant]:
        if self._chain.faults.expired_grant:
            return []
        return self._chain.grants.find(self._chain.time_s, granter, grantee, msg_type)

    async def Grants(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return what a granter lets a grantee do; with a message type that is not granted, NOT_FOUND."""
        found = self._find(request.granter, request.grantee, request.msg_type_url)
        if request.msg_type_url and not found:
            text = f"authorization not found for {request.msg_type_url} type: authorization not found"
            await refuse(context, grpc.StatusCode.NOT_FOUND, text)
        response = authz_query.QueryGrantsResponse()
        for grant in found:
            _fill(response.grants.add(), grant)
        response.pagination.total = len(found)
        return response

    async def GranterGrants(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return everything that an address has granted."""
        return self._listing(authz_query.QueryGranterGrantsResponse(), self._find(granter=request.granter))

    async def GranteeGrants(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return everything that an address may do for others."""
        return self._listing(authz_query.QueryGranteeGrantsResponse(), self._find(grantee=request.grantee))

    def _listing(self, response: Any, grants: Sequence[Grant]) -> Any:
        for grant in grants:
            row: Any = authz_pb2.GrantAuthorization(granter=grant.granter, grantee=grant.grantee)
            _fill(row, grant)
            response.grants.append(row)
        response.pagination.total = len(grants)
        return response


def _fill(row: Any, grant: Grant) -> None:
    row.authorization.CopyFrom(grant.authorization)
    if grant.expires_s is not None:
        row.expiration.FromSeconds(grant.expires_s)
