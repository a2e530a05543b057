"""Chain gRPC of the exchange module, its markets: rules, books, funding, open interest; and what the oracle says."""

from typing import Any

import grpc
from pyinjective.proto.injective.exchange.v2 import exchange_pb2
from pyinjective.proto.injective.exchange.v2 import query_pb2 as query
from pyinjective.proto.injective.exchange.v2 import query_pb2_grpc as query_grpc
from pyinjective.proto.injective.oracle.v1beta1 import query_pb2 as oracle_query
from pyinjective.proto.injective.oracle.v1beta1 import query_pb2_grpc as oracle_grpc

from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.exchange_rows import full_market, funding_state, market_info, put_tob
from hedged.sandbox.injective.gate import refuse
from hedged.sandbox.injective.ledger import USDT
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.wire import chain_dec


async def market_of(chain: Chain, market_id: str, context: Any) -> Market:
    """Return a market; a query for one that there is not ends as it does on the chain."""
    try:
        return chain.exchange.market(market_id.lower())
    except ChainError as error:
        await refuse(context, grpc.StatusCode.UNKNOWN, error.log)


class MarketQueries(query_grpc.QueryServicer):
    """Of `ExchangeQuery` what concerns nobody's account."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def QueryExchangeParams(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the few parameters that a client may want."""
        params = exchange_pb2.Params(
            default_funding_interval=3_600,
            max_derivative_order_side_count=20,
            post_only_mode_height_threshold=self._chain.exchange.post_only_until,
            fixed_gas_enabled=True,
        )
        return query.QueryExchangeParamsResponse(params=params)

    async def DerivativeMarkets(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the markets asked for, with mid and top of book where wanted."""
        wanted = {market_id.lower() for market_id in request.market_ids}
        active = request.status in ("", "Active")
        markets = [m for m in self._chain.exchange.markets.values() if not wanted or m.market_id in wanted]
        tob = request.with_mid_price_and_tob
        return query.QueryDerivativeMarketsResponse(markets=[full_market(m, tob) for m in markets if active])

    async def DerivativeMarket(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return one market."""
        market = await market_of(self._chain, request.market_id, context)
        return query.QueryDerivativeMarketResponse(market=full_market(market, with_tob=False))

    async def SpotMarkets(self, request: Any, context: Any) -> Any:  # noqa: N802
        """There is no spot trading here."""
        return query.QuerySpotMarketsResponse()

    async def BinaryOptionsMarkets(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Nor are there binary options."""
        return query.QueryBinaryMarketsResponse()

    async def DerivativeMidPriceAndTOB(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return mid and best prices."""
        response = query.QueryDerivativeMidPriceAndTOBResponse()
        put_tob(response, await market_of(self._chain, request.market_id, context))
        return response

    async def DerivativeOrderbook(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return price levels, best first."""
        market = await market_of(self._chain, request.market_id, context)
        response = query.QueryDerivativeOrderbookResponse(seq=market.book_sequence)
        for is_buy, levels in ((True, response.buys_price_level), (False, response.sells_price_level)):
            for price, quantity in market.book.levels(is_buy, request.limit):
                levels.add(p=chain_dec(price), q=chain_dec(quantity))
        return response

    async def PerpetualMarketInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the funding rule of one market."""
        return query.QueryPerpetualMarketInfoResponse(
            info=market_info(await market_of(self._chain, request.market_id, context))
        )

    async def PerpetualMarketFunding(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the funding accumulators of one market."""
        market = await market_of(self._chain, request.market_id, context)
        return query.QueryPerpetualMarketFundingResponse(state=funding_state(market))

    async def OpenInterest(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return open interest in coins, both sides counted."""
        market = await market_of(self._chain, request.market_id, context)
        amount = query.OpenInterest(market_id=market.market_id, balance=chain_dec(market.open_interest))
        return query.QueryOpenInterestResponse(amount=amount)

    async def DenomMinNotionals(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the smallest order by coin, one USDT."""
        row = exchange_pb2.DenomMinNotional(denom=USDT, min_notional=chain_dec(1))
        return query.QueryDenomMinNotionalsResponse(denom_min_notionals=[row])


class OracleQuery(oracle_grpc.QueryServicer):
    """Oracle prices."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def OraclePrice(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the price of a pair that a market uses; NOT_FOUND otherwise."""
        markets = self._chain.exchange.markets.values()
        market = next((m for m in markets if m.rules.oracle_base == request.base), None)
        if market is None:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "oracle price not found")
        state = oracle_query.PricePairState(
            pair_price=chain_dec(market.mark),
            base_price=chain_dec(market.mark),
            quote_price=chain_dec(1),
            base_timestamp=self._chain.time_s,
            quote_timestamp=self._chain.time_s,
        )
        return oracle_query.QueryOraclePriceResponse(price_pair_state=state)
