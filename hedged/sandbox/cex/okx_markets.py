"""OKX v5, the public half: swaps. Sizes are contracts, a hundredth of a coin or more each."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.instruments import Instrument
from hedged.sandbox.cex.path import Path, candle
from hedged.sandbox.cex.protocol import Complaint, Protocol, aligned, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

INTEREST_ROWS = 1_440
"""Rows of past open interest that are told."""

BARS_MS: Mapping[str, int] = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1H": HOUR_MS,
    "4H": 4 * HOUR_MS,
}

CODES: Mapping[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_SYMBOL: ("51001", "Instrument ID doesn't exist."),
    Reason.PRICE_OFF_TICK: ("51000", "Parameter px error"),
    Reason.QUANTITY_OFF_STEP: ("51121", "Order quantity must be a multiple of the lot size."),
    Reason.QUANTITY_TOO_SMALL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.NOTIONAL_TOO_SMALL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.PRICE_OUT_OF_BAND: ("51006", "Order price is not within the price limit"),
    Reason.NO_MARGIN: ("51008", "Order failed. Insufficient USDT margin in account"),
    Reason.REDUCE_ONLY: (
        "51169",
        "Order failed because you don't have any positions in this contract to reduce or close.",
    ),
    Reason.DUPLICATE_CLIENT_ID: ("51016", "Client order ID already exists."),
    Reason.BAD_CLIENT_ID: ("51000", "Parameter clOrdId error"),
    Reason.NO_SUCH_ORDER: ("51603", "Order does not exist"),
    Reason.ORDER_GONE: (
        "51400",
        "Cancellation failed as the order has been filled, canceled or does not exist.",
    ),
    Reason.BAD_LEVERAGE: ("59102", "Leverage exceeds the maximum limit. Please lower the leverage."),
    Reason.DELISTED: ("51001", "Instrument ID doesn't exist."),
    Reason.WRONG_SIDE: ("51000", "Parameter posSide error"),
}


class OkxMarkets(Protocol):
    """instruments, funding-rate and what else is public."""

    hosts = ("www.okx.com", "my.okx.com", "eea.okx.com")
    order_path = "/api/v5/trade/"
    per_minute = 12_000

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the public paths."""
        for path, handler in {
            "/api/v5/public/time": self._time,
            "/api/v5/public/instruments": self._instruments,
            "/api/v5/public/funding-rate": self._funding_rate,
            "/api/v5/public/funding-rate-history": self._funding_history,
            "/api/v5/public/open-interest": self._open_interest,
            "/api/v5/rubik/stat/contracts/open-interest-history": self._past_interest,
            "/api/v5/public/mark-price": self._mark_price,
            "/api/v5/market/index-tickers": self._index_tickers,
            "/api/v5/market/books": self._books,
            "/api/v5/market/mark-price-candles": self._candles(Path.mark),
            "/api/v5/market/history-mark-price-candles": self._candles(Path.mark),
            "/api/v5/market/index-candles": self._candles(Path.index),
            "/api/v5/market/history-index-candles": self._candles(Path.index),
        }.items():
            router.add_get(path, handler)

    def answer(self, data: list[Any], code: str = "0", message: str = "", status: int = 200) -> web.Response:
        """Wrap data as OKX does."""
        return web.json_response({"code": code, "data": data, "msg": message}, status=status)

    def failed(self, refusal: Refusal, client_id: str) -> "Failed":
        """Word a refused order: the reason stands in the data, not above them."""
        code, message = CODES.get(refusal.reason, ("50026", "System error. Try again later."))
        row = {"clOrdId": client_id, "ordId": "", "sCode": code, "sMsg": message}
        return Failed([row | {"tag": "", "ts": str(self.now_ms)}])

    def complain(self, complaint: Complaint) -> web.Response:
        """Word a complaint."""
        rows = complaint.rows if isinstance(complaint, Failed) else []
        return self.answer(rows, str(complaint.code), complaint.message, complaint.status)

    def of_refusal(self, refusal: Refusal) -> Complaint:
        """Translate a reason."""
        code, message = CODES.get(refusal.reason, ("50026", "System error. Try again later."))
        return Complaint(code, message, 200)

    def of_fault(self, fault: Fault) -> Complaint:
        """Word what the exchange says of itself."""
        if fault is Fault.MAINTENANCE:
            return Complaint("50001", "Service temporarily unavailable. Try again later.", 503)
        return Complaint("50011", "Too Many Requests", 429)

    def coin(self, inst_id: str | None) -> str:
        """Return the coin of an instrument. Raises Refusal."""
        coin = (inst_id or "").removesuffix(f"-{self.quote}-SWAP")
        if coin not in self.exchange.instruments:
            raise Refusal(Reason.UNKNOWN_SYMBOL)
        return coin

    def inst_id(self, coin: str) -> str:
        """Return OKX's name of a market."""
        return f"{coin}-{self.quote}-SWAP"

    def contracts(self, coin: str, coins: Decimal) -> str:
        """Write coins as contracts."""
        return plain(coins / self.exchange.instruments[coin].contract)

    async def _time(self, _: web.Request) -> web.Response:
        return self.answer([{"ts": str(self.now_ms)}])

    async def _instruments(self, request: web.Request) -> web.Response:
        if request.query.get("instType") != "SWAP":
            return self.answer([])
        return self.answer([self._listing(one) for one in self.exchange.listed.values()])

    def _listing(self, one: Instrument) -> dict[str, Any]:
        return {
            "alias": "",
            "baseCcy": "",
            "category": "1",
            "ctMult": "1",
            "ctType": "linear",
            "ctVal": plain(one.contract),
            "ctValCcy": one.coin,
            "expTime": str(self.exchange.ends.get(one.coin, "")),
            "instFamily": f"{one.coin}-{one.quote}",
            "instId": self.inst_id(one.coin),
            "instType": "SWAP",
            "lever": str(one.max_leverage),
            "listTime": "1573557408000",
            "lotSz": plain(one.step / one.contract),
            "maxLmtSz": "100000000",
            "maxMktSz": "35000",
            "minSz": plain(one.step / one.contract),
            "optType": "",
            "quoteCcy": "",
            "ruleType": "normal",
            "settleCcy": one.quote,
            "state": "live",
            "stk": "",
            "tickSz": plain(one.tick),
            "uly": f"{one.coin}-{one.quote}",
        }

    async def _funding_rate(self, request: web.Request) -> web.Response:
        asked = request.query.get("instId")
        coins = list(self.exchange.listed) if asked == "ANY" else [self.coin(asked)]
        return self.answer([self._rate(coin) for coin in coins])

    def _rate(self, coin: str) -> dict[str, Any]:
        path, now_ms = self.exchange.paths[coin], self.exchange.now_ms
        due_ms = path.next_settlement_ms(now_ms)
        return {
            "formulaType": "withRate",
            "fundingRate": plain(path.estimate(now_ms)),
            "fundingTime": str(due_ms),
            "impactValue": "20000",
            "instId": self.inst_id(coin),
            "instType": "SWAP",
            "interestRate": "0.0001",
            "maxFundingRate": "0.02",
            "method": "current_period",
            "minFundingRate": "-0.02",
            "nextFundingRate": "",
            "nextFundingTime": str(path.next_settlement_ms(due_ms)),
            "premium": plain(path.premium_exact(now_ms)),
            "settFundingRate": plain(path.estimate(now_ms)),
            "settState": "settled",
            "ts": str(now_ms),
        }

    async def _funding_history(self, request: web.Request) -> web.Response:
        """Newest first; `after`: older than, `before`: newer than."""
        query, now_ms = request.query, self.exchange.now_ms
        coin, limit = self.coin(query.get("instId")), min(int(query.get("limit", 100)), 100)
        until_ms = min(int(query.get("after", now_ms + 1)) - 1, now_ms)
        since_ms = int(query.get("before", until_ms - 90 * 24 * HOUR_MS))
        rows = self.exchange.paths[coin].prints(since_ms, until_ms)[::-1][:limit]
        return self.answer(
            [
                {
                    "formulaType": "withRate",
                    "fundingRate": plain(one.rate),
                    "fundingTime": str(one.ts_ms),
                    "instId": self.inst_id(coin),
                    "instType": "SWAP",
                    "method": "current_period",
                    "realizedRate": plain(one.rate),
                }
                for one in rows
            ]
        )

    async def _open_interest(self, request: web.Request) -> web.Response:
        asked, now_ms = request.query.get("instId"), self.exchange.now_ms
        rows = []
        for coin in [self.coin(asked)] if asked else self.exchange.listed:
            coins = self.exchange.paths[coin].open_interest(now_ms)
            rows.append(
                {
                    "instId": self.inst_id(coin),
                    "instType": "SWAP",
                    "oi": self.contracts(coin, coins),
                    "oiCcy": plain(coins),
                    "oiUsd": plain(coins * self.exchange.mark(coin)),
                    "ts": str(now_ms),
                }
            )
        return self.answer(rows)

    async def _past_interest(self, request: web.Request) -> web.Response:
        """Newest first; begin and end mean later and earlier than. 1,440 rows are told."""
        query, now_ms = request.query, self.exchange.now_ms
        coin, limit = self.coin(query.get("instId")), min(int(query.get("limit", 100)), 100)
        bar_ms = BARS_MS[query.get("period", "5m")]
        newest_ms = (min(int(query.get("end", now_ms + 1)), now_ms + 1) - 1) // bar_ms * bar_ms
        oldest_ms = max(int(query.get("begin", 0)), now_ms - INTEREST_ROWS * bar_ms)
        path, rows = self.exchange.paths[coin], []
        for ts_ms in (newest_ms - n * bar_ms for n in range(limit)):
            if ts_ms > oldest_ms:
                coins = path.open_interest(ts_ms)
                usd = plain(coins * path.mark(ts_ms))
                rows.append([str(ts_ms), self.contracts(coin, coins), plain(coins), usd])
        return self.answer(rows)

    async def _mark_price(self, request: web.Request) -> web.Response:
        asked, now_ms = request.query.get("instId"), self.exchange.now_ms
        coins = [self.coin(asked)] if asked else list(self.exchange.listed)
        rows = [
            {"instId": self.inst_id(c), "instType": "SWAP", "markPx": plain(self.exchange.mark(c))}
            for c in coins
        ]
        return self.answer([row | {"ts": str(now_ms)} for row in rows])

    async def _index_tickers(self, _: web.Request) -> web.Response:
        now_ms = self.exchange.now_ms
        return self.answer(
            [
                {"instId": f"{coin}-{self.quote}", "idxPx": plain(path.index(now_ms)), "ts": str(now_ms)}
                for coin, path in self.exchange.paths.items()
            ]
        )

    async def _books(self, request: web.Request) -> web.Response:
        coin, limit = self.coin(request.query.get("instId")), min(int(request.query.get("sz", 1)), 400)
        one = self.exchange.instruments[coin]
        bids, asks = (
            [[aligned(price, one), self.contracts(coin, coins), "0", "3"] for price, coins in side[:limit]]
            for side in self.exchange.book(coin)
        )
        return self.answer([{"asks": asks, "bids": bids, "ts": str(self.now_ms), "seqId": self.now_ms}])

    def _candles(self, value: Callable[[Path, int], Decimal]) -> Any:
        async def answer(request: web.Request) -> web.Response:
            query, now_ms = request.query, self.exchange.now_ms
            named = query.get("instId", "")
            path = self.exchange.paths[self.coin(named if named.endswith("-SWAP") else f"{named}-SWAP")]
            bar_ms, limit = BARS_MS[query.get("bar", "1m")], min(int(query.get("limit", 100)), 100)
            newest_ms = (min(int(query.get("after", now_ms + 1)), now_ms + 1) - 1) // bar_ms * bar_ms
            oldest_ms = int(query.get("before", 0))
            rows = []
            for open_ms in (newest_ms - n * bar_ms for n in range(limit)):
                if open_ms > oldest_ms:
                    prices = candle(lambda ts_ms: value(path, ts_ms), open_ms, bar_ms, now_ms)
                    done = "1" if open_ms + bar_ms <= now_ms else "0"
                    rows.append([str(open_ms), *map(plain, prices), done])
            return self.answer(rows)

        return answer


class Failed(Complaint):
    """Orders that were refused, each in a row."""

    def __init__(self, rows: list[Any]) -> None:
        super().__init__("1", "All operations failed", 200)
        self.rows = rows
