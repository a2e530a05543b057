"""What the trading side needs of the reading side."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from hedged.adapters.injective.markets import Perpetual
from hedged.domain.book import Balance, Position
from hedged.domain.funding import FundingPayment
from hedged.domain.orders import Execution, Side


class AccountReader(Protocol):
    """What the account shows; read without a key."""

    async def positions(self) -> Mapping[str, Position]:
        """Return all open positions by symbol."""
        ...

    async def balance(self) -> Balance:
        """Return the collateral."""
        ...

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return executions with ts ≥ since."""
        ...

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return funding payments with ts > since."""
        ...


class Rules(Protocol):
    """The markets as they are now."""

    @property
    def clock_offset_ms(self) -> int | None:
        """This machine's clock − the chain's, ms; None before that is known."""
        ...

    @property
    def restriction(self) -> str:
        """Why no order of ours can fill now; empty while they can."""
        ...

    async def perpetual(self, symbol: str) -> tuple[Perpetual, Decimal] | None:
        """Return a market and its mark; None where there is none."""
        ...

    def symbol_of(self, market_id: str) -> str | None:
        """Return the symbol of a market by the id that the chain uses."""
        ...

    def market_ids(self) -> Sequence[str]:
        """Return the ids of the markets in which orders may be sent."""
        ...

    def best(self, symbol: str, side: Side) -> Decimal | None:
        """Return the best price that an order of `side` could meet in the book; None where that is not known."""
        ...
