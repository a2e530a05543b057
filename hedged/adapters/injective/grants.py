"""What a grantee key may do for the trader: proven before anything starts, complained about where it is too much.

An authz grant lets a second key sign messages of one type for the trader. The daemon's key should hold the four trading
messages and nothing else, so that whoever steals it can trade badly but can take nothing away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pyinjective.proto.cosmos.authz.v1beta1 import authz_pb2
from pyinjective.proto.injective.exchange.v2 import authz_pb2 as exchange_authz

from hedged.adapters.injective.messages import (
    BATCH_UPDATE,
    CANCEL_ORDER,
    LIMIT_ORDER,
    MARKET_ORDER,
    TRADING_MESSAGES,
)
from hedged.domain.clock import DAY_MS, iso

EXPIRY_WARNING_MS = 14 * DAY_MS
GENERIC = authz_pb2.GenericAuthorization.DESCRIPTOR.full_name
_TYPED = {
    exchange_authz.CreateDerivativeMarketOrderAuthz: MARKET_ORDER,
    exchange_authz.CreateDerivativeLimitOrderAuthz: LIMIT_ORDER,
    exchange_authz.CancelDerivativeOrderAuthz: CANCEL_ORDER,
    exchange_authz.BatchUpdateOrdersAuthz: BATCH_UPDATE,
}
TYPED = {kind.DESCRIPTOR.full_name: (kind, message) for kind, message in _TYPED.items()}
"""Authorizations that are bound to one subaccount and a list of markets, and the message that each is for."""
HARMLESS = frozenset(
    f"/injective.exchange.{version}.Msg{name}"
    for version in ("v1beta1", "v2")
    for name in (
        "CreateDerivativeMarketOrder", "CreateDerivativeLimitOrder", "CancelDerivativeOrder", "BatchUpdateOrders",
        "BatchCreateDerivativeLimitOrders", "BatchCancelDerivativeOrders", "IncreasePositionMargin",
    )
)  # fmt: skip
"""Messages by which nothing leaves the subaccount other than to the market."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant. `expires_ms` None: never. A typed one is for one subaccount and for the markets that it lists."""

    message: str
    expires_ms: int | None
    subaccount_id: str | None = None
    markets: frozenset[str] = frozenset()

    def covers(self, message: str, subaccount_id: str, markets: Iterable[str]) -> bool:
        """Tell whether it lets the grantee send this message for this subaccount in all these markets."""
        if self.message != message:
            return False
        return self.subaccount_id is None or (
            self.subaccount_id.lower() == subaccount_id.lower() and self.markets >= set(markets)
        )


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with the grants. `faults` forbid a start; `warnings` are for the operator's eyes."""

    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    expires_ms: int | None = None


def read_grant(packed: Any) -> Grant:
    """Read a cosmos.authz.v1beta1.Grant: a generic one names its message, a typed one is for the message it types."""
    kind = packed.authorization.type_url.rpartition("/")[2]
    expires_ms = packed.expiration.seconds * 1_000 if packed.HasField("expiration") else None
    if kind == GENERIC:
        return Grant(authz_pb2.GenericAuthorization.FromString(packed.authorization.value).msg, expires_ms)
    if kind not in TYPED:
        return Grant(f"/{kind}", expires_ms)  # SendAuthorization and the like: named by what it authorises
    authorization, message = TYPED[kind]
    typed = authorization.FromString(packed.authorization.value)
    markets = typed.derivative_markets if message == BATCH_UPDATE else typed.market_ids
    return Grant(message, expires_ms, typed.subaccount_id, frozenset(markets))


def judge(grants: Sequence[Grant], subaccount_id: str, markets: Iterable[str], now_ms: int) -> Findings:
    """Compare what is granted with what trading needs: exactly `TRADING_MESSAGES`, in force, and no more."""
    wanted = set(markets)
    faults, warnings, ends = [], [], []
    for message in TRADING_MESSAGES:
        found = [g for g in grants if g.covers(message, subaccount_id, wanted)]
        live = [g for g in found if g.expires_ms is None or g.expires_ms > now_ms]
        if not live:
            faults.append(f"{message} " + _why_not(message, grants, found, wanted))
            continue
        forever = any(g.expires_ms is None for g in live)
        last_ms = None if forever else max(g.expires_ms for g in live if g.expires_ms is not None)
        if last_ms is not None:
            ends.append(last_ms)
        if last_ms is not None and last_ms - now_ms < EXPIRY_WARNING_MS:
            warnings.append(f"the grant of {message} expires on {iso(last_ms)}: renew it")
    more = sorted({g.message for g in grants if g.message not in HARMLESS and not _over(g, now_ms)})
    warnings += [
        f"THIS KEY CAN DO MORE THAN TRADE: the trader has also granted it {message}; revoke that grant"
        for message in more
    ]
    return Findings(tuple(faults), tuple(warnings), min(ends, default=None))


def _over(grant: Grant, now_ms: int) -> bool:
    return grant.expires_ms is not None and grant.expires_ms <= now_ms


def _why_not(message: str, grants: Sequence[Grant], found: Sequence[Grant], markets: set[str]) -> str:
    if found:
        return f"was granted until {iso(max(g.expires_ms or 0 for g in found))}: that is over"
    bounded = [g for g in grants if g.message == message]
    if bounded:
        lacking = min(len(markets - g.markets) for g in bounded)
        return (
            f"is granted for another subaccount or not for all markets ({lacking} of {len(markets)} lacking)"
        )
    return "is not granted"
