"""Ports: what the daemon needs of a venue. Adapters implement them; tests replace them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from hedged.domain.approved import ApprovedIntent
from hedged.domain.bars import Observation, Swing
from hedged.domain.book import Balance, Position
from hedged.domain.funding import FundingPayment, Settlement
from hedged.domain.market import Market
from hedged.domain.orders import Execution, OrderState


class MarketData(Protocol):
    """Public data of one venue. Nothing returned may have been unknown at the instant of the call."""

    @property
    def venue(self) -> str:
        """Name of the venue."""
        ...

    async def markets(self) -> Mapping[str, Market]:
        """Return the tradable markets by symbol. Raises Retryable when the venue cannot be asked."""
        ...

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what is known of every market now. Raises Retryable when the venue cannot be asked."""
        ...

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return, for each past bar end, what was known then. Bars that cannot be told are empty."""
        ...

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return funding prints with since < ts ≤ until, oldest first."""
        ...


@runtime_checkable
class TellsSwings(Protocol):
    """Market data that tell how far prices went between two looks."""

    def swings(self, since_ms: int, until_ms: int) -> Sequence[Swing]:
        """Return the bars with since < close ≤ until, oldest first."""
        ...


@runtime_checkable
class TellsReturns(Protocol):
    """Recorded market data, which know their own future: the world's knowledge, never the daemon's."""

    def comes_back(self, symbol: str, now_ms: int) -> bool:
        """Tell whether the venue itself tells anything of a market after `now_ms`: a silence till then is a gap."""
        ...


class Trading(Protocol):
    """Orders and account of one venue."""

    @property
    def venue(self) -> str:
        """Name of the venue."""
        ...

    async def positions(self) -> Mapping[str, Position]:
        """Return all open positions by symbol. Raises Retryable when unknown: a failed query is never *flat*."""
        ...

    async def balance(self) -> Balance:
        """Return the collateral. Raises Retryable when unknown."""
        ...

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Send an order. Raises Rejected (it does not exist) or OutcomeUnknown (look it up, never resend)."""
        ...

    async def lookup(self, client_id: str) -> OrderState | None:
        """Return the order with this client id, or None when the venue certainly never had it."""
        ...

    async def open_orders(self) -> Sequence[OrderState]:
        """Return every resting order of the account."""
        ...

    async def cancel(self, client_id: str) -> None:
        """Cancel a resting order; one that is already gone is no error."""
        ...

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return all executions on the account with ts ≥ since, oldest first, made by hand or by the daemon."""
        ...

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return funding paid or received on the account with ts > since, oldest first."""
        ...


@runtime_checkable
class Rests(Protocol):
    """A venue at which an order can wait in the book, so that it pays the maker's fee."""

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return best bid and best ask now. Raises Retryable where they cannot be told or are crossed."""
        ...

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        """Leave an order in the book at its worst price, post-only; the venue ends it after `lifetime_s` if it can.

        Raises WouldTake where it would have been filled at once, else as `Trading.place` does.
        """
        ...


@runtime_checkable
class TellsTime(Protocol):
    """A venue that has a clock of its own, and knows how far this machine's is from it."""

    @property
    def clock_offset_ms(self) -> int | None:
        """This machine's clock − the venue's, ms, as last measured; None before that."""
        ...


@runtime_checkable
class TellsMode(Protocol):
    """A venue that may be in a mode in which it fills no order of ours."""

    @property
    def restriction(self) -> str:
        """Why no order of ours can fill now, as last heard; empty while they can."""
        ...


class Explains(StrEnum):
    """What the executions of a venue explain of its positions."""

    WHOLLY = "wholly"
    WITHIN_A_LIFE = "within a life"  # a simulated account begins anew with every start of the process
    IN_PART = "in part"  # the trader's own trades are not told


@runtime_checkable
class TellsExplains(Protocol):
    """A venue whose executions do not explain its positions for ever; every other's do."""

    @property
    def explains(self) -> Explains:
        """What they explain."""
        ...
