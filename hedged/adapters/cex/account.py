"""The account at one exchange: positions, collateral. A failed question is unknown, never flat and never zero."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import structlog

from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.errors import reading
from hedged.adapters.cex.keys import ApiKey
from hedged.domain.book import Balance, Position
from hedged.domain.errors import Retryable
from hedged.domain.market import SeriesKey, decimal_of

log = structlog.get_logger(__name__)


class Account:
    """What the exchange shows of the account. Every method raises Retryable where it gets no answer."""

    def __init__(self, data: CexData, exchange: Any, key: ApiKey, quote: str) -> None:
        self._data, self._exchange, self._key, self._quote = data, exchange, key, quote
        self._venue = data.venue
        self._said: frozenset[str] = frozenset()

    async def positions(self) -> Mapping[str, Position]:
        """Return all open positions by symbol, in coins."""
        await self._data.listed()
        with reading(f"{self._venue}, positions", self._key.redact):
            rows = await self._exchange.fetch_positions()
            found, foreign = {}, set()
            for row in rows:
                if not row["contracts"]:
                    continue
                perpetual = self._data.of_name(row["symbol"])
                if row.get("hedged") or (perpetual is not None and perpetual.symbol in found):
                    raise Retryable(
                        f"{self._venue}: the account is in hedge mode (long and short apart): switch it to one-way mode"
                    )
                if perpetual is None:
                    foreign.add(str(row["symbol"]))
                    continue
                sign = {"long": 1, "short": -1}[row["side"]]
                quantity = perpetual.coins(row["contracts"]) * sign
                entry = decimal_of(float(row["entryPrice"]))
                far = float(row.get("liquidationPrice") or 0)  # none or 0: the venue sees none
                found[perpetual.symbol] = Position(
                    SeriesKey(self._venue, perpetual.symbol),
                    quantity,
                    entry,
                    liquidation_price=decimal_of(far) if far > 0 else None,
                )
        if foreign - self._said:
            self._said = frozenset(foreign)
            log.warning("positions_not_protected", venue=self._venue, markets=sorted(foreign))
        return dict(sorted(found.items()))

    async def balance(self) -> Balance:
        """Return the collateral in the quote currency: with unrealised profit, and what is free of margin."""
        with reading(f"{self._venue}, balance", self._key.redact):
            answer = await self._exchange.fetch_balance()
            read = READERS.get(self._data.profile.family, _usual)
            total, free = read(answer, self._quote)
        return Balance(self._venue, total, max(Decimal(0), free))


def _usual(answer: Mapping[str, Any], quote: str) -> tuple[Decimal, Decimal]:
    row = answer.get(quote) or {"total": 0, "free": 0}
    return decimal_of(float(row["total"])), decimal_of(float(row["free"]))


def _binance(answer: Mapping[str, Any], quote: str) -> tuple[Decimal, Decimal]:
    rows = {row["asset"]: row for row in answer["info"]["assets"]}
    if quote not in rows:
        return Decimal(0), Decimal(0)
    return Decimal(rows[quote]["marginBalance"]), Decimal(rows[quote]["availableBalance"])


def _bybit(answer: Mapping[str, Any], quote: str) -> tuple[Decimal, Decimal]:
    """In isolated margin Bybit leaves the account's totals empty: the coin's own figures tell."""
    (account,) = answer["info"]["result"]["list"]
    rows = {row["coin"]: row for row in account["coin"]}
    if quote not in rows:
        return Decimal(0), Decimal(0)
    row = rows[quote]
    used = sum(
        (Decimal(row.get(name) or 0) for name in ("totalPositionIM", "totalOrderIM", "locked")), Decimal(0)
    )
    return Decimal(row["equity"]), Decimal(row["walletBalance"]) - used


def _okx(answer: Mapping[str, Any], quote: str) -> tuple[Decimal, Decimal]:
    (account,) = answer["info"]["data"]
    rows = {row["ccy"]: row for row in account["details"]}
    if quote not in rows:
        return Decimal(0), Decimal(0)
    row = rows[quote]
    return Decimal(row["eq"]), Decimal(row.get("availEq") or row["availBal"])


READERS = {"binanceusdm": _binance, "bybit": _bybit, "okx": _okx}
