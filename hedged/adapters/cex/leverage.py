"""Margin mode and leverage of a market, set before its first order: isolated, and no more than the risk allows."""

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import structlog

from hedged.adapters.cex.errors import explain, reading
from hedged.adapters.cex.exchanges import Profile
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.markets import Perpetual
from hedged.domain.errors import Rejected

log = structlog.get_logger(__name__)

ALREADY = ("110043", "110026", "-4046", "-4059")
"""Codes that say: it is as you want it."""
BYBIT_ISOLATED = "ISOLATED_MARGIN"


class Leverage:
    """Sets each market once. Settings that someone changes meanwhile show when an order needs more margin."""

    def __init__(
        self, venue: str, exchange: Any, profile: Profile, key: ApiKey, leverage: int, distance: Decimal
    ) -> None:
        self._venue, self._exchange, self._profile, self._key = venue, exchange, profile, key
        self._leverage, self._distance = leverage, distance
        self._done: set[str] = set()
        self._account_done = False
        self._lock = asyncio.Lock()

    async def ensure(self, perpetual: Perpetual) -> None:
        """Set margin mode and leverage unless done before. Raises Rejected where they cannot be, Retryable."""
        async with self._lock:
            if perpetual.symbol in self._done:
                return
            if self._profile.margin == "account" and not self._account_done:
                await self._account()
                self._account_done = True
            by_leverage = self._profile.margin == "symbol" and not self._exchange.has.get("setMarginMode")
            if by_leverage and "cross" in await self._modes(perpetual, held=True):
                raise Rejected(
                    f"{self._venue}: {perpetual.symbol} is held under cross margin, which is not changed here"
                )
            if self._profile.margin == "symbol" and not by_leverage:
                await self._set(
                    perpetual, "margin mode", self._exchange.set_margin_mode("isolated", perpetual.name)
                )
            highest = int(1 / perpetual.market.initial_margin_ratio)
            safe = int(perpetual.market.most_leverage(self._distance)) if self._distance else highest
            leverage = max(1, min(self._leverage, highest, safe))
            params = dict(self._profile.leverage_params)
            if not await self._is_set(perpetual, leverage, params):
                await self._set(
                    perpetual, "leverage", self._exchange.set_leverage(leverage, perpetual.name, params)
                )
            if by_leverage and await self._modes(perpetual) != {"isolated"}:
                raise Rejected(
                    f"{self._venue}: it does not say that {perpetual.symbol} is in isolated margin, and ccxt cannot "
                    "choose that there"
                )
            self._done.add(perpetual.symbol)
            log.info("leverage_set", venue=self._venue, symbol=perpetual.symbol, leverage=leverage)

    async def _account(self) -> None:
        """Bybit: the margin mode is the whole account's, and changing it moves every position."""
        with reading(f"{self._venue}, margin mode", self._key.redact):
            answer = await self._exchange.privateGetV5AccountInfo()
            mode = answer["result"]["marginMode"]
        if mode != BYBIT_ISOLATED:
            raise Rejected(
                f"{self._venue}: the account's margin mode is {mode}: change it to isolated margin on Bybit's page "
                "(it concerns all positions of the account, so it is not done from here)"
            )

    async def _modes(self, perpetual: Perpetual, *, held: bool = False) -> set[str]:
        """Return the margin modes that the exchange tells of a market; `held`: of what is held there alone.

        Where ccxt cannot choose the mode, the leverage may decide it (Gate), or the account.
        """
        with reading(f"{self._venue}, margin mode of {perpetual.symbol}", self._key.redact):
            rows = await self._exchange.fetch_positions([perpetual.name])
            mine = [row for row in rows if row["symbol"] == perpetual.name and (row["contracts"] or not held)]
            return {str(row.get("marginMode")) for row in mine}

    async def _is_set(self, perpetual: Perpetual, leverage: int, params: dict[str, Any]) -> bool:
        """Tell whether a leverage is set already, where setting it is refused while an order is open (OKX: 59000)."""
        if self._profile.margin != "order":
            return False
        with reading(f"{self._venue}, leverage of {perpetual.symbol}", self._key.redact):
            told = await self._exchange.fetch_leverage(perpetual.name, params)
            return bool(told["longLeverage"] == told["shortLeverage"] == leverage)

    async def _set(self, perpetual: Perpetual, what: str, request: Any) -> None:
        """Set one thing: setting it twice is the same as once, so that a failure may simply be tried again."""
        where = f"{self._venue}, {what} of {perpetual.symbol}"
        with reading(where, self._key.redact):
            try:
                await request
            except (ccxt.NoChange, ccxt.MarginModeAlreadySet):
                return
            except (
                ccxt.BadRequest,
                ccxt.OperationRejected,
                ccxt.InvalidOrder,
                ccxt.AuthenticationError,
                ccxt.InsufficientFunds,
            ) as error:
                if any(code in str(error) for code in ALREADY):
                    return
                raise Rejected(f"{where} cannot be set: {explain(error, self._key.redact)}") from None
