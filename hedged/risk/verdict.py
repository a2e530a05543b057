"""What a rule of the gate can say: allow, shrink to so many coins, or refuse; and the reasons, each with its meaning.

The table of reasons in docs/risk-gate.md is made from `Reason`; a test compares the two.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Binds(StrEnum):
    """Which orders a reason can stop."""

    EVERY_ORDER = "every order"
    OPENINGS = "openings"  # never what only takes the daemon's own part of a market towards zero
    GIVING_BACK = "giving back"  # only what makes the trader's own position larger again


class Reason(StrEnum):
    """Why the gate refused an order or made it smaller. In the order in which the rules are asked."""

    meaning: str
    binds: Binds

    def __new__(cls, value: str, binds: Binds, meaning: str) -> "Reason":
        """`meaning`: one sentence for the operator."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.binds, member.meaning = binds, meaning
        return member

    KILLED = "killed", Binds.EVERY_ORDER, "The kill latch is set; only the operator clears it."
    HASH_MISMATCH = (
        "hash_mismatch",
        Binds.EVERY_ORDER,
        "It was decided with another model, feature schema or configuration than is loaded.",
    )
    NOT_RECONCILED = (
        "not_reconciled",
        Binds.EVERY_ORDER,
        "Positions or orders of some venue are unknown, so no limit can be judged; a stop that only reduces where the "
        "venue answers does not wait, nor does what mends half of a pair.",
    )
    UNKNOWN_MARKET = "unknown_market", Binds.EVERY_ORDER, "No rules are known of this market."
    STALE_PRICE = "stale_price", Binds.EVERY_ORDER, "There is no fresh mark to judge the order by."
    BAD_NUMBER = (
        "bad_number",
        Binds.EVERY_ORDER,
        "A number is not finite, not positive or off the venue's ticks, or a limit cannot be computed from it.",
    )
    BELOW_MINIMUM = (
        "below_minimum",
        Binds.EVERY_ORDER,
        "It is worth less than the venue's smallest order, perhaps because another rule made it smaller.",
    )
    PRICE_COLLAR = "price_collar", Binds.EVERY_ORDER, "Its worst price is too far from the mark."
    OWNED_BY_OTHER = (
        "owned_by_other",
        Binds.OPENINGS,
        "The market is held for another strategy, which alone may trade there until it is flat.",
    )
    VENUE_CLOSED = (
        "venue_closed",
        Binds.OPENINGS,
        "Maintenance, a halt, post-only mode, a delisting; quarantine; an account that does not agree; or a signal.",
    )
    VENUE_UNHEALTHY = (
        "venue_unhealthy",
        Binds.OPENINGS,
        "The venue failed too often within the last hour, or an order there has an unknown outcome.",
    )
    CLOCK_SKEW = (
        "clock_skew",
        Binds.OPENINGS,
        "This machine's clock is too far from the venue's: ages and settlements cannot be told.",
    )
    STALE_FORECAST = "stale_forecast", Binds.OPENINGS, "The forecast that it was decided on is too old."
    MODEL_UNHEALTHY = (
        "model_unhealthy",
        Binds.OPENINGS,
        "The funding of this market, or of the coin on Injective, was forecast by nobody or by the stand-in alone.",
    )
    FORECAST_MISSES = (
        "forecast_misses",
        Binds.OPENINGS,
        "Of this market, or of the coin on Injective, too many of the last settlements fell outside the 80 % band that "
        "had been forecast for them.",
    )
    NEAR_SETTLEMENT = (
        "near_settlement",
        Binds.OPENINGS,
        "A settlement is so near that the fill could fall on either side of it.",
    )
    DAILY_LOSS = "daily_loss", Binds.OPENINGS, "The hedges have lost too much since 00:00 UTC."
    DRAWDOWN = (
        "drawdown",
        Binds.OPENINGS,
        "The hedges have lost too much since their best moment of the last 30 days.",
    )
    ORDER_RATE = "order_rate", Binds.OPENINGS, "Too many orders were sent within the last hour."
    TOO_DEEP = "too_deep", Binds.OPENINGS, "It would take more than its share of the resting depth."
    NOTIONAL_RATE = "notional_rate", Binds.OPENINGS, "Too much notional was sent within the last hour."
    POSITION_LIMIT = (
        "position_limit",
        Binds.OPENINGS,
        "The daemon's own part would exceed the limit of the market, of the venue or of all venues together.",
    )
    OVER_CAP = (
        "over_cap",
        Binds.OPENINGS,
        "Own cut, opposite perpetuals and relocations together would exceed their share of the own position.",
    )
    AT_RISK = (
        "at_risk",
        Binds.OPENINGS,
        "The 95 % loss over the horizon would exceed its share of equity, or it is not known how much prices move.",
    )
    OVER_LEVERAGE = (
        "over_leverage",
        Binds.OPENINGS,
        "Positions at the venue would exceed leverage × collateral there.",
    )
    NO_COLLATERAL = "no_collateral", Binds.OPENINGS, "The free collateral at the venue cannot back it."
    LIQUIDATION = (
        "liquidation",
        Binds.OPENINGS,
        "The positions at the venue would be, or are, too near to their liquidation.",
    )
    OWN_LIQUIDATION = (
        "own_liquidation",
        Binds.GIVING_BACK,
        "Giving back a cut would bring the trader's own position too near to its liquidation.",
    )
    OTHER_LEG = (
        "other_leg",
        Binds.OPENINGS,
        "The other leg was refused or made smaller: half of a pair is a different position.",
    )


@dataclass(frozen=True, slots=True)
class Allow:
    """The rule has nothing against the order."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """The order may be so large and no larger. `quantity` ≥ 0, coins, not yet on the market's step."""

    reason: Reason
    quantity: Decimal
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The order may not be sent. `detail`: the figures."""

    reason: Reason
    detail: str = ""


Verdict = Allow | Shrink | Refuse
ALLOW = Allow()


def said(reason: Reason, detail: str) -> str:
    """Write a reason with its figures."""
    return f"{reason} ({detail})" if detail else str(reason)


def reasons_table() -> str:
    """Return the reasons as a Markdown table, in the order in which the rules are asked."""
    rows = [f"| `{reason}` | {reason.binds} | {reason.meaning} |" for reason in Reason]
    return "\n".join(["| reason | binds | meaning |", "|---|---|---|", *rows])
