"""Why an exchange says no. Each protocol turns a reason into its own code and words."""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons that the engine knows."""

    UNKNOWN_SYMBOL = "unknown symbol"
    PRICE_OFF_TICK = "price is off the tick"
    QUANTITY_OFF_STEP = "quantity is off the step"
    QUANTITY_TOO_SMALL = "quantity is below the minimum"
    NOTIONAL_TOO_SMALL = "notional is below the minimum"
    PRICE_OUT_OF_BAND = "price is too far from the mark"
    NO_MARGIN = "margin is insufficient"
    REDUCE_ONLY = "reduce-only order would not reduce"
    DUPLICATE_CLIENT_ID = "client id was used before"
    BAD_CLIENT_ID = "client id has a wrong form"
    NO_SUCH_ORDER = "order does not exist"
    ORDER_GONE = "order is closed already"
    WOULD_TAKE = "post-only order would take"
    NO_FILL = "order could not be filled at once"
    BAD_LEVERAGE = "leverage is not valid"
    LEVERAGE_UNCHANGED = "leverage is as it was"
    MARGIN_MODE_UNCHANGED = "margin mode is as it was"
    POSITION_HELD = "not while a position or an order is open"
    REDUCING_ALONE = "market is about to be delisted: orders that reduce alone"
    DELISTED = "market was delisted"
    WRONG_SIDE = "position side does not match the account's mode"


class Refusal(Exception):
    """The exchange refuses a request, for a reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
