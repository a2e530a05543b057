"""One exchange without its protocol: a book around the mark, orders against it, isolated margin, funding.

Everything happens when somebody asks: `advance` first pays what has become due since, on the quantity that was held
strictly before it, so an instant of settlement belongs to whoever held before.
"""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from hedged.domain.clock import HOUR_MS, Clock
from hedged.sandbox.cex.account import ALIVE, Account, Income, Order, Rights, Status, Ticket, Trade
from hedged.sandbox.cex.instruments import Instrument
from hedged.sandbox.cex.path import Path
from hedged.sandbox.cex.refusals import Reason, Refusal

LEVELS = 50
LEVEL = Decimal("0.0001")
"""The book: so many levels on either side, 1 bp apart."""
BAND = Decimal("0.10")
"""Farthest limit price from the mark, on the side that would take."""

LIQUIDATED, DELEVERAGED, DELIVERED = "autoclose-", "adl_autoclose", "settlement_autoclose-"
"""How Binance's client ids of its own closes begin; the others tell a kind of fill instead."""

Level = tuple[Decimal, Decimal]


class Exchange:
    """Markets and one account. `depth_share` thins the book; `on_trade` hears of every fill of the account."""

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        clock: Clock,
        cash: Decimal = Decimal(100_000),
        seed: int = 1,
        rights: Rights | None = None,
        *,
        ids_for_ever: bool = True,
        reducing_lead_h: float = 0.5,
        post_only_refused: bool = True,
    ) -> None:
        """`ids_for_ever`: a client id works once; else (Binance) only once among the open orders.

        `reducing_lead_h`: so long before its delisting a market takes orders that reduce alone. `post_only_refused`: a
        post-only order that would take does not exist; else (Bybit, OKX) it is taken and cancelled.
        """
        self.instruments = dict(instruments)
        self.paths = {coin: Path(one, seed + n) for n, (coin, one) in enumerate(instruments.items())}
        self.account = Account(cash, rights or Rights())
        self.clock = clock
        self.depth_share = Decimal(1)
        self.on_trade: Callable[[Trade], None] = lambda _: None
        self.on_order: Callable[[Order], None] = lambda _: None
        self.leader: Callable[[str], Decimal | None] = lambda _: None
        """Tells the index of a coin where another market dictates it."""
        self.ends: dict[str, int] = {}
        """Markets that were announced to be delisted, with the instant in ms."""
        self._ids_for_ever, self._reducing_lead_ms = ids_for_ever, round(reducing_lead_h * HOUR_MS)
        self._post_only_refused = post_only_refused
        self._met: dict[str, tuple[int, Decimal]] = {}
        self._settled_ms = clock.now_ms()
        self._last_id = 10_000_000_000

    @property
    def now_ms(self) -> int:
        """The exchange's own time."""
        return self.clock.now_ms()

    @property
    def listed(self) -> dict[str, Instrument]:
        """The markets that trade now: all but those that are delisted by now."""
        return {coin: one for coin, one in self.instruments.items() if not self.delisted(coin)}

    def delisted(self, coin: str) -> bool:
        """Tell whether a market's end has come."""
        return coin in self.ends and self.ends[coin] <= self.now_ms

    def delist(self, coin: str, at_ms: int) -> None:
        """Announce that a market ends. Raises Refusal for one that there is not."""
        self.instrument(coin)
        self.ends[coin] = at_ms

    def instrument(self, coin: str) -> Instrument:
        """Return a market's rules. Raises Refusal for one that is not listed."""
        if coin not in self.instruments:
            raise Refusal(Reason.UNKNOWN_SYMBOL)
        return self.instruments[coin]

    def mark(self, coin: str) -> Decimal:
        """Return the mark price now."""
        return self.paths[coin].mark(self.now_ms)

    def book(self, coin: str) -> tuple[list[Level], list[Level]]:
        """Return bids and asks, (price, coins), best first."""
        return self._levels(coin, -1), self._levels(coin, 1)

    def _levels(self, coin: str, sign: int) -> list[Level]:
        """Return one side: asks for +1."""
        one, mark = self.instruments[coin], self.mark(coin)
        rounding = ROUND_UP if sign > 0 else ROUND_DOWN
        found: dict[Decimal, Decimal] = {}
        for n in range(LEVELS):
            price = mark * (1 + sign * (one.half_spread + n * LEVEL))
            price = (price / one.tick).to_integral_value(rounding) * one.tick
            coins = one.depth_usd * self.depth_share / LEVELS / price
            coins = (coins / one.step).to_integral_value(ROUND_DOWN) * one.step
            if coins:
                found[price] = found.get(price, Decimal(0)) + coins
        return list(found.items())

    def advance(self) -> None:
        """Pay every settlement that has become due, then let resting orders meet the market."""
        now_ms, since_ms = self.now_ms, self._settled_ms
        for coin, path in self.paths.items():
            index = self.leader(coin)
            if index is not None:
                path.follow(now_ms, index)
        if now_ms > since_ms:
            self._settled_ms = now_ms
            for coin, one in list(self.account.held.items()):
                if one.quantity:
                    for due in self.paths[coin].prints(since_ms, now_ms):
                        paid = -one.quantity * due.rate * due.mark
                        self._book(due.ts_ms, "funding", coin, paid, one.quantity, due.rate, due.mark)
                        self.account.cash += paid
        for coin in self.ends:
            if self.delisted(coin):
                self._deliver(coin)
        self._meet()

    def _meet(self) -> None:
        """Let resting orders meet the market: each level is there once for every instant and price."""
        seen = {
            coin: (self.now_ms, self.mark(coin)) for coin in {o.ticket.coin for o in self.account.alive()}
        }
        for order in self.account.alive():
            coin = order.ticket.coin
            if order.ticket.reduce_only and self.account.position(coin).quantity * order.ticket.sign >= 0:
                self._end(order)  # nothing is left to reduce
            elif self._met.get(coin) != seen[coin]:
                self._match(order, maker=True)
                if order.status not in ALIVE:
                    self.on_order(order)
        self._met = seen

    def _end(self, order: Order) -> None:
        order.status, order.updated_ms = Status.CANCELLED, self.now_ms
        self.on_order(order)

    def _deliver(self, coin: str) -> None:
        """Cancel what rests in a delisted market and settle the position."""
        for order in self.account.alive():
            if order.ticket.coin == coin:
                order.status, order.updated_ms = Status.CANCELLED, self.now_ms
        if self.account.position(coin).quantity:
            self._take_away(coin, Decimal(1), f"{DELIVERED}{self.next_id()}")

    def place(self, ticket: Ticket) -> Order:
        """Take an order. Raises Refusal; then nothing has changed."""
        self.advance()
        self._check(ticket)
        order = Order(self.next_id(), ticket, self.now_ms, self.now_ms)
        order.would_take = ticket.tif == "PO" and self._takes(ticket)
        if order.would_take and self._post_only_refused:
            raise Refusal(Reason.WOULD_TAKE)
        if ticket.tif == "FOK" and self._fillable(ticket) < ticket.quantity:
            raise Refusal(Reason.NO_FILL)
        self.account.orders[order.order_id] = order
        if order.would_take:
            order.status = Status.CANCELLED
        else:
            self._match(order, maker=False)
            self._met[ticket.coin] = (self.now_ms, self.mark(ticket.coin))
        if order.status in ALIVE and (ticket.tif in ("IOC", "FOK") or ticket.price is None):
            order.status = Status.CANCELLED
        self.on_order(order)
        return order

    def cancel(self, order: Order) -> None:
        """Cancel a resting order. Raises Refusal for one that is closed."""
        self.advance()
        if order.status not in ALIVE:
            raise Refusal(Reason.ORDER_GONE)
        self._end(order)

    def find(self, order_id: str | None, client_id: str | None) -> Order:
        """Return an order by either id. Raises Refusal."""
        self.advance()
        found = None
        if order_id and order_id.isdecimal():
            found = self.account.orders.get(int(order_id))
        elif client_id:
            found = self.account.by_client_id(client_id)
        if found is None:
            raise Refusal(Reason.NO_SUCH_ORDER)
        return found

    def set_leverage(self, coin: str, leverage: int) -> bool:
        """Choose a leverage; return whether it changed. Raises Refusal."""
        one, chosen = self.instrument(coin), self.account.chosen(coin)
        if not 1 <= leverage <= one.max_leverage:
            raise Refusal(Reason.BAD_LEVERAGE)
        changed, chosen.leverage = chosen.leverage != leverage, leverage
        held = self.account.position(coin)
        held.margin = abs(held.quantity) * held.entry / leverage
        return changed

    def set_isolated(self, coin: str, isolated: bool) -> bool:
        """Choose the margin mode; return whether it changed. Raises Refusal while a position or an order is open."""
        self.instrument(coin)
        chosen = self.account.chosen(coin)
        if chosen.isolated == isolated:
            return False
        if self.account.position(coin).quantity or any(o.ticket.coin == coin for o in self.account.alive()):
            raise Refusal(Reason.POSITION_HELD)
        chosen.isolated = isolated
        return True

    def unrealised(self, coin: str) -> Decimal:
        """Return a position's unrealised profit at the mark."""
        held = self.account.position(coin)
        return (self.mark(coin) - held.entry) * held.quantity

    def liquidation(self, coin: str) -> Decimal:
        """Return the price at which a position's margin is down to the maintenance, 0 without a position."""
        held, maintenance = self.account.position(coin), self.instruments[coin].maintenance
        if not held.quantity:
            return Decimal(0)
        sign = 1 if held.quantity > 0 else -1
        return (held.entry - sign * held.margin / abs(held.quantity)) / (1 - sign * maintenance)

    def equity(self) -> Decimal:
        """Return cash plus all unrealised profit."""
        return self.account.cash + sum(
            (self.unrealised(coin) for coin in list(self.account.held)), Decimal(0)
        )

    def free(self) -> Decimal:
        """Return what may back new positions."""
        return max(Decimal(0), self.account.cash - self.account.locked())

    def force_close(self, coin: str, share: Decimal, client_id: str) -> None:
        """Take away a part of a position at the mark, as liquidation and auto-deleveraging do."""
        self.advance()
        if self.account.position(coin).quantity:
            self._take_away(coin, share, client_id)

    def _take_away(self, coin: str, share: Decimal, client_id: str) -> None:
        held, one = self.account.position(coin), self.instruments[coin]
        quantity = (abs(held.quantity) * share / one.step).to_integral_value(ROUND_UP) * one.step
        sign = -1 if held.quantity > 0 else 1
        ticket = Ticket(coin, sign, quantity, None, "IOC", True, client_id)
        order = Order(self.next_id(), ticket, self.now_ms, self.now_ms)
        self.account.orders[order.order_id] = order
        self._fill(order, quantity, self.mark(coin), maker=False)

    def next_id(self) -> int:
        """Return an id that was not used before."""
        self._last_id += 1
        return self._last_id

    def _check(self, ticket: Ticket) -> None:
        one, mark = self.instrument(ticket.coin), self.mark(ticket.coin)
        self._check_open(ticket)
        price = mark if ticket.price is None else ticket.price
        before = self.account.by_client_id(ticket.client_id) if ticket.client_id else None
        if before is not None and (self._ids_for_ever or before.status in ALIVE):
            raise Refusal(Reason.DUPLICATE_CLIENT_ID)
        if ticket.quantity < one.step:
            raise Refusal(Reason.QUANTITY_TOO_SMALL)
        if ticket.quantity % one.step:
            raise Refusal(Reason.QUANTITY_OFF_STEP)
        if price <= 0 or (ticket.price is not None and price % one.tick):
            raise Refusal(Reason.PRICE_OFF_TICK)
        if (price - mark) * ticket.sign > mark * BAND:
            raise Refusal(Reason.PRICE_OUT_OF_BAND)
        held = self.account.position(ticket.coin).quantity
        if ticket.reduce_only:
            if held * ticket.sign >= 0:
                raise Refusal(Reason.REDUCE_ONLY)
            return
        if ticket.quantity * price < one.min_notional:
            raise Refusal(Reason.NOTIONAL_TOO_SMALL)
        opens = max(Decimal(0), abs(held + ticket.sign * ticket.quantity) - abs(held))
        cost = opens * price * (1 / Decimal(self.account.chosen(ticket.coin).leverage) + one.taker)
        if cost > self.free():
            raise Refusal(Reason.NO_MARGIN)

    def _check_open(self, ticket: Ticket) -> None:
        """Refuse what a market that ends does not take any more."""
        ends_ms = self.ends.get(ticket.coin)
        if ends_ms is None:
            return
        if ends_ms <= self.now_ms:
            raise Refusal(Reason.DELISTED)
        if not ticket.reduce_only and ends_ms - self.now_ms <= self._reducing_lead_ms:
            raise Refusal(Reason.REDUCING_ALONE)

    def _takes(self, ticket: Ticket) -> bool:
        best = self._levels(ticket.coin, ticket.sign)[0][0]
        return ticket.price is None or (ticket.price - best) * ticket.sign >= 0

    def _fillable(self, ticket: Ticket) -> Decimal:
        return sum(
            (
                coins
                for price, coins in self._levels(ticket.coin, ticket.sign)
                if ticket.price is None or (ticket.price - price) * ticket.sign >= 0
            ),
            Decimal(0),
        )

    def _match(self, order: Order, *, maker: bool) -> None:
        ticket = order.ticket
        for price, coins in self._levels(ticket.coin, ticket.sign):
            if ticket.price is not None and (price - ticket.price) * ticket.sign > 0:
                return
            quantity = min(coins, order.remaining)
            if ticket.reduce_only:
                held = self.account.position(ticket.coin).quantity
                quantity = min(quantity, max(Decimal(0), -held * ticket.sign))
            if not quantity:
                return
            at = ticket.price if maker and ticket.price is not None else price
            self._fill(order, quantity, at, maker=maker)

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        ticket, one = order.ticket, self.instruments[order.ticket.coin]
        fee = quantity * price * (one.maker if maker else one.taker)
        realised = self.account.change(ticket.coin, ticket.sign * quantity, price, self.now_ms)
        self.account.cash -= fee
        held = self.account.position(ticket.coin)
        if held.quantity:  # what it opens at a loss to the mark is set aside too
            value = abs(held.quantity) * max(held.entry, self.mark(ticket.coin))
            loss = max(Decimal(0), -self.unrealised(ticket.coin))
            held.margin = value / self.account.chosen(ticket.coin).leverage + loss
        order.filled += quantity
        order.cost += quantity * price
        order.fee += fee
        order.updated_ms = self.now_ms
        order.status = Status.PARTIAL if order.remaining else Status.FILLED
        trade = Trade(
            self.next_id(), order.order_id, ticket.client_id, self.now_ms, ticket.coin, ticket.sign, quantity, price,
            fee, maker, realised,
        )  # fmt: skip
        self.account.trades.append(trade)
        self._book(self.now_ms, "fee", ticket.coin, -fee)
        if realised:
            self._book(self.now_ms, "pnl", ticket.coin, realised)
        self.on_trade(trade)

    def _book(
        self,
        ts_ms: int,
        kind: str,
        coin: str,
        amount: Decimal,
        quantity: Decimal = Decimal(0),
        rate: Decimal = Decimal(0),
        price: Decimal = Decimal(0),
    ) -> None:
        self.account.income.append(Income(self.next_id(), ts_ms, kind, coin, amount, quantity, rate, price))
