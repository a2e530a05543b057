"""The funding ledger: every settlement of a market that was held must be paid, and as its rate and price say.

expected = −quantity held strictly before the instant × rate × price. The venue states rate and price with the print,
the quantity is what executions say. A payment may differ by `ledger_tolerance` of itself (the price of a print is
the mark of that second, or of that minute), by half a step of the venue's printed rate, and by a cent. An execution
within a minute of the instant may count on either side of it. A payment may come `payment_grace_s` late.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import structlog

from hedged.config.reconcile import ReconcileConfig
from hedged.domain.clock import DAY_MS, iso
from hedged.domain.funding import FundingPayment, Settlement
from hedged.domain.market import INJECTIVE, SeriesKey

CENT = Decimal("0.01")
NOTHING = Decimal(0)
HALF_STEPS = {INJECTIVE: Decimal("5e-7")}
"""Half a step of a printed rate: Injective's indexer rounds to six decimals, exchanges to eight."""
HALF_STEP = Decimal("5e-9")
FREEZES_AFTER = 2
RIGHT_AGAIN = 3
"""So many settlements in a row must be right before a market is believed again."""
log = structlog.get_logger(__name__)

Range = tuple[Decimal, Decimal]
"""Least and most signed coins that a settlement may have been paid on."""
Moment = tuple[SeriesKey, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """A settlement that was not paid as it says. USD; `paid_usd` None: not at all. `halted`: it has halted once."""

    expected_usd: Decimal
    paid_usd: Decimal | None
    halted: bool = False

    @property
    def usd(self) -> Decimal:
        """What is missing or too much."""
        return abs((self.paid_usd or NOTHING) - self.expected_usd)


class Ledger:
    """`open`: by market and instant, what does not agree."""

    def __init__(self, rules: ReconcileConfig) -> None:
        self._tolerance = rules.ledger_tolerance
        self._right: dict[SeriesKey, int] = {}  # in a row, since the last difference
        self.open: dict[Moment, Difference] = {}

    @classmethod
    def load(cls, rules: ReconcileConfig, kept: Mapping[str, Any]) -> Self:
        """Go on where an earlier life has ended."""
        made = cls(rules)
        for venue, symbol, ts_ms, expected, paid, halted in kept.get("open", ()):
            one = Difference(Decimal(expected), None if paid is None else Decimal(paid), halted)
            made.open[SeriesKey(venue, symbol), ts_ms] = one
        return made

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return {
            "open": [
                [*key, ts, str(d.expected_usd), None if d.paid_usd is None else str(d.paid_usd), d.halted]
                for (key, ts), d in sorted(self.open.items())
            ]
        }

    def paid(self, payment: FundingPayment, held: Range | None) -> None:
        """Compare a payment with what its settlement says. `held`: None where it is not known: nothing is said."""
        due, moment = payment.settlement, (payment.settlement.key, payment.settlement.ts_ms)
        late = self.open.get(moment)
        if held is None:
            if late is not None:  # it has come after all; what it should be was known then
                found = Difference(late.expected_usd, payment.payment_usd)
                self._judge(moment, found, CENT + self._tolerance * abs(late.expected_usd))
            return
        expected = nearest(payment.payment_usd, due, held)
        self._judge(moment, Difference(expected, payment.payment_usd), self._allowed(expected, due, held))

    def unpaid(self, due: Settlement, held: Range) -> None:
        """Note that a settlement was not paid in time, where anything was held through it."""
        low, high = sorted(-q * due.rate.rate * due.price for q in held)
        if low <= 0 <= high:
            return  # nothing may have been held then
        expected = min((low, high), key=abs)
        if abs(expected) > self._allowed(NOTHING, due, held):
            self._judge((due.key, due.ts_ms), Difference(expected, None), NOTHING)

    def awaited_from_ms(self, venue: str, after_ms: int) -> int | None:
        """Return the instant of the oldest settlement of a venue that is not paid yet; None where there is none."""
        open_ = [
            m[1]
            for m, d in self.open.items()
            if m[0].venue == venue and d.paid_usd is None and m[1] > after_ms
        ]
        return min(open_, default=None)

    def _allowed(self, expected: Decimal, due: Settlement, held: Range) -> Decimal:
        step = HALF_STEPS.get(due.key.venue, HALF_STEP)
        return CENT + self._tolerance * abs(expected) + step * due.price * max(map(abs, held))

    def _judge(self, moment: Moment, found: Difference, allowed: Decimal) -> None:
        key, ts_ms = moment
        if found.usd <= allowed:
            if self.open.pop(moment, None) is not None:
                log.warning("funding_agrees_after_all", market=str(key), settled=iso(ts_ms))
            self._right[key] = self._right.get(key, 0) + 1
            if self._right[key] == RIGHT_AGAIN and self.of(key):
                self.open = {m: d for m, d in self.open.items() if m[0] != key}
                log.warning("funding_ledger_agrees_again", market=str(key))
            return
        if moment not in self.open:
            log.error(
                "funding_ledger_mismatch", market=str(key), settled=iso(ts_ms),
                expected_usd=f"{found.expected_usd:+.6f}",
                paid_usd="nothing" if found.paid_usd is None else f"{found.paid_usd:+.6f}",
            )  # fmt: skip
        self._right[key] = 0
        self.open[moment] = found

    def of(self, key: SeriesKey) -> list[Difference]:
        """Return what does not agree in a market."""
        return [difference for moment, difference in self.open.items() if moment[0] == key]

    def frozen(self) -> dict[SeriesKey, str]:
        """Say on which markets nothing may be opened: where more than one settlement was not paid as it says."""
        counts: dict[SeriesKey, int] = {}
        for key, _ in self.open:
            counts[key] = counts.get(key, 0) + 1
        return {
            key: f"funding of {count} settlements was not paid as rate × price × quantity says"
            for key, count in counts.items()
            if count >= FREEZES_AFTER
        }

    def alarm(self, now_ms: int, limit_usd: Decimal) -> str:
        """Say why everything must halt: more than the limit is unexplained within a day. Each difference halts once."""
        recent = {m: d for m, d in self.open.items() if not d.halted and m[1] > now_ms - DAY_MS}
        total = sum((d.usd for d in recent.values()), NOTHING)
        if total <= limit_usd:
            return ""
        self.open |= {m: Difference(d.expected_usd, d.paid_usd, halted=True) for m, d in recent.items()}
        markets = ", ".join(sorted({str(key) for key, _ in recent}))
        return f"funding of {total:,.2f} USD within a day is not explained ({markets}), more than {limit_usd:,.2f}"

    def forget(self, before_ms: int) -> None:
        """Drop what is too old to matter."""
        if any(ts_ms < before_ms for _, ts_ms in self.open):
            self.open = {m: d for m, d in self.open.items() if m[1] >= before_ms}


def nearest(paid_usd: Decimal, due: Settlement, held: Range) -> Decimal:
    """Return the payment nearest to the one that was made which any quantity within the range would give."""
    low, high = sorted(-q * due.rate.rate * due.price for q in held)
    return min(max(paid_usd, low), high)


def missing(
    prints: Iterable[Settlement], booked: Collection[Moment], after_ms: int, until_ms: int
) -> list[Settlement]:
    """Return the settlements with after < ts ≤ until that no payment was booked for."""
    return [p for p in prints if after_ms < p.ts_ms <= until_ms and (p.key, p.ts_ms) not in booked]
