"""The trader's own book as the chain shows it now, and what funding it can expect. No key, nothing is sent."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from hedged.adapters.injective.board import Seen
from hedged.adapters.injective.markets import Perpetual
from hedged.adapters.injective.positions import Holding
from hedged.domain.clock import DAY_MS, SECOND_MS, Clock
from hedged.domain.injective import nowcast
from hedged.wiring.real_venues import RealBook, RealVenues

RECENT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Expectation:
    """Funding rate per hour, as fractions: the coming settlement's law, and the mean of the last days.

    None where it is not known. `settles_in_s`: seconds to the coming settlement; `decided`: share of its interval whose
    premium is fixed, a lower bound.
    """

    mean: float | None
    low: float | None
    high: float | None
    recent: float | None
    settles_in_s: float
    decided: float


@dataclass(frozen=True, slots=True)
class OwnPosition:
    """One position, USD unless said otherwise; `expected`: see there, > 0 means that longs pay."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark: Decimal
    unrealised_usd: Decimal
    margin_usd: Decimal
    liquidation_price: Decimal
    expected: Expectation

    @property
    def notional_usd(self) -> Decimal:
        """Signed size at the mark."""
        return self.quantity * self.mark

    @property
    def liquidation_distance(self) -> float:
        """How far the mark may move against the position, as a fraction of it."""
        return float(abs(self.mark - self.liquidation_price) / self.mark)

    def funding_usd(self, rate_per_hour: float | None, hours: float = 1.0) -> float | None:
        """Return the funding within `hours` at a rate, > 0 is received; None at an unknown rate."""
        return None if rate_per_hour is None else -float(self.notional_usd) * rate_per_hour * hours


@dataclass(frozen=True, slots=True)
class OwnBook:
    """What `hedged check` shows. `foreign`: ids of markets with positions that cannot be protected."""

    address: str
    subaccount: int
    chain_id: str
    equity_usd: Decimal
    free_usd: Decimal
    positions: tuple[OwnPosition, ...]
    foreign: tuple[str, ...]


async def read_own_book(venues: RealVenues, book: RealBook, clock: Clock) -> OwnBook:
    """Read the book. Raises ConfigError for what the operator must change, Retryable where there is no answer."""
    await book.clear()
    account, data = book.account, venues.data
    balance = await account.balance()
    held = dict(account.holdings)
    found = await asyncio.gather(*(_position(venues, symbol, h, clock) for symbol, h in sorted(held.items())))
    return OwnBook(
        account.address,
        account.index,
        data.network.chain_id,
        balance.total_usd,
        balance.free_usd,
        tuple(found),
        account.foreign,
    )


async def _position(venues: RealVenues, symbol: str, holding: Holding, clock: Clock) -> OwnPosition:
    now_ms = clock.now_ms()
    ticker = venues.data.tickers[symbol]
    seen = ticker.seen[-1]
    prints = await venues.data.indexer.prints(ticker.perpetual, now_ms - RECENT_DAYS * DAY_MS)
    hours = ticker.perpetual.rule.interval_s / 3_600
    recent = float(np.mean([float(p.rate) for p in prints])) / hours if prints else None
    state = seen.state
    ratio = ticker.perpetual.market.maintenance_margin_ratio
    return OwnPosition(
        symbol=symbol,
        quantity=holding.quantity,
        entry_price=holding.entry_price,
        mark=state.mark,
        unrealised_usd=holding.unrealised_usd(state.mark),
        margin_usd=holding.adjusted_margin(state.cumulative_funding),
        liquidation_price=holding.liquidation_price(ratio, state.cumulative_funding),
        expected=_expectation(ticker.perpetual, seen, recent, now_ms),
    )


def _expectation(perpetual: Perpetual, seen: Seen, recent: float | None, now_ms: int) -> Expectation:
    """Take the nowcast where the next trade's premium can be guessed at all."""
    funding, rule = seen.state.funding, perpetual.rule
    left_s = funding.next_settlement_s - now_ms / SECOND_MS
    decided = min(1.0, max(0.0, funding.decided_share(rule)))
    if not seen.premiums or not np.isfinite(seen.trades_per_s) or left_s <= 0:
        return Expectation(None, None, None, recent, max(0.0, left_s), decided)
    law = nowcast(funding, rule, now_ms / SECOND_MS, seen.trades_per_s, np.array(seen.premiums))
    hours = rule.interval_s / 3_600
    low, high = law.quantile(0.1) / hours, law.quantile(0.9) / hours
    return Expectation(law.mean / hours, low, high, recent, left_s, decided)
