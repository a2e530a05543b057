"""Orders: what the daemon wants done, what a venue says it did."""

import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hedged.domain.market import SeriesKey

ID_DIGITS = 32
TAG_DIGITS = 6
CLIENT_ID = re.compile(rf"^[0-9a-f]{{{ID_DIGITS}}}$")
"""What every client id of the daemon looks like; an order called otherwise is somebody else's."""


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, −1 for a sell."""
        return 1 if self is Side.BUY else -1


class Strategy(StrEnum):
    """Who wants a position. A market is held for one strategy at a time, so that none trades against another."""

    FUNDING_HEDGE = "funding_hedge"  # protects the trader's own positions from funding
    CASCADE_HEDGE = "cascade_hedge"  # protects them from a liquidation cascade
    DIVERGENCE = "divergence"  # collects funding where venues disagree


class Purpose(StrEnum):
    """Why a trade is made; written with every fill."""

    OWN_CUT = "own_cut"  # layer 1: make the trader's own position smaller
    OWN_RESTORE = "own_restore"  # give the trader's own position back what was cut: an opening order
    HEDGE_OPEN = "hedge_open"  # layer 2: an opposite perpetual elsewhere
    HEDGE_CLOSE = "hedge_close"
    RELOCATE = "relocate"  # cut here, the same side there (or back)
    STOP = "stop"  # a hedge lost more than the funding it protects against
    CASCADE_OPEN = "cascade_open"
    CASCADE_CLOSE = "cascade_close"
    DIVERGENCE_OPEN = "divergence_open"
    DIVERGENCE_CLOSE = "divergence_close"

    @property
    def strategy(self) -> Strategy:
        """Who makes the trade."""
        if self in (Purpose.CASCADE_OPEN, Purpose.CASCADE_CLOSE):
            return Strategy.CASCADE_HEDGE
        if self in (Purpose.DIVERGENCE_OPEN, Purpose.DIVERGENCE_CLOSE):
            return Strategy.DIVERGENCE
        return Strategy.FUNDING_HEDGE


@dataclass(frozen=True, slots=True)
class Hashes:
    """What a decision was made with; a mismatch with what is loaded means no trade."""

    model: str
    features: str
    config: str


@dataclass(frozen=True, slots=True)
class Intent:
    """One order that the plan asks for. `quantity` > 0, in coins; `worst_price` bounds the execution."""

    cycle_ts_ms: int
    key: SeriesKey
    side: Side
    quantity: Decimal
    worst_price: Decimal
    reference_price: Decimal
    purpose: Purpose
    reduce_only: bool
    hashes: Hashes

    @property
    def signed_quantity(self) -> Decimal:
        """Change of the position, in coins."""
        return self.quantity * self.side.sign

    @property
    def notional_usd(self) -> Decimal:
        """Size in USD at the reference price."""
        return self.quantity * self.reference_price

    def client_id(self, account: str) -> str:
        """Derive the id of the first order of this intent: a function of it, so a restart derives the same one.

        32 hex digits: within Injective's limit of 36 characters and every CEX's. They begin with the account's tag.
        """
        quantity = self.quantity.normalize()  # 1.0 and 1.00 are the same order
        text = f"{account}|{self.cycle_ts_ms}|{self.key}|{self.side}|{quantity}|{self.purpose}"
        return _id(tag(account), text)


def tag(account: str) -> str:
    """Return what every client id of an account begins with: 6 hex digits.

    By it a resting order is known to be a daemon's, even where the journal that it was written to is lost.
    """
    return hashlib.sha256(f"hedged|{account}".encode()).hexdigest()[:TAG_DIGITS]


def attempt_id(client_id: str, attempt: int) -> str:
    """Derive the id of a further order of the same intent from the id of its first; attempt 0 is that one itself."""
    return _id(client_id[:TAG_DIGITS], f"{client_id}|{attempt}") if attempt else client_id


def _id(prefix: str, text: str) -> str:
    return prefix + hashlib.sha256(text.encode()).hexdigest()[: ID_DIGITS - len(prefix)]


@dataclass(frozen=True, slots=True)
class Execution:
    """A venue's statement that something traded on the account. `client_id` is None for orders made by hand.

    `fee_usd` > 0 is a cost, < 0 a rebate. `execution_id` is stable, so a repeat is recognised.
    """

    ts_ms: int
    key: SeriesKey
    execution_id: str
    client_id: str | None
    side: Side
    quantity: Decimal
    price: Decimal
    fee_usd: Decimal

    @property
    def signed_quantity(self) -> Decimal:
        """Change of the position, in coins."""
        return self.quantity * self.side.sign


@dataclass(frozen=True, slots=True)
class Fill:
    """An execution that the journal attributes to one of the daemon's intents.

    `reference_price` is the mark on which the intent was decided, so `spread_usd` is the whole shortfall of execution.
    `made`: whether the order rested, and paid the maker's fee; None where that was not looked up.
    """

    execution: Execution
    purpose: Purpose
    reference_price: Decimal
    made: bool | None = None

    @property
    def key(self) -> SeriesKey:
        """The market."""
        return self.execution.key

    @property
    def signed_quantity(self) -> Decimal:
        """Change of the position, in coins."""
        return self.execution.signed_quantity

    @property
    def spread_usd(self) -> Decimal:
        """What was lost against the mark (half-spread, impact, latency), USD; > 0 is a cost."""
        return (self.execution.price - self.reference_price) * self.signed_quantity


class OrderStatus(StrEnum):
    """Where an order stands at its venue."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class OrderState:
    """A venue's statement of one order, found by its client id."""

    client_id: str
    key: SeriesKey
    status: OrderStatus
    filled: Decimal
    remaining: Decimal
    detail: str = ""
