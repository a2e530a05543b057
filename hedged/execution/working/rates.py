"""How many orders were sent, and how much: per decision and per hour, every attempt counted."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from hedged.config import ExecutionConfig
from hedged.domain.clock import HOUR_MS, Clock
from hedged.domain.orders import Intent

MOST = 10_000


@dataclass(slots=True)
class _Sent:
    at_ms: int
    usd: Decimal


class Rates:
    """Counts orders. One that rested counts with what it filled: what it left is sent again, by the next attempt."""

    def __init__(self, clock: Clock, config: ExecutionConfig, max_orders_per_hour: int) -> None:
        self._clock = clock
        self.reconfigure(config, max_orders_per_hour)
        self._recent: deque[_Sent] = deque(maxlen=MOST)
        self._resting: dict[str, tuple[_Sent, Decimal]] = {}  # with the price it is valued at
        self._cycle: list[_Sent] = []

    def reconfigure(self, config: ExecutionConfig, max_orders_per_hour: int) -> None:
        """Go by other limits; what was sent goes on counting."""
        self._per_cycle, self._per_cycle_usd = config.max_orders_per_cycle, config.max_notional_per_cycle_usd
        self._per_hour = max_orders_per_hour

    def load(self, sent: Iterable[tuple[int, Decimal]]) -> None:
        """Count what an earlier life sent: instant and USD of each order."""
        self._recent.extend(_Sent(at_ms, usd) for at_ms, usd in sent)

    def begin(self) -> None:
        """Begin a new decision."""
        self._cycle = []

    def sent(self, client_id: str, order: Intent, *, rests: bool) -> None:
        """Count an order that goes out now, as if it filled wholly."""
        one = _Sent(self._clock.now_ms(), order.notional_usd)
        self._recent.append(one)
        self._cycle.append(one)
        if rests:
            self._resting[client_id] = (one, order.reference_price)

    def ended(self, client_id: str, filled: Decimal) -> None:
        """Note what an order has filled that will fill no more."""
        if client_id in self._resting:
            one, price = self._resting.pop(client_id)
            one.usd = filled * price

    def last_hour(self) -> tuple[int, Decimal]:
        """Return number and notional (USD) of the orders sent within the last hour."""
        since_ms = self._clock.now_ms() - HOUR_MS
        while self._recent and self._recent[0].at_ms < since_ms:
            self._recent.popleft()
        return len(self._recent), sum((one.usd for one in self._recent), Decimal(0))

    def refuses(self, usd: Decimal) -> str:
        """Say why no opening of so many USD may be sent now; empty where it may."""
        orders, _ = self.last_hour()
        if orders >= self._per_hour:
            return f"{orders} orders were sent within the last hour"
        if len(self._cycle) >= self._per_cycle:
            return f"{len(self._cycle)} orders were sent in this cycle"
        done = sum((one.usd for one in self._cycle), Decimal(0))
        if self._per_cycle_usd is not None and done + usd > self._per_cycle_usd:
            return f"{done:,.0f} of {self._per_cycle_usd:,.0f} USD were sent in this cycle"
        return ""

    def room_to_rest(self) -> bool:
        """Tell whether an order may be spent on resting: the second half of every limit is kept for taking."""
        return self.last_hour()[0] * 2 < self._per_hour and len(self._cycle) * 2 < self._per_cycle
