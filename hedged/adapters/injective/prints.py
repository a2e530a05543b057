"""Funding prints of one market: what was settled, when, and how exactly it is known.

The indexer prints rates with six decimals (0.000004 for 0.00000416666), so what the chain itself says comes first: the
payment per coin by which its cumulative funding grew, divided by the mark. A market without trades charges exactly its
interest, which six decimals hide: a print that is the interest in six decimals is taken as the interest.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2

from hedged.adapters.injective.units import plain
from hedged.domain.clock import MINUTE_MS, SECOND_MS
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import SeriesKey

INDEXER_STEP = Decimal("0.000001")
LATEST_BLOCK_MS = 5 * MINUTE_MS
"""A settlement in a block up to this much after its hour belongs to that hour; after a halt it stands for itself."""


@dataclass(frozen=True, slots=True)
class Print:
    """One settlement. `rate`: fraction for the interval; `price`: the mark it was charged at, None where not told.

    `ts_ms`: the instant it was due; `known_ms`: when its block said so, or when it was received.
    """

    ts_ms: int
    known_ms: int
    rate: Decimal
    price: Decimal | None


def due_ms(block_ms: int, interval_s: int) -> int:
    """Return the instant that a settlement in a block at `block_ms` was due at."""
    interval_ms = interval_s * SECOND_MS
    due = block_ms // interval_ms * interval_ms
    return due if block_ms - due <= min(LATEST_BLOCK_MS, interval_ms // 2) else block_ms


def read_print(row: indexer_pb2.FundingRate, rule: InjectiveRule) -> Print:
    """Read a print of the indexer's history; it does not tell the mark."""
    told = plain(row.rate)
    rounded = {rule.hourly_interest.quantize(INDEXER_STEP, mode) for mode in (ROUND_DOWN, ROUND_HALF_EVEN)}
    rate = rule.hourly_interest if told in rounded else told
    return Print(due_ms(row.timestamp, rule.interval_s), row.timestamp, rate, None)


def charged(payment_per_coin: Decimal, mark: Decimal, ts_ms: int, known_ms: int) -> Print:
    """Make a print of what the chain charged per coin at the settlement due at `ts_ms`: a rate with all its digits."""
    if mark <= 0:
        raise ValueError(f"a mark of {mark}")
    return Print(ts_ms, known_ms, payment_per_coin / mark, mark)


@dataclass(slots=True)
class Prints:
    """The prints of one market, oldest first. What was told once stays: neither decision nor ledger sees it change."""

    prints: list[Print] = field(default_factory=list)

    def add(self, one: Print) -> bool:
        """Insert a print in its place; False when that settlement is known already."""
        at = bisect_right(self.prints, one.ts_ms, key=lambda p: p.ts_ms)
        if at and self.prints[at - 1].ts_ms == one.ts_ms:
            return False
        self.prints.insert(at, one)
        return True

    def forget(self, before_ms: int) -> None:
        """Drop prints before an instant, so that memory does not grow with uptime."""
        del self.prints[: bisect_right(self.prints, before_ms - 1, key=lambda p: p.ts_ms)]

    def known_at(self, ts_ms: int) -> Print | None:
        """Return the last print that was known at an instant."""
        at = bisect_right(self.prints, ts_ms, key=lambda p: p.ts_ms)
        return next((p for p in reversed(self.prints[max(0, at - 3) : at]) if p.known_ms <= ts_ms), None)

    def between(self, since_ms: int, until_ms: int) -> list[Print]:
        """Return prints with since < ts ≤ until."""
        first = bisect_right(self.prints, since_ms, key=lambda p: p.ts_ms)
        last = bisect_right(self.prints, until_ms, key=lambda p: p.ts_ms)
        return self.prints[first:last]


def settlement(key: SeriesKey, one: Print, rule: InjectiveRule, price: Decimal) -> Settlement:
    """Make the domain's settlement; `price` stands in where the print did not tell the mark."""
    hours = Decimal(rule.interval_s) / 3_600
    return Settlement(key, one.ts_ms, FundingRate(key.venue, one.rate, hours), one.price or price)
