"""Whether an exchange of which nothing is known but what ccxt says can be watched, and whether it can be traded safely.

The rules about money rest on four things: an order that takes and never rests, that closes no more than there is, that
carries the daemon's client id, and that can be asked for by it. What ccxt has no method for is found before anything is
asked; the rest by one order that is made and stopped on its way out, and by asking for an order that never was. One
that is post-only is made too; where it would not be, no order rests there.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import ccxt

from hedged.adapters.cex.errors import explain, reading
from hedged.adapters.cex.exchanges import Caught, Profile, described
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.orders import IOC, POST_ONLY
from hedged.adapters.cex.resting import RestingCexTrading
from hedged.adapters.cex.trading import CexTrading
from hedged.domain.bars import Field
from hedged.domain.errors import ConfigError

WATCHED_BY = ("fetchFundingRates", "fetchFundingRateHistory", "fetchMarkOHLCV", "fetchOrderBook")
TRADED_BY = (
    "fetchTime", "createOrder", "fetchOrder", "cancelOrder", "fetchOpenOrders", "fetchPositions", "fetchBalance",
    "fetchMyTrades", "fetchFundingHistory", "setLeverage",
)  # fmt: skip
SIGNED_WITH: Mapping[str, str] = {"apiKey": "key", "secret": "secret", "password": "passphrase"}
MAKERS = re.compile(r"post.?only|\bpoc\b|\bgtx\b|\bpo\b|\balo\b|maker", re.IGNORECASE)
"""What exchanges call an order that may only make."""
PROBE = "0" * 32
"""A client id that no order ever had."""


def must_tell(venue: str, profile: Profile) -> None:
    """Raise ConfigError where ccxt has no method for what data are read by."""
    if lacking := _lacking(described(profile.ccxt_id), WATCHED_BY):
        raise ConfigError(
            f"cex.{venue}: ccxt's {profile.ccxt_id} lacks {lacking}, without which its funding cannot be followed: "
            "take it out of hedge.venues"
        )


def why_not_traded(profile: Profile, key: ApiKey | None = None) -> str | None:
    """Return what ccxt has no method for, or what the key lacks; None where an exchange may be asked for the rest."""
    told = described(profile.ccxt_id)
    wanted = sorted(name for name, needed in told["requiredCredentials"].items() if needed)
    if strange := [name for name in wanted if name not in SIGNED_WITH]:
        return f"its requests are signed with {', '.join(strange)}, which is not supported"
    if lacking := _lacking(told, TRADED_BY):
        return f"ccxt's {profile.ccxt_id} lacks {lacking}"
    given = {} if key is None else key.reveal()
    missing = [SIGNED_WITH[name] for name in wanted if key is not None and not given.get(name)]
    return f"the key lacks its {', '.join(missing)}" if missing else None


def _lacking(told: Mapping[str, Any], methods: tuple[str, ...]) -> str:
    return ", ".join(name for name in methods if told["has"].get(name) is not True)


async def must_trade_safely(trading: CexTrading) -> list[str]:
    """Return what was found out about an exchange; nothing is sent.

    Raises ConfigError where the rules about money cannot be kept there, Retryable where it cannot be asked.
    """
    venue = trading.venue
    await trading.positions()
    faults = [fault for fault in (await _order_fault(trading), await _look_up_fault(trading)) if fault]
    if faults:
        raise ConfigError(f"cex.{venue} can be watched, not traded: {'; '.join(faults)} (docs/cex.md)")
    now_ms = trading.exchange.milliseconds()
    await trading.executions(now_ms)
    await trading.funding_payments(now_ms)
    await trading.open_orders()
    return ["orders are IOC, reduce-only, and found by their client id", await _whether_rests(trading)]


async def _whether_rests(trading: CexTrading) -> str:
    """Return, and note, whether post-only orders can be sent: one whose word is lost on the way would take."""
    if not isinstance(trading, RestingCexTrading):
        return f"no order rests there: ccxt knows no post-only orders of {trading.data.profile.ccxt_id}"
    text, fault = await _as_sent(trading, POST_ONLY)
    if fault is None and not MAKERS.search(text):
        fault = "ccxt does not send post-only orders as such"
    trading.cannot_rest = fault or ""
    return f"no order rests there: {fault}" if fault else "orders that rest are post-only"


async def _order_fault(trading: CexTrading) -> str | None:
    """Return what is wrong with an order as ccxt would send it."""
    text, fault = await _as_sent(trading, IOC)
    if fault is not None:
        return fault
    theirs = trading.orders.ids.theirs(PROBE)
    if not _names(text, theirs):
        return f"an order would not carry the client id {theirs} as it is (cex.{trading.venue}.client_id)"
    if "cross" in text.lower():
        return "an order would go out under cross margin"
    if "ioc" not in text.lower():
        return "an order could rest: ccxt does not send it as IOC"
    return None if "reduce" in text.lower() else "ccxt does not send reduce-only orders there"


async def _as_sent(trading: CexTrading, tif: str) -> tuple[str, str | None]:
    """Return address and body of a small reduce-only order, stopped on its way out, or why ccxt makes none."""
    symbol = (trading.data.symbols or tuple(trading.data.perpetuals))[0]
    perpetual = trading.data.perpetuals[symbol]
    mark = trading.data.board.latest(symbol, Field.MARK, trading.exchange.milliseconds())
    near, tick = Decimal(str(mark[1])) if mark else Decimal(1), perpetual.market.price_tick
    amount = perpetual.contracts(max(perpetual.least, perpetual.market.quantity_step))
    least, price = f"{amount.normalize():f}", f"{((near // tick + 1) * tick).normalize():f}"
    with trading.exchange.hedged_catching():
        try:
            await trading.orders.create(perpetual, "sell", least, price, PROBE, tif, reduce_only=True)
        except Caught as caught:
            return caught.text, None
        except ccxt.BaseError as error:
            return "", f"ccxt makes no such order: {explain(error, trading.key.redact)}"
    return "", "ccxt says that it sent an order and did not"


async def _look_up_fault(trading: CexTrading) -> str | None:
    """Return why "not found" would prove nothing; None where an order that never was is not found, in so many words."""
    symbol = (trading.data.symbols or tuple(trading.data.perpetuals))[0]
    asking, theirs = trading.exchange, trading.orders.ids.theirs(PROBE)
    with reading(f"{trading.venue}, an order that never was", trading.key.redact):
        try:
            order = await trading.orders.fetch(PROBE, trading.data.perpetuals[symbol])
        except ccxt.OrderNotFound:
            order = None
        except ccxt.OperationFailed:
            raise
        except ccxt.BaseError as error:
            return f"orders cannot be asked for by client id: {explain(error, trading.key.redact)}"
    if order is not None:
        return "it answers with some order when asked for one that never was"
    asked = f"{asking.last_request_url} {asking.last_request_body}"
    return None if _names(asked, theirs) else "ccxt does not pass a client id on when an order is asked for"


def _names(text: str, client_id: str) -> bool:
    """Tell whether a request holds the client id by itself: ccxt puts prefixes of its own before some."""
    return re.search(rf"(?<![\w.-]){re.escape(client_id)}(?![\w.-])", text) is not None
