"""Outside sources over real HTTP on loopback: the answers of CoinGlass, CoinGecko and three venues, and their bad days.

The shapes are those of the public documentations; numbers are made up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from hedged.collectors.outside.coingecko import HEADERS
from hedged.collectors.outside.coinglass import HEADER
from hedged.telemetry.http import listen

GLASS_KEY = "glass-key-0123456789abcdef"
GECKO_KEY = "gecko-key-0123456789abcdef"
HOUR_MS = 3_600_000
NOW_MS = 1_767_225_600_000 + 9 * HOUR_MS  # 2026-01-01 09:00


def glass(data: list[dict[str, Any]], code: str = "0") -> dict[str, Any]:
    return {"code": code, "msg": "success" if code == "0" else "no", "data": data}


def liquidation_rows(now_ms: int, hours: int = 4, rows: int = 6) -> list[dict[str, Any]]:
    """As told at `now_ms`, the running interval last: it is still growing."""
    first = now_ms // (hours * HOUR_MS) - rows + 1
    return [
        {
            "time": (first + i) * hours * HOUR_MS,
            "long_liquidation_usd": f"{1_000 * (i + 1)}.5",
            "short_liquidation_usd": f"{500 * (i + 1)}.5",
        }
        for i in range(rows)
    ]


def ratio_rows(now_ms: int, hours: int = 4, rows: int = 6) -> list[dict[str, Any]]:
    first = now_ms // (hours * HOUR_MS) - rows + 1
    return [
        {"time": (first + i) * hours * HOUR_MS, "global_account_long_short_ratio": 1.5 + i / 10}
        for i in range(rows)
    ]


def ticker(base: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT", "base": base, "target": "USDT", "contract_type": "perpetual",
        "h24_volume": 1.0, "converted_volume": {"usd": "9600.0"}, "converted_last": {"usd": "2.0"},
        "last_traded": NOW_MS // 1_000 - 60, "expired_at": None,
    } | changes  # fmt: skip


@dataclass
class OutsideWorld:
    """`fault`: what is wrong with every answer. `asked`: (path, query, headers) of every request."""

    now_ms: int = NOW_MS
    fault: str = ""
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    unknown_to_glass: set[str] = field(default_factory=set)
    binance_system: Any = field(default_factory=lambda: {"status": 0, "msg": "normal"})
    binance_symbols: list[dict[str, Any]] = field(default_factory=list)
    bybit_status: list[dict[str, Any]] = field(default_factory=list)
    bybit_announcements: list[dict[str, Any]] = field(default_factory=list)
    okx_status: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @web.middleware
    async def gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.query), dict(request.headers)))
        if self.fault == "slow":
            await asyncio.sleep(3)  # thrice the test's deadline
        if self.fault == "limited":
            return web.Response(status=429, headers={"Retry-After": "120"}, text="slow down")
        if self.fault == "broken":
            return web.Response(status=502, text="<html>bad gateway</html>")
        if self.fault == "html":
            return web.Response(text="<html>captcha</html>", content_type="text/html")
        if self.fault == "nonsense":
            return web.json_response([1, {"code": None}])
        if self.fault == "huge":
            return web.Response(body=b"[" + b"0," * 8_000_000 + b"0]")
        if self.fault == "cut":
            answer = web.StreamResponse(headers={"Content-Length": "1000"})
            await answer.prepare(request)
            await answer.write(b'{"code": "0"')
            if request.transport:
                request.transport.close()
            return answer
        if self.fault == "elsewhere":
            raise web.HTTPFound("/stolen")
        key = GECKO_KEY if "derivatives/" in request.path else GLASS_KEY
        name = HEADERS["demo"] if key == GECKO_KEY else HEADER
        wants_key = "/derivatives/" in request.path or "/api/futures/" in request.path
        if wants_key and (self.fault == "refused" or request.headers.get(name) != key):
            return web.Response(status=401, text=f"no such key: {request.headers.get(name)}")
        answer = await handler(request)
        return web.json_response(answer) if not isinstance(answer, web.StreamResponse) else answer

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.gate])
        app.add_routes(
            [
                web.get("/api/futures/open-interest/exchange-list", self.interest),
                web.get("/api/futures/liquidation/history", self.history),
                web.get("/api/futures/global-long-short-account-ratio/history", self.history),
                web.get("/derivatives/exchanges/{id}", self.gecko),
                web.get("/sapi/v1/system/status", self.system),
                web.get("/fapi/v1/exchangeInfo", self.exchange_info),
                web.get("/v5/system/status", self.bybit),
                web.get("/v5/market/instruments-info", self.bybit_instruments),
                web.get("/v5/announcements/index", self.bybit_news),
                web.get("/api/v5/system/status", self.okx),
                web.get("/api/v5/public/instruments", self.okx_instruments),
                web.get("/api/v5/support/announcements", self.okx_news),
                web.get("/stolen", self.interest),
            ]
        )
        return app

    async def interest(self, request: web.Request) -> Any:
        if request.query["symbol"] in self.unknown_to_glass:
            return glass([], "400")
        told = [("All", 900.0), ("Binance", 300.5), ("Bybit", 200.25), ("CME", 50.0)]
        name = "open_interest_quantity_by_stable_coin_margin"
        return glass([{"exchange": ex, "symbol": request.query["symbol"], name: coins} for ex, coins in told])

    async def history(self, request: web.Request) -> Any:
        if request.query["symbol"].removesuffix("USDT") in self.unknown_to_glass:
            return glass([], "400")
        hours = int(request.query["interval"].removesuffix("h"))
        made = liquidation_rows if "liquidation" in request.path else ratio_rows
        return glass(made(self.now_ms, hours))

    async def gecko(self, request: web.Request) -> Any:
        return {"name": request.match_info["id"], "tickers": [ticker("BTC"), ticker("ETH"), ticker("XYZ")]}

    async def system(self, _: web.Request) -> Any:
        return self.binance_system

    async def exchange_info(self, _: web.Request) -> Any:
        return {"symbols": self.binance_symbols}

    async def bybit(self, _: web.Request) -> Any:
        return {"retCode": 0, "retMsg": "", "result": {"list": self.bybit_status}}

    async def bybit_instruments(self, request: web.Request) -> Any:
        base = request.query["symbol"].removesuffix("USDT")
        row = {
            "symbol": request.query["symbol"], "contractType": "LinearPerpetual", "status": "Trading",
            "baseCoin": base, "quoteCoin": "USDT", "deliveryTime": "0",
        }  # fmt: skip
        return {"retCode": 0, "result": {"category": "linear", "list": [row]}}

    async def bybit_news(self, _: web.Request) -> Any:
        return {"retCode": 0, "result": {"total": 1, "list": self.bybit_announcements}}

    async def okx(self, _: web.Request) -> Any:
        return {"code": "0", "msg": "", "data": self.okx_status}

    async def okx_instruments(self, request: web.Request) -> Any:
        row = {"instId": request.query["instId"], "instType": "SWAP", "state": "live", "expTime": ""}
        return {"code": "0", "data": [row]}

    async def okx_news(self, _: web.Request) -> Any:
        return {"code": "0", "data": [{"details": [], "totalPage": "1"}]}


@asynccontextmanager
async def outside_world() -> AsyncIterator[tuple[OutsideWorld, aiohttp.ClientSession]]:
    """Serve a world on loopback; yields it and a session to ask it with."""
    world = OutsideWorld()
    runner, port = await listen(world.app(), "127.0.0.1", 0)
    world.url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:
            yield world, session
    finally:
        await runner.cleanup()
