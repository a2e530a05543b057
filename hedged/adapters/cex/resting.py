"""The `Rests` port on one exchange: post-only limit orders, which wait in the book for the maker's fee.

No exchange here ends such an order by itself after some minutes: Binance's good-till-date begins at ten, and is not
post-only; Bybit and OKX have none. And what cancels everything when the daemon falls silent (Binance's countdown,
Bybit's disconnect protection, OKX's cancel-all-after) cancels the orders of the account's owner too. So the caller
cancels.
"""

from decimal import Decimal
from typing import Any

from hedged.adapters.cex.exchanges import feature
from hedged.adapters.cex.orders import POST_ONLY
from hedged.adapters.cex.trading import CexTrading
from hedged.domain.approved import ApprovedIntent
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.orders import OrderState


class RestingCexTrading(CexTrading):
    """Orders and account of one key at an exchange that takes post-only orders."""

    cannot_rest = ""
    """Why post-only orders are not sent after all, as a check has found out."""

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return best bid and best ask, not older than two seconds. Raises Retryable where one lacks, or both cross."""
        await self._ready()
        if symbol not in self.data.perpetuals:
            raise Retryable(f"{self.venue} lists no {symbol} now")
        bid, ask = await self.data.touch(symbol, self.touch_ms)
        if not 0 < bid < ask:
            raise Retryable(f"{self.venue}, {symbol}: the book's best bid is {bid:f}, its best ask {ask:f}")
        return bid, ask

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        """Leave a post-only limit order in the book at the worst price; `lifetime_s` is the caller's to keep.

        Raises WouldTake where it would have been filled at once, Rejected or Retryable (the order does not exist), or
        OutcomeUnknown (look it up, never resend).
        """
        del lifetime_s
        if self.cannot_rest:
            raise Rejected(f"{self.venue}: {self.cannot_rest}")
        return await self._place(approved, POST_ONLY)


def kind_for(exchange: Any) -> type[CexTrading]:
    """Return the class for an exchange: without `Rests` where ccxt knows no post-only orders there."""
    takes = feature(exchange, "createOrder", "timeInForce") or {}
    return RestingCexTrading if takes.get(POST_ONLY) else CexTrading
