"""What the chain says of a past block, and what is no word of it."""

import asyncio
from decimal import Decimal
from typing import Any

import grpc
import pytest
from pyinjective.proto.injective.exchange.v2 import exchange_pb2, query_pb2

from hedged.adapters.injective.past_positions import HEIGHT, PastPositions
from hedged.domain.errors import Retryable

SUBACCOUNT, MARKET, BLOCK = "0xab", "0xcd", 1_000


def answer(coins: int) -> query_pb2.QuerySubaccountPositionsResponse:
    """What is held: a long of so many coins in the market, and something in another."""
    found = query_pb2.QuerySubaccountPositionsResponse()
    for market_id, quantity in ((MARKET, coins), ("0xef", 7)):
        numbers = dict.fromkeys(("entry_price", "margin", "cumulative_funding_entry"), "1")
        position = exchange_pb2.Position(isLong=True, quantity=str(quantity * 10**18), **numbers)
        found.state.add(market_id=market_id, subaccount_id=SUBACCOUNT, position=position)
    return found


class Call:
    """A call that ends with an answer for a height, or with an error."""

    def __init__(self, coins: int | grpc.StatusCode, told: str | None) -> None:
        self._coins, self._told = coins, told

    def __await__(self) -> Any:
        yield from ()
        if isinstance(self._coins, grpc.StatusCode):
            raise grpc.aio.AioRpcError(self._coins, grpc.aio.Metadata(), grpc.aio.Metadata(), "no")
        return answer(self._coins)

    async def initial_metadata(self) -> Any:
        return () if self._told is None else ((HEIGHT, self._told),)


class Node:
    """A channel to a node that holds by height what it is given; `honest`: it tells the height it was asked for."""

    def __init__(self, held: dict[int, int | grpc.StatusCode], honest: bool = True) -> None:
        self._held, self._honest = held, honest

    def unary_unary(self, *_: Any, **__: Any) -> Any:
        def call(_request: Any, metadata: Any) -> Call:
            height = dict(metadata)[HEIGHT]
            return Call(self._held[int(height)], height if self._honest else None)

        return call


def moved(node: Node) -> Decimal | None:
    return asyncio.run(PastPositions(node, SUBACCOUNT).moved(MARKET, BLOCK))


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (3, 3), (0, 0)])
def test_a_block_moved_a_position_by_what_it_was_after_it_and_before(before: int, after: int) -> None:
    """If this fails, a fill counts as none, or nothing as a fill."""
    assert moved(Node({BLOCK - 1: before, BLOCK: after})) == after - before


def test_a_state_that_is_gone_or_of_no_stated_height_proves_nothing() -> None:
    """If this fails, a node that answers for the present whatever it is asked proves that no order ever filled."""
    assert moved(Node({BLOCK - 1: grpc.StatusCode.UNKNOWN, BLOCK: 2})) is None
    assert moved(Node({BLOCK - 1: 2, BLOCK: 2}, honest=False)) is None


def test_a_node_that_does_not_answer_is_asked_again() -> None:
    """If this fails, a moment's silence of the chain leaves the decision to an indexer that may be wrong."""
    with pytest.raises(Retryable, match="positions at height"):
        moved(Node({BLOCK - 1: 2, BLOCK: grpc.StatusCode.UNAVAILABLE}))
