"""What the chain's result codes mean, in a sentence that an operator understands, and what the caller must do.

Sources: cosmos-sdk types/errors (codespace `sdk`), x/authz, Injective's exchange module (v1.18) and its API documents.
"""

from hedged.domain.errors import HedgedError, Rejected, Retryable, WouldTake

TX_IN_CACHE = 19  # the node has these very bytes already: as good as accepted
SEQUENCE, FEE, TIMEOUT = 32, 13, 30
NO_ORDER, WOULD_TAKE = 19, 59  # codespace exchange
SIGN_ANEW = frozenset({SEQUENCE, FEE, TIMEOUT})
"""Refusals by a node that are cured by asking it again for sequence, gas price or height. Codespace `sdk`."""

_SDK = {
    4: "the signature is not valid for this chain: wrong chain id, or the account number changed",
    5: "the account lacks coins: INJ for the gas, or the margin's where it comes out of the bank balance",
    11: "out of gas: raise injective.gas_multiplier, or estimate by simulation (injective.gas: simulation)",
    FEE: "the gas price offered is below what the node asks",
    20: "the node's mempool is full",
    21: "the transaction is too large",
    TIMEOUT: "the chain is already past the transaction's timeout height",
    SEQUENCE: "the account's sequence is another: does something else sign with this key?",
}
_UNGRANTED = "the trader has not granted this key the right to do this, or has revoked it: see `hedged check`"
_AUTHZ = {
    2: _UNGRANTED,
    5: _UNGRANTED,
    6: "the grant by which this key trades has expired: renew it",
}
_NO_COLLATERAL = "not enough free collateral in the subaccount for margin and fee"
_EXCHANGE = {
    6: _NO_COLLATERAL,
    8: "the position is smaller than the order that should reduce it",
    16: "the price is off the market's tick, which has changed since it was read",
    17: "the quantity is off the market's step, which has changed since it was read",
    NO_ORDER: "there is no such order",
    24: "nobody offers anything on the other side of the book",
    25: "the book does not reach as far as the worst price allows: nothing to trade with at this price",
    26: "the margin is too small for the mark price of this block",
    27: "there is no such market",
    28: "there is no position to reduce",
    29: "a reduce-only order in the same direction as the position",
    37: "too many orders rest on this side of this market",
    38: "a second market order of this subaccount in this market within one block",
    41: "the market is not active",
    48: "derivatives trading is switched off on the chain",
    WOULD_TAKE: "a post-only order that would have taken",
    65: "the position would be below its initial margin",
    95: _NO_COLLATERAL,
    96: (
        "the exchange is in post-only mode (after an upgrade or a halt): market orders are impossible, "
        "hedge at another venue until it ends"
    ),
    97: "the client id is in use by an order that still rests",
    98: "the client id is too long",
    100: "the order is below the market's smallest notional",
    101: "the oracle price is stale: the chain trades again when it is fed",
    107: "the expiration block is not in the future",
    112: "the market's cap on open interest is reached",
}
_LATER = {("sdk", 20), ("exchange", 38), ("exchange", 101)}
"""Refusals that time cures by itself."""


def explain(codespace: str, code: int, log: str) -> str:
    """Return one sentence for a result that is not zero; an unknown one quotes the chain."""
    table = {"sdk": _SDK, "authz": _AUTHZ, "exchange": _EXCHANGE}.get(codespace, {})
    said = " ".join(log.split())[:300]
    meaning = table.get(code) or said or "no reason given"
    quoted = f"; the chain says: {said}" if code in table and said else ""
    return f"{meaning} ({codespace or 'unknown'} {code}{quoted})"


def says(detail: str, codespace: str, code: int) -> bool:
    """Tell whether `explain` made this sentence of a given result."""
    return any(f"({codespace} {code}{end}" in detail for end in ");")


def refusal(codespace: str, code: int, log: str) -> HedgedError:
    """Return the error for a transaction that certainly had no effect: Retryable where waiting helps, else Rejected."""
    why = explain(codespace, code, log)
    return Retryable(why) if (codespace, code) in _LATER else rejection(why)


def rejection(detail: str) -> Rejected:
    """Return the error for an order that does not exist, for a reason that `explain` made the sentence of."""
    return WouldTake(detail) if says(detail, "exchange", WOULD_TAKE) else Rejected(detail)
