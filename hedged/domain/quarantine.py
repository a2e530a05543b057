"""Quarantine: a series whose data cannot be right decides nothing until it has been sound for a while."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from hedged.domain.market import SeriesKey

Doubted = dict[SeriesKey, Decimal | None]
"""Markets whose price is in doubt, with the one to go by instead; None: there is none. One writer, many readers."""


class Fault(StrEnum):
    """What is wrong with what a venue tells of a market."""

    IMPOSSIBLE = (
        "impossible"  # infinite, a price that is not positive, a negative size, a rate beyond any cap
    )
    FUTURE = "future"  # stamped later than now
    OUTLIER_PRICE = "outlier_price"  # the mark jumped and nobody else's followed
    CONTRADICTION = "contradiction"  # the mark is far from what the others say, and no jump explains it
    PRICE_UNIT = "price_unit"  # the mark is off by a power of ten
    FROZEN_PRICE = "frozen_price"  # the mark stands still to the last bit while the others move
    OUTLIER_RATE = "outlier_rate"  # far beyond what this market pays, and nothing confirms it
    RATE_UNIT = "rate_unit"  # off by a factor that units make, or the interval changed and the rate did not
    RATE_SIGN = "rate_sign"  # against a large premium, or the mirror image of all others, for long
    OPEN_INTEREST_UNIT = "open_interest_unit"  # open interest off by a power of ten: contracts for coins

    @property
    def doubts_price(self) -> bool:
        """Whether the mark cannot be believed either; else reductions are priced by it."""
        return self not in (Fault.OUTLIER_RATE, Fault.RATE_UNIT, Fault.RATE_SIGN, Fault.OPEN_INTEREST_UNIT)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault with the figures that show it."""

    fault: Fault
    figures: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why a series decides nothing, and since when (ms since the epoch, UTC)."""

    fault: Fault
    figures: str
    since_ms: int

    @property
    def text(self) -> str:
        """One clause for decisions and pages."""
        since = datetime.fromtimestamp(self.since_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")
        return f"in quarantine since {since} UTC ({self.fault}: {self.figures})"
