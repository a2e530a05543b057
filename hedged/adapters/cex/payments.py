"""Funding paid and received by the account, each payment matched with the settlement that it was charged by."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.errors import reading
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.pages import OLDEST_MS, back, by_cursor, either, forward
from hedged.adapters.cex.prints import due_ms
from hedged.domain.clock import HOUR_MS, Clock
from hedged.domain.funding import FundingPayment, Settlement
from hedged.domain.market import decimal_of

LIMIT = 1_000
PAGE = 100
LATE_MS = HOUR_MS
"""A payment is booked at most so long after its settlement."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Payment:
    """What the exchange booked: `amount_usd` > 0 was received."""

    symbol: str
    ts_ms: int
    amount_usd: Decimal


class Payments:
    """Reads funding payments. `since` raises Retryable."""

    def __init__(self, data: CexData, exchange: Any, key: ApiKey, clock: Clock) -> None:
        self._data, self._exchange, self._key, self._clock = data, exchange, key, clock
        self._venue, self._profile = data.venue, data.profile

    async def since(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return payments of settlements with ts > since, oldest first.

        One whose settlement the exchange does not tell yet is left out: it is found when it is asked again.
        """
        with reading(f"{self._venue}, funding payments", self._key.redact):
            booked = await self._booked(since_ms)
        if not booked:
            return []
        settled = await self._data.settlements(since_ms - LATE_MS, self._clock.now_ms())
        by_instant = {(one.key.symbol, one.ts_ms): one for one in settled}
        sums: dict[tuple[str, int], Decimal] = {}
        for one in booked:
            due = self._due(one, by_instant)
            if due is not None and due.ts_ms > since_ms:
                at = (one.symbol, due.ts_ms)
                sums[at] = sums.get(at, Decimal(0)) + one.amount_usd
        found = [self._payment(by_instant[at], amount) for at, amount in sums.items()]
        return sorted(found, key=lambda p: (p.settlement.ts_ms, p.settlement.key))

    def _due(self, one: Payment, settled: Mapping[tuple[str, int], Settlement]) -> Settlement | None:
        """Return the settlement of a payment: at its instant, else the last one shortly before."""
        exact = settled.get((one.symbol, due_ms(one.ts_ms)))
        if exact is not None:
            return exact
        before = [
            told
            for (symbol, ts_ms), told in settled.items()
            if symbol == one.symbol and one.ts_ms - LATE_MS <= ts_ms <= one.ts_ms
        ]
        return max(before, key=lambda told: told.ts_ms, default=None)

    def _payment(self, due: Settlement, amount_usd: Decimal) -> FundingPayment:
        """Infer the quantity, which no exchange tells with the payment, to the market's step."""
        per_coin = due.rate.rate * due.price
        step = self._data.known[due.key.symbol].market.quantity_step
        exact = -amount_usd / per_coin if per_coin else Decimal(0)
        return FundingPayment(due, (exact / step).to_integral_value() * step, amount_usd)

    async def _booked(self, since_ms: int) -> list[Payment]:
        now_ms = self._clock.now_ms()
        if self._profile.family == "bybit":
            rows = await by_cursor(self._bybit, since_ms, now_ms)
        elif self._profile.family == "okx":
            rows = await back(
                lambda before: self._exchange.fetch_funding_history(
                    None, None, PAGE, {"after": before} if before else {}
                ),
                lambda row: str(row["info"]["billId"]),
                lambda row: int(row["timestamp"]),
                since_ms,
                PAGE,
            )
        elif self._profile.family == "binanceusdm":
            rows = await forward(
                lambda from_ms, until_ms: self._exchange.fetch_funding_history(
                    None, from_ms, LIMIT, {"until": until_ms}
                ),
                lambda row: int(row["timestamp"]),
                since_ms,
                now_ms,
                LIMIT,
                OLDEST_MS,  # of income any span may be asked for
            )
        else:
            rows = await self._by_market(max(since_ms, now_ms - OLDEST_MS), now_ms)
        found: dict[tuple[str, Hashable], Payment] = {}
        for row in rows:
            perpetual = self._data.of_name(row["symbol"])
            if perpetual is None or perpetual.symbol not in self._data.symbols:
                continue
            amount = decimal_of(float(row["amount"])) * self._profile.payment_sign
            found[perpetual.symbol, _key(row)] = Payment(perpetual.symbol, int(row["timestamp"]), amount)
        return list(found.values())

    async def _by_market(self, since_ms: int, now_ms: int) -> list[Row]:
        """Ask market by market, as some exchanges demand and none refuses."""
        rows: list[Row] = []
        for symbol in self._data.symbols:
            name = self._data.known[symbol].name
            rows += await either(
                lambda from_ms, until_ms, limit, name=name: self._exchange.fetch_funding_history(  # type: ignore[misc]
                    name, from_ms, limit, {"until": until_ms}
                ),
                lambda row: int(row["timestamp"]),
                _key,
                since_ms,
                now_ms,
            )
        return rows

    async def _bybit(self, from_ms: int, until_ms: int, cursor: str | None) -> tuple[list[Row], str | None]:
        query = {
            "category": "linear",
            "execType": "Funding",
            "startTime": from_ms,
            "endTime": until_ms,
            "limit": PAGE,
        }
        answer = await self._exchange.privateGetV5ExecutionList(
            query | ({"cursor": cursor} if cursor else {})
        )
        rows = self._exchange.parse_incomes(answer["result"]["list"])
        return rows, answer["result"].get("nextPageCursor") or None


def _key(row: Row) -> Hashable:
    """Tell one payment from another: by its id; where ccxt tells none (Gate), by its instant and amount."""
    return str(row["id"]) if row.get("id") is not None else (int(row["timestamp"]), str(row["amount"]))
