"""What venues say about themselves, read into events. Pure; `status_feed` asks.

Maintenance comes from the status endpoints. Delistings come from the instruments (Binance `deliveryDate`, Bybit
`deliveryTime`, OKX `expTime`: when the perpetual goes off line) and, often days earlier, from announcements, which give
no date in a field of their own.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from hedged.collectors.outside.coinglass import number
from hedged.domain.clock import DAY_MS
from hedged.domain.errors import Retryable
from hedged.domain.venue_events import EventKind, VenueEvent

FIRST_MS, NEVER_MS = (
    1_262_304_000_000,
    4_133_404_800_000,
)  # 2010; 2100, the delivery date of a perpetual at Binance
BYBIT_TRADING = (1, 2, 3)  # service types: all trading, by HTTP, by websocket
BYBIT_FUTURES = 1
BYBIT_PRODUCTION = OKX_PRODUCTION = "1"
OKX_TRADING = {
    "3",
    "5",
    "8",
    "9",
    "99",
}  # perpetuals, all trading, some accounts, some products, some instruments
ANNOUNCED_MS = 30 * DAY_MS
"""An announcement of a delisting counts for this long: by then the instrument says it itself, or is gone."""
ABOUT_PERPETUALS = re.compile(r"perpetual|futures|derivative|contract", re.IGNORECASE)
TAKEN_BACK = re.compile(r"postpone|cancel|resum|reschedul", re.IGNORECASE)


def binance_system(answer: Any, now_ms: int) -> list[VenueEvent]:
    """Read /sapi/v1/system/status: 0 normal, 1 maintenance of which no end is told."""
    status = number(answer.get("status")) if isinstance(answer, dict) else None
    if status is None:
        raise Retryable("binance: a status that is none")
    return [VenueEvent(EventKind.MAINTENANCE, "binance", None, now_ms, None)] if status else []


def binance_instruments(answer: Any, symbols: Collection[str], now_ms: int) -> list[VenueEvent]:
    """Read /fapi/v1/exchangeInfo."""
    rows = answer.get("symbols") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Retryable("binance: instruments that are none")
    events = []
    for row in _rows(rows):
        symbol = str(row.get("baseAsset"))
        perpetual = str(row.get("contractType")).startswith("PERPETUAL")
        if perpetual and row.get("quoteAsset") == "USDT" and symbol in symbols:
            trading = row.get("status") == "TRADING"
            events += _instrument("binance", symbol, trading, instant_ms(row.get("deliveryDate")), now_ms)
    return events


def bybit_system(answer: Any, now_ms: int) -> list[VenueEvent]:
    """Read /v5/system/status."""
    events = []
    for row in bybit_list(answer):
        services, products = _items(row.get("serviceTypes")), _items(row.get("product"))
        if services and not any(service in BYBIT_TRADING for service in services):
            continue
        if products and BYBIT_FUTURES not in products:
            continue
        if str(row.get("env", BYBIT_PRODUCTION)) == BYBIT_PRODUCTION:
            events += _maintenance("bybit", row, now_ms)
    return events


def bybit_instruments(answer: Any, symbol: str, now_ms: int) -> list[VenueEvent]:
    """Read /v5/market/instruments-info of one symbol; an empty list says nothing."""
    return [
        event
        for row in bybit_list(answer)
        if (row.get("contractType"), row.get("baseCoin"), row.get("quoteCoin"))
        == ("LinearPerpetual", symbol, "USDT")
        for event in _instrument(
            "bybit", symbol, row.get("status") == "Trading", instant_ms(row.get("deliveryTime")), now_ms
        )
    ]


def bybit_announcements(answer: Any, symbols: Collection[str], now_ms: int) -> list[VenueEvent]:
    """Read /v5/announcements/index?type=delistings."""
    rows = (
        (r.get("title"), r.get("publishTime") or r.get("dateTimestamp"), r.get("tags"))
        for r in bybit_list(answer)
    )
    return _announced("bybit", rows, symbols, now_ms)


def okx_system(answer: Any, now_ms: int) -> list[VenueEvent]:
    """Read /api/v5/system/status."""
    return [
        event
        for row in okx_data(answer)
        if str(row.get("serviceType")) in OKX_TRADING
        and str(row.get("env") or OKX_PRODUCTION) == OKX_PRODUCTION
        for event in _maintenance("okx", row, now_ms)
    ]


def okx_instruments(answer: Any, symbol: str, now_ms: int) -> list[VenueEvent]:
    """Read /api/v5/public/instruments of one symbol; an empty list says nothing."""
    return [
        event
        for row in okx_data(answer)
        if row.get("instId") == f"{symbol}-USDT-SWAP"
        for event in _instrument(
            "okx", symbol, row.get("state") == "live", instant_ms(row.get("expTime")), now_ms
        )
    ]


def okx_announcements(answer: Any, symbols: Collection[str], now_ms: int) -> list[VenueEvent]:
    """Read /api/v5/support/announcements?annType=announcements-delistings."""
    rows = [row for page in okx_data(answer) for row in _rows(page.get("details"))]
    return _announced("okx", ((row.get("title"), row.get("pTime"), ()) for row in rows), symbols, now_ms)


def bybit_list(answer: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a Bybit answer; 10001, a symbol that it does not have, is none. Raises Retryable."""
    if isinstance(answer, dict) and answer.get("retCode") == 10001:
        return []
    result = answer.get("result") if isinstance(answer, dict) and answer.get("retCode") == 0 else None
    rows = result.get("list") if isinstance(result, dict) else None
    if not isinstance(rows, list):
        raise Retryable("bybit: an answer that is none")
    return _rows(rows)


def okx_data(answer: Any) -> list[Mapping[str, Any]]:
    """Return the rows of an OKX answer; 51001, an instrument that it does not have, is none. Raises Retryable."""
    code = str(answer.get("code")) if isinstance(answer, dict) else None
    if code == "51001":
        return []
    rows = answer.get("data") if code == "0" else None
    if not isinstance(rows, list):
        raise Retryable("okx: an answer that is none")
    return _rows(rows)


def instant_ms(value: Any) -> int | None:
    """Read ms since the epoch; None where it is none, or no time that an event could have."""
    read = number(value)
    return int(read) if read is not None and FIRST_MS <= read < NEVER_MS else None


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in _items(value) if isinstance(row, dict)]


def _maintenance(venue: str, row: Mapping[str, Any], now_ms: int) -> list[VenueEvent]:
    """Read one scheduled or ongoing maintenance. One that goes on past its announced end has none."""
    state, begin_ms, end_ms = row.get("state"), instant_ms(row.get("begin")), instant_ms(row.get("end"))
    if state not in ("scheduled", "ongoing", "pre_open") or begin_ms is None:
        return []
    until_ms = end_ms if end_ms and end_ms > begin_ms else None
    if state == "scheduled":
        if until_ms is not None and until_ms <= now_ms:
            return []
        return [VenueEvent(EventKind.MAINTENANCE, venue, None, begin_ms, until_ms)]
    if until_ms is not None and until_ms <= now_ms:
        until_ms = None
    return [VenueEvent(EventKind.MAINTENANCE, venue, None, min(begin_ms, now_ms), until_ms)]


def _instrument(venue: str, symbol: str, trading: bool, ends_ms: int | None, now_ms: int) -> list[VenueEvent]:
    events = [] if trading else [VenueEvent(EventKind.HALT, venue, symbol, now_ms, None)]
    if ends_ms is not None:
        events.append(VenueEvent(EventKind.DELISTING, venue, symbol, ends_ms, None))
    return events


def _announced(
    venue: str, rows: Iterable[tuple[Any, Any, Any]], symbols: Collection[str], now_ms: int
) -> list[VenueEvent]:
    """Find delistings of perpetuals by (title, publication in ms, tags): symbols are whole words in capitals."""
    events = []
    for title, published, tags in rows:
        at_ms = instant_ms(published)
        about = f"{title} {' '.join(map(str, _items(tags)))}"
        if not isinstance(title, str) or at_ms is None or not ABOUT_PERPETUALS.search(about):
            continue
        if TAKEN_BACK.search(title) or now_ms - at_ms >= ANNOUNCED_MS:
            continue
        words = set(re.findall(r"[A-Z0-9]+", title))
        for symbol in sorted(symbols):
            if words & {symbol, f"{symbol}USDT"}:
                until_ms = at_ms + ANNOUNCED_MS
                events.append(VenueEvent(EventKind.DELISTING_ANNOUNCED, venue, symbol, at_ms, until_ms))
    return events
