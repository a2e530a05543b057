"""The `MarketData` port on one exchange: a board kept current by polls and streams, its past filled in once."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import ccxt
import structlog

from hedged.adapters.cex.board import Board
from hedged.adapters.cex.errors import reading
from hedged.adapters.cex.exchanges import Profile
from hedged.adapters.cex.markets import Measured, Perpetual, measured, read_markets
from hedged.adapters.cex.past import PastReader
from hedged.adapters.cex.pasts import Pasts, all_of
from hedged.adapters.cex.prints import settlement
from hedged.adapters.cex.rates import Rate, fetch_intervals, fetch_rates
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Clock
from hedged.domain.errors import Retryable
from hedged.domain.funding import Settlement
from hedged.domain.market import Costs, Market, SeriesKey, decimal_of
from hedged.domain.orders import Side

log = structlog.get_logger(__name__)

FRESH_MS = 1_000
"""What was asked for less long ago is not asked for again."""
SILENT_MS = 60 * SECOND_MS
"""Once nobody has answered for so long, what is remembered is not told as the present any more."""
LISTING_MS = HOUR_MS
"""Markets and intervals are read anew so often."""
LISTING_AGAIN_MS = 5 * MINUTE_MS
DEPTH_SHARE = Decimal("0.005")
MOST = Decimal("1e18")
"""No price and no quantity is as large."""


class CexData:
    """Public data of one exchange's linear perpetuals. It owns `exchange`, whose session belongs to its maker."""

    def __init__(
        self,
        venue: str,
        exchange: Any,
        profile: Profile,
        clock: Clock,
        costs: Costs,
        leverage: Decimal,
        quote: str = "USDT",
        history_days: int = 90,
        speed: float = 1.0,
    ) -> None:
        """`costs` and `leverage` are assumed until something better is told. `speed`: of the clock."""
        self.venue, self.exchange, self.profile = venue, exchange, profile
        self.board = Board(venue)
        self.perpetuals: Mapping[str, Perpetual] = {}
        self.known: Mapping[str, Perpetual] = {}
        """Also those that were listed before and are not any more: the account may still tell of them."""
        self._clock, self._costs, self._leverage, self._quote = clock, costs, leverage, quote
        self._fresh_ms, self._silent_ms = FRESH_MS * speed, SILENT_MS * speed
        self._reader = PastReader(exchange, profile, venue)
        self.pasts = Pasts(self._reader, self.board, clock, history_days * DAY_MS)
        self._measured: dict[str, Measured] = {}
        self._touch: dict[str, tuple[int, Decimal, Decimal]] = {}
        self._interval_of: dict[str, float] = {}
        self._watched: frozenset[str] | None = None
        self._fed = False
        self.listed_ms = self._polled_ms = 0
        self._lock = asyncio.Lock()

    def watch(self, symbols: Iterable[str]) -> None:
        """Tell only these symbols from now on: what nobody holds needs no depth and no history."""
        self._watched = frozenset(symbols)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that are told: those watched of what is listed."""
        return tuple(s for s in self.perpetuals if self._watched is None or s in self._watched)

    def fed(self) -> None:
        """Note that somebody keeps the board current from now on, so that asking for it polls no more."""
        self._fed = True

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets, with fees, spread and depth as last seen. Raises Retryable before the first answer."""
        await self._current()
        return {symbol: self._market(symbol) for symbol in self.symbols}

    def _market(self, symbol: str) -> Market:
        seen, now_ms = self._measured.get(symbol, Measured()), self._clock.now_ms()
        mark = self.board.latest(symbol, Field.MARK, now_ms)
        at = decimal_of(mark[1]) if mark else None
        return measured(
            self.perpetuals[symbol],
            Measured(at, seen.half_spread, seen.depth_usd, seen.maker_fee, seen.taker_fee),
        )

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what was known at an instant, also a past one."""
        await self._current()
        return [self._seen(symbol, now_ms) for symbol in self.symbols]

    def _seen(self, symbol: str, now_ms: int) -> Observation:
        seen = self.board.observation(symbol, now_ms)
        past = self.pasts.of.get(symbol)
        return past.overlay(seen) if past else seen

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return what was known at past bar ends. Raises Retryable while nothing of the past was read."""
        await self._current()
        try:
            await self.load()
        except Retryable:
            if any(symbol not in self.pasts.of for symbol in self.symbols):
                raise
        return [[self._seen(symbol, ts_ms) for symbol in self.symbols] for ts_ms in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return prints with since < ts ≤ until that are known by now, oldest first."""
        await self.pasts.reach_back(since_ms)
        await self._current()
        await self.load()
        found = [
            told
            for symbol in self.symbols
            if symbol in self.pasts.of
            for one in self.pasts.of[symbol].prints.between(since_ms, until_ms)
            if (told := settlement(SeriesKey(self.venue, symbol), one)) is not None
        ]
        return sorted(found, key=lambda one: (one.ts_ms, one.key))

    async def listed(self) -> None:
        """Know the markets. Raises Retryable."""
        if not self.perpetuals:
            async with self._lock:
                if not self.perpetuals:
                    await self._list()

    def of_name(self, name: str | None) -> Perpetual | None:
        """Return a market by ccxt's symbol, also one that is delisted by now; None for one that is not traded here."""
        return next((one for one in self.known.values() if one.name == name), None)

    async def best(self, symbol: str, side: Side, max_age_ms: int) -> Decimal | None:
        """Return the best price that an order of `side` could meet; None where nobody rests. Raises Retryable."""
        bid, ask = await self.touch(symbol, max_age_ms)
        return (ask if side is Side.BUY else bid) or None

    async def touch(self, symbol: str, max_age_ms: int) -> tuple[Decimal, Decimal]:
        """Return best bid and ask, 0 where nobody rests: as last told, asked for where that is too old.

        Raises Retryable.
        """
        touch = self._touch.get(symbol)
        if touch is None or self._clock.now_ms() - touch[0] > max_age_ms:
            await self._look_at_book(self.perpetuals[symbol], limit=5)
        _, bid, ask = self._touch[symbol]
        return bid, ask

    def put_touch(self, symbol: str, known_at_ms: int, bid: Decimal, ask: Decimal) -> None:
        """Take over best bid and ask, 0 where there is none; an older one than is there is dropped."""
        if symbol not in self._touch or self._touch[symbol][0] <= known_at_ms:
            self._touch[symbol] = (known_at_ms, bid, ask)

    def put_fees(self, symbol: str, maker: Decimal, taker: Decimal) -> None:
        """Take over the account's own fees, fractions of notional."""
        seen = self._measured.get(symbol, Measured())
        self._measured[symbol] = Measured(None, seen.half_spread, seen.depth_usd, maker, taker)

    async def _current(self) -> None:
        if not self._fed or not self.perpetuals:
            if self._clock.now_ms() - self._polled_ms >= self._fresh_ms:
                await self.snapshot()
            await self.load()
        elif (silent_ms := self._clock.now_ms() - max(self._polled_ms, self.board.told_ms)) > self._silent_ms:
            raise Retryable(f"{self.venue} has not answered for {silent_ms / SECOND_MS:.0f} s")

    async def snapshot(self) -> None:
        """Ask for all markets' rates and marks at once. Raises Retryable."""
        async with self._lock:
            await self._listed_lately()
            with reading(f"{self.venue}, rates"):
                rates = await fetch_rates(self.exchange, self.profile, self._interval_of, self._quote)
                if self._has_settled(rates):  # with a settlement the interval may change, which is told apart
                    self._interval_of = await fetch_intervals(self.exchange)
                    rates = await fetch_rates(self.exchange, self.profile, self._interval_of, self._quote)
            now_ms = self._clock.now_ms()
            for symbol, perpetual in self.perpetuals.items():
                rate = rates.get(perpetual.name)
                if rate is None:
                    continue
                self.board.put(symbol, now_ms, rate.values)
                if rate.next_ms is not None and rate.interval_h is not None:
                    self.board.put_settlement(symbol, now_ms, rate.next_ms, rate.interval_h)
            self._polled_ms = now_ms

    def _has_settled(self, rates: Mapping[str, Rate]) -> bool:
        """Tell whether a market's coming settlement is another than before, where rates do not tell the interval."""
        if not self.exchange.has.get("fetchFundingIntervals"):
            return False
        now_ms = self._clock.now_ms()
        known = ((rates.get(p.name), self.board.schedule(s, now_ms)) for s, p in self.perpetuals.items())
        return any(rate and rate.next_ms and seen and seen.next_ms != rate.next_ms for rate, seen in known)

    async def _listed_lately(self) -> None:
        """Read the markets anew from time to time; those known go on while they cannot be read. Raises Retryable."""
        if not self.perpetuals:
            await self._list()
        elif self._clock.now_ms() - self.listed_ms > LISTING_MS:
            try:
                await self._list()
            except Retryable as error:
                self.listed_ms += LISTING_AGAIN_MS
                log.warning("markets_not_read_anew", venue=self.venue, why=str(error))

    async def _list(self) -> None:
        """Read the markets and the intervals anew."""
        with reading(f"{self.venue}, markets"):
            before = dict(self.exchange.markets or {})
            rows = await self.exchange.load_markets(True)
            gone = [row | {"active": False} for name, row in before.items() if name not in rows]
            if gone:  # what is delisted still stands in the account's history
                rows = self.exchange.set_markets([*rows.values(), *gone])
            self._interval_of = await fetch_intervals(self.exchange)
            found = read_markets(self.venue, rows.values(), self._quote, self._costs, self._leverage)
        if not found:
            raise Retryable(f"{self.venue} lists no linear perpetual settled in {self._quote}")
        if lost := sorted(set(self.perpetuals) - set(found)):
            log.warning("markets_gone", venue=self.venue, symbols=lost)
        self.perpetuals, self.known = found, {**self.known, **found}
        self.listed_ms = self._clock.now_ms()

    async def details(self) -> None:
        """Ask for depth, premium and open interest of the markets that are told. Raises Retryable."""
        await all_of(self._detail(self.perpetuals[symbol]) for symbol in self.symbols)

    async def _detail(self, perpetual: Perpetual) -> None:
        await self._look_at_book(perpetual, self.profile.book_limit)
        premium = await self._reader.premium(perpetual)
        if premium is not None:
            self.board.put(perpetual.symbol, self._clock.now_ms(), {Field.PREMIUM: premium})
        if self.profile.family == "bybit":
            return  # its rates tell the open interest of now, this question only that of the last full hour
        interest = await self._reader.interest(perpetual)
        if interest is not None:
            self.board.put(perpetual.symbol, self._clock.now_ms(), {Field.OPEN_INTEREST: interest})

    async def _look_at_book(self, perpetual: Perpetual, limit: int) -> None:
        symbol = perpetual.symbol
        with reading(f"{self.venue}, book of {symbol}"):
            book = await self.exchange.fetch_order_book(perpetual.name, limit)
            bids, asks = (
                [_level(decimal_of(float(level[0])), perpetual.coins(level[1])) for level in book[side]]
                for side in ("bids", "asks")
            )
        now_ms = self._clock.now_ms()
        bid, ask = (side[0][0] if side else Decimal(0) for side in (bids, asks))
        self.put_touch(symbol, now_ms, bid, ask)
        if limit != self.profile.book_limit or not bid or not ask:
            return
        mid = (bid + ask) / 2
        within = [
            sum((price * coins for price, coins in side if abs(price - mid) <= mid * DEPTH_SHARE), Decimal(0))
            for side in (bids, asks)
        ]
        values = {Field.BID_DEPTH_USD: float(within[0]), Field.ASK_DEPTH_USD: float(within[1])}
        index = self.board.latest(symbol, Field.INDEX, now_ms)
        if index is not None:
            values[Field.BASIS] = float(mid) / index[1] - 1
        self.board.put(symbol, now_ms, values)
        seen = self._measured.get(symbol, Measured())
        self._measured[symbol] = Measured(
            None, (ask - bid) / (2 * mid), min(within), seen.maker_fee, seen.taker_fee
        )

    async def load(self) -> None:
        """Read the past of the markets that are told: once, then what is new. Raises Retryable."""
        await self.pasts.load([self.perpetuals[symbol] for symbol in self.symbols])

    def resume(self, held_to_ms: Mapping[str, int]) -> None:
        """Note up to when somebody holds bars, by symbol: the past of these is read from there on."""
        self.pasts.resume(held_to_ms)

    @property
    def read_share(self) -> float:
        """Share of the markets whose past has been read, 0 … 1."""
        return self.pasts.share(self.symbols)

    async def close(self) -> None:
        """Close the ccxt instance."""
        try:
            async with asyncio.timeout(2):
                await self.exchange.close()
        except (TimeoutError, ccxt.BaseError) as error:
            log.warning("exchange_not_closed", venue=self.venue, why=type(error).__name__)


def _level(price: Decimal, coins: Decimal) -> tuple[Decimal, Decimal]:
    """Return a level of a book. Raises ValueError for one that cannot be."""
    if not 0 < price < MOST or not 0 <= coins < MOST:
        raise ValueError("a level of the book that is none")
    return price, coins
