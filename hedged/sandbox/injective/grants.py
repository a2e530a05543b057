"""Authz grants: who may send which messages in whose name, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyinjective.proto.cosmos.authz.v1beta1 import authz_pb2

from hedged.sandbox.injective import codes

GENERIC = "cosmos.authz.v1beta1.GenericAuthorization"
_TYPED = {
    "CreateDerivativeLimitOrderAuthz": "MsgCreateDerivativeLimitOrder",
    "CreateDerivativeMarketOrderAuthz": "MsgCreateDerivativeMarketOrder",
    "BatchCreateDerivativeLimitOrdersAuthz": "MsgBatchCreateDerivativeLimitOrders",
    "CancelDerivativeOrderAuthz": "MsgCancelDerivativeOrder",
    "BatchCancelDerivativeOrdersAuthz": "MsgBatchCancelDerivativeOrders",
    "BatchUpdateOrdersAuthz": "MsgBatchUpdateOrders",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One authorisation (a packed protobuf). `expires_s`: seconds since the epoch, None = never."""

    granter: str
    grantee: str
    msg_type: str
    authorization: Any
    expires_s: int | None

    def holds(self, now_s: int) -> bool:
        """Whether it has not expired."""
        return self.expires_s is None or self.expires_s > now_s


def message_type_of(authorization: Any) -> str:
    """Return the type url of the message that an authorisation is for."""
    name = authorization.type_url.rsplit("/", 1)[-1]
    if name == GENERIC:
        return str(authz_pb2.GenericAuthorization.FromString(authorization.value).msg)
    short = name.rsplit(".", 1)[-1]
    if short not in _TYPED:
        raise codes.ChainError("authz", 4, f"{name}: unknown authorization type")
    return f"/{name.rsplit('.', 1)[0]}.{_TYPED[short]}"


class Grants:
    """All grants, one per granter, grantee and message type."""

    def __init__(self) -> None:
        self._grants: dict[tuple[str, str, str], Grant] = {}

    def put(self, granter: str, grantee: str, authorization: Any, expires_s: int | None) -> None:
        """Grant, in place of what was granted before."""
        msg_type = message_type_of(authorization)
        self._grants[granter, grantee, msg_type] = Grant(granter, grantee, msg_type, authorization, expires_s)

    def revoke(self, granter: str, grantee: str, msg_type: str) -> None:
        """Take a grant back. Raises ChainError authz 2 when there is none."""
        if self._grants.pop((granter, grantee, msg_type), None) is None:
            raise codes.ChainError("authz", 2, "authorization not found")

    def require(self, granter: str, grantee: str, msg_type: str, now_s: int) -> None:
        """Raise ChainError authz 2 unless the grantee may send this message for the granter now."""
        grant = self._grants.get((granter, grantee, msg_type))
        if grant is None or not grant.holds(now_s):
            text = (
                f"failed to get grant with given granter: {granter}, grantee: {grantee} & msgType: {msg_type}"
            )
            raise codes.ChainError("authz", 2, f"{text}: authorization not found")

    def find(self, now_s: int, granter: str = "", grantee: str = "", msg_type: str = "") -> Sequence[Grant]:
        """Return the grants that hold now; an empty criterion matches all."""
        return [
            grant
            for grant in self._grants.values()
            if grant.holds(now_s)
            and (not granter or grant.granter == granter)
            and (not grantee or grant.grantee == grantee)
            and (not msg_type or grant.msg_type == msg_type)
        ]
