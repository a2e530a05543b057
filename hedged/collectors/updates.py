"""What a stream says, in the daemon's terms: the same for every venue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple, Protocol

from hedged.domain.bars import Field

Hours = Callable[[str], float | None]
"""The funding interval of a symbol in hours as last told (by REST); None where nobody has told it."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A perpetual: our symbol, the venue's name for it, and how many coins one contract of it is."""

    symbol: str
    native: str
    contract_value: float = 1.0


class Top(NamedTuple):
    """Best prices in USD per coin, with the coins that rest there."""

    bid: float
    bid_quantity: float
    ask: float
    ask_quantity: float


class Settles(NamedTuple):
    """The coming settlement: its instant, and the hours that it covers."""

    next_ms: int
    interval_h: float


class Update(NamedTuple):
    """News of one market. `venue_ms` is the venue's own stamp; rates are per hour, open interest is in coins."""

    symbol: str
    venue_ms: int
    values: Mapping[Field, float]
    settles: Settles | None = None
    top: Top | None = None


class Heard(NamedTuple):
    """What one message amounts to.

    `send`: frames to answer with; `refused`: what the venue refused, in its words; `leave`: why the connection should
    be left for a new one.
    """

    updates: Sequence[Update] = ()
    send: Sequence[str] = ()
    refused: str = ""
    leave: str = ""


NOTHING = Heard()
"""An answer, a pong: it proves that somebody is there, not that the market is told."""
QUIET = Heard()
"""A push without news for us: the market is told."""


class Dialect(Protocol):
    """One connection in a venue's own protocol. Holds what the connection has told, and forgets it in `open`."""

    @property
    def name(self) -> str:
        """Venue and part, for logs."""
        ...

    @property
    def url(self) -> str:
        """Where to connect."""
        ...

    @property
    def ping(self) -> str | None:
        """The frame that keeps the connection open, where the venue wants one of its own."""
        ...

    def open(self) -> Sequence[str]:
        """Begin anew: return the frames to subscribe with."""
        ...

    def read(self, message: str | bytes) -> Heard:
        """Read a message. Raises ValueError, LookupError, TypeError or AttributeError for what it does not know."""
        ...

    def lost(self) -> Heard:
        """A message could not be read: say what makes good for it, where later ones build on earlier ones."""
        ...


class Sink(Protocol):
    """Where values go: a board of one venue."""

    def put(self, symbol: str, known_at_ms: int, values: Mapping[Field, float]) -> None:
        """Take over values received at an instant."""
        ...

    def put_settlement(self, symbol: str, known_at_ms: int, next_ms: int, interval_h: float) -> None:
        """Take over the coming settlement."""
        ...

    def ages_s(self, now_ms: int) -> Mapping[tuple[str, Field], float]:
        """Return how long ago each value was last confirmed, in seconds."""
        ...


def number(text: object) -> float | None:
    """Read a finite number; None for what a venue leaves empty. Raises ValueError for what is none."""
    if text is None or text == "":
        return None
    value = float(text)  # type: ignore[arg-type]  # a TypeError is the answer to what is no text
    if not isfinite(value):
        raise ValueError(f"not a finite number: {text!r}")
    return value


def price(text: object) -> float | None:
    """Read a price; None where it is empty or zero, by which venues say that there is none."""
    value = number(text)
    return value if value is not None and value > 0 else None


def known(values: Mapping[Field, float | None]) -> dict[Field, float]:
    """Keep what is known."""
    return {field: value for field, value in values.items() if value is not None}


def top_of(bid: object, bid_quantity: object, ask: object, ask_quantity: object, coins: float) -> Top | None:
    """Read both sides of a top, quantities in contracts of `coins`; None unless all of it is there and uncrossed."""
    best_bid, best_ask = price(bid), price(ask)
    bid_size, ask_size = number(bid_quantity), number(ask_quantity)
    if best_bid is None or best_ask is None or bid_size is None or ask_size is None or best_bid >= best_ask:
        return None
    return Top(best_bid, bid_size * coins, best_ask, ask_size * coins)
