"""Executions of the account: the daemon's, those made by hand, and what the exchange closed itself."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import structlog

from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.errors import reading
from hedged.adapters.cex.exchanges import feature
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.markets import Perpetual
from hedged.adapters.cex.orders import Orders
from hedged.adapters.cex.pages import OLDEST_MS, ROUNDED_MS, WINDOW_MS, back, by_cursor, either, forward
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, Clock
from hedged.domain.errors import Rejected
from hedged.domain.market import SeriesKey, decimal_of
from hedged.domain.orders import Execution, Side

log = structlog.get_logger(__name__)

BINANCE_LIMIT = 1_000
PAGE = 100
BYBIT_KINDS = ("Trade", "AdlTrade", "BustTrade", "Delivery", "Settle")
"""Kinds of Bybit's executions that change a position; ccxt asks for `Trade` alone and misses liquidations."""
DOLLARS = ("USDT", "USDC", "USD", "FDUSD", "BFUSD")
MOST_IDS = 4_096

Row = Mapping[str, Any]


class Fills:
    """Reads executions; remembers which order id belongs to which client id, where fills do not say."""

    def __init__(
        self, data: CexData, exchange: Any, orders: Orders, key: ApiKey, quote: str, clock: Clock
    ) -> None:
        self._data, self._exchange, self._orders = data, exchange, orders
        self._key, self._quote, self._clock = key, quote, clock
        self._venue, self._profile = data.venue, data.profile
        self._client_ids: dict[str, str | None] = {}
        self._remembered: deque[str] = deque()
        self._fee_said = False
        self.ownerless: dict[str, int] = {}
        """Instants in ms of fills whose order the exchange does not know any more, by order id."""

    def remember(self, order_id: str, client_id: str | None) -> None:
        """Note whose order it is."""
        if order_id not in self._client_ids:
            self._remembered.append(order_id)
            if len(self._remembered) > MOST_IDS:
                del self._client_ids[self._remembered.popleft()]
        self._client_ids[order_id] = client_id

    async def since(self, since_ms: int, symbols: Iterable[str]) -> Sequence[Execution]:
        """Return executions with ts ≥ since, oldest first. `symbols`: markets to ask about where each is asked alone.

        Raises Retryable.
        """
        with reading(f"{self._venue}, executions", self._key.redact):
            rows = await self._rows(since_ms, symbols)
        found: dict[str, Execution] = {}
        for row in rows:
            perpetual = self._data.of_name(row["symbol"])
            if perpetual is None or int(row["timestamp"]) < since_ms:
                continue
            client_id = await self._client_id(row, perpetual)
            with reading(f"{self._venue}, executions", self._key.redact):
                one = self._execution(row, perpetual, client_id)
            found[one.execution_id] = one
        return sorted(found.values(), key=lambda e: (e.ts_ms, e.execution_id))

    async def _rows(self, since_ms: int, symbols: Iterable[str]) -> list[Row]:
        now_ms = self._clock.now_ms()
        if self._profile.family == "bybit":
            return await by_cursor(self._bybit, since_ms, now_ms)
        if self._profile.family == "okx":
            return await back(
                lambda before: self._exchange.fetch_my_trades(
                    None, max(since_ms, 0), None, {"after": before} if before else {}
                ),
                lambda row: str(row["info"]["billId"]),
                lambda row: int(row["timestamp"]),
                since_ms,
                PAGE,
            )
        rows: list[Row] = []
        for symbol in sorted(set(symbols) & set(self._data.known)):
            rows += await self._of_market(self._data.known[symbol].name, since_ms, now_ms)
        return rows

    async def _of_market(self, name: str, since_ms: int, now_ms: int) -> list[Row]:
        async def ask(from_ms: int, until_ms: int, limit: int = BINANCE_LIMIT) -> Sequence[Row]:
            found: Sequence[Row] = await self._exchange.fetch_my_trades(
                name, from_ms, limit, {"until": until_ms}
            )
            return found

        def time_of(row: Row) -> int:
            return int(row["timestamp"])

        if self._profile.family == "binanceusdm":
            return await forward(ask, time_of, since_ms, now_ms, BINANCE_LIMIT)
        from_ms = max(since_ms, now_ms - OLDEST_MS)
        days = feature(self._exchange, "fetchMyTrades", "untilDays")
        window_ms = min(WINDOW_MS, int(days or 7) * DAY_MS - 1) - ROUNDED_MS
        return await either(ask, time_of, lambda row: str(row["id"]), from_ms, now_ms, window_ms=window_ms)

    async def _bybit(self, from_ms: int, until_ms: int, cursor: str | None) -> tuple[list[Row], str | None]:
        query = {"category": "linear", "startTime": from_ms, "endTime": until_ms, "limit": PAGE}
        answer = await self._exchange.privateGetV5ExecutionList(
            query | ({"cursor": cursor} if cursor else {})
        )
        rows = [row for row in answer["result"]["list"] if row["execType"] in BYBIT_KINDS]
        found = self._exchange.parse_trades([{**row, "category": "linear"} for row in rows])
        return found, answer["result"].get("nextPageCursor") or None

    async def _client_id(self, row: Row, perpetual: Perpetual) -> str | None:
        """Return the client id if it is one of the daemon's."""
        named, ids = self._profile.client_id_in_trades, self._orders.ids
        if named is not None:
            return ids.ours(row["info"].get(named))
        for told in row["info"].values():  # under whatever name an exchange tells it with the fill
            if (found := ids.ours(told)) is not None:
                return found
        order_id = str(row["order"])
        if order_id not in self._client_ids:
            try:
                self.remember(order_id, await self._orders.client_id_of(order_id, perpetual))
            except Rejected:
                self.remember(order_id, None)
                self.ownerless[order_id] = int(row["timestamp"])
        return self._client_ids[order_id]

    def _execution(self, row: Row, perpetual: Perpetual, client_id: str | None) -> Execution:
        price, quantity = decimal_of(float(row["price"])), perpetual.coins(row["amount"])
        return Execution(
            ts_ms=int(row["timestamp"]),
            key=SeriesKey(self._venue, perpetual.symbol),
            execution_id=f"{perpetual.symbol}:{row['id']}",
            client_id=client_id,
            side=Side(row["side"]),
            quantity=quantity,
            price=price,
            fee_usd=self._fee_usd(row, perpetual, quantity * price),
        )

    def _fee_usd(self, row: Row, perpetual: Perpetual, notional_usd: Decimal) -> Decimal:
        """Return the fee in dollars, also where it was paid in another coin (BNB at Binance)."""
        fee = row.get("fee") or {}
        currency, cost = fee.get("currency"), fee.get("cost")
        if cost is not None and currency in (*DOLLARS, self._quote):
            return decimal_of(float(cost))
        mark = self._data.board.latest(str(currency), Field.MARK, self._clock.now_ms())
        if cost is not None and mark is not None:
            return decimal_of(float(cost)) * decimal_of(mark[1])
        if not self._fee_said:
            self._fee_said = True
            log.warning("fee_estimated", venue=self._venue, currency=currency)
        costs = perpetual.market.costs
        return notional_usd * (costs.maker_fee if row.get("takerOrMaker") == "maker" else costs.taker_fee)
