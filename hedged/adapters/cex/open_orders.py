"""Every resting order of an account, page by page, as each exchange wants to be asked: all of them or an error."""

from collections.abc import Mapping
from typing import Any

from hedged.adapters.cex.exchanges import Profile, feature
from hedged.adapters.cex.pages import LEAST_CUT, MOST_PAGES, Rows, Unreachable

BYBIT_PAGE = 50
OKX_PAGE = 100

Row = Mapping[str, Any]


async def read_open(exchange: Any, profile: Profile, quote: str, name: str | None = None) -> Rows:
    """Return ccxt's resting orders of the account, `name`: of one market. Raises what ccxt raises, or Unreachable."""
    options = exchange.options
    options["fetchOpenOrders"] = {**(options.get("fetchOpenOrders") or {}), "warnWithoutSymbol": False}
    options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    if profile.family == "binanceusdm":
        return list(await exchange.fetch_open_orders(name))  # all at once
    if profile.family == "bybit":
        return await _bybit(exchange, quote, name)
    if profile.family == "okx":
        return await _okx(exchange, name)
    return await _usual(exchange, name)


async def _bybit(exchange: Any, quote: str, name: str | None) -> Rows:
    """Walk by the cursor, which ccxt does not give away."""
    where = {"settleCoin": quote} if name is None else {"symbol": exchange.market(name)["id"]}
    query = {"category": "linear", "openOnly": 0, "limit": BYBIT_PAGE, **where}
    found: dict[str, Row] = {}
    cursor = ""
    for _ in range(MOST_PAGES):
        result = (await exchange.privateGetV5OrderRealtime(query | ({"cursor": cursor} if cursor else {})))[
            "result"
        ]
        rows, cursor = result["list"], result.get("nextPageCursor") or ""
        found |= {str(row["id"]): row for row in map(exchange.parse_order, rows)}
        if not rows or not cursor:
            return [row for row in found.values() if row["status"] == "open"]
    raise Unreachable(f"more than {MOST_PAGES} pages of resting orders")


async def _okx(exchange: Any, name: str | None) -> Rows:
    """Walk back by the exchange's ids, newest first."""
    found: dict[str, Row] = {}
    params: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = await exchange.fetch_open_orders(name, None, OKX_PAGE, params)
        found |= {str(row["id"]): row for row in page}
        if len(page) < OKX_PAGE:
            return list(found.values())
        params = {"after": min((str(row["id"]) for row in page), key=int)}
    raise Unreachable(f"more than {MOST_PAGES} pages of resting orders")


async def _usual(exchange: Any, name: str | None) -> Rows:
    """Walk by offset (Gate), and find out whether that is listened to: a full answer that repeats itself is not all."""
    limit = feature(exchange, "fetchOpenOrders", "limit")
    found: dict[str, Row] = {}
    for _ in range(MOST_PAGES):
        page = await exchange.fetch_open_orders(name, None, limit, {"offset": len(found)} if found else {})
        fresh = {str(row["id"]): row for row in page if str(row["id"]) not in found}
        found |= fresh
        if len(page) < LEAST_CUT or (not fresh and limit is not None and len(page) < limit):
            return list(found.values())
        if not fresh:
            break
    raise Unreachable(f"{len(found)} resting orders, and those beyond cannot be asked for")
