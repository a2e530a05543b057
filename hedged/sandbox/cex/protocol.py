"""What the protocols share: credentials, clock, request budget, faults, and plain numbers in answers."""

import hmac
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from aiohttp import web
from aiohttp.typedefs import Middleware

from hedged.domain.clock import MINUTE_MS
from hedged.sandbox.cex.engine import Exchange
from hedged.sandbox.cex.faults import Fault, Faults, Handler
from hedged.sandbox.cex.instruments import Instrument
from hedged.sandbox.cex.refusals import Reason, Refusal


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """The key of the sandbox's account. `passphrase` is OKX's."""

    key: str = "sandbox-key"
    secret: str = "sandbox-secret"  # noqa: S105 (of an exchange that trades nothing)
    passphrase: str = "sandbox-passphrase"  # noqa: S105

    def hex_signature(self, text: str) -> str:
        """Return the HMAC-SHA256 of a text as hex digits."""
        return hmac.new(self.secret.encode(), text.encode(), sha256).hexdigest()


class Complaint(Exception):
    """What the exchange answers instead of doing what was asked: its own code and words."""

    def __init__(self, code: int | str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Budget:
    """Requests of the last minute, by weight."""

    def __init__(self, exchange: Exchange, per_minute: int) -> None:
        self._exchange, self.per_minute = exchange, per_minute
        self._spent: deque[tuple[int, int]] = deque()

    @property
    def used(self) -> int:
        """Weight used in the last minute."""
        since_ms = self._exchange.now_ms - MINUTE_MS
        while self._spent and self._spent[0][0] <= since_ms:
            self._spent.popleft()
        return sum(weight for _, weight in self._spent)

    def spend(self, weight: int) -> bool:
        """Note a request; return whether there was room for it."""
        used = self.used
        self._spent.append((self._exchange.now_ms, weight))
        return used + weight <= self.per_minute


class Protocol(ABC):
    """An exchange as one application. Subclasses add routes and say how a complaint is worded."""

    per_minute = 2_400
    speed = 1.0
    """Of the clock: how late a request may be is a matter of networks, told in wall time."""
    quote = "USDT"
    hosts: tuple[str, ...] = ()
    order_path = ""
    """Where orders are sent to."""

    def __init__(self, exchange: Exchange, credentials: Credentials | None = None) -> None:
        self.exchange = exchange
        self.credentials = credentials or Credentials()
        self.faults = Faults()
        self.budget = Budget(exchange, self.per_minute)
        self.asked: deque[tuple[str, str]] = deque(maxlen=1_000)
        """(method, path) of the latest requests."""

    @property
    def now_ms(self) -> int:
        """The time that the exchange tells and checks signatures by."""
        return self.exchange.now_ms + self.faults.skew_ms

    def app(self) -> web.Application:
        """Return the application; each call makes a new one on the same exchange."""
        app = web.Application(middlewares=[self._middleware])
        self.add_routes(app.router)
        return app

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the protocol's paths."""

    @abstractmethod
    def complain(self, complaint: Complaint) -> web.Response:
        """Word a complaint."""

    @abstractmethod
    def of_refusal(self, refusal: Refusal) -> Complaint:
        """Translate the engine's reason into the exchange's code."""

    @abstractmethod
    def of_fault(self, fault: Fault) -> Complaint:
        """Translate RATE_LIMIT, BANNED and MAINTENANCE into the exchange's code."""

    def headers(self) -> dict[str, str]:
        """Return what stands on every answer."""
        return {}

    @property
    def _middleware(self) -> Middleware:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked.append((request.method, request.path))
            return await self.faults.around(
                request,
                lambda asked: self._answer(asked, handler),
                lambda fault: self.complain(self.of_fault(fault)),
            )

        return middleware

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.budget.spend(1):
            banned = self.budget.used > 2 * self.per_minute
            return self.complain(self.of_fault(Fault.BANNED if banned else Fault.RATE_LIMIT))
        try:
            self.exchange.advance()
            answer = await handler(request)
        except Refusal as refusal:
            answer = self.complain(self.of_refusal(refusal))
        except Complaint as complaint:
            answer = self.complain(complaint)
        answer.headers.update(self.headers())
        return answer


class CoinFirst(Protocol):
    """An exchange that names a market by its coin, then the quote currency: BTCUSDT."""

    def coin(self, symbol: str | None) -> str:
        """Return the coin of a symbol. Raises Refusal."""
        coin = (symbol or "").removesuffix(self.quote)
        if not symbol or not symbol.endswith(self.quote) or coin not in self.exchange.instruments:
            raise Refusal(Reason.UNKNOWN_SYMBOL)
        return coin

    def symbol(self, coin: str) -> str:
        """Return the exchange's name of a market."""
        return coin + self.quote


def plain(number: Decimal, places: int | None = None) -> str:
    """Write a number as exchanges do: no exponent, no superfluous zeros; with `places`, so many decimals."""
    if places is not None:
        return f"{number:.{places}f}"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def places(unit: Decimal) -> int:
    """Return the decimals of a tick or step."""
    exponent = unit.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def aligned(price: Decimal, one: Instrument) -> str:
    """Write a price with the decimals of its tick."""
    return plain(price, places(one.tick))
