"""Questions to Injective about its markets, answered in human units. Each raises Retryable where it gets no answer.

Exchange v2 is asked over the chain's gRPC, histories of the indexer, through injective-py's stubs.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2_grpc as indexer_grpc
from pyinjective.proto.injective.exchange.v2 import query_pb2, query_pb2_grpc

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.channel import FailoverChannel
from hedged.adapters.injective.markets import Perpetual, depth_usd, one_sided
from hedged.adapters.injective.prints import DueOf, Print, read_prints
from hedged.adapters.injective.units import quote
from hedged.domain.bars import BAR_MS
from hedged.domain.clock import DAY_MS

PAGE = 100
"""Rows that the indexer gives at once, at most."""
SPAN_MS = DAY_MS
AT_ONCE = 8
"""Requests for past prices that are under way together; the channel keeps them to the node's rate."""
LEVELS = 100
"""Price levels of a book that are asked for, on each side."""


class ChainQueries:
    """What the chain itself tells of its markets."""

    def __init__(self, channel: FailoverChannel) -> None:
        self.channel = channel
        self._exchange = query_pb2_grpc.QueryStub(channel)

    async def markets(self) -> Sequence[query_pb2.FullDerivativeMarket]:
        """Return all active derivative markets with mark, best prices and funding accumulators, as sent."""
        request = query_pb2.QueryDerivativeMarketsRequest(status="Active", with_mid_price_and_tob=True)
        with asking("derivative markets"):
            return list((await self._exchange.DerivativeMarkets(request)).markets)

    async def post_only_until(self) -> int:
        """Return the height below which the exchange takes only orders that rest; 0 where it was never in that mode."""
        with asking("exchange parameters"):
            answer = await self._exchange.QueryExchangeParams(query_pb2.QueryExchangeParamsRequest())
            return int(answer.params.post_only_mode_height_threshold)

    async def depth_usd(self, perpetual: Perpetual, mid: Decimal) -> tuple[Decimal, Decimal]:
        """Return the notional resting within 50 bp of `mid`, bids and asks."""
        request = query_pb2.QueryDerivativeOrderbookRequest(market_id=perpetual.market_id, limit=LEVELS)
        with asking(f"order book of {perpetual.symbol}"):
            answer = await self._exchange.DerivativeOrderbook(request)
            return depth_usd(answer.buys_price_level, mid), depth_usd(answer.sells_price_level, mid)

    async def open_interest(self, perpetual: Perpetual) -> Decimal:
        """Return the open interest in coins, one side counted."""
        request = query_pb2.QueryOpenInterestRequest(market_id=perpetual.market_id)
        with asking(f"open interest of {perpetual.symbol}"):
            return one_sided((await self._exchange.OpenInterest(request)).amount.balance)


class IndexerQueries:
    """What the indexer remembers of the markets."""

    def __init__(self, channel: FailoverChannel) -> None:
        self.channel = channel
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._stub = indexer_grpc.InjectiveDerivativeExchangeRPCStub(channel)

    async def prints(self, perpetual: Perpetual, since_ms: int, known: DueOf = lambda _: None) -> list[Print]:
        """Return the funding prints of blocks after `since_ms`, oldest first.

        The indexer knows no start: pages are walked back.
        """
        rows: list[indexer_pb2.FundingRate] = []
        with asking(f"funding history of {perpetual.symbol}"):
            while True:
                request = indexer_pb2.FundingRatesRequest(
                    market_id=perpetual.market_id, skip=len(rows), limit=PAGE
                )
                page = list((await self._stub.FundingRates(request)).funding_rates)
                rows += page
                if len(page) < PAGE or min(row.timestamp for row in page) <= since_ms:
                    break
            return read_prints((row for row in rows if row.timestamp > since_ms), perpetual.rule, known)

    async def prices(
        self, perpetual: Perpetual, until_ms: int, since_ms: int, step_ms: int
    ) -> list[tuple[int, Decimal]]:
        """Return (ms, price) of trades, ascending: the last one of every `step_ms` is among them.

        A busy market takes one request a step. The time is cut into spans that are walked back at once, so many at a
        time for all markets together; a quiet market takes little more than one request a span.
        """
        spans = [(max(since_ms, end - SPAN_MS), end) for end in range(until_ms, since_ms, -SPAN_MS)]
        found: dict[int, Decimal] = {}
        for page in await asyncio.gather(
            *(self._prices_back(perpetual, end, start, step_ms) for start, end in spans)
        ):
            found |= page
        kept = {ms // BAR_MS: (ms, found[ms]) for ms in sorted(found) if ms > since_ms and found[ms] > 0}
        return list(kept.values())  # the last one of every bar: a busy market has thousands

    async def _prices_back(
        self, perpetual: Perpetual, until_ms: int, since_ms: int, step_ms: int
    ) -> dict[int, Decimal]:
        found: dict[int, Decimal] = {}
        while until_ms > since_ms:
            page = await self._prices_until(perpetual, until_ms)
            if not page:
                break
            found = page | found
            # the page may span days of a quiet market, or a second of a busy one: at least one step back
            until_ms = min(min(page) - 1, (until_ms - 1) // step_ms * step_ms)
        return found

    async def _prices_until(self, perpetual: Perpetual, until_ms: int) -> dict[int, Decimal]:
        request = indexer_pb2.TradesV2Request(market_id=perpetual.market_id, end_time=until_ms, limit=PAGE)
        async with self._at_once:
            with asking(f"trades of {perpetual.symbol}"):
                return {
                    row.executed_at: quote(row.position_delta.execution_price, perpetual.quote_decimals)
                    for row in (await self._stub.TradesV2(request)).trades
                    if row.executed_at <= until_ms
                }
