"""What goes wrong in a seed: which faults there are at all, how often, and when they end.

Every seed has faults of its own choice, each at a strength of its own: where everything fails at once nothing is ever
tried, and the rare pairs of faults are never met.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hedged.domain.clock import MINUTE_MS
from hedged.simulate.dice import Dice


class Fault(StrEnum):
    """The catalogue (docs/simulation.md says what each does and what the daemon should do)."""

    # orders
    REFUSED = "refused"
    REJECTED = "rejected"
    ORDER_LOST = "order_lost"
    ORDER_LATE = "order_late"
    ACK_LOST = "ack_lost"
    BLACK_HOLE = "black_hole"
    PARTIAL_FILL = "partial_fill"
    NOT_FILLED = "not_filled"
    LOOKUP_FAILS = "lookup_fails"
    CANCEL_LOST = "cancel_lost"
    # the account
    QUERY_FAILS = "query_fails"
    POSITIONS_FAIL = "positions_fail"
    POSITIONS_LAG = "positions_lag"
    EXECUTIONS_LATE = "executions_late"
    EXECUTIONS_TWICE = "executions_twice"
    EXECUTIONS_REORDERED = "executions_reordered"
    EXECUTIONS_EMPTY = "executions_empty"
    FUNDING_LATE = "funding_late"
    FUNDING_WRONG = "funding_wrong"
    SLOW = "slow"
    # data
    DATA_LOST = "data_lost"
    DATA_EMPTY = "data_empty"
    STALE = "stale"
    FROZEN = "frozen"
    NAN = "nan"
    CROSSED = "crossed"
    PRICE_UNIT = "price_unit"
    OUTLIER = "outlier"
    FUTURE = "future"
    RATE_UNIT = "rate_unit"
    SIGN_FLIP = "sign_flip"
    # venues
    OUTAGE = "outage"
    MAINTENANCE = "maintenance"
    # clock, disk, model
    CLOCK_STEP = "clock_step"
    CLOCK_FAR = "clock_far"
    SUSPEND = "suspend"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    DISK_SLOW = "disk_slow"
    TASK_FAILS = "task_fails"
    MODEL_SILENT = "model_silent"
    MODEL_NAN = "model_nan"
    MODEL_OTHER = "model_other"
    MODEL_SLOW = "model_slow"
    MODEL_RAISES = "model_raises"
    MODEL_HANGS = "model_hangs"
    # events
    CRASH = "crash"
    STOP = "stop"
    KILL = "kill"
    MANUAL_TRADE = "manual_trade"
    MANUAL_ORDER = "manual_order"
    DEPOSIT = "deposit"
    TAKEN_AWAY = "taken_away"
    MODEL_SWAP = "model_swap"


NOT_YET: tuple[Fault, ...] = ()
"""What the daemon does not withstand yet (docs/simulation.md says why): struck only on request."""
WINDOWS = (
    Fault.STALE, Fault.FROZEN, Fault.NAN, Fault.CROSSED, Fault.PRICE_UNIT, Fault.OUTLIER, Fault.FUTURE, Fault.RATE_UNIT,
    Fault.SIGN_FLIP, Fault.OUTAGE, Fault.MAINTENANCE, Fault.DATA_LOST, Fault.DATA_EMPTY, Fault.POSITIONS_FAIL,
    Fault.DISK_FULL, Fault.MODEL_SILENT, Fault.MODEL_NAN, Fault.MODEL_OTHER, Fault.MODEL_RAISES,
)  # fmt: skip
"""Faults that last for some minutes at one place; the others strike single calls or are events."""
EVENTS = (
    Fault.CRASH, Fault.STOP, Fault.KILL, Fault.MANUAL_TRADE, Fault.MANUAL_ORDER, Fault.DEPOSIT, Fault.TAKEN_AWAY,
    Fault.CLOCK_STEP, Fault.CLOCK_FAR, Fault.SUSPEND, Fault.MODEL_SWAP,
)  # fmt: skip
OF_ORDERS = (
    Fault.REFUSED, Fault.REJECTED, Fault.ORDER_LOST, Fault.ORDER_LATE, Fault.ACK_LOST, Fault.BLACK_HOLE,
)  # fmt: skip
"""At most one of these befalls an order."""
OFTEN = (
    *OF_ORDERS, Fault.PARTIAL_FILL, Fault.NOT_FILLED, Fault.LOOKUP_FAILS, Fault.CANCEL_LOST, Fault.EXECUTIONS_LATE,
)  # fmt: skip
"""There are a few orders in a seed, and hundreds of other calls."""


@dataclass(frozen=True, slots=True)
class Span:
    """A fault that lasts. `venue`, `symbol`: empty for all."""

    fault: Fault
    venue: str
    symbol: str
    from_ms: int
    until_ms: int


class Faults:
    """`counts`: how often each one really struck. Nothing strikes from `until_ms` on."""

    def __init__(
        self,
        dice: Dice,
        venues: Sequence[str],
        symbols: Sequence[str],
        from_ms: int,
        until_ms: int,
        without: Sequence[Fault] = (),
    ) -> None:
        self._dice, self.from_ms, self.until_ms = dice, from_ms, until_ms
        self.counts: Counter[Fault] = Counter()
        share = dice.between(0.15, 0.75)  # of the catalogue
        self.on = tuple(fault for fault in Fault if dice.chance(share) and fault not in without)
        self._p = {fault: self._strength(fault) for fault in self.on if fault not in WINDOWS}
        self.spans = tuple(
            self._span(fault, venues, symbols)
            for fault in self.on
            if fault in WINDOWS
            for _ in range(1 + dice.below(2))
        )
        self._of = {fault: [s for s in self.spans if s.fault is fault] for fault in WINDOWS}

    def _strength(self, fault: Fault) -> float:
        if fault in OFTEN:
            return self._dice.between(0.05, 0.4)
        usual = 0.0003 if fault is Fault.DISK_ERROR else 0.02  # each of those is an outage
        return usual * 10 ** self._dice.between(-0.7, 0.7)

    def _span(self, fault: Fault, venues: Sequence[str], symbols: Sequence[str]) -> Span:
        dice = self._dice
        from_ms = int(dice.between(self.from_ms, self.until_ms))
        lasts_ms = int(dice.between(1, 5 if fault is Fault.DISK_FULL else 40) * MINUTE_MS)
        symbol = dice.pick(symbols) if dice.chance(0.6) else ""
        return Span(fault, dice.pick(venues), symbol, from_ms, min(from_ms + lasts_ms, self.until_ms))

    def strikes(self, fault: Fault, now_ms: int) -> bool:
        """Tell whether a call is struck now."""
        p = self._p.get(fault)
        if p is None or now_ms >= self.until_ms or not self._dice.chance(p):
            return False
        self.counts[fault] += 1
        return True

    def one_of(self, faults: Iterable[Fault], now_ms: int) -> Fault | None:
        """Return which of some faults strikes a call, if any."""
        return next((fault for fault in faults if self.strikes(fault, now_ms)), None)

    def lasting(self, fault: Fault, now_ms: int, venue: str = "", symbol: str = "") -> Span | None:
        """Return the span that this call falls into, if any."""
        for span in self._of[fault]:
            if (
                span.from_ms <= now_ms < span.until_ms
                and (not venue or span.venue == venue)
                and (not symbol or span.symbol in ("", symbol))
            ):
                self.counts[fault] += 1
                return span
        return None

    def times(self, fault: Fault, most: int) -> list[int]:
        """Draw the instants at which an event happens: between one and `most` where it is on."""
        if fault not in self.on:
            return []
        n = 1 + self._dice.below(most)
        return sorted(int(self._dice.between(self.from_ms, self.until_ms)) for _ in range(n))
