"""What happens to a paper account as time goes on: settlements, liquidations, delistings, in the order of time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from hedged.adapters.paper.expiry import heard_ms
from hedged.adapters.paper.forcing import by_bar, by_marks, delist
from hedged.adapters.paper.ledger import Ledger
from hedged.domain.bars import Field, Observation, Swing
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import Retryable
from hedged.domain.funding import Settlement, funding_payment
from hedged.domain.market import Market, SeriesKey, decimal_of
from hedged.domain.ports import MarketData, TellsReturns, TellsSwings
from hedged.domain.quarantine import Doubted

LATE_MS = 2 * HOUR_MS
"""Prints are asked for again over this span: a live venue tells them some time after they were due."""


class Course:
    """Brings a ledger up to an instant, `looked_ms`. `known`: the last mark of each market; `delisted`: what ended."""

    def __init__(self, data: MarketData, ledger: Ledger, doubted: Doubted, *, live: bool) -> None:
        """`live`: what data tell may change within an instant of the clock."""
        self._data, self._ledger, self._doubted, self._live = data, ledger, doubted, live
        self.known: dict[str, Decimal] = {}
        self.markets: Mapping[str, Market] = {}
        self.delisted: set[str] = set()
        self._heard_ms: dict[str, int] = {}
        self._settled: dict[tuple[str, int], int] = {}  # what was paid, by symbol and instant
        self._paid_to_ms: int | None = None  # None: nothing was ever held
        self.looked_ms = 0
        self._fresh: tuple[int, dict[str, Decimal]] = (0, {})
        self._busy = asyncio.Lock()

    def begin(self, ts_ms: int) -> None:
        """Let funding be due from the first position on, whenever it is asked for."""
        if self._paid_to_ms is None:
            self.looked_ms = ts_ms
        self._paid_to_ms = ts_ms if self._paid_to_ms is None else min(self._paid_to_ms, ts_ms)

    def mark_settled(self, settlement: Settlement) -> None:
        """Note that a settlement was paid."""
        ts_ms = settlement.ts_ms
        self._settled[(settlement.key.symbol, ts_ms)] = ts_ms
        if len(self._settled) > 4_096:
            self._settled = {key: ts for key, ts in self._settled.items() if ts > ts_ms - 2 * LATE_MS}

    def believed(self, symbol: str, price: Decimal) -> Decimal | None:
        """Return a price that the venue tells, or the one to go by where it is in doubt; None where there is none."""
        return self._doubted.get(SeriesKey(self._ledger.venue, symbol), price)

    async def marks(self, now_ms: int) -> dict[str, Decimal]:
        """Return the marks that orders are filled by now: told, believed and not expired."""
        if self._live or self._fresh[0] != now_ms:
            self._fresh = now_ms, self._take(await self._data.observe(now_ms), now_ms)
        return self._fresh[1]

    async def look(self, now_ms: int, *, again: bool = False) -> None:
        """Let everything happen that was due by now. `again`: ask for prints even if that was done at this instant."""
        async with self._busy:
            if self._paid_to_ms is None or (now_ms <= self.looked_ms and not again):
                return
            since_ms = self._paid_to_ms
            due = await self._data.settlements(since_ms - LATE_MS, now_ms)
            if self._ledger.held:
                self.markets = await self._data.markets()
                marks = await self._marks_if_told(now_ms)
            else:
                marks = {}
            if self._paid_to_ms == since_ms:  # else a position from before then came meanwhile: next time
                self._paid_to_ms = now_ms
            self._pass(due, now_ms)
            self._now(marks, now_ms)
            self.looked_ms = max(self.looked_ms, now_ms)

    async def _marks_if_told(self, now_ms: int) -> dict[str, Decimal]:
        try:
            return await self.marks(now_ms)
        except Retryable:
            return {}  # nothing is liquidated by a price that is not known

    def _take(self, seen: Sequence[Observation], now_ms: int) -> dict[str, Decimal]:
        fresh = {}
        for one in seen:
            symbol, mark = one.key.symbol, float(one.values[Field.MARK])
            if symbol in self._ledger.holdings:
                self._heard_ms[symbol] = max(self._heard_ms.get(symbol, 0), heard_ms(one))
            known_ms = int(one.known_at_ms[Field.MARK])
            if mark > 0 and self._ledger.terms.expiry.priced(known_ms, now_ms):
                price = self.believed(symbol, decimal_of(mark))
                if price is not None:
                    fresh[symbol] = price
        return fresh

    def _pass(self, due: Sequence[Settlement], now_ms: int) -> None:
        """Play what came since the last look: a bar before the settlement at its close."""
        self._ledger.back()
        bars: Sequence[Swing] = ()
        if self._ledger.held and isinstance(self._data, TellsSwings):
            bars = self._data.swings(self.looked_ms, now_ms)
        events: list[tuple[int, int, Swing | Settlement]] = [(bar.to_ms, 0, bar) for bar in bars]
        events += [(settlement.ts_ms, 1, settlement) for settlement in due]
        for _, _, event in sorted(events, key=lambda e: e[:2]):
            if isinstance(event, Settlement):
                self._pay(event)
            elif SeriesKey(self._ledger.venue, event.symbol) not in self._doubted:
                by_bar(self._ledger, event, self.known, self.markets)

    def _pay(self, settlement: Settlement) -> None:
        symbol, ts_ms = settlement.key.symbol, settlement.ts_ms
        holding = self._ledger.holdings.get(symbol)
        quantity = holding.strictly_before(ts_ms) if holding else Decimal(0)
        if quantity and (symbol, ts_ms) not in self._settled:
            price = self.believed(symbol, settlement.price) or settlement.price
            self._ledger.pay(funding_payment(quantity, replace(settlement, price=price)))
            self.mark_settled(settlement)

    def _now(self, marks: Mapping[str, Decimal], now_ms: int) -> None:
        ledger = self._ledger
        self.known |= marks
        self._watch(now_ms)
        by_marks(ledger, marks, self.markets, now_ms)
        for symbol, holding in ledger.held.items():
            if self.silent(symbol, now_ms) and not self._comes_back(symbol, now_ms):
                self.delisted.add(symbol)
                last = self.known.get(symbol, holding.entry_price)
                delist(ledger, SeriesKey(ledger.venue, symbol), last, now_ms)
        self._watch(now_ms)

    def silent(self, symbol: str, now_ms: int) -> bool:
        """Tell whether the venue told nothing of a market for so long that it is delisted, or has a gap."""
        return self._ledger.terms.expiry.delisted(self._heard_ms.get(symbol, 0), now_ms)

    def _comes_back(self, symbol: str, now_ms: int) -> bool:
        return isinstance(self._data, TellsReturns) and self._data.comes_back(symbol, now_ms)

    def _watch(self, now_ms: int) -> None:
        if self._ledger.held:
            self._ledger.watch_free(self._ledger.free_usd(self.known, self.markets), now_ms)
