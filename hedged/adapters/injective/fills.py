"""What the chain's event stream tells of the account's own orders, before the indexer does.

A market order is matched in the block that includes it and in no other, so the trades of one block are all it ever
filled. That the chain could not execute it is told nowhere else: its transaction has succeeded.
"""

from decimal import Decimal
from typing import Any

from hedged.adapters.injective.codes import explain
from hedged.adapters.injective.units import from_chain

MOST = 1_000


class Fills:
    """Executions and failures by client id. `see` every block of the stream, in order."""

    def __init__(self, subaccount_id: str) -> None:
        self._subaccount_id = subaccount_id
        self._trades: dict[str, dict[str, Decimal]] = {}  # client id → trade id → coins
        self._failed: dict[str, str] = {}

    def see(self, block: Any) -> None:
        """Take over a block. A trade that is told twice, as after a reconnection, counts once."""
        for failure in block.order_failures:
            if failure.cid:
                self._failed[failure.cid] = explain("exchange", failure.error_code, "")
        for trade in block.derivative_trades:
            if trade.subaccount_id == self._subaccount_id and trade.cid:
                coins = from_chain(trade.position_delta.execution_quantity)
                self._trades.setdefault(trade.cid, {})[trade.trade_id] = coins
        for told in (self._failed, self._trades):
            while len(told) > MOST:
                del told[next(iter(told))]

    def failure(self, client_id: str) -> str | None:
        """Return why the chain could not execute an order; None where it did not say so."""
        return self._failed.get(client_id)

    def filled(self, client_id: str) -> Decimal:
        """Return the coins that the stream saw an order fill; 0 where it saw nothing, which proves nothing."""
        return sum(self._trades.get(client_id, {}).values(), Decimal(0))
