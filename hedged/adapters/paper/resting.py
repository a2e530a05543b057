"""Orders that rest at the paper venue. One fills, wholly and as a maker, once the mark has moved through its price.

That is stricter than a real book, where the queue moves while the mark stands still: a simulated maker is filled when
the market goes against it, and only then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from hedged.adapters.paper.fills import gone_through, touch
from hedged.domain.errors import Rejected, WouldTake
from hedged.domain.market import Market
from hedged.domain.orders import Intent, OrderState, OrderStatus


@dataclass(frozen=True, slots=True)
class Resting:
    """An order in the book. `ends_ms`: when the venue ends it by itself."""

    intent: Intent
    market: Market
    ends_ms: int


class PaperQueue:
    """The resting orders of one venue, by client id."""

    def __init__(self) -> None:
        self._resting: dict[str, Resting] = {}

    def add(self, client_id: str, intent: Intent, market: Market, mark: Decimal, ends_ms: int) -> OrderState:
        """Put an order into the book. Raises WouldTake, or Rejected for one off the market's rules."""
        bid, ask = touch(market, mark)
        other = ask if intent.side.sign > 0 else bid
        if (intent.worst_price - other) * intent.side.sign >= 0:
            raise WouldTake(f"{intent.key}: {intent.worst_price:f} would be filled at {other:f}")
        off_tick = intent.worst_price % market.price_tick or intent.quantity % market.quantity_step
        if off_tick or intent.quantity * intent.worst_price < market.min_notional_usd:
            raise Rejected(f"{intent.key}: off the market's ticks, or below its minimum")
        self._resting[client_id] = Resting(intent, market, ends_ms)
        return OrderState(client_id, intent.key, OrderStatus.OPEN, Decimal(0), intent.quantity)

    def take(self, client_id: str) -> Resting | None:
        """Take an order out of the book; None where it rests no more."""
        return self._resting.pop(client_id, None)

    def due(self, marks: Mapping[str, Decimal], now_ms: int) -> list[tuple[str, bool]]:
        """Return what ends now: client ids, and whether the mark has gone through the price in time."""
        found = []
        for client_id, one in self._resting.items():
            price, mark = one.intent.worst_price, marks.get(one.intent.key.symbol)
            if now_ms >= one.ends_ms:
                found.append((client_id, False))
            elif mark is not None and gone_through(one.intent.side, price, mark):
                found.append((client_id, True))
        return found

    def __len__(self) -> int:
        return len(self._resting)


def ended(state: OrderState, *, filled: bool, why: str = "") -> OrderState:
    """Return the state of an order that was filled, or ended without."""
    if filled:
        return replace(state, status=OrderStatus.FILLED, filled=state.remaining, remaining=Decimal(0))
    return replace(state, status=OrderStatus.CANCELLED, remaining=Decimal(0), detail=why)
