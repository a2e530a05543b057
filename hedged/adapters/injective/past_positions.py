"""What the chain's own state says of a block that is over: how far it moved a position.

A node answers for any height whose state it still keeps, by the header that the Cosmos SDK reads, and tells the height
that it answered for. Market orders are matched at the end of the block that includes them and in no other, so what a
position was after the block before, and after the block itself, is a proof of what they filled that no indexer and no
stream is needed for, and that a restart does not lose. A trade by hand that undid the order to the coin within the very
same block would hide it.
"""

import asyncio
from decimal import Decimal
from typing import Any

import grpc.aio
from pyinjective.proto.injective.exchange.v2 import query_pb2, query_pb2_grpc

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.channel import UNHEALTHY
from hedged.adapters.injective.positions import read_holding

HEIGHT = "x-cosmos-block-height"


class PastPositions:
    """Positions of one subaccount at past heights."""

    def __init__(self, chain: Any, subaccount_id: str) -> None:
        """`chain`: a channel."""
        self._exchange = query_pb2_grpc.QueryStub(chain)
        self._subaccount_id = subaccount_id

    async def moved(self, market_id: str, height: int) -> Decimal | None:
        """Return by how many coins a block changed the position in a market, > 0 bought.

        None where the node keeps that state no more, or does not say which height it answered for. Raises Retryable
        where it does not answer now.
        """
        before, after = await asyncio.gather(
            *(self._held(market_id, one) for one in (height - 1, height)),
        )
        return None if before is None or after is None else after - before

    async def _held(self, market_id: str, height: int) -> Decimal | None:
        request = query_pb2.QuerySubaccountPositionsRequest(subaccount_id=self._subaccount_id)
        call = self._exchange.SubaccountPositions(request, metadata=((HEIGHT, str(height)),))
        with asking(f"positions at height {height}"):
            try:
                rows = (await call).state
                told = dict(await call.initial_metadata() or ()).get(HEIGHT)
            except grpc.aio.AioRpcError as error:
                if error.code() in UNHEALTHY:
                    raise
                return None
            if told != str(height):
                return None
            mine = [row for row in rows if row.market_id == market_id and row.position.quantity != "0"]
            held = [read_holding(row.position) for row in mine]
        return sum((holding.quantity for holding in held), Decimal(0))
