"""What each exchange's codes mean: read by ccxt under its real URLs, as our classes, for a send and for a read."""

import asyncio
import json
from typing import Any

import ccxt
import pytest

from hedged.adapters.cex.errors import explain, of_send, reading
from hedged.adapters.cex.exchanges import PROFILES, make_exchange
from hedged.adapters.cex.keys import ApiKey
from hedged.config.cex import CexVenueConfig
from hedged.domain.clock import SystemClock
from hedged.domain.errors import HedgedError, OutcomeUnknown, Rejected, Retryable

URLS = {
    "binance": "https://fapi.binance.com/fapi/v1/order",
    "bybit": "https://api.bybit.com/v5/order/create",
    "okx": "https://www.okx.com/api/v5/trade/order",
}

BINANCE = [
    (-1000, 400, OutcomeUnknown), (-1001, 400, OutcomeUnknown), (-1003, 429, Retryable), (-1003, 418, Retryable),
    (-1006, 400, OutcomeUnknown), (-1007, 408, OutcomeUnknown), (-1008, 503, OutcomeUnknown),
    (-1013, 400, Rejected), (-1015, 400, Retryable), (-1021, 400, Retryable), (-1022, 400, Rejected),
    (-1111, 400, Rejected), (-1121, 400, Rejected), (-2010, 400, Rejected), (-2014, 401, Rejected),
    (-2015, 401, Rejected), (-2018, 400, Rejected), (-2019, 400, Rejected), (-2020, 400, OutcomeUnknown),
    (-2021, 400, Rejected), (-2022, 400, Rejected), (-2027, 400, Rejected), (-4003, 400, Rejected),
    (-4014, 400, Rejected), (-4061, 400, Rejected), (-4116, 400, Rejected), (-4131, 400, Rejected),
    (-4164, 400, Rejected), (-4999, 400, Rejected), (-5021, 400, Rejected), (-5022, 400, Rejected),
    (-9999, 400, OutcomeUnknown),
]  # fmt: skip
BYBIT = [
    (10_000, OutcomeUnknown), (10_001, Rejected), (10_002, Retryable), (10_003, Rejected), (10_004, Rejected),
    (10_005, Rejected), (10_006, Retryable), (10_010, Rejected), (10_016, OutcomeUnknown), (10_018, Retryable),
    (110_003, Rejected), (110_004, Rejected), (110_007, Rejected), (110_012, Rejected), (110_017, Rejected),
    (110_043, Rejected), (110_063, Rejected), (110_072, Rejected), (110_094, Rejected), (170_007, OutcomeUnknown),
    (999_999, OutcomeUnknown),
]  # fmt: skip
OKX_ORDER = [
    ("51000", Rejected), ("51006", Rejected), ("51008", Rejected), ("51016", Rejected), ("51020", Rejected),
    ("51121", Rejected), ("51127", Rejected), ("51169", Rejected), ("50026", OutcomeUnknown),
]  # fmt: skip
OKX_WHOLE = [
    ("50001", 503, OutcomeUnknown), ("50004", 400, OutcomeUnknown), ("50011", 429, Retryable),
    ("50013", 429, OutcomeUnknown), ("50061", 429, OutcomeUnknown), ("50102", 401, Retryable),
    ("50105", 401, Rejected), ("50111", 401, Rejected), ("50113", 401, Rejected), ("50120", 401, Rejected),
    ("59999", 200, OutcomeUnknown),
]  # fmt: skip


def meaning(venue: str, status: int, body: dict[str, Any] | str) -> HedgedError | None:
    """Let ccxt read an answer to a send; return what the adapter makes of it."""

    async def main() -> HedgedError | None:
        exchange = make_exchange(PROFILES[venue], CexVenueConfig(), None, SystemClock())  # type: ignore[arg-type]
        text, url = body if isinstance(body, str) else json.dumps(body), URLS[venue]
        try:
            read = exchange.on_rest_response(status, "", url, "POST", {}, text, None, None)
            exchange.handle_errors(status, "", url, "POST", {}, read, exchange.parse_json(read), None, None)
            exchange.handle_http_status_code(status, "", url, "POST", read)
        except ccxt.BaseError as error:
            return of_send(error, "order", refusals=PROFILES[venue].refusals)
        return None

    return asyncio.run(main())


@pytest.mark.parametrize(("code", "status", "wanted"), BINANCE)
def test_codes_of_binance(code: int, status: int, wanted: type[HedgedError]) -> None:
    """If this fails, an order that Binance refused is looked for, or one that it may have taken counts as refused."""
    assert type(meaning("binance", status, {"code": code, "msg": "..."})) is wanted


@pytest.mark.parametrize(("code", "wanted"), BYBIT)
def test_codes_of_bybit(code: int, wanted: type[HedgedError]) -> None:
    """If this fails, an order that Bybit refused is looked for, or one that it may have taken counts as refused."""
    body = {"retCode": code, "retMsg": "...", "result": {}, "retExtInfo": {}, "time": 1}
    assert type(meaning("bybit", 200, body)) is wanted


@pytest.mark.parametrize(("code", "wanted"), OKX_ORDER)
def test_codes_of_an_order_at_okx(code: str, wanted: type[HedgedError]) -> None:
    """If this fails, the reason that stands inside OKX's data is overlooked."""
    row = {"ordId": "", "clOrdId": "x", "sCode": code, "sMsg": "..."}
    assert type(meaning("okx", 200, {"code": "1", "msg": "All operations failed", "data": [row]})) is wanted


@pytest.mark.parametrize(("code", "status", "wanted"), OKX_WHOLE)
def test_codes_of_a_request_at_okx(code: str, status: int, wanted: type[HedgedError]) -> None:
    """If this fails, OKX's maintenance or limits are taken for an answer about the order."""
    assert type(meaning("okx", status, {"code": code, "msg": "...", "data": []})) is wanted


@pytest.mark.parametrize("venue", sorted(URLS))
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>Just a moment...</html>"), (200, ""), (500, "oops"), (502, "<html>Bad Gateway</html>"),
        (503, "Service Unavailable"), (504, ""), (404, "nothing here"),
    ],
)  # fmt: skip
def test_what_is_no_answer_proves_nothing(venue: str, status: int, body: str) -> None:
    """If this fails, a page of a proxy is taken for the exchange's word."""
    assert type(meaning(venue, status, body)) is OutcomeUnknown


def test_a_good_answer_is_no_error() -> None:
    """If this fails, every order is of unknown outcome."""
    assert meaning("binance", 200, {"orderId": 1}) is None
    assert meaning("bybit", 200, {"retCode": 0, "retMsg": "OK", "result": {"orderId": "1"}}) is None
    assert meaning("okx", 200, {"code": "0", "data": [{"ordId": "1", "sCode": "0"}]}) is None


def test_a_connection_that_broke_proves_nothing() -> None:
    """If this fails, an order whose answer was cut off counts as refused, because ccxt calls it a plain error."""
    broke = ccxt.ExchangeError("okx POST https://www.okx.com/api/v5/trade/order")
    assert type(of_send(broke, "order", refusals=PROFILES["okx"].refusals)) is OutcomeUnknown


@pytest.mark.parametrize(
    "error",
    [ccxt.AuthenticationError("x"), ccxt.RequestTimeout("x"), ccxt.BadRequest("x"), KeyError("symbol")],
)
def test_a_failed_read_may_be_made_again(error: Exception) -> None:
    """If this fails, a question that failed looks like an answer."""
    with pytest.raises(Retryable, match="okx, positions"), reading("okx, positions"):
        raise error


def test_errors_hold_no_secret() -> None:
    """If this fails, a key or a signature ends up in logs, the journal or the status page."""
    key = ApiKey("bybit", "my-key", "my-secret", "my-pass")
    said = explain(
        ccxt.AuthenticationError(
            'bybit {"retCode":10004,"retMsg":"error sign! origin_string[17my-key5000]"} '
            "GET https://x/y?timestamp=1&signature=abcdef my-secret my-pass"
        ),
        key.redact,
    )
    for part in ("my-key", "my-secret", "my-pass", "abcdef"):
        assert part not in said
    assert "10004" in said
