"""Answers of outside sources: whatever they say, the parsers read it, or refuse it in the one way that is expected."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outside_world import HOUR_MS, NOW_MS, glass, ticker

from hedged.collectors.outside import status
from hedged.collectors.outside.coingecko import day_volumes
from hedged.collectors.outside.coinglass import liquidations, long_short, open_interest, rows
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.venue_events import EventKind, VenueEvents

SYMBOLS = ("BTC", "ETH")
NAMES = (
    "code", "data", "time", "exchange", "retCode", "result", "list", "symbols", "status", "begin", "end", "state",
    "serviceTypes", "product", "title", "tags", "publishTime", "details", "pTime", "tickers", "base", "deliveryTime",
    "converted_volume", "usd", "long_liquidation_usd", "global_account_long_short_ratio", "contractType", "expTime",
    "baseAsset", "deliveryDate", "instId", "serviceType",
)  # fmt: skip
WORDS = (
    "0",
    "BTC",
    "USDT",
    "scheduled",
    "ongoing",
    "LinearPerpetual",
    "PERPETUAL",
    "1e999",
    "nan",
    "BTC-USDT-SWAP",
)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.floats(), st.sampled_from(WORDS),
    st.text(max_size=5), st.integers(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS),
)  # fmt: skip
answers = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(NAMES), leaves, max_size=8), max_size=4)
PARSERS: dict[str, Callable[[Any], Any]] = {
    "open_interest": lambda a: open_interest(a, {"binance": "Binance"}),
    "liquidations": lambda a: liquidations(a, 4 * HOUR_MS, HOUR_MS // 4),
    "long_short": lambda a: long_short(a, 4 * HOUR_MS),
    "day_volumes": lambda a: day_volumes(a, SYMBOLS, NOW_MS),
    "binance_system": lambda a: status.binance_system(a, NOW_MS),
    "binance_instruments": lambda a: status.binance_instruments(a, SYMBOLS, NOW_MS),
    "bybit_system": lambda a: status.bybit_system(a, NOW_MS),
    "bybit_instruments": lambda a: status.bybit_instruments(a, "BTC", NOW_MS),
    "bybit_announcements": lambda a: status.bybit_announcements(a, SYMBOLS, NOW_MS),
    "okx_system": lambda a: status.okx_system(a, NOW_MS),
    "okx_instruments": lambda a: status.okx_instruments(a, "BTC", NOW_MS),
    "okx_announcements": lambda a: status.okx_announcements(a, SYMBOLS, NOW_MS),
}


def wrapped(inner: Any) -> list[Any]:
    """The same rows as each source would wrap them."""
    return [
        inner, glass(inner), {"retCode": 0, "result": {"list": inner}}, {"code": "0", "data": inner},
        {"symbols": inner}, {"tickers": inner}, {"code": "0", "data": [{"details": inner}]},
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(PARSERS))
@given(st.one_of(answers, ROWS))
def test_nonsense_is_refused_or_left_out(name: str, answer: Any) -> None:
    """If this fails, a source that goes mad stops the daemon, or its nonsense reaches a bar or a reason."""
    for body in wrapped(answer):
        try:
            told = PARSERS[name](body)
        except (Retryable, Rejected):
            continue
        values = told.values() if isinstance(told, dict) else told
        for value in values:
            if isinstance(value, tuple):
                assert isinstance(value[0], int)
                assert math.isfinite(value[1])
            elif isinstance(value, float):
                assert math.isfinite(value)
            else:
                assert VenueEvents((value,)).text


def test_coinglass_codes() -> None:
    """If this fails, a wrong key or a rare coin is asked for again and again, or a hiccup is taken for good."""
    assert rows(glass([{"time": 1}])) == [{"time": 1}]
    for code, kind in (("400", Rejected), ("401", Rejected), ("429", Retryable), ("500", Retryable)):
        with pytest.raises(kind):
            rows(glass([], code))


def test_coingecko_counts_coins_of_live_linear_perpetuals_alone() -> None:
    """If this fails, contracts, other quotes, dated futures or dead markets count as a market's volume."""
    told = [
        ticker("BTC"), ticker("ETH", target="USD"), ticker("ETH", contract_type="futures"),
        ticker("ETH", last_traded=NOW_MS // 1_000 - 7_200), ticker("ETH", converted_last={"usd": "0"}),
    ]  # fmt: skip
    assert day_volumes({"tickers": told}, SYMBOLS, NOW_MS) == {"BTC": 4_800.0}
    assert day_volumes({"tickers": {"tickers": told}}, SYMBOLS, NOW_MS) == {"BTC": 4_800.0}


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Delisting of BTCUSDT Perpetual Contract", ["BTC"]),
        ("OKX to delist perpetual futures for ETHUSDT", ["ETH"]),
        ("OKX to delist perpetual futures for BTC, ETH and JST crypto", ["BTC", "ETH"]),
        ("OKX to delist BTC, ETH spot trading pairs", []),
        ("OKX to postpone the delisting of perpetual futures for BTCUSDT", []),
        ("Delisting of BTCUSDC and XBTCUSDT Perpetual Contracts", []),
        (None, []),
    ],
)
def test_announced_delistings(title: str | None, found: list[str]) -> None:
    """If this fails, news of another product closes a market, or news of ours does not."""
    page = {"title": title, "pTime": str(NOW_MS - HOUR_MS)}
    told = status.okx_announcements({"code": "0", "data": [{"details": [page]}]}, SYMBOLS, NOW_MS)
    assert [event.symbol for event in told] == found
    assert all(event.kind is EventKind.DELISTING_ANNOUNCED for event in told)
    later_ms = NOW_MS + 30 * 24 * HOUR_MS
    assert not status.okx_announcements({"code": "0", "data": [{"details": [page]}]}, SYMBOLS, later_ms)


def test_a_maintenance_that_overruns_has_no_end() -> None:
    """If this fails, a venue counts as open while it says itself that it is still in maintenance."""
    row = {"serviceType": "5", "begin": str(NOW_MS - 2 * HOUR_MS), "end": str(NOW_MS - HOUR_MS), "env": "1"}
    for state, ends in (
        ("ongoing", [None]),
        ("pre_open", [None]),
        ("scheduled", []),
        ("completed", []),
        ("canceled", []),
    ):
        told = status.okx_system({"code": "0", "data": [row | {"state": state}]}, NOW_MS)
        assert [event.until_ms for event in told] == ends, state
