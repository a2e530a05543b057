"""Errors of the chain: a code within a codespace, as check-tx, delivery and single orders report them.

Codes and the order of the checks are those of injective-core (release v1.18.x) and the Cosmos SDK.
"""

from hedged.domain.errors import Rejected


class ChainError(Rejected):
    """A refusal of the chain. `code` > 0; `log` is what a node would print."""

    def __init__(self, codespace: str, code: int, log: str) -> None:
        super().__init__(f"{codespace} {code}: {log}")
        self.codespace, self.code, self.log = codespace, code, log
        self.order_hash = ""
        """Of the order that was refused, where it was one."""


def sdk(code: int, log: str) -> ChainError:
    """Return an error of the Cosmos SDK."""
    return ChainError("sdk", code, log)


def exchange(code: int, log: str) -> ChainError:
    """Return an error of the exchange module."""
    return ChainError("exchange", code, log)


UNAUTHORIZED = 4
INSUFFICIENT_FUNDS = 5
UNKNOWN_REQUEST = 6
UNKNOWN_ADDRESS = 9
OUT_OF_GAS = 11
INSUFFICIENT_FEE = 13
TX_IN_MEMPOOL_CACHE = 19
TX_TIMEOUT_HEIGHT = 30
WRONG_SEQUENCE = 32

INSUFFICIENT_DEPOSIT = 6
INSUFFICIENT_POSITION_QUANTITY = 8
BAD_SUBACCOUNT = 10
INVALID_PRICE = 16
INVALID_QUANTITY = 17
ORDER_NOT_FOUND = 19
NO_LIQUIDITY = 24
SLIPPAGE_EXCEEDS_WORST_PRICE = 25
INSUFFICIENT_MARGIN = 26
MARKET_NOT_FOUND = 27
POSITION_NOT_FOUND = 28
WRONG_REDUCE_ONLY_DIRECTION = 29
SURPASSES_BANKRUPTCY_PRICE = 30
MARKET_ORDER_EXISTS = 38
EXCEEDS_ORDER_SIDE_COUNT = 46
POST_ONLY_CROSSES = 59
INSUFFICIENT_BANK_FUNDS = 95
POST_ONLY_MODE = 96
CID_EXISTS = 97
INVALID_CID = 98
NOTIONAL_TOO_LOW = 100
INVALID_EXPIRATION_BLOCK = 107
OPEN_NOTIONAL_CAP = 112
