"""The exchanges' adapters against the sandbox, over real TLS on loopback: everything a test of them needs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import aiohttp
from bitget import Bitget
from fakes import HASHES, approve

from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.exchanges import Profile, make_exchange, profile_of
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.resting import kind_for
from hedged.adapters.cex.trading import CexTrading, Patience
from hedged.config.cex import CexVenueConfig
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import HOUR_MS, SECOND_MS, Clock
from hedged.domain.market import Costs, SeriesKey
from hedged.domain.orders import Intent, Purpose, Side
from hedged.sandbox.cex.engine import LEVEL, LEVELS, Exchange
from hedged.sandbox.cex.exchanges import CASH, Hall, serve_all
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.instruments import BINANCE
from hedged.sandbox.cex.loopback import Loopback

START_MS = 1_760_000_400_000  # 2025-10-09 09:00:00 UTC
COSTS = Costs(Decimal("0.0002"), Decimal("0.0005"), Decimal("0.0001"), Decimal(1_000_000))
VENUES = ("binance", "bybit", "okx")
OTHER = "gate"
"""One of which the adapter knows nothing but what ccxt says."""
ANOTHER = "bitget"
"""One more of them, for the contracts alone."""
SETTINGS = {OTHER: {"client_id": "t-{base32}"}}
EVERY = (*VENUES, OTHER)
SENDS = {
    "binance": "/fapi/v1/order",
    "bybit": "/v5/order/create",
    "okx": "/api/v5/trade/order",
    "gate": "/api/v4/futures/usdt/orders",
}
"""Where orders are sent to."""
DONE = (Fault.LOST_ACK, Fault.RESET_AFTER, Fault.ERROR_AFTER, Fault.HTML_AFTER, Fault.CUT)
"""What goes wrong after an order was taken, and before."""
NOT_DONE = (
    Fault.BLACK_HOLE, Fault.RESET, Fault.ERROR, Fault.HTML, Fault.EMPTY, Fault.BARE, Fault.MAINTENANCE
)  # fmt: skip
LEVERAGE = 3
PATIENCE = Patience(settle_s=1.0, visible_s=3.0)


class StillClock:
    """Time that passes only when it is told to."""

    slice_s = 1.0

    def __init__(self, now_ms: int = START_MS + 20 * 60 * SECOND_MS) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def skip(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1_000)


@dataclass
class Rig:
    """One exchange of the sandbox with both adapters on it."""

    venue: str
    hall: Hall
    loopback: Loopback
    session: aiohttp.ClientSession
    clock: Any
    config: CexVenueConfig
    data: CexData
    trading: CexTrading
    key: ApiKey
    served: str
    cycles: int = field(default=START_MS)

    @property
    def protocol(self) -> Any:
        return self.hall.protocols[self.served]

    @property
    def proof_s(self) -> float:
        """From when on "not found" is a proof: the receive window, and three seconds to show."""
        return 63.0 if self.venue == OTHER else 8.0

    @property
    def engine(self) -> Any:
        return self.protocol.exchange

    @property
    def faults(self) -> Any:
        return self.protocol.faults

    def hold(self, quantity: str, coin: str = "BTC") -> None:
        """Put a position there which no order of ours made, with the leverage that ours would set."""
        self.engine.advance()
        chosen = self.engine.account.chosen(coin)
        chosen.leverage, chosen.isolated = LEVERAGE, True
        self.engine.account.change(coin, Decimal(quantity), self.engine.mark(coin), self.engine.now_ms)

    def sweep(self, price: Decimal, sign: int, coins: Decimal, coin: str = "BTC") -> None:
        """Let the market go where its first level, of so many coins, meets a resting order at `price`, and no other."""
        one = self.engine.instruments[coin]
        mark = price / (1 + sign * (one.half_spread + LEVEL / 2))
        self.engine.depth_share = (coins + one.step / 2) * price * LEVELS / one.depth_usd
        self.engine.paths[coin].shock(self.engine.now_ms, mark / self.engine.mark(coin))
        self.engine.advance()

    def held(self, coin: str = "BTC") -> Decimal:
        return self.engine.account.position(coin).quantity

    def order(
        self, signed: str, *, coin: str = "BTC", slack: str = "0.02", reduce_only: bool = False
    ) -> ApprovedIntent:
        """An approved order of `signed` coins, its worst price `slack` away from the mark; new each time."""
        quantity, mark = Decimal(signed), self.engine.mark(coin)
        side, tick = Side.BUY if quantity > 0 else Side.SELL, self.engine.instruments[coin].tick
        worst = (mark * (1 + side.sign * Decimal(slack)) / tick).to_integral_value() * tick
        self.cycles += 900_000
        key = SeriesKey(self.venue, coin)
        return approve(
            Intent(
                self.cycles, key, side, abs(quantity), worst, mark, Purpose.HEDGE_OPEN, reduce_only, HASHES
            )
        )


@asynccontextmanager
async def rig(
    venue: str,
    *,
    clock: Clock | None = None,
    symbols: tuple[str, ...] | None = None,
    deadline_s: float = 10.0,
    hourly: bool = False,
    patience: Patience = PATIENCE,
    prepare: Callable[[Any], None] = lambda _: None,
    history_days: int = 2,
    served: str | None = None,
    profile: Profile | None = None,
    **config: Any,
) -> AsyncIterator[Rig]:
    """Serve the sandbox and connect to one of its exchanges. `hourly`: every market settles each hour.

    `served`: the exchange that answers, where the venue goes by another name; `profile`: what is known of it.
    """
    clock = clock or StillClock()
    hall = Hall(clock)
    hall.protocols[ANOTHER] = Bitget(Exchange(BINANCE, clock, CASH, seed=47, post_only_refused=False))
    if hourly:
        for one in hall.protocols.values():
            for path in one.exchange.paths.values():
                path.intervals = [(0, 1)]
    served = served or venue
    prepare(hall.protocols[served])
    told = CexVenueConfig.model_validate({"deadline_s": deadline_s, **SETTINGS.get(venue, {}), **config})
    profile = profile or profile_of(venue, told)
    if isinstance(clock, StillClock):
        clock.skip(10)  # what an earlier life may have sent has come by now
    async with serve_all(hall) as loopback, loopback.session() as session:
        key = hall.key_of(served)
        fast = told.model_copy(update={"rate_share": Decimal(50)})  # no waiting for request limits in tests
        data = CexData(
            venue, make_exchange(profile, fast, session, clock), profile, clock, COSTS, Decimal(LEVERAGE),
            history_days=history_days,
        )  # fmt: skip
        if symbols is not None:
            data.watch(symbols)
        own = ApiKey(venue, key.key, key.secret, key.passphrase if venue in ("okx", ANOTHER) else "")
        exchange, reader, ledger = (make_exchange(profile, fast, session, clock, own) for _ in range(3))
        trading = kind_for(exchange)(data, exchange, reader, ledger, own, clock, LEVERAGE, patience=patience)
        trading._started_ms -= 60_000
        try:
            yield Rig(venue, hall, loopback, session, clock, told, data, trading, own, served)
        finally:
            await trading.close()
            await data.close()


__all__ = [
    "DONE",
    "EVERY",
    "HOUR_MS",
    "LEVERAGE",
    "NOT_DONE",
    "PATIENCE",
    "SENDS",
    "START_MS",
    "VENUES",
    "Rig",
    "StillClock",
    "replace",
    "rig",
]
