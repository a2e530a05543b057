"""Indexer gRPC about accounts: subaccount balances, portfolio, order states, oracle prices, service information."""

from decimal import Decimal
from typing import Any

import grpc
from pyinjective.proto.exchange import (
    injective_accounts_rpc_pb2 as accounts,
)
from pyinjective.proto.exchange import (
    injective_accounts_rpc_pb2_grpc as accounts_grpc,
)
from pyinjective.proto.exchange import (
    injective_meta_rpc_pb2 as meta,
)
from pyinjective.proto.exchange import (
    injective_meta_rpc_pb2_grpc as meta_grpc,
)
from pyinjective.proto.exchange import (
    injective_oracle_rpc_pb2 as oracle,
)
from pyinjective.proto.exchange import (
    injective_oracle_rpc_pb2_grpc as oracle_grpc,
)
from pyinjective.proto.exchange import (
    injective_portfolio_rpc_pb2 as portfolio,
)
from pyinjective.proto.exchange import (
    injective_portfolio_rpc_pb2_grpc as portfolio_grpc,
)

from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.gate import refuse
from hedged.sandbox.injective.indexer_rows import position_row, usd
from hedged.sandbox.injective.ledger import USDT, USDT_DECIMALS
from hedged.sandbox.injective.wire import owner_of, plain


def add_account_services(server: Any, chain: Chain) -> None:
    """Register everything of this module on a gRPC server."""
    accounts_grpc.add_InjectiveAccountsRPCServicer_to_server(Accounts(chain), server)
    portfolio_grpc.add_InjectivePortfolioRPCServicer_to_server(Portfolio(chain), server)
    oracle_grpc.add_InjectiveOracleRPCServicer_to_server(Oracle(chain), server)
    meta_grpc.add_InjectiveMetaRPCServicer_to_server(Meta(chain), server)


def _subaccounts(chain: Chain, address: str) -> list[str]:
    held = {holder for market in chain.exchange.markets.values() for holder in market.positions}
    known = held | set(chain.exchange.ledger.deposits)
    return sorted(holder for holder in known if owner_of(holder) == address)


def _profit(chain: Chain, subaccount_id: str) -> Decimal:
    held = ((m, m.positions.get(subaccount_id)) for m in chain.exchange.markets.values())
    return sum((p.pnl(m.mark, p.quantity) for m, p in held if p is not None), Decimal(0))


def _locked(chain: Chain, subaccount_id: str) -> Decimal:
    """Return what orders hold and positions bind, USDT."""
    deposit = chain.exchange.ledger.deposits.get(subaccount_id)
    orders = (deposit.total - deposit.available).scaleb(-USDT_DECIMALS) if deposit else Decimal(0)
    held = (m.positions.get(subaccount_id) for m in chain.exchange.markets.values())
    return orders + sum((p.margin for p in held if p is not None), Decimal(0))


class Accounts(accounts_grpc.InjectiveAccountsRPCServicer):
    """Subaccounts and their balances."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def Portfolio(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return an address's value over all subaccounts; plain USDT."""
        response = accounts.PortfolioResponse()
        whole = response.portfolio
        sums = [Decimal(0)] * 3
        for subaccount_id in _subaccounts(self._chain, request.account_address):
            available = self._chain.exchange.ledger.spendable(subaccount_id)
            numbers = (available, _locked(self._chain, subaccount_id), _profit(self._chain, subaccount_id))
            sums = [total + number for total, number in zip(sums, numbers, strict=True)]
            row = whole.subaccounts.add(subaccount_id=subaccount_id)
            row.available_balance, row.locked_balance, row.unrealized_pnl = map(plain, numbers)
        whole.available_balance, whole.locked_balance, whole.unrealized_pnl = map(plain, sums)
        whole.portfolio_value = plain(sum(sums, Decimal(0)))
        return response

    async def SubaccountsList(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return an address's subaccounts that ever had anything."""
        return accounts.SubaccountsListResponse(
            subaccounts=_subaccounts(self._chain, request.account_address)
        )

    async def SubaccountBalancesList(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a subaccount's deposits."""
        known = request.subaccount_id.lower() in self._chain.exchange.ledger.deposits
        rows = [self._balance(request.subaccount_id.lower())] if known else []
        return accounts.SubaccountBalancesListResponse(balances=rows)

    async def SubaccountBalanceEndpoint(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one deposit."""
        return accounts.SubaccountBalanceEndpointResponse(
            balance=self._balance(request.subaccount_id.lower())
        )

    def _balance(self, subaccount_id: str) -> Any:
        deposit = self._chain.exchange.ledger.deposits.get(subaccount_id)
        total, available = (deposit.total, deposit.available) if deposit else (Decimal(0), Decimal(0))
        row = accounts.SubaccountBalance(
            subaccount_id=subaccount_id, account_address=owner_of(subaccount_id), denom=USDT
        )
        row.deposit.total_balance, row.deposit.available_balance = plain(total), plain(available)
        return row

    async def OrderStates(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return what became of orders, by hash."""
        response = accounts.OrderStatesResponse()
        for order_hash in request.derivative_order_hashes:
            record = self._chain.history.orders.get(order_hash.lower())
            if record is not None:
                order = record.order
                response.derivative_order_states.add(
                    order_hash=order.order_hash,
                    subaccount_id=order.subaccount_id,
                    market_id=order.market_id,
                    order_type="market" if order.is_market else "limit",
                    order_side="buy" if order.is_buy else "sell",
                    state=record.state,
                    quantity_filled=plain(record.filled),
                    quantity_remaining=plain(order.quantity - record.filled),
                    created_at=record.created_ms,
                    updated_at=record.updated_ms,
                    price=usd(order.price),
                    margin=usd(order.margin),
                )
        return response


class Portfolio(portfolio_grpc.InjectivePortfolioRPCServicer):
    """Everything that an address has."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def AccountPortfolio(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return bank balances, deposits and positions with unrealised profit, scaled."""
        response = portfolio.AccountPortfolioResponse()
        _fill_balances(response.portfolio, self._chain, request.account_address)
        for market in self._chain.exchange.markets.values():
            for holder, position in market.positions.items():
                if owner_of(holder) == request.account_address:
                    row = response.portfolio.positions_with_upnl.add()
                    position_row(row.position, market, holder, position, self._chain.time_ms)
                    row.unrealized_pnl = usd(position.pnl(market.mark, position.quantity))
        return response

    async def AccountPortfolioBalances(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return bank balances and deposits."""
        response = portfolio.AccountPortfolioBalancesResponse()
        _fill_balances(response.portfolio, self._chain, request.account_address)
        return response


def _fill_balances(message: Any, chain: Chain, address: str) -> None:
    message.account_address = address
    for denom, units in sorted(chain.exchange.ledger.bank.get(address, {}).items()):
        message.bank_balances.add(denom=denom, amount=str(units))
    for subaccount_id in _subaccounts(chain, address):
        deposit = chain.exchange.ledger.deposits.get(subaccount_id)
        if deposit is not None:
            row = message.subaccounts.add(subaccount_id=subaccount_id, denom=USDT)
            row.deposit.total_balance = plain(deposit.total)
            row.deposit.available_balance = plain(deposit.available)


class Oracle(oracle_grpc.InjectiveOracleRPCServicer):
    """Oracle prices as plain numbers (scaled where the request names a factor)."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def _price(self, base: str, factor: int) -> str | None:
        for market in self._chain.exchange.markets.values():
            if market.rules.oracle_base == base:
                return plain(market.mark.scaleb(factor))
        return None

    async def Price(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a pair's price."""
        price = self._price(request.base_symbol, request.oracle_scale_factor)
        if price is None:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "object not found")
        return oracle.PriceResponse(price=price)

    async def PriceV2(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return several pairs' prices."""
        response = oracle.PriceV2Response()
        for wanted in request.filters:
            price = self._price(wanted.base_symbol, wanted.oracle_scale_factor)
            if price is not None:
                pair = {"base_symbol": wanted.base_symbol, "quote_symbol": wanted.quote_symbol}
                response.prices.add(**pair, oracle_type=wanted.oracle_type, price=price)
        return response

    async def OracleList(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return every oracle in use."""
        response = oracle.OracleListResponse()
        for market in self._chain.exchange.markets.values():
            names = {"base_symbol": market.rules.oracle_base, "quote_symbol": market.rules.oracle_quote}
            response.oracles.add(symbol=market.symbol, **names, oracle_type="pyth", price=plain(market.mark))
        return response


class Meta(meta_grpc.InjectiveMetaRPCServicer):
    """Whether the indexer is there."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def Ping(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer."""
        return meta.PingResponse()

    async def Version(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a name."""
        return meta.VersionResponse(version="sandbox")

    async def Info(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the server's time."""
        return meta.InfoResponse(
            timestamp=request.timestamp, server_time=self._chain.time_ms, version="sandbox"
        )
