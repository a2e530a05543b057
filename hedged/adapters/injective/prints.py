"""Funding prints of one market: what was settled, when, and how exactly it is known.

The chain settles every interval, one a block: after a halt those that fell due meanwhile follow each other block by
block. So a settlement is named by the instant it was due, which the chain's accumulators tell; the indexer tells its
block alone, and which interval that was follows from the order of the blocks (`dues`).

The indexer prints rates with six decimals (0.000004 for 0.00000416666), so what the chain itself says comes first: the
payment per coin by which its cumulative funding grew, divided by the mark. A market without trades charges exactly its
interest, which six decimals hide: a print that is the interest in six decimals is taken as the interest.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2

from hedged.adapters.injective.units import plain
from hedged.domain.clock import MINUTE_MS, SECOND_MS
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import SeriesKey

INDEXER_STEP = Decimal("0.000001")
CATCH_UP_MS = 10 * MINUTE_MS
"""So long after a gap in the indexer's history more may follow: it may be amid the blocks that make up for a halt."""
CATCH_UP_INTERVALS = 4
"""... but never longer than so many intervals, where those are short."""


@dataclass(frozen=True, slots=True)
class Print:
    """One settlement. `rate`: fraction for the interval; `price`: the mark it was charged at, None where not told.

    `ts_ms`: the instant it was due, which names it; `block_ms`: time of the block that charged it, None where not told;
    `known_ms`: when its block said so, or when it was received. `mark_age_ms`: how far from that instant the mark was
    read that stands for the one it was charged at, 0 where the chain itself told it: what was paid a coin is exact all
    the same, its split into rate and price is not.
    """

    ts_ms: int
    known_ms: int
    rate: Decimal
    price: Decimal | None
    block_ms: int | None = None
    mark_age_ms: int = 0


DueOf = Callable[[int], int | None]
"""The instant at which the settlement in the block of a time was due; None where it is not known."""


def begun_ms(block_ms: int, interval_s: int) -> int:
    """Return when the interval began that an instant lies in: a settlement there was due then, or earlier."""
    interval_ms = interval_s * SECOND_MS
    return block_ms // interval_ms * interval_ms


def dues(blocks_ms: Sequence[int], interval_s: int, known: DueOf = lambda _: None) -> list[int]:
    """Return the instants at which the settlements in these blocks (ascending) were due.

    Walked back from the newest: none is due after its block, and each a whole interval before the one that follows.
    `known` tells those that the chain itself has named.
    """
    found: list[int] = []
    for block_ms in reversed(blocks_ms):
        due = known(block_ms)
        if due is None:
            due = begun_ms(block_ms, interval_s)
            if found:
                due = min(due, found[-1] - interval_s * SECOND_MS)
        found.append(due)
    return found[::-1]


def read_prints(
    rows: Iterable[indexer_pb2.FundingRate], rule: InjectiveRule, known: DueOf = lambda _: None
) -> list[Print]:
    """Read the indexer's history, oldest first; it does not tell the marks. A row that is told twice counts once."""
    rates = {row.timestamp: plain(row.rate) for row in rows}
    rounded = {rule.hourly_interest.quantize(INDEXER_STEP, mode) for mode in (ROUND_DOWN, ROUND_HALF_EVEN)}
    blocks = sorted(rates)
    return [
        Print(
            due,
            block_ms,
            rule.hourly_interest if rates[block_ms] in rounded else rates[block_ms],
            None,
            block_ms,
        )
        for block_ms, due in zip(blocks, dues(blocks, rule.interval_s, known), strict=True)
    ]


def certain(read: Sequence[Print], last_due_ms: int | None, interval_s: int, now_ms: int) -> Sequence[Print]:
    """Return the prints up to a gap after which the indexer may still be behind: those would be named wrongly.

    `last_due_ms`: the settlement before the first of them, None where none is known. A gap that has stood for long is
    a hole in the indexer's history.
    """
    interval_ms = interval_s * SECOND_MS
    patience_ms = min(CATCH_UP_MS, CATCH_UP_INTERVALS * interval_ms)
    for at, one in enumerate(read):
        gap = last_due_ms is not None and one.ts_ms - last_due_ms > interval_ms
        if gap and now_ms - one.known_ms < patience_ms:
            return read[:at]
        last_due_ms = one.ts_ms
    return read


def charged(
    payment_per_coin: Decimal, mark: Decimal, ts_ms: int, known_ms: int, block_ms: int | None = None
) -> Print:
    """Make a print of what the chain charged per coin at the settlement due at `ts_ms`: a rate with all its digits."""
    if mark <= 0:
        raise ValueError(f"a mark of {mark}")
    return Print(ts_ms, known_ms, payment_per_coin / mark, mark, block_ms)


@dataclass(slots=True)
class Prints:
    """The prints of one market, oldest first. What was told once stays: neither decision nor ledger sees it change."""

    prints: list[Print] = field(default_factory=list)
    _dues: dict[int, int] = field(default_factory=dict)  # block → due, ms

    def add(self, one: Print) -> bool:
        """Insert a print in its place; False when that settlement is known already."""
        if one.block_ms is not None:
            self._dues.setdefault(one.block_ms, one.ts_ms)
        at = bisect_right(self.prints, one.ts_ms, key=lambda p: p.ts_ms)
        if at and self.prints[at - 1].ts_ms == one.ts_ms:
            return False
        self.prints.insert(at, one)
        return True

    def due_of(self, block_ms: int) -> int | None:
        """Return when the settlement in a block was due; None where no settlement of such a block is known."""
        return self._dues.get(block_ms)

    def at(self, ts_ms: int) -> Print | None:
        """Return the settlement that was due at an instant."""
        return next(iter(self.between(ts_ms - 1, ts_ms)), None)

    def last_before(self, ts_ms: int) -> int | None:
        """Return when the last known settlement before an instant was due."""
        first = bisect_left(self.prints, ts_ms, key=lambda p: p.ts_ms)
        return self.prints[first - 1].ts_ms if first else None

    def forget(self, before_ms: int) -> None:
        """Drop prints before an instant, so that memory does not grow with uptime."""
        self._dues = {block: due for block, due in self._dues.items() if due >= before_ms}
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
