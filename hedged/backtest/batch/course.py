"""A paper account over bars in which nothing was traded, in one step; where a margin may run out, bar by bar.

Payments are the ledger's own sums: the same products in the same order, so that money is the daemon's to the last
digit. Whether a liquidation or a margin call is near is told from floats, on the safe side; where it may be, every bar
is played as the daemon plays it.
"""

from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from hedged.adapters.paper.course import Course
from hedged.adapters.paper.ledger import Ledger
from hedged.adapters.paper.terms import Backing
from hedged.backtest.batch.bars import Floats
from hedged.backtest.batch.source import Source
from hedged.backtest.paid import Paid
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import Market, SeriesKey, decimal_of
from hedged.domain.quarantine import Doubted

CLOSE = 1e-9
"""Share of an account's gross notional by which a margin in floats may be wrong: more than 1,000 times as much as it
is, so that a margin that lies above is above in exact numbers."""


class BatchCourse(Course):
    """A `Course` over a `Source`. `paid`: all that was paid."""

    def __init__(self, source: Source, ledger: Ledger, doubted: Doubted) -> None:
        super().__init__(source, ledger, doubted, live=False)
        self._source, self.paid = source, Paid(source.keys)
        self._number = {key.symbol: i for i, key in enumerate(source.keys)}

    async def marks(self, now_ms: int) -> dict[str, Decimal]:
        """Return the marks that orders are filled by now, at a bar's end from what was seen of the chunk."""
        if self._fresh[0] != now_ms:
            bar = self._source.bar_of(now_ms)
            fresh = await super().marks(now_ms) if bar is None else self._seen(bar, now_ms)
            self._fresh = now_ms, fresh
        return self._fresh[1]

    def _seen(self, bar: int, now_ms: int) -> dict[str, Decimal]:
        source, expiry, fresh = self._source, self._ledger.terms.expiry, {}
        columns = (source.mark[:, bar], source.mark_ms[:, bar], source.heard_ms[:, bar])
        for key, mark, known_ms, heard_ms in zip(source.keys, *(x.tolist() for x in columns), strict=True):
            symbol = key.symbol
            if symbol not in source.wanted:
                continue
            if symbol in self._ledger.holdings:
                self._heard_ms[symbol] = max(self._heard_ms.get(symbol, 0), heard_ms)
            if mark > 0 and expiry.priced(known_ms, now_ms):
                price = self.believed(symbol, decimal_of(mark))
                if price is not None:
                    fresh[symbol] = price
        return fresh

    async def look(self, now_ms: int, *, again: bool = False) -> None:
        """Let everything happen that was due by now."""
        if self._paid_to_ms is None or now_ms <= self.looked_ms:
            return
        bar = self._source.bar_of(now_ms)
        if bar is None:  # while an order is on its way
            await super().look(now_ms, again=again)
        elif self._quiet(bar):
            await self._step(now_ms)
        else:
            told = dict(self._doubted)
            await self._halves(bar)
            self._doubt(told)
        self._told()

    def _told(self) -> None:
        """Keep what was paid in the order in which it was."""
        self.paid.extend(self._ledger.payments)
        self._ledger.payments.clear()

    async def _step(self, now_ms: int) -> None:
        ledger, since_ms = self._ledger, self._paid_to_ms or 0
        ledger.back()
        self._settle(since_ms, now_ms)
        if ledger.held:
            self.markets = await self._source.markets()
            self.known |= await self.marks(now_ms)
            self._watch(now_ms)
        self._paid_to_ms = self.looked_ms = now_ms

    def _settle(self, since_ms: int, until_ms: int) -> None:
        """Pay the prints with since < ts ≤ until on the quantities held strictly before each."""
        due, ledger, keys, add = self._source.due, self._ledger, self._source.keys, self.paid.add
        holdings, margins = ledger.holdings, ledger.margins
        cash_usd, funding_usd = ledger.cash_usd, ledger.funding_usd
        for i in range(bisect_right(due.ts_ms, since_ms), bisect_right(due.ts_ms, until_ms)):
            market, ts_ms = due.market[i], due.ts_ms[i]
            symbol = keys[market].symbol
            holding = holdings.get(symbol)
            quantity = holding.strictly_before(ts_ms) if holding else None
            if holding is None or not quantity:
                continue
            rate, price = due.rate[i], due.price[i]
            usd = -quantity * decimal_of(rate) * decimal_of(price)
            cash_usd += usd
            funding_usd += usd
            if symbol in margins and holding.now:
                margins[symbol] += usd
            add(market, ts_ms, quantity, rate, due.hours[i], price)
        ledger.cash_usd, ledger.funding_usd = cash_usd, funding_usd

    async def _halves(self, last: int) -> None:
        """Play the bars up to `last`, in one of which something may happen: what is quiet of them in one step."""
        source = self._source
        first = bisect_right(source.times_ms, self.looked_ms)
        if first < last:
            await self._upto((first + last) // 2)
            await self._upto(last)
        elif first == last:
            self._doubt(source.doubts(last))
            await super().look(source.times_ms[last])
            self._told()

    async def _upto(self, last: int) -> None:
        if self._quiet(last):
            self._doubt(self._source.doubts(last))
            await self._step(self._source.times_ms[last])
        else:
            await self._halves(last)

    def _doubt(self, doubted: Mapping[SeriesKey, Decimal | None]) -> None:
        self._doubted.clear()
        self._doubted.update(doubted)

    def _quiet(self, last: int) -> bool:
        """Tell whether in the bars since the last look, up to `last`, no margin ran out and nothing was delisted."""
        ledger, source = self._ledger, self._source
        held = ledger.held
        if not held:
            return True
        markets, first = source.markets_of, bisect_right(source.times_ms, self.looked_ms)
        if not held.keys() <= markets.keys():
            return False
        rows, bars = [self._number[symbol] for symbol in held], slice(first, last + 1)
        if not self._priced(rows, last):
            return False
        delisted_s = ledger.terms.expiry.delisted_s
        if delisted_s is not None:
            heard_ms = source.heard_ms[rows, bars]
            if ((heard_ms > 0) & (heard_ms < source.seen_ms[bars] - delisted_s * SECOND_MS)).any():
                return False
        if ledger.terms.backing is Backing.UNLIMITED:
            return True
        ledger.back()
        known = np.array([float(self.known.get(symbol, "nan")) for symbol in held])
        low = np.fmin(source.low[rows, bars].min(axis=1), known)
        high = np.fmax(source.high[rows, bars].max(axis=1), known)
        return enough(ledger, markets, low, high, self._flow(rows, bars))

    def _priced(self, rows: list[int], bar: int) -> bool:
        """Tell whether all of these have a mark to go by at a bar; else it is an earlier bar's that is."""
        source, price_s = self._source, self._ledger.terms.expiry.price_s
        old = np.zeros(len(rows), dtype=bool)
        if price_s is not None:
            old = source.seen_ms[bar] - source.mark_ms[rows, bar] > price_s * SECOND_MS
        return bool(((source.mark[rows, bar] > 0) & ~old).all())

    def _flow(self, rows: list[int], bars: slice) -> Floats:
        """Return by market the sum of |rate × price| of the settlements in some bars."""
        out: Floats = self._source.flow[rows, bars].sum(axis=1)
        return out


def enough(ledger: Ledger, markets: Mapping[str, Market], low: Floats, high: Floats, flow: Floats) -> bool:
    """Tell whether every margin surely suffices wherever prices lie within [low, high] and whatever part of the funding
    is paid: Σ|rate × price| `flow`; all by open position. The margin over maintenance, cash + Σ q·(p − entry) − m|q|p,
    is least at the worse end of every price.
    """
    held = ledger.held
    coins, entry = (
        np.array([float(x) for x in part])
        for part in zip(*((h.now, h.entry_price) for h in held.values()), strict=True)
    )
    ratio = np.array([float(markets[symbol].maintenance_margin_ratio) for symbol in held])
    worst = np.where(coins > 0, low, high)
    size = np.abs(coins) * worst
    over = coins * (worst - entry) - ratio * size - np.abs(coins) * flow
    if ledger.terms.backing is Backing.CROSS:
        over, size = over.sum(keepdims=True) + float(ledger.cash_usd), size.sum(keepdims=True)
    else:
        over = over + np.array([float(ledger.margins.get(symbol, "inf")) for symbol in held])
    return bool((over > CLOSE * size).all())
