"""Binance's pushes, as documented, in the daemon's terms."""

import json
from typing import Any

import pytest

from hedged.collectors.binance import ALL_MARKS, ALL_TOPS, binance
from hedged.collectors.updates import Instrument, Settles, Top
from hedged.domain.bars import Field

BTC = Instrument("BTC", "BTCUSDT")
PEPE = Instrument("1000PEPE", "1000PEPEUSDT")
MARK: dict[str, Any] = {
    "e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "11794.15000000", "i": "11784.62659091",
    "P": "11784.25641265", "r": "0.00038167", "T": 1562306400000,
}  # fmt: skip
TOP: dict[str, Any] = {
    "e": "bookTicker", "u": 400900217, "E": 1568014460893, "T": 1568014460891, "s": "BTCUSDT",
    "b": "25.35190000", "B": "31.21000000", "a": "25.36520000", "A": "40.66000000",
}  # fmt: skip


def prices(hours: float | None = 8.0) -> Any:
    return binance([BTC], lambda _: hours)[0]


def said(data: Any, stream: str = "btcusdt@markPrice@1s") -> str:
    return json.dumps({"stream": stream, "data": data})


def test_a_mark_price_is_read_per_hour() -> None:
    """If this fails, Binance's rate is taken for eight times what it is, or its settlement for another instant."""
    ((update,), *_) = prices().read(said(MARK))
    assert update.symbol == "BTC"
    assert update.venue_ms == 1562305380000
    assert update.settles == Settles(1562306400000, 8.0)
    assert update.values == {
        Field.MARK: 11794.15,
        Field.INDEX: 11784.62659091,
        Field.FUNDING_ESTIMATE: pytest.approx(0.00038167 / 8),
    }


def test_a_rate_of_unknown_interval_is_not_told() -> None:
    """If this fails, a rate is divided by a guessed interval before REST has told the true one."""
    ((update,), *_) = prices(None).read(said(MARK))
    assert update.settles is None
    assert set(update.values) == {Field.MARK, Field.INDEX}


def test_an_interval_shorter_than_the_wait_for_its_settlement_is_not_believed() -> None:
    """If this fails, a market that went from 1 h back to 8 h is told with eight times its rate."""
    ((update,), *_) = prices(1.0).read(said(MARK | {"T": MARK["E"] + 2 * 3_600_000}))
    assert update.settles is None
    assert Field.FUNDING_ESTIMATE not in update.values


def test_a_top_is_read() -> None:
    """If this fails, orders are priced by something that is not Binance's best bid and ask."""
    tops = binance([BTC], lambda _: 8.0)[1]
    ((update,), *_) = tops.read(said(TOP, "btcusdt@bookTicker"))
    assert update.top == Top(25.3519, 31.21, 25.3652, 40.66)
    assert not update.values


def test_a_crossed_or_empty_book_has_no_top() -> None:
    """If this fails, an order is priced by a book that cannot be."""
    tops = binance([BTC], lambda _: 8.0)[1]
    for broken in ({"a": "25.0"}, {"b": "0.0", "B": "0"}, {"a": ""}):
        ((update,), *_) = tops.read(said(TOP | broken, "btcusdt@bookTicker"))
        assert update.top is None


def test_of_an_array_of_all_markets_ours_are_read() -> None:
    """If this fails, a market that nobody follows stops the reading of all, or is told as another."""
    many = binance([BTC, PEPE], lambda _: 8.0, few=1)[0]
    heard = many.read(said([MARK | {"s": "ETHUSDT"}, MARK, MARK | {"s": "1000PEPEUSDT"}], ALL_MARKS))
    assert [update.symbol for update in heard.updates] == ["BTC", "1000PEPE"]


def test_each_stream_goes_to_the_route_that_serves_it() -> None:
    """If this fails, Binance accepts the connection and never says a word: marks are served under /market alone."""
    marks, tops = binance([BTC, PEPE], lambda _: 8.0)
    streams = "btcusdt@markPrice@1s/1000pepeusdt@markPrice@1s"
    assert marks.url == f"wss://fstream.binance.com/market/stream?streams={streams}"
    assert tops.url.startswith("wss://fstream.binance.com/public/stream?streams=btcusdt@bookTicker/")
    assert not marks.open()
    marks, tops = binance([BTC] * 26, lambda _: 8.0)
    assert marks.url.endswith(f"/market/stream?streams={ALL_MARKS}")
    assert tops.url.endswith(f"/public/stream?streams={ALL_TOPS}")


def test_a_delivery_contract_has_no_funding() -> None:
    """If this fails, a contract that pays no funding (T = 0, an empty rate) is garbage, or pays something."""
    ((update,), *_) = prices().read(said(MARK | {"T": 0, "r": ""}))
    assert update.settles is None
    assert set(update.values) == {Field.MARK, Field.INDEX}


def test_a_refusal_is_told() -> None:
    """If this fails, an error from Binance looks like silence."""
    assert prices().read('{"error": {"code": 3, "msg": "Invalid JSON"}, "id": 1}').refused
    assert not prices().read('{"result": null, "id": 1}').refused
