"""What a venue pushes over its stream, wrong in every way: it is left out, counted, or harmless."""

from math import isfinite
from typing import Any

import numpy as np
import pytest
from cex_rig import StillClock
from hostile import bodies, fuzz
from hypothesis import given
from hypothesis import strategies as st

from hedged.adapters.cex.board import Board
from hedged.collectors.exchange_feed import DIALECTS
from hedged.collectors.feed import VenueFeed
from hedged.collectors.reconnecting import MALFORMED
from hedged.collectors.updates import Dialect, Instrument
from hedged.domain.clock import HOUR_MS

CLOCK = StillClock()
NOW_MS = CLOCK.now_ms()
NEXT = str(NOW_MS + HOUR_MS)
SAMPLES: dict[str, list[Any]] = {
    "binanceusdm": [
        {"stream": "ethusdt@markPrice@1s", "data": {"e": "markPriceUpdate", "E": NOW_MS, "s": "ETHUSDT", "p": "2000.1",
                                                    "i": "2000.0", "r": "0.0001", "T": NOW_MS + HOUR_MS}},
        {"stream": "!bookTicker", "data": {"e": "bookTicker", "s": "ETHUSDT", "E": NOW_MS, "b": "1999", "B": "2", "a": "2001",
                                           "A": "3"}},
        {"stream": "!markPrice@arr@1s", "data": [{"e": "markPriceUpdate", "E": NOW_MS, "s": "ETHUSDT", "p": "2000", "i": "2000",
                                                  "r": "", "T": 0}]},
        {"result": None, "id": 1}, {"error": {"code": 2, "msg": "no"}, "id": 1},
    ],
    "bybit": [
        {"topic": "tickers.ETHUSDT", "type": kind, "cs": 7, "ts": NOW_MS, "data": {
            "symbol": "ETHUSDT", "markPrice": "2000", "indexPrice": "2000", "openInterest": "5", "fundingRate": "0.0001",
            "nextFundingTime": NEXT, "fundingIntervalHour": "8", "bid1Price": "1999", "bid1Size": "1", "ask1Price": "2001",
            "ask1Size": "1"}} for kind in ("snapshot", "delta")
    ] + [{"op": "subscribe", "req_id": "1", "success": False, "ret_msg": "no"}],
    "okx": [
        {"arg": {"channel": "funding-rate", "instId": "ETHUSDT"}, "data": [
            {"fundingRate": "0.0001", "fundingTime": NEXT, "nextFundingTime": str(NOW_MS + 9 * HOUR_MS), "premium": "0.1",
             "ts": str(NOW_MS)}]},
        {"arg": {"channel": "open-interest", "instId": "ETHUSDT"}, "data": [{"oi": "5", "oiCcy": "5", "ts": str(NOW_MS)}]},
        {"arg": {"channel": "mark-price", "instId": "ETHUSDT"}, "data": [{"markPx": "2000", "ts": str(NOW_MS)}]},
        {"arg": {"channel": "tickers", "instId": "ETHUSDT"}, "data": [
            {"bidPx": "1999", "bidSz": "1", "askPx": "2001", "askSz": "1", "ts": str(NOW_MS)}]},
        {"event": "error", "code": "60012", "msg": "no"}, {"event": "notice", "code": "64008", "msg": "leave"},
    ],
}  # fmt: skip
"""Made by hand, after the venues' documentation."""


def fed(kind: str) -> tuple[Dialect, VenueFeed, Board]:
    board = Board(kind)
    dialect = DIALECTS[kind]([Instrument("ETH", "ETHUSDT")], lambda _: 8.0)[0]
    dialect.open()
    return dialect, VenueFeed(kind, ["ETH"], [dialect], board, CLOCK, np.random.default_rng(0)), board


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_push_is_read_or_left_out(kind: str) -> None:
    """If this fails, one message of a venue ends its stream's task, or puts on the board what no market can show."""

    @fuzz
    @given(st.lists(st.sampled_from(SAMPLES[kind]).flatmap(bodies), min_size=1, max_size=4))
    def told(messages: list[bytes]) -> None:
        dialect, feed, board = fed(kind)
        for message in messages:
            try:
                heard = dialect.read(message)
            except MALFORMED:
                heard = dialect.lost()
            feed.take(heard.updates, NOW_MS)
            assert sum(map(len, heard.send)) < 10_000
        seen = board.observation("ETH", NOW_MS + 1)
        feed.stale(NOW_MS + 1)
        feed.status()
        assert all(isfinite(v) or np.isnan(v) for v in seen.values.tolist())

    told()
