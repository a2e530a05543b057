"""Makes blocks: by the clock, or one at a time for tests; and hands every block on to whoever listens."""

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal

from hedged.domain.clock import Clock
from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.crowd import CrowdFlow, Feed, Mood, quotes
from hedged.sandbox.injective.events import BlockEvents
from hedged.sandbox.injective.house import house_order
from hedged.sandbox.injective.ledger import INJ, INJ_DECIMALS, USDT, USDT_DECIMALS
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.messages import generic_authorization
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.wire import is_default, owner_of

Listener = Callable[[BlockEvents], None]


class ChainDriver:
    """The running chain. `state` is the pure machine behind it."""

    def __init__(self, state: Chain, feed: Feed, clock: Clock) -> None:
        self.state, self._feed, self._clock = state, feed, clock
        self._listeners: list[Listener] = []
        self._ahead_ms = 0
        self._lock = asyncio.Lock()

    @property
    def height(self) -> int:
        """Height of the latest block."""
        return self.state.height

    def listen(self, listener: Listener) -> None:
        """Call with every block from now on."""
        self._listeners.append(listener)

    def now_ms(self) -> int:
        """Return the chain's present: the clock, plus what tests have skipped."""
        return self._clock.now_ms() + self._ahead_ms

    async def next_block(self, after_s: float = 0.0) -> BlockEvents:
        """Make a block now; with `after_s` > 0, as if that much time had passed first."""
        self._ahead_ms += round(after_s * 1_000)
        return await self._block()

    async def settle_funding(self) -> BlockEvents:
        """Make a block that ends the running funding interval of every market, however young."""
        return await self._block(settle_now=True)

    async def run(self, block_time_s: float) -> None:
        """Make blocks for ever, except while halted."""
        while True:
            await asyncio.sleep(block_time_s)
            if not self.state.faults.halt:
                await self._block()

    async def _block(self, settle_now: bool = False) -> BlockEvents:
        async with self._lock:
            time_ms = self.now_ms()
            moods = self._feed.until(time_ms)
            markets = self.state.exchange.markets.values()
            flows = {market.symbol: _flow(market, moods[market.symbol]) for market in markets}
            marks = {market.symbol: moods[market.symbol].mark for market in markets}
            events = self.state.make_block(time_ms, marks, flows, settle_now)
        for listener in self._listeners:
            listener(events)
        await asyncio.sleep(0)  # let the streams take it before the caller goes on
        return events

    # --- the operator's hand: what no transaction here can do ---------------------------------------------------------

    def fund(self, address: str, inj: Decimal | int = 0, usdt: Decimal | int = 0) -> None:
        """Put coins into an address's bank balance; this is also what makes the account exist."""
        self.state.account(address)
        ledger = self.state.exchange.ledger
        ledger.credit_bank(address, INJ, int(Decimal(inj).scaleb(INJ_DECIMALS)))
        ledger.credit_bank(address, USDT, int(Decimal(usdt).scaleb(USDT_DECIMALS)))

    def deposit(self, subaccount_id: str, usdt: Decimal | int) -> None:
        """Give a subaccount USDT to trade with: subaccount 0 in its owner's bank balance, others as a deposit."""
        self.state.account(owner_of(subaccount_id))
        if is_default(subaccount_id):
            self.fund(owner_of(subaccount_id), usdt=usdt)
        else:
            self.state.exchange.ledger.pay(subaccount_id, Decimal(usdt))

    def grant(self, granter: str, grantee: str, msg_type: str, expires_s: int | None = None) -> None:
        """Let the grantee send a type of message for the granter. `expires_s`: seconds since the epoch."""
        self.state.grants.put(granter, grantee, generic_authorization(msg_type), expires_s)

    def market(self, symbol: str) -> Market:
        """Return a market by its coin."""
        return next(market for market in self.state.exchange.markets.values() if market.symbol == symbol)

    def seed_position(
        self,
        subaccount_id: str,
        symbol: str,
        quantity: Decimal,
        entry: Decimal,
        margin: Decimal | None = None,
    ) -> Position:
        """Give a subaccount a position out of nothing; the crowd takes the other side.

        `quantity` is signed, in coins. Margin: a third of the notional unless given.
        """
        market = self.market(symbol)
        self.state.account(owner_of(subaccount_id))
        own = abs(quantity) * entry / 3 if margin is None else margin
        other = sorted(self.state.exchange.house)[1]
        cumulative = market.funding.cumulative_funding
        for holder, signed, backing in (
            (subaccount_id, quantity, own),
            (other, -quantity, abs(quantity) * entry),
        ):
            flat = Position(signed > 0, Decimal(0), Decimal(0), Decimal(0), cumulative)
            position = market.positions.setdefault(holder, flat)
            position.apply_funding(cumulative)
            position.apply_trade(signed > 0, abs(signed), entry, backing, Decimal(0))
            if position.quantity == 0:
                del market.positions[holder]
        return market.positions[subaccount_id]

    def open_books(self) -> None:
        """Put the crowd's first quotes up before anybody looks."""
        moods: Mapping[str, Mood] = self._feed.until(self.now_ms())
        exchange = self.state.exchange
        for market in exchange.markets.values():
            market.mark = moods[market.symbol].mark
            flow = _flow(market, moods[market.symbol])
            maker = sorted(exchange.house)[0]
            market.book.rest(house_order(exchange, market, maker, *quote) for quote in flow.quotes or ())


def _flow(market: Market, mood: Mood) -> CrowdFlow:
    """Turn a market's mood into what the crowd does in a block."""
    rules = market.rules
    levels = quotes(mood, rules.price_tick, rules.quantity_tick, rules.half_spread, rules.depth_usd)
    trades = []
    for premium, usd in mood.trades:
        price = mood.mark * (1 + premium) // rules.price_tick * rules.price_tick
        quantity = usd / price // rules.quantity_tick * rules.quantity_tick
        if quantity:
            trades.append((price, quantity))
    return CrowdFlow(trades, levels)
