"""The `MarketData` port on Injective: a board kept current by polls and the stream, its past filled in once."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import structlog
from pyinjective.proto.injective.exchange.v2 import query_pb2

from hedged.adapters.injective.board import Seen, Ticker
from hedged.adapters.injective.chain import Chain, Head
from hedged.adapters.injective.markets import Perpetual, by_symbol, measured, read_perpetual, read_state
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.past import Past
from hedged.adapters.injective.queries import ChainQueries, IndexerQueries
from hedged.domain.bars import Observation
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import Retryable
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, Costs, Market
from hedged.domain.orders import Side

log = structlog.get_logger(__name__)

FRESH_MS = 1_000
"""A state younger than this is not asked for again."""
LAG_MS = 30 * SECOND_MS
"""A node whose latest block is older than this lags, or its chain stands still: what it says is not the present."""
HEADS = 8
"""So many of the latest blocks are looked at to tell how far this machine's clock is from the chain's."""
SILENT_MS = 60 * SECOND_MS
"""Once nobody has answered for so long, what is remembered is not told as the present any more."""


class InjectiveData:
    """Public data of Injective's perpetuals."""

    venue = INJECTIVE

    def __init__(
        self,
        network: InjectiveNetwork,
        clock: Clock,
        costs: Costs,
        history_days: int = 90,
        lag_ms: int = LAG_MS,
        silent_ms: int = SILENT_MS,
    ) -> None:
        channel = network.create_chain_grpc_channel()
        self._node, self.chain = Chain(channel), ChainQueries(channel)
        self.indexer = IndexerQueries(network.create_exchange_grpc_channel())
        self.network, self._clock, self._costs = network, clock, costs
        self._past = Past(self.indexer, clock, history_days)
        self._lag_ms, self._silent_ms = lag_ms, silent_ms
        self._watched: frozenset[str] | None = None
        self._strange: set[str] = set()  # market ids that could not be read
        self._lock = asyncio.Lock()
        self._polled_ms = 0
        self._behind_ms: deque[int] = deque(maxlen=HEADS)
        self._height, self._post_only_until = 0, 0
        self._fed = False
        self.tickers: dict[str, Ticker] = {}

    @property
    def clock_offset_ms(self) -> int | None:
        """This machine's clock − the chain's, ms; None before the first answer.

        A block's age and the way to the node only add to it, so the smallest of the last answers is nearest to it.
        """
        return min(self._behind_ms, default=None)

    @property
    def restriction(self) -> str:
        """Why no order of ours can fill now: post-only mode, as after an upgrade; empty while they can."""
        if self._height >= self._post_only_until:
            return ""
        return f"Injective takes only orders that rest, until block {self._post_only_until} (post-only mode)"

    def watch(self, symbols: Iterable[str]) -> None:
        """Tell only these symbols from now on: what nobody holds needs no depth and no history."""
        self._watched = frozenset(symbols)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that are told."""
        return tuple(s for s in self.tickers if self._watched is None or s in self._watched)

    def fed(self) -> None:
        """Note that somebody keeps the board current from now on, so that asking for it polls no more."""
        self._fed = True

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets, with the spread and depth last seen. Raises Retryable before the first answer."""
        await self._current()
        found = {}
        for symbol in self.symbols:
            ticker = self.tickers[symbol]
            state = ticker.state
            found[symbol] = measured(ticker.perpetual, state) if state else ticker.perpetual.market
        return found

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what was known at an instant, also a past one."""
        await self._current()
        return [self.tickers[symbol].observe(now_ms) for symbol in self.symbols]

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return what was known at past bar ends."""
        await self._current()
        await self.load()
        return [[self.tickers[symbol].observe(ts_ms) for symbol in self.symbols] for ts_ms in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return prints with since < ts ≤ until that are known by now, oldest first."""
        await self._current()
        await self._past.reach_back(self.tickers.values(), since_ms)
        await self.load()
        found = [
            one for symbol in self.symbols for one in self.tickers[symbol].settlements(since_ms, until_ms)
        ]
        return sorted(found, key=lambda one: (one.ts_ms, one.key))

    def told_ms(self, symbol: str, ts_ms: int) -> int:
        """Return when the settlement due at an instant became known: long after it where the chain had halted."""
        ticker = self.tickers.get(symbol)
        one = ticker.prints.at(ts_ms) if ticker else None
        return one.known_ms if one else ts_ms

    def seen(self, symbol: str, now_ms: int) -> tuple[Perpetual, Seen] | None:
        """Return a market's accumulators as known at an instant, with what its next trade is expected to be."""
        ticker = self.tickers.get(symbol)
        seen = ticker.at(now_ms) if ticker else None
        return (ticker.perpetual, seen) if ticker and seen else None

    async def perpetual(self, symbol: str) -> tuple[Perpetual, Decimal] | None:
        """Return a market's rules and its mark; None where there is no such market. Raises Retryable."""
        await self._current()
        ticker = self.tickers.get(symbol)
        return (ticker.perpetual, ticker.state.mark) if ticker and ticker.state else None

    def symbol_of(self, market_id: str) -> str | None:
        """Return the symbol of a market by the id that the chain uses; None for one that is not traded here."""
        return next((s for s, t in self.tickers.items() if t.perpetual.market_id == market_id), None)

    def best(self, symbol: str, side: Side) -> Decimal | None:
        """Return the best price of the other side of the book, as last polled; None where it is empty."""
        ticker = self.tickers.get(symbol)
        state = ticker.state if ticker else None
        if state is None:
            return None
        return (state.ask if side is Side.BUY else state.bid) or None

    def market_ids(self) -> Sequence[str]:
        """Return the ids of the markets that are told."""
        return [self.tickers[symbol].perpetual.market_id for symbol in self.symbols]

    async def _current(self) -> None:
        if not self._fed or not self.tickers:
            await self.poll()
        elif (silent_ms := self._clock.now_ms() - self._polled_ms) > self._silent_ms:
            raise Retryable(f"Injective has not answered for {silent_ms / SECOND_MS:.0f} s")

    async def poll(self) -> None:
        """Ask the chain for all markets at once, unless just done. Raises like `snapshot`."""
        if self._clock.now_ms() - self._polled_ms >= FRESH_MS:
            await self.snapshot()

    async def snapshot(self) -> None:
        """Ask the chain for all markets at once. Raises Retryable; ConfigError when no node is of the right chain."""
        async with self._lock:
            head, answer = await asyncio.gather(self._node.head(), self.chain.markets())
            self._check(head)
            self._polled_ms = self._clock.now_ms()
            self._take(answer, self._polled_ms)

    def _check(self, head: Head) -> None:
        """Refuse another chain and a node that lags: it would tell the past as the present."""
        if head.chain_id != self.network.chain_id:  # it was another when the node was proven
            self.network.proof.put_aside(self.chain.channel.health.in_use, head.chain_id)
            raise Retryable(
                f"Injective, a node has changed to chain {head.chain_id!r}: the next one is asked"
            )
        behind_ms = self._clock.now_ms() - head.ts_ms
        self._behind_ms.append(behind_ms)
        self._height = head.height
        if behind_ms > self._lag_ms:
            why = f"its latest block {head.height} is {behind_ms / SECOND_MS:.0f} s old"
            self.chain.channel.blame(why)
            raise Retryable(f"Injective, a node lags or the chain stands still: {why}")
        self.chain.channel.trust()

    def _take(self, answer: Sequence[query_pb2.FullDerivativeMarket], received_ms: int) -> None:
        """Put an answer on the board; a market that cannot be read is left as it was, and said once."""
        read: list[tuple[Perpetual, query_pb2.FullDerivativeMarket]] = []
        for full in answer:
            try:
                perpetual = read_perpetual(full, self._costs)
            except (ValueError, ArithmeticError) as error:
                self._unreadable(full, error)
                continue
            if perpetual is not None:
                read.append((perpetual, full))
        sent = {perpetual.market_id: full for perpetual, full in read}
        for symbol, perpetual in by_symbol(p for p, _ in read).items():
            ticker = self.tickers.get(symbol)
            if ticker is None or ticker.perpetual.market_id != perpetual.market_id:
                ticker = self.tickers[symbol] = Ticker(perpetual)
            ticker.perpetual = perpetual
            self._advance(ticker, sent[perpetual.market_id], received_ms)

    def _advance(self, ticker: Ticker, full: query_pb2.FullDerivativeMarket, received_ms: int) -> None:
        try:
            state = read_state(full, received_ms)
        except (ValueError, ArithmeticError) as error:
            self._unreadable(full, error)
            return
        if ticker.snapshot(state):
            self._past.doubt(ticker)

    def _unreadable(self, full: query_pb2.FullDerivativeMarket, error: Exception) -> None:
        if full.market.market_id not in self._strange:
            self._strange.add(full.market.market_id)
            log.warning("market_unreadable", ticker=full.market.ticker, error=str(error))

    async def details(self) -> None:
        """Ask for depth and open interest of the markets that are told, and for the mode. Raises Retryable."""
        await asyncio.gather(self._mode(), *(self._detail(self.tickers[symbol]) for symbol in self.symbols))

    async def _mode(self) -> None:
        self._post_only_until = await self.chain.post_only_until()

    async def _detail(self, ticker: Ticker) -> None:
        state, perpetual = ticker.state, ticker.perpetual
        if state is None:
            return
        mid = (state.bid + state.ask) / 2 if state.bid and state.ask else state.mark
        (bids, asks), interest = await asyncio.gather(
            self.chain.depth_usd(perpetual, mid), self.chain.open_interest(perpetual)
        )
        now_ms = self._clock.now_ms()
        latest = ticker.state or state
        ticker.put(
            replace(
                latest,
                received_ms=now_ms,
                bid_depth_usd=bids,
                ask_depth_usd=asks,
                open_interest=interest,
                details_received_ms=now_ms,
            )
        )

    async def load(self) -> None:
        """Read the funding history and the hourly prices of the markets that are told, once. Raises Retryable."""
        await self._past.load([self.tickers[symbol] for symbol in self.symbols])

    def resume(self, held_to_ms: Mapping[str, int]) -> None:
        """Note up to when somebody holds bars, by symbol: the past of these is read from there on."""
        self._past.resume(held_to_ms)

    @property
    def read_share(self) -> float:
        """Share of the markets whose past has been read, 0 … 1."""
        return sum(self.tickers[symbol].priced for symbol in self.symbols) / max(1, len(self.symbols))

    async def read_again(self, symbol: str) -> None:
        """Read the latest funding prints of a market anew: it had a settlement that they do not tell."""
        await self._past.read_again(self.tickers[symbol])
