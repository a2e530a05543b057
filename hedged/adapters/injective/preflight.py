"""What must hold before a key may trade, asked at the start and by `hedged check`: nothing is signed before it does.

Each refusal says what to change. Nothing here sends a transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import grpc
import grpc.aio
from pyinjective.proto.injective.exchange.v2 import exchange_pb2, query_pb2, query_pb2_grpc

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.chain import Chain
from hedged.adapters.injective.grants import Findings, judge, read_grant
from hedged.adapters.injective.messages import Trader
from hedged.domain.clock import SECOND_MS
from hedged.domain.errors import ConfigError, Retryable

ISOLATED = (exchange_pb2.RISK_MODE_UNSPECIFIED, exchange_pb2.RISK_MODE_ISOLATED)

MOST_AHEAD_MS = 60 * SECOND_MS
"""Blocks carry the median time of the validators: what is this far ahead of the clock shows that the clock is wrong."""


@dataclass(frozen=True, slots=True)
class Clearance:
    """What was found to be in order, for the operator to read. `expires_ms`: the first grant to expire; None: none."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    inj: Decimal
    expires_ms: int | None


async def clear_for_trading(
    channel: Any,
    trader: Trader,
    chain_id: str,
    markets: Collection[str],
    low_inj: Decimal,
    now_ms: int,
) -> Clearance:
    """Prove chain, account, gas, grants and kind of subaccount. `markets`: ids of those that may be traded.

    Raises ConfigError for what the operator must change, Retryable when the chain cannot be asked.
    """
    chain = Chain(channel)
    head = await chain.head()
    if head.chain_id != chain_id:
        raise ConfigError(
            f"injective: the node is of chain {head.chain_id!r} and the configuration says {chain_id!r}: "
            "change injective.network, injective.chain_id or injective.nodes"
        )
    if (ahead_ms := head.ts_ms - now_ms) > MOST_AHEAD_MS:
        raise ConfigError(
            f"injective: the chain's latest block is {ahead_ms / SECOND_MS:.0f} s ahead of this machine's clock: "
            "set the clock (NTP); on a local chain take clock: from the configuration that hedged sandbox has printed"
        )
    inj = await _gas_money(chain, trader.signer)
    await must_be_isolated(channel, trader.subaccount_id)
    findings = await _rights(chain, trader, markets, now_ms)
    if findings.faults:
        raise ConfigError(
            f"injective: {trader.grantee} may not trade for {trader.address}: {'; '.join(findings.faults)}. "
            "Grant these with the trader's own wallet (docs/injective-trading.md)"
        )
    warnings = list(findings.warnings)
    if inj < low_inj:
        warnings.append(f"{trader.signer} holds only {inj:.6f} INJ for gas (injective.low_inj is {low_inj})")
    lines = (
        f"chain {head.chain_id} at height {head.height}",
        f"signs as {trader.signer} for {trader.address}, subaccount {trader.subaccount_id}",
        f"{inj:.6f} INJ for gas",
    )
    return Clearance(lines, tuple(warnings), inj, findings.expires_ms)


async def _gas_money(chain: Chain, signer: str) -> Decimal:
    if await chain.account(signer) is None:
        raise ConfigError(
            f"injective: {signer} has never held anything on this chain: send it some INJ for gas"
        )
    inj = await chain.inj(signer)
    if inj <= 0:
        raise ConfigError(f"injective: {signer} holds no INJ to pay gas with: send it some")
    return inj


async def _rights(chain: Chain, trader: Trader, markets: Collection[str], now_ms: int) -> Findings:
    if trader.grantee is None:
        owner = (
            f"THIS KEY CAN DO MORE THAN TRADE: it is the key of {trader.address} itself and can withdraw everything; "
            "use a key of its own that the account grants the right to trade (docs/injective-trading.md)"
        )
        return Findings((), (owner,))
    grants = [read_grant(grant) for grant in await chain.grants(trader.address, trader.grantee)]
    return judge(grants, trader.subaccount_id, markets, now_ms)


async def must_be_isolated(channel: Any, subaccount_id: str) -> None:
    """Refuse cross margin (core v1.20): margins and liquidation prices are computed here position by position."""
    request = query_pb2.QuerySubaccountRiskProfileRequest(subaccount_id=subaccount_id)
    try:
        with asking("risk profile"):
            try:
                answer = await query_pb2_grpc.QueryStub(channel).SubaccountRiskProfile(request)
            except grpc.aio.AioRpcError as error:
                if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND):
                    return  # a chain without cross margin
                raise
    except Retryable as error:
        raise Retryable(f"{error}; whether the subaccount is cross-margined is not known") from None
    mode = answer.profile.mode
    if mode not in ISOLATED:
        raise ConfigError(
            f"injective: subaccount {subaccount_id} is in {exchange_pb2.RiskMode.Name(mode)}: this version trades "
            "isolated margin only; use another subaccount (book.subaccount)"
        )
