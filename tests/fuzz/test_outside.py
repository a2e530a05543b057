"""What comes from outside the venues: signals by webhook, requests to the control API, CoinGlass, CoinGecko, status pages."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from cex_rig import StillClock
from hostile import bodies, fuzz
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from hedged.collectors.outside import status
from hedged.collectors.outside.coingecko import day_volumes
from hedged.collectors.outside.coinglass import liquidations, long_short, open_interest
from hedged.collectors.outside.http import _decode
from hedged.collectors.outside.inbox import Inbox, Verdict
from hedged.collectors.outside.readings import Reading, Readings
from hedged.config import WebhookConfig
from hedged.control.admission import Limit, answers_to, bears
from hedged.control.messages import KillRequest, ResumeRequest
from hedged.control.requests import read_body
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.market import SeriesKey
from hedged.secret import Secret

CLOCK = StillClock()
NOW_MS = CLOCK.now_ms()
SECRET = "correct horse battery staple"
SIGNAL = {
    "secret": SECRET, "id": "one", "time": datetime.fromtimestamp(NOW_MS / 1_000, UTC).isoformat(), "action": "pause_openings",
    "symbol": "ETHUSDT", "strength": 0.5, "ttl_s": 600, "note": "n",
}  # fmt: skip


@fuzz
@given(st.lists(bodies(SIGNAL), max_size=4))
def test_a_signal_is_judged_whatever_it_is(messages: list[bytes]) -> None:
    """If this fails, a message of a stranger ends the webhook, is kept without the secret, or stands for longer than allowed."""

    async def save(_: Any) -> None: ...

    async def main() -> None:
        config = WebhookConfig(secret_env="X", max_ttl_s=3_600)
        inbox = Inbox(config, Secret(SECRET), ["ETH"], CLOCK, save)
        for message in messages:
            verdict, signal = await inbox.accept(message)
            if signal is not None:
                assert verdict is Verdict.ACCEPTED
                assert json.loads(message)["secret"] == SECRET
                assert 0 <= signal.strength <= 1
                assert NOW_MS < signal.expires_ms <= NOW_MS + HOUR_MS
                assert signal.symbol in ("ETH", "*")

    asyncio.run(main())


class Sent:
    """A request of which only the body is asked for."""

    def __init__(self, raw: bytes) -> None:
        self.content_length = None
        self.content = asyncio.StreamReader()
        self.content.feed_data(raw)
        self.content.feed_eof()


@pytest.mark.parametrize(
    ("model", "sample"),
    [(KillRequest, {"level": "flatten", "reason": "r"}), (ResumeRequest, {"confirm": True})],
)
def test_a_body_is_read_or_refused(model: type[BaseModel], sample: dict[str, Any]) -> None:
    """If this fails, a body ends in an error of ours instead of a 400, or turns the switch without saying how."""

    @fuzz
    @given(bodies(sample))
    def read(raw: bytes) -> None:
        async def main() -> None:
            try:
                found = await read_body(Sent(raw), model)  # type: ignore[arg-type]
            except (web.HTTPBadRequest, web.HTTPRequestEntityTooLarge) as refused:
                assert json.loads(refused.text or "")["error"]
                return
            assert isinstance(found, model)

        asyncio.run(main())

    read()


@fuzz
@given(st.text(max_size=300), st.binary(max_size=100), st.from_regex(r"[a-z0-9.-]{1,40}", fullmatch=True))
def test_headers_of_any_kind_let_nobody_in(text: str, raw: bytes, name: str) -> None:
    """If this fails, a header of a stranger ends the request in an error, or passes for the token or for our name."""
    token, limit = Secret("a" * 24), Limit(5)
    for header in (
        text,
        f"Bearer {text}",
        raw.decode("ascii", "surrogateescape"),
        f"Bearer {raw.decode('latin-1')}",
    ):
        assert not bears(header, token)
        answers_to(header, ())
        limit.take(header, 1.0)
    assert not answers_to(f"{name}.example.com:9464", ())


QUESTIONS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "coinglass interest": (
        {"code": "0", "data": [{"exchange": "Binance", "open_interest_quantity_by_stable_coin_margin": "5"}]},
        lambda told: open_interest(told, {"binance": "Binance"}),
    ),
    "coinglass liquidations": (
        {"code": "0", "data": [{"time": NOW_MS, "long_liquidation_usd": "5", "short_liquidation_usd": 6}]},
        lambda told: liquidations(told, HOUR_MS, HOUR_MS // 4),
    ),
    "coinglass ratio": (
        {"code": "0", "data": [{"time": NOW_MS, "global_account_long_short_ratio": "1.5"}]},
        lambda told: long_short(told, HOUR_MS),
    ),
    "coingecko": (
        {"tickers": [{"base": "ETH", "target": "USDT", "contract_type": "perpetual", "last_traded": NOW_MS // 1_000,
                      "converted_volume": {"usd": "5"}, "converted_last": {"usd": "2"}}]},
        lambda told: day_volumes(told, ["ETH"], NOW_MS),
    ),
    "binance status": ({"status": 0, "msg": "normal"}, lambda told: status.binance_system(told, NOW_MS)),
    "binance instruments": (
        {"symbols": [{"baseAsset": "ETH", "quoteAsset": "USDT", "contractType": "PERPETUAL", "status": "TRADING",
                      "deliveryDate": 4133404800000}]},
        lambda told: status.binance_instruments(told, {"ETH"}, NOW_MS),
    ),
    "bybit status": (
        {"retCode": 0, "result": {"list": [{"state": "ongoing", "begin": str(NOW_MS), "end": str(NOW_MS + 1), "serviceTypes": [2],
                                            "product": [1], "env": "1"}]}},
        lambda told: status.bybit_system(told, NOW_MS),
    ),
    "bybit instruments": (
        {"retCode": 0, "result": {"list": [{"contractType": "LinearPerpetual", "baseCoin": "ETH", "quoteCoin": "USDT",
                                            "status": "Trading", "deliveryTime": "0"}]}},
        lambda told: status.bybit_instruments(told, "ETH", NOW_MS),
    ),
    "bybit announcements": (
        {"retCode": 0, "result": {"list": [{"title": "Delisting of ETHUSDT Perpetual Contract", "publishTime": NOW_MS,
                                            "tags": ["Derivatives"]}]}},
        lambda told: status.bybit_announcements(told, {"ETH"}, NOW_MS),
    ),
    "okx status": (
        {"code": "0", "data": [{"state": "scheduled", "begin": str(NOW_MS), "end": str(NOW_MS + 9), "serviceType": "5", "env": "1"}]},
        lambda told: status.okx_system(told, NOW_MS),
    ),
    "okx instruments": (
        {"code": "0", "data": [{"instId": "ETH-USDT-SWAP", "state": "live", "expTime": ""}]},
        lambda told: status.okx_instruments(told, "ETH", NOW_MS),
    ),
    "okx announcements": (
        {"code": "0", "data": [{"details": [{"title": "OKX to delist ETH perpetual futures", "pTime": str(NOW_MS)}]}]},
        lambda told: status.okx_announcements(told, {"ETH"}, NOW_MS),
    ),
}  # fmt: skip
"""Made by hand, after the sources' documentation."""


@pytest.mark.parametrize("source", sorted(QUESTIONS))
def test_an_answer_from_outside_is_read_or_refused(source: str) -> None:
    """If this fails, a page of a third party ends a task of the daemon, or is believed whatever it says."""
    sample, read = QUESTIONS[source]

    @fuzz
    @given(bodies(sample))
    def answered(raw: bytes) -> None:
        try:
            told = read(asyncio.run(_decode("x", raw)))
        except (Retryable, Rejected):
            return
        readings, key = Readings(), SeriesKey("binance", "ETH")
        rows = told if isinstance(told, list) else []
        readings.put(
            key, Field.VOLUME, [Reading(NOW_MS, r[0], NOW_MS + 1, r[1]) for r in rows if isinstance(r, tuple)]
        )
        found = readings.at(key, Field.VOLUME, NOW_MS)
        assert found is None or 0 <= found.value < 1e18

    answered()
