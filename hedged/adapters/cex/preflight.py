"""What must hold before a key may trade at an exchange, asked at the start and by `hedged check`. Nothing is sent.

Each refusal says what to change.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import ccxt

from hedged.adapters.cex.abilities import must_trade_safely, why_not_traded
from hedged.adapters.cex.errors import explain, reading
from hedged.adapters.cex.leverage import BYBIT_ISOLATED
from hedged.adapters.cex.trading import CexTrading
from hedged.domain.errors import ConfigError, Retryable

WITHDRAWS = "THIS KEY CAN DO MORE THAN TRADE: it may withdraw; make one that may not (docs/cex.md)"
OKX_MODES = {"1": "spot mode", "2": "futures mode", "3": "multi-currency margin", "4": "portfolio margin"}


@dataclass(frozen=True, slots=True)
class CexClearance:
    """What was found to be in order, and what the operator should know."""

    venue: str
    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    free_usd: Decimal


@dataclass(slots=True)
class _Findings:
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


async def clear_for_trading(trading: CexTrading) -> CexClearance:
    """Prove key, rights, account mode, clock and collateral; read the account's fees.

    Raises ConfigError for what the operator must change, Retryable when the exchange cannot be asked.
    """
    venue, found = trading.venue, _Findings()
    proven = bool(trading.data.profile.family)
    if (why := why_not_traded(trading.data.profile, trading.key)) is not None:
        raise ConfigError(f"cex.{venue} can be watched, not traded: {why}")
    try:
        offset_ms = await trading.offset.measure()
        await trading.offset.current()
    except Retryable as error:
        if abs(trading.offset.offset_ms) > trading.offset.most_ms:
            raise ConfigError(str(error)) from None
        raise
    found.lines.append(f"clock {offset_ms:+d} ms from the exchange's")
    await _asking(trading, RIGHTS.get(trading.data.profile.family, _usual), found)
    if found.faults:
        raise ConfigError(f"cex.{venue}: {'; '.join(found.faults)}")
    if not proven:
        found.lines += await must_trade_safely(trading)
    held = await trading.positions()
    balance = await trading.balance()
    if balance.free_usd <= 0:
        found.warnings.append("no collateral is free: no hedge can be opened here until some is deposited")
    found.lines.append(f"{balance.total_usd:.2f} USD of collateral, {balance.free_usd:.2f} free")
    if held:
        text = ", ".join(f"{symbol} {one.quantity.normalize():+f}" for symbol, one in held.items())
        found.lines.append(f"positions: {text}")
    await read_fees(trading)
    return CexClearance(venue, tuple(found.lines), tuple(found.warnings), balance.free_usd)


async def _asking(
    trading: CexTrading, ask: Callable[[CexTrading, _Findings], Awaitable[None]], found: _Findings
) -> None:
    """Ask for the rights; a key that the exchange does not take is the operator's to change."""
    redact = trading.key.redact
    with reading(f"{trading.venue}, the key's rights", redact):
        try:
            await ask(trading, found)
        except ccxt.AuthenticationError as error:
            raise ConfigError(
                f"cex.{trading.venue}: the exchange does not take the key: {explain(error, redact)}"
            ) from None


async def _binance(trading: CexTrading, found: _Findings) -> None:
    exchange = trading.reader
    rights = await exchange.sapiGetAccountApiRestrictions()
    if not rights["enableFutures"]:
        found.faults.append("the key may not trade futures: enable it in Binance's API management")
    _note_withdrawal(rights["enableWithdrawals"], found)
    if not rights.get("ipRestrict"):
        found.warnings.append("the key works from any address: restrict it to this machine's")
    if (await exchange.fetch_position_mode())["hedged"]:
        found.faults.append(
            "the account is in hedge mode: switch it to one-way mode (Preference, Position Mode)"
        )
    if _is_true((await exchange.fapiPrivateGetMultiAssetsMargin())["multiAssetsMargin"]):
        found.faults.append(
            "the account is in multi-assets mode: switch to single-asset mode, isolated margin needs it"
        )
    found.lines.append("key may trade futures; one-way mode")


async def _bybit(trading: CexTrading, found: _Findings) -> None:
    exchange = trading.reader
    rights = (await exchange.privateGetV5UserQueryApi())["result"]
    granted: Mapping[str, Any] = rights.get("permissions") or {}
    contracts = set(granted.get("ContractTrade") or ())
    if int(rights.get("readOnly") or 0) or not {"Order", "Position"} <= contracts:
        found.faults.append(
            "the key may not trade contracts: give it Order and Position under Unified Trading"
        )
    _note_withdrawal("Withdraw" in (granted.get("Wallet") or ()), found)
    if list(rights.get("ips") or ()) in ([], ["*"]):
        found.warnings.append("the key works from any address: restrict it to this machine's")
    if int(rights.get("uta") or 0) != 1:
        found.faults.append("the account is no unified trading account: upgrade it at Bybit")
    mode = (await exchange.privateGetV5AccountInfo())["result"]["marginMode"]
    if mode != BYBIT_ISOLATED:
        found.faults.append(
            f"the account's margin mode is {mode}: switch it to isolated margin on Bybit's page"
        )
    found.lines.append("key may trade contracts; isolated margin")


async def _okx(trading: CexTrading, found: _Findings) -> None:
    (account,) = (await trading.reader.privateGetAccountConfig())["data"]
    rights = str(account.get("perm", "")).split(",")
    if "trade" not in rights:
        found.faults.append(
            f"the key may not trade (it may: {', '.join(rights)}): make one with the right Trade"
        )
    _note_withdrawal("withdraw" in rights, found)
    if not account.get("ip"):
        found.warnings.append("the key works from any address: restrict it to this machine's")
    if account.get("posMode") != "net_mode":
        found.faults.append("the account is in long/short mode: switch it to net mode")
    if str(account.get("acctLv")) == "1":
        found.faults.append("the account is in spot mode, which trades no swaps: switch it to futures mode")
    mode = OKX_MODES.get(str(account.get("acctLv")), "an unknown account mode")
    found.lines.append(f"key may trade; net mode, {mode}")


async def _usual(trading: CexTrading, found: _Findings) -> None:
    """Ask what every exchange can be asked; its key's rights are not known, only whether it is taken."""
    await trading.reader.fetch_balance()
    if trading.reader.has.get("fetchPositionMode"):
        if (await trading.reader.fetch_position_mode())["hedged"]:
            found.faults.append("the account is in hedge mode: switch it to one-way mode")
    else:
        found.warnings.append("whether the account is in one-way mode is not known: make sure that it is")
    found.warnings.append("what the key may do is not known: make sure that it cannot withdraw")
    found.warnings.append(
        "hedged was never proven with this exchange: begin with paper and small caps (docs/cex.md)"
    )


def _note_withdrawal(may: Any, found: _Findings) -> None:
    if _is_true(may):
        found.warnings.append(WITHDRAWS)


def _is_true(told: Any) -> bool:
    return str(told).lower() == "true"


async def read_fees(trading: CexTrading) -> None:
    """Take over the account's own fees of the markets that are told. Raises Retryable."""
    for symbol in trading.data.symbols:
        name = trading.data.perpetuals[symbol].name
        with reading(f"{trading.venue}, fees", trading.key.redact):
            if not trading.reader.has.get("fetchTradingFee"):
                return
            row = await trading.reader.fetch_trading_fee(name)
            if row.get("maker") is not None and row.get("taker") is not None:
                trading.data.put_fees(symbol, Decimal(str(row["maker"])), Decimal(str(row["taker"])))


RIGHTS = {"binanceusdm": _binance, "bybit": _bybit, "okx": _okx}
