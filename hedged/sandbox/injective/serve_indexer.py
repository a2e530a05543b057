"""Indexer gRPC: v1 numbers as text, prices and money × 10^quote_decimals; rates printed with 6 decimals."""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeVar

import grpc
from pyinjective.proto.exchange import (
    injective_derivative_exchange_rpc_pb2 as derivative,
)
from pyinjective.proto.exchange import (
    injective_derivative_exchange_rpc_pb2_grpc as derivative_grpc,
)

from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.events import FundingPaid, Trade
from hedged.sandbox.injective.gate import refuse
from hedged.sandbox.injective.history import OrderRecord
from hedged.sandbox.injective.indexer_rows import (
    history_row,
    level_rows,
    limit_row,
    market_row,
    position_row,
    trade_row,
    usd,
)
from hedged.sandbox.injective.ledger import USDT, USDT_DECIMALS
from hedged.sandbox.injective.market import Market as MarketState
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.wire import owner_of, plain, scaled

Row = TypeVar("Row")
PAGE = 100
"""Rows a page where the request names no limit, and at most."""
RATE_PLACES = Decimal("0.000001")


def page(rows: Sequence[Row], skip: int, limit: int) -> tuple[Sequence[Row], Any]:
    """Return one page and its paging information."""
    size = min(limit or PAGE, PAGE)
    shown = rows[skip : skip + size]
    start = skip + 1 if shown else 0
    paging = derivative.Paging(total=len(rows), to=skip + len(shown))
    setattr(paging, "from", start)
    return shown, paging


def named(request: Any, field: str) -> set[str]:
    """Return the ids that a request names, by its plural or singular field; empty = all."""
    many = {value.lower() for value in getattr(request, field + "s", ())}
    one = getattr(request, field, "")
    return many | ({one.lower()} if one else set())


def in_window(ts_ms: int, request: Any) -> bool:
    """Whether an instant lies in the request's times, where it states any."""
    start, end = getattr(request, "start_time", 0), getattr(request, "end_time", 0)
    return (not start or ts_ms >= start) and (not end or ts_ms <= end)


class DerivativeIndexer(derivative_grpc.InjectiveDerivativeExchangeRPCServicer):
    """Markets, books, positions, orders, trades, funding."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def _markets(self, request: Any) -> list[MarketState]:
        wanted = named(request, "market_id")
        return [m for m in self._chain.exchange.markets.values() if not wanted or m.market_id in wanted]

    async def Markets(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the markets of a status (all are active)."""
        statuses = set(request.market_statuses) | (
            {request.market_status} if request.market_status else set()
        )
        shown = not statuses or "active" in statuses
        markets = [market_row(m) for m in self._chain.exchange.markets.values() if shown]
        return derivative.MarketsResponse(markets=markets)

    async def Market(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one market."""
        found = self._markets(request)
        if not request.market_id or not found:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "object not found")
        return derivative.MarketResponse(market=market_row(found[0]))

    async def BinaryOptionsMarkets(self, request: Any, context: Any) -> Any:  # noqa: N802
        """There are none."""
        return derivative.BinaryOptionsMarketsResponse()

    async def OrderbookV2(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one book."""
        found = self._markets(request)
        if not request.market_id or not found:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "object not found")
        return derivative.OrderbookV2Response(orderbook=self._orderbook(found[0], request.depth))

    async def OrderbooksV2(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return several books."""
        response = derivative.OrderbooksV2Response()
        for market in self._markets(request):
            response.orderbooks.add(
                market_id=market.market_id, orderbook=self._orderbook(market, request.depth)
            )
        return response

    def _orderbook(self, market: MarketState, depth: int) -> Any:
        chain, book = self._chain, market.book
        return derivative.DerivativeLimitOrderbookV2(
            buys=level_rows(book, True, depth, chain.time_ms),
            sells=level_rows(book, False, depth, chain.time_ms),
            sequence=market.book_sequence,
            timestamp=chain.time_ms,
            height=chain.height,
        )

    def _held(self, request: Any) -> list[tuple[MarketState, str, Position]]:
        subaccounts, address = named(request, "subaccount_id"), request.account_address
        return [
            (market, holder, position)
            for market in self._markets(request)
            for holder, position in market.positions.items()
            if (not subaccounts or holder in subaccounts)
            and (not address or owner_of(holder) == address)
            and request.direction in ("", "long" if position.is_long else "short")
        ]

    async def Positions(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return positions."""
        shown, paging = page(self._held(request), request.skip, request.limit)
        rows = [position_row(derivative.DerivativePosition(), *held, self._chain.time_ms) for held in shown]
        return derivative.PositionsResponse(positions=rows, paging=paging)

    async def PositionsV2(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return positions with their coin and unrealised profit."""
        shown, paging = page(self._held(request), request.skip, request.limit)
        response = derivative.PositionsV2Response(paging=paging)
        for market, holder, position in shown:
            row = position_row(
                derivative.DerivativePositionV2(), market, holder, position, self._chain.time_ms
            )
            row.denom, row.upnl = USDT, usd(position.pnl(market.mark, position.quantity))
            response.positions.append(row)
        return response

    async def LiquidablePositions(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whatever is liquidable is liquidated in the same block."""
        return derivative.LiquidablePositionsResponse()

    async def FundingRates(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return settled rates, newest first. There is no start time to ask for."""
        wanted = named(request, "market_id")
        rates = [p for p in self._chain.history.rates if not wanted or p.market_id in wanted]
        shown, paging = page(
            [p for p in reversed(rates) if in_window(p.ts_ms, request)], request.skip, request.limit
        )
        response = derivative.FundingRatesResponse(paging=paging)
        for row in shown:
            rate = f"{row.rate.quantize(RATE_PLACES, ROUND_HALF_EVEN):f}"
            response.funding_rates.add(market_id=row.market_id, rate=rate, timestamp=row.ts_ms)
        return response

    async def FundingPayments(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return funding received (> 0) or paid, newest first."""
        markets, subaccounts = named(request, "market_id"), named(request, "subaccount_id")

        def fits(paid: FundingPaid) -> bool:
            mine = not subaccounts or paid.subaccount_id in subaccounts
            return mine and (not markets or paid.market_id in markets) and in_window(paid.ts_ms, request)

        rows = [paid for paid in reversed(self._chain.history.payments) if fits(paid)]
        shown, paging = page(rows, request.skip, request.limit)
        response = derivative.FundingPaymentsResponse(paging=paging)
        for paid in shown:
            amount = scaled(paid.amount, USDT_DECIMALS, 6)
            response.payments.add(
                market_id=paid.market_id,
                subaccount_id=paid.subaccount_id,
                amount=amount,
                timestamp=paid.ts_ms,
            )
        return response

    async def Orders(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return resting orders."""
        rows = [r for r in self._records(request) if r.state in ("booked", "partial_filled")]
        shown, paging = page(rows, request.skip, request.limit)
        return derivative.OrdersResponse(orders=[limit_row(record) for record in shown], paging=paging)

    async def SubaccountOrdersList(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a subaccount's resting orders."""
        rows = [r for r in self._records(request) if r.state in ("booked", "partial_filled")]
        shown, paging = page(rows, request.skip, request.limit)
        return derivative.SubaccountOrdersListResponse(
            orders=[limit_row(record) for record in shown], paging=paging
        )

    async def OrdersHistory(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return orders of any state, newest first."""
        rows = [r for r in self._records(request) if request.state in ("", r.state)]
        shown, paging = page(rows, request.skip, request.limit)
        return derivative.OrdersHistoryResponse(
            orders=[history_row(record) for record in shown], paging=paging
        )

    def _records(self, request: Any) -> list[OrderRecord]:
        markets, subaccounts = named(request, "market_id"), named(request, "subaccount_id")
        cid = getattr(request, "cid", "")

        def fits(record: OrderRecord) -> bool:
            order = record.order
            return (
                (not markets or order.market_id in markets)
                and (not subaccounts or order.subaccount_id in subaccounts)
                and cid in ("", order.cid)
                and in_window(record.updated_ms, request)
            )

        return [record for record in reversed(self._chain.history.orders.values()) if fits(record)]

    async def Trades(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return trades, newest first."""
        shown, paging = page(self._trades(request), request.skip, request.limit)
        return derivative.TradesResponse(trades=[trade_row(trade) for trade in shown], paging=paging)

    async def TradesV2(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return trades, newest first."""
        shown, paging = page(self._trades(request), request.skip, request.limit)
        return derivative.TradesV2Response(trades=[trade_row(trade) for trade in shown], paging=paging)

    async def SubaccountTradesList(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a subaccount's trades, newest first."""
        shown, _ = page(self._trades(request), request.skip, request.limit)
        return derivative.SubaccountTradesListResponse(trades=[trade_row(trade) for trade in shown])

    def _trades(self, request: Any) -> list[Trade]:
        markets, subaccounts = named(request, "market_id"), named(request, "subaccount_id")
        criteria: list[Callable[[Trade], bool]] = [
            lambda t: not markets or t.market_id in markets,
            lambda t: not subaccounts or t.subaccount_id in subaccounts,
            lambda t: getattr(request, "cid", "") in ("", t.cid),
            lambda t: getattr(request, "trade_id", "") in ("", t.trade_id),
            lambda t: getattr(request, "direction", "") in ("", "buy" if t.is_buy else "sell"),
            lambda t: getattr(request, "execution_side", "") in ("", "maker" if t.is_maker else "taker"),
            lambda t: in_window(t.ts_ms, request),
        ]
        if address := getattr(request, "account_address", ""):
            criteria.append(lambda t: owner_of(t.subaccount_id) == address)
        return [t for t in reversed(self._chain.history.trades) if all(fits(t) for fits in criteria)]

    async def OpenInterest(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return open interest in coins, both sides counted."""
        wanted = {market_id.lower() for market_id in request.market_i_ds}
        response = derivative.OpenInterestResponse()
        for market in self._chain.exchange.markets.values():
            if market.market_id in wanted:
                interest = plain(market.open_interest)
                response.open_interests.add(market_id=market.market_id, open_interest=interest)
        return response
