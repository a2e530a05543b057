"""Which exchanges there are and how ccxt is to be talked to about them: data, one row a venue, and a factory.

Any other perpetual venue that ccxt knows is taken by its id in the configuration, with `Profile`'s defaults, which
assume as little as can be; `abilities.py` finds out whether that is enough.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import ccxt.async_support as ccxt

from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.throttle import Refilled
from hedged.config.cex import CexVenueConfig
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import ConfigError

RECEIVE_WINDOW_MS = 5_000
"""An exchange that gets a signed request later than this after it was made refuses it."""
ID_DIGITS = 32
_ENDLESS = re.compile(r"(?<![0-9A-Za-z.])[0-9]+(?:\.[0-9]*)?[eE][+-]?[0-9]{4,}(?![0-9A-Za-z])")
_SILENT = logging.getLogger("hedged.ccxt")
_SILENT.disabled = True  # ccxt logs whole requests, headers with the key and all


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs between exchanges.

    `family`: the exchange of `PROFILES` whose peculiarities ccxt's class has; empty where nothing is known.
    `margin`: where the margin mode is chosen: by `symbol`, for the whole `account`, or with each `order`.
    `payment_sign`: +1 where a positive amount of funding was received, −1 where it was paid.
    `client_id_in_trades`: field of a raw fill that holds the client id; None: asked for order by order.
    `window_ms`: age from which on the exchange refuses a signed order.
    `refusals`: pattern of codes that refuse an order and that ccxt has no class for.
    `lasting_ids`: a filled order is found by its client id as long as that matters; else its fills are looked at too.
    `lists`: last parts of paths that are answered with a list; ccxt takes anything else for an empty one: a position
    would read as flat.
    `client_id`: how client ids are written, see `client_ids.py`.
    `interest_limit`: hours of past open interest in an answer; 0: it is not asked for.
    `pages`: funding history is walked from its start (`forward`), back from now by ccxt's parameter of this name, or,
    where it is not known at which end an exchange cuts, from both (`either`).
    """

    ccxt_id: str
    family: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    order_params: Mapping[str, Any] = field(default_factory=dict)
    leverage_params: Mapping[str, Any] = field(default_factory=dict)
    margin: str = "symbol"
    window_ms: int = 60_000
    payment_sign: int = 1
    client_id_in_trades: str | None = None
    client_id: str = "{hex}"
    lasting_ids: bool = False
    lists: tuple[str, ...] = ()
    usual_interval_h: float | None = None
    pages: str = "either"
    print_limit: int = 100
    candle_limit: int = 100
    interest_limit: int = 0
    book_limit: int = 100
    duplicate_codes: tuple[str, ...] = ()
    refusals: str = r"(?!)"


PROFILES: Mapping[str, Profile] = {
    "binance": Profile(
        "binanceusdm",
        "binanceusdm",
        options={
            "fetchMarkets": {"types": ["linear"]},
            "defaultType": "swap",
            "recvWindow": RECEIVE_WINDOW_MS,
        },
        window_ms=RECEIVE_WINDOW_MS,
        lasting_ids=True,
        lists=("positionRisk", "userTrades", "income", "openOrders", "allOrders"),
        usual_interval_h=8.0,
        pages="forward",
        print_limit=1_000,
        candle_limit=1_000,
        interest_limit=500,
        book_limit=500,
        duplicate_codes=("-4116",),
        refusals=r'"code":\s*-4\d{3}\b',
    ),
    "bybit": Profile(
        "bybit",
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
        lasting_ids=True,
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
        lasting_ids=True,
        pages="after",
        interest_limit=100,
        book_limit=400,
        duplicate_codes=("51016",),
        refusals=r'"sCode":\s*"51\d{3}"|"code":\s*"50120"',
    ),
}


def profile_of(venue: str, config: CexVenueConfig) -> Profile:
    """Return what is known of a venue. Raises ConfigError for a ccxt id that ccxt does not know."""
    ccxt_id = config.ccxt_id or (PROFILES[venue].ccxt_id if venue in PROFILES else venue)
    if ccxt_id not in ccxt.exchanges:
        raise ConfigError(
            f"cex.{venue}: ccxt knows no exchange {ccxt_id!r}: set cex.{venue}.ccxt_id to one of its ids"
        )
    kind = getattr(ccxt, ccxt_id)  # some are another one under the address of a region: myokx, bybiteu
    known = next((one for one in PROFILES.values() if issubclass(kind, getattr(ccxt, one.ccxt_id))), None)
    profile = usual_profile(ccxt_id) if known is None else replace(known, ccxt_id=ccxt_id)
    return replace(profile, client_id=config.client_id) if config.client_id else profile


def usual_profile(ccxt_id: str) -> Profile:
    """Return what is assumed of an exchange of which nothing is known but what ccxt says.

    Left alone, some read the markets of every kind, options included, which takes hundreds of requests.
    """
    told = described(ccxt_id).get("options", {}).get("fetchMarkets")
    types = told.get("types") if isinstance(told, dict) else None
    kinds = [kind for kind in ("swap", "linear") if isinstance(types, list) and kind in types]
    only = {"fetchMarkets": {"types": kinds[:1]}} if kinds else {}
    return Profile(ccxt_id, options={"defaultType": "swap", "defaultSubType": "linear", **only})


def described(ccxt_id: str) -> Mapping[str, Any]:
    """Return what ccxt says of an exchange: `has`, `options`, `requiredCredentials` and more."""
    found: Mapping[str, Any] = getattr(ccxt, ccxt_id)().describe()
    return found


def feature(exchange: Any, method: str, name: str) -> Any:
    """Return what ccxt tells of one of its methods for linear swaps; None where it tells nothing."""
    told: Any = exchange.features or {}
    for part in ("swap", "linear", method, name):
        told = (told or {}).get(part)
    return told


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
        "options": {**profile.options, **config.options, "maxRetriesOnFailure": 0},  # never a second send
    }
    if key is not None:
        settings |= key.reveal()
    exchange = kind(settings)
    exchange.hedged_clock = clock
    exchange.hedged_window_ms = profile.window_ms
    exchange.hedged_lists = profile.lists
    exchange.has = {**exchange.has, "fetchCurrencies": False}
    exchange.rateLimit = exchange.rateLimit / float(config.rate_share)
    exchange.tokenBucket = None  # else the bucket made at first stays
    exchange.init_rest_rate_limiter()
    exchange.init_throttler()
    exchange.throttler = Refilled(exchange.throttler.config)
    exchange.logger = _SILENT
    exchange.timeout_on_exit = 0  # a wait for websockets, which are not opened here
    return exchange


def endless(body: str) -> bool:
    """Tell whether a body has a number like 1e999999999, on whose billion digits ccxt would work for hours.

    A client id of 32 hex digits that reads like one is none.
    """
    return any(len(told[0]) != ID_DIGITS or not told[0].isalnum() for told in _ENDLESS.finditer(body))


class Caught(Exception):
    """A request that would have changed something, stopped on its way out. `text`: its address and body."""

    def __init__(self, text: str) -> None:
        super().__init__("stopped on its way out")
        self.text = text


class _Guarded:
    """What every ccxt exchange here does differently: it reads our clock and takes nothing but JSON for an answer."""

    id: str
    hedged_clock: Clock
    hedged_window_ms: int
    hedged_lists: tuple[str, ...]
    hedged_catches = False
    hedged_time_refused: Callable[[], None] = staticmethod(lambda: None)

    def milliseconds(self) -> int:
        """Return the time that requests are signed with, before the exchange's offset."""
        return self.hedged_clock.now_ms() if hasattr(self, "hedged_clock") else 0

    def seconds(self) -> int:
        """Return the same in seconds: some end their questions there."""
        return self.milliseconds() // SECOND_MS

    def sign(self, path: str, *rest: Any, **named: Any) -> dict[str, Any]:
        """Sign a request; to an order at OKX add until when it may be taken, which the others' receive window does."""
        signed: dict[str, Any] = super().sign(path, *rest, **named)  # type: ignore[misc]
        if isinstance(self, ccxt.okx) and path == "trade/order" and signed["method"] == "POST":
            expires_ms = self.nonce() + self.hedged_window_ms
            signed["headers"] = {**signed["headers"], "expTime": str(expires_ms)}
        return signed

    @contextmanager
    def hedged_catching(self) -> Iterator[None]:
        """Let nothing out but questions until the block ends: the first other request raises Caught."""
        self.hedged_catches = True
        try:
            yield
        finally:
            self.hedged_catches = False

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Send a request, the last step of it."""
        if self.hedged_catches and method != "GET":
            raise Caught(f"{url} {body}")
        return await super().fetch(url, method, headers, body)  # type: ignore[misc]

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
        listed = last in self.hedged_lists
        if code < 300 and (body == "{}" or not body.startswith("[" if listed else ("{", "["))):
            wanted = "list" if listed else "JSON"
            raise ccxt.BadResponse(
                f"{self.id} answered {method} {last} with {code} and no {wanted}: {body[:40]!r}"
            )
        if endless(body):
            raise ccxt.BadResponse(f"{self.id} answered {method} {last} with a number without end")
        return body
