"""Which exchanges there are and how ccxt is to be talked to about them: data, one row a venue, and a factory.

Any other perpetual venue that ccxt knows works by its id in the configuration, with `Profile`'s defaults.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import ccxt.async_support as ccxt

from hedged.adapters.cex.keys import ApiKey
from hedged.config.cex import CexVenueConfig
from hedged.domain.clock import Clock
from hedged.domain.errors import ConfigError

RECEIVE_WINDOW_MS = 5_000
"""An exchange that gets a signed request later than this after it was made refuses it."""
BINANCE_LISTS = ("positionRisk", "userTrades", "income", "openOrders", "allOrders")
"""What Binance answers with a list; ccxt takes anything else for an empty one: a position would read as flat."""
SANE_ID = re.compile(r"^[0-9A-Za-z]{1,32}$")
_SILENT = logging.getLogger("hedged.ccxt")
_SILENT.disabled = True  # ccxt logs whole requests, headers with the key and all


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs between exchanges.

    `margin`: where the margin mode is chosen: by `symbol`, for the whole `account`, or with each `order`.
    `payment_sign`: +1 where a positive amount of funding was received, −1 where it was paid.
    `client_id_in_trades`: field of a raw fill that holds the client id; None: asked for order by order.
    `window_ms`: age from which on the exchange refuses a signed order.
    `refusals`: pattern of codes that refuse an order and that ccxt has no class for.
    `interest_limit`: hours of past open interest in an answer; 0: it is not asked for.
    `pages`: funding history is walked from its start (`forward`), or back from now by ccxt's parameter of this name.
    """

    ccxt_id: str
    options: Mapping[str, Any] = field(default_factory=dict)
    order_params: Mapping[str, Any] = field(default_factory=dict)
    leverage_params: Mapping[str, Any] = field(default_factory=dict)
    margin: str = "symbol"
    window_ms: int = 60_000
    payment_sign: int = 1
    client_id_in_trades: str | None = None
    usual_interval_h: float | None = None
    pages: str = "forward"
    print_limit: int = 100
    candle_limit: int = 100
    interest_limit: int = 0
    book_limit: int = 100
    duplicate_codes: tuple[str, ...] = ()
    refusals: str = r"(?!)"


PROFILES: Mapping[str, Profile] = {
    "binance": Profile(
        "binanceusdm",
        options={
            "fetchMarkets": {"types": ["linear"]},
            "defaultType": "swap",
            "recvWindow": RECEIVE_WINDOW_MS,
        },
        window_ms=RECEIVE_WINDOW_MS,
        usual_interval_h=8.0,
        print_limit=1_000,
        candle_limit=1_000,
        interest_limit=500,
        book_limit=500,
        duplicate_codes=("-4116",),
        refusals=r'"code":\s*-4\d{3}\b',
    ),
    "bybit": Profile(
        "bybit",
        options={
            "fetchMarkets": {"types": ["linear"]},
            "defaultType": "swap",
            "defaultSubType": "linear",
            "recvWindow": RECEIVE_WINDOW_MS,
            # every account is a unified one by now; asking each time costs two requests
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
        },
        margin="account",
        window_ms=RECEIVE_WINDOW_MS,
        payment_sign=-1,
        client_id_in_trades="orderLinkId",
        pages="until",
        print_limit=200,
        candle_limit=1_000,
        interest_limit=200,
        book_limit=200,
        duplicate_codes=("110072",),
        refusals=r'"retCode":\s*110\d{3}\b',
    ),
    "okx": Profile(
        "okx",
        options={
            "fetchMarkets": {"types": ["swap"]},
            "defaultType": "swap",
            "createOrder": "privatePostTradeOrder",
        },
        order_params={"tdMode": "isolated"},
        leverage_params={"mgnMode": "isolated"},
        margin="order",
        window_ms=RECEIVE_WINDOW_MS,
        client_id_in_trades="clOrdId",
        pages="after",
        interest_limit=100,
        book_limit=400,
        duplicate_codes=("51016",),
        refusals=r'"sCode":\s*"51\d{3}"|"code":\s*"50120"',
    ),
}


def profile_of(venue: str, config: CexVenueConfig) -> Profile:
    """Return what is known of a venue. Raises ConfigError for a ccxt id that ccxt does not know."""
    known = PROFILES.get(venue)
    ccxt_id = config.ccxt_id or (known.ccxt_id if known else venue)
    if ccxt_id not in ccxt.exchanges:
        raise ConfigError(
            f"cex.{venue}: ccxt knows no exchange {ccxt_id!r}: set cex.{venue}.ccxt_id to one of its ids"
        )
    if known is not None and known.ccxt_id == ccxt_id:
        return known
    return Profile(ccxt_id, options={"defaultType": "swap"})


def at_speed(profile: Profile, speed: float) -> Profile:
    """Return a profile for a local exchange whose clock runs fast: what networks take is told in wall time."""
    options = dict(profile.options)
    if "recvWindow" in options:
        options["recvWindow"] = round(options["recvWindow"] * speed)
    return replace(profile, options=options, window_ms=round(profile.window_ms * speed))


def make_exchange(
    profile: Profile,
    config: CexVenueConfig,
    session: aiohttp.ClientSession,
    clock: Clock,
    key: ApiKey | None = None,
) -> Any:
    """Make one ccxt instance on a session that its owner closes. Data and trading get instances of their own.

    Each has a limiter of its own, which spends `rate_share` of what the exchange allows.
    """
    base = getattr(ccxt, profile.ccxt_id)
    kind = type(f"Guarded_{profile.ccxt_id}", (_Guarded, base), {})
    settings: dict[str, Any] = {
        "session": session,
        "enableRateLimit": True,
        "timeout": round(config.deadline_s * 1_000),
        "options": {**profile.options, **config.options},
    }
    if key is not None:
        settings |= key.reveal()
    exchange = kind(settings)
    exchange.hedged_clock = clock
    exchange.hedged_window_ms = profile.window_ms
    exchange.has = {**exchange.has, "fetchCurrencies": False}
    exchange.rateLimit = exchange.rateLimit / float(config.rate_share)
    exchange.tokenBucket = None  # else the bucket made at first stays
    exchange.init_rest_rate_limiter()
    exchange.init_throttler()
    exchange.logger = _SILENT
    exchange.timeout_on_exit = 0  # a wait for websockets, which are not opened here
    return exchange


class _Guarded:
    """What every ccxt exchange here does differently: it reads our clock and takes nothing but JSON for an answer."""

    id: str
    hedged_clock: Clock
    hedged_window_ms: int
    hedged_time_refused: Callable[[], None] = staticmethod(lambda: None)

    def milliseconds(self) -> int:
        """Return the time that requests are signed with, before the exchange's offset."""
        return self.hedged_clock.now_ms() if hasattr(self, "hedged_clock") else 0

    def sign(self, path: str, *rest: Any, **named: Any) -> dict[str, Any]:
        """Sign a request; to an order at OKX add until when it may be taken, which the others' receive window does."""
        signed: dict[str, Any] = super().sign(path, *rest, **named)  # type: ignore[misc]
        if self.id == "okx" and path == "trade/order" and signed["method"] == "POST":
            expires_ms = self.nonce() + self.hedged_window_ms  # type: ignore[attr-defined]
            signed["headers"] = {**signed["headers"], "expTime": str(expires_ms)}
        return signed

    def handle_errors(self, *answer: Any) -> Any:
        """Find an answer's error; one about the time makes the clock's offset doubtful."""
        try:
            return super().handle_errors(*answer)  # type: ignore[misc]
        except ccxt.InvalidNonce:
            self.hedged_time_refused()
            raise

    def on_rest_response(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        response_headers: Any,
        response_body: str,
        request_headers: Any,
        request_body: Any,
    ) -> str:
        """Refuse a page of HTML, nothing, or another shape with status 200: ccxt would make an empty answer of it."""
        body = response_body.strip()
        last = url.partition("?")[0].rpartition("/")[2]
        listed = self.id.startswith("binance") and last in BINANCE_LISTS
        if code < 300 and not body.startswith("[" if listed else ("{", "[")):
            wanted = "list" if listed else "JSON"
            raise ccxt.BadResponse(
                f"{self.id} answered {method} {last} with {code} and no {wanted}: {body[:40]!r}"
            )
        return body
