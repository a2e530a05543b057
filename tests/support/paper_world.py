"""Data of one venue that a test tells word by word, and a paper venue on them in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any

from fakes import HASHES, approve, market

from hedged.adapters.paper import PaperVenue
from hedged.adapters.paper.expiry import Expiry
from hedged.adapters.paper.latency import Latency
from hedged.adapters.paper.record import AccountRecord
from hedged.adapters.paper.terms import Backing, Terms
from hedged.backtest.virtual_time import run_virtually
from hedged.domain.approved import ApprovedIntent
from hedged.domain.bars import Field, Observation, Swing, blank_observation
from hedged.domain.clock import HOUR_MS, LoopClock
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Intent, Purpose, Side

START_MS = 490_000 * HOUR_MS
VENUE = "binance"


class Told:
    """`marks` by symbol, all of it told last at `known_ms`; prints and bars as they are put in."""

    venue = VENUE

    def __init__(self) -> None:
        self.marks: dict[str, float] = {"BTC": 100.0}
        self.prints: list[Settlement] = []
        self.bars: list[Swing] = []
        self.known_ms: int | None = None  # None: all is known just now
        self.depth_usd = Decimal(1_000_000)

    async def markets(self) -> dict[str, Market]:
        return {
            symbol: market(SeriesKey(VENUE, symbol), depth_usd=self.depth_usd) for symbol in ("BTC", "ETH")
        }

    async def observe(self, now_ms: int) -> list[Observation]:
        found = []
        for symbol, mark in self.marks.items():
            seen = blank_observation(SeriesKey(VENUE, symbol), now_ms)
            seen.values[Field.MARK] = mark
            told_ms = now_ms if self.known_ms is None else self.known_ms
            seen.known_at_ms[[Field.MARK, Field.FUNDING_SETTLED]] = told_ms
            found.append(seen)
        return found

    async def history(self, times_ms: Sequence[int]) -> list[list[Observation]]:
        return [[] for _ in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> list[Settlement]:
        return [s for s in self.prints if since_ms < s.ts_ms <= until_ms]

    def swings(self, since_ms: int, until_ms: int) -> list[Swing]:
        return [bar for bar in self.bars if since_ms < bar.to_ms <= until_ms]

    def print(self, hours: float, rate: str = "0.001", every: str = "1", symbol: str = "BTC") -> None:
        """Settle so many hours after the start, at a price of 100."""
        told = FundingRate(VENUE, Decimal(rate), Decimal(every))
        at_ms = START_MS + round(hours * HOUR_MS)
        self.prints.append(Settlement(SeriesKey(VENUE, symbol), at_ms, told, Decimal(100)))

    def bar(self, hours: float, low: str, high: str) -> None:
        """Let a bar of an hour close so many hours after the start."""
        to_ms = START_MS + round(hours * HOUR_MS)
        self.bars.append(Swing("BTC", to_ms - HOUR_MS, to_ms, Decimal(low), Decimal(high)))


class Stage:
    """A venue, its data, and time."""

    def __init__(self, terms: Terms, collateral_usd: Decimal) -> None:
        self.clock = LoopClock(START_MS)
        self.told = Told()
        self.venue = PaperVenue(self.told, self.clock, collateral_usd, terms)
        self._orders = 0

    def order(self, coins: str, symbol: str = "BTC", worst: str | None = None) -> ApprovedIntent:
        quantity, mark = Decimal(coins), Decimal(repr(self.told.marks[symbol]))
        side = Side.BUY if quantity > 0 else Side.SELL
        price = Decimal(worst) if worst else mark * (1 + side.sign * Decimal("0.05"))
        self._orders += 1
        return approve(
            Intent(
                START_MS + self._orders, SeriesKey(VENUE, symbol), side, abs(quantity), price, mark,
                Purpose.HEDGE_OPEN, False, HASHES,
            )
        )  # fmt: skip

    async def trade(self, coins: str, symbol: str = "BTC") -> None:
        await self.venue.place(self.order(coins, symbol))

    async def at(self, hours: float) -> None:
        """Let time pass until so many hours after the start, and the venue look."""
        await asyncio.sleep(max(0.0, hours * 3_600 - (self.clock.now_ms() - START_MS) / 1_000))
        await self.venue.balance()

    def record(self) -> AccountRecord:
        record = self.venue.record()
        check_money(record)
        return record


def check_money(record: AccountRecord) -> None:
    """Every cent is accounted for (entry prices are averages: they end at the 28th digit)."""
    due = (
        record.begin_usd + record.realised_usd - record.fees_usd - record.penalties_usd + record.insured_usd
        + record.funding_usd + record.added_usd
    )  # fmt: skip
    assert abs(record.end_usd - due) < Decimal("1e-15")


def staged(
    script: Callable[[Stage], Coroutine[Any, Any, None]],
    backing: Backing = Backing.CROSS,
    collateral: str = "1000",
    latency: Latency | None = None,
) -> None:
    """Run a script against a venue of its own."""
    terms = Terms(
        latency or Latency.constant(0), 7, backing, Decimal("0.0125"), Decimal("0.005"),
        Expiry(7_200, 86_400),
    )  # fmt: skip

    async def main() -> None:
        await script(Stage(terms, Decimal(collateral)))

    run_virtually(main)
