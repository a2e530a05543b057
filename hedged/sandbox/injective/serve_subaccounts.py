"""Chain gRPC of the exchange module, its subaccounts: positions, deposits, orders, kind of margin."""

from typing import Any

import grpc
from pyinjective.proto.injective.exchange.v2 import exchange_pb2
from pyinjective.proto.injective.exchange.v2 import query_pb2 as query
from pyinjective.proto.injective.exchange.v2 import query_pb2_grpc as query_grpc

from hedged.sandbox.injective.book import Order
from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.exchange_rows import deposit_message, position_message, trimmed_order
from hedged.sandbox.injective.gate import refuse
from hedged.sandbox.injective.ledger import USDT, Deposit
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.serve_markets import market_of
from hedged.sandbox.injective.wire import chain_dec, owner_of, resolve_subaccount, subaccount_of

RISK_ISOLATED, RISK_CROSS = 1, 2
HEIGHT_HEADER = "x-cosmos-block-height"


def asked_height(context: Any) -> int | None:
    """Return the past height that a query is asked for, None where it is the present."""
    told = dict(context.invocation_metadata() or ()).get(HEIGHT_HEADER)
    return int(told) if told else None


class SubaccountQueries(query_grpc.QueryServicer):
    """Of `ExchangeQuery` what concerns somebody's account."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def Positions(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return everybody's positions."""
        return query.QueryPositionsResponse(state=self._positions())

    async def PositionsInMarket(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return everybody's positions in a market."""
        await market_of(self._chain, request.market_id, context)
        return query.QueryPositionsInMarketResponse(
            state=self._positions(market_id=request.market_id.lower())
        )

    async def SubaccountPositions(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a subaccount's positions, also as of a past height."""
        subaccount_id = request.subaccount_id.lower()
        rows = self._positions(subaccount_id)
        if (height := asked_height(context)) is not None:
            if height not in self._chain.past_positions or self._chain.faults.pruned:
                text = f"failed to load state at height {height}; version does not exist (latest height: "
                await refuse(
                    context, grpc.StatusCode.UNKNOWN, f"{text}{self._chain.height}): invalid request"
                )
            held = self._chain.past_positions[height]
            rows = [_position(*one) for one in held if one[1] == subaccount_id]
        await context.send_initial_metadata(((HEIGHT_HEADER, str(height or self._chain.height)),))
        return query.QuerySubaccountPositionsResponse(state=rows)

    def _positions(self, subaccount_id: str = "", market_id: str = "") -> list[Any]:
        return [
            _position(market.market_id, holder, position)
            for market in self._chain.exchange.markets.values()
            for holder, position in market.positions.items()
            if (not subaccount_id or holder == subaccount_id)
            and (not market_id or market.market_id == market_id)
        ]

    def _risk_mode(self) -> int:
        return RISK_CROSS if self._chain.faults.cross_margin else RISK_ISOLATED

    async def SubaccountPositionInMarket(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one position, nothing where it is flat."""
        market = await market_of(self._chain, request.market_id, context)
        subaccount_id = request.subaccount_id.lower()
        position = market.positions.get(subaccount_id)
        return query.QuerySubaccountPositionInMarketResponse(
            state=position_message(position) if position else None, risk_mode=self._risk_mode()
        )

    async def SubaccountEffectivePositionInMarket(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one position with its margin at the mark, funding included."""
        market = await market_of(self._chain, request.market_id, context)
        subaccount_id = request.subaccount_id.lower()
        position, state = market.positions.get(subaccount_id), None
        if position is not None:
            margin = position.effective_margin(market.mark, market.funding.cumulative_funding)
            state = query.EffectivePosition(
                is_long=position.is_long,
                quantity=chain_dec(position.quantity),
                entry_price=chain_dec(position.entry_price),
                effective_margin=chain_dec(margin),
            )
        return query.QuerySubaccountEffectivePositionInMarketResponse(
            state=state, risk_mode=self._risk_mode()
        )

    async def SubaccountRiskProfile(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return whether a subaccount is in cross-margin mode."""
        mode = self._risk_mode()
        profile = exchange_pb2.SubaccountRiskProfile(mode=mode)
        return query.QuerySubaccountRiskProfileResponse(profile=profile, is_default=mode == RISK_ISOLATED)

    async def SubaccountDeposits(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a subaccount's deposits by coin."""
        subaccount_id = request.subaccount_id.lower()
        if request.HasField("subaccount"):
            subaccount_id = subaccount_of(request.subaccount.trader, request.subaccount.subaccount_nonce)
        deposit = self._chain.exchange.ledger.deposits.get(subaccount_id)
        deposits = {USDT: deposit_message(deposit)} if deposit is not None else {}
        return query.QuerySubaccountDepositsResponse(deposits=deposits)

    async def SubaccountDeposit(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one coin's deposit, zero where there is none."""
        known = self._chain.exchange.ledger.deposits.get(request.subaccount_id.lower())
        deposit = known if known is not None and request.denom == USDT else Deposit()
        return query.QuerySubaccountDepositResponse(deposits=deposit_message(deposit))

    async def SubaccountTradeNonce(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return how many orders a subaccount has tried."""
        nonce = self._chain.exchange.trade_nonces.get(request.subaccount_id.lower(), 0)
        return query.QuerySubaccountTradeNonceResponse(nonce=nonce)

    async def TraderDerivativeOrders(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a subaccount's resting orders in a market."""
        market = await market_of(self._chain, request.market_id, context)
        orders = _of(market.book.resting(), request.subaccount_id.lower())
        return query.QueryTraderDerivativeOrdersResponse(orders=orders)

    async def TraderDerivativeTransientOrders(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Between blocks nothing is transient."""
        await market_of(self._chain, request.market_id, context)
        return query.QueryTraderDerivativeOrdersResponse()

    async def TraderDerivativeConditionalOrders(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The sandbox takes no conditional orders."""
        return query.QueryTraderDerivativeConditionalOrdersResponse()

    async def AccountAddressDerivativeOrders(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return an address's resting orders in a market, all subaccounts."""
        market = await market_of(self._chain, request.market_id, context)
        resting = [o for o in market.book.resting() if not o.by_house]
        orders = [trimmed_order(o) for o in resting if owner_of(o.subaccount_id) == request.account_address]
        return query.QueryAccountAddressDerivativeOrdersResponse(orders=orders)

    async def DerivativeOrdersByHashes(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return those of the named orders that still rest."""
        market = await market_of(self._chain, request.market_id, context)
        wanted = {order_hash.lower() for order_hash in request.order_hashes}
        mine = [o for o in market.book.resting() if o.subaccount_id == request.subaccount_id.lower()]
        orders = [trimmed_order(o) for o in mine if o.order_hash in wanted]
        return query.QueryDerivativeOrdersByHashesResponse(orders=orders)

    async def SubaccountOrders(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a subaccount's resting orders by side."""
        market = await market_of(self._chain, request.market_id, context)
        subaccount_id = resolve_subaccount("", request.subaccount_id)
        response = query.QuerySubaccountOrdersResponse()
        for order in market.book.resting():
            if order.subaccount_id == subaccount_id:
                row = (response.buy_orders if order.is_buy else response.sell_orders).add()
                row.order.price, row.order.quantity = chain_dec(order.price), chain_dec(order.fillable)
                row.order.isReduceOnly, row.order.cid = order.is_reduce_only, order.cid
                row.order_hash = bytes.fromhex(order.order_hash[2:])
        return response


def _position(market_id: str, holder: str, position: Position) -> Any:
    return exchange_pb2.DerivativePosition(
        subaccount_id=holder, market_id=market_id, position=position_message(position)
    )


def _of(orders: list[Order], subaccount_id: str) -> list[Any]:
    return [trimmed_order(order) for order in orders if order.subaccount_id == subaccount_id]
