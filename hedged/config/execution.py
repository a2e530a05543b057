"""How an approved order is worked: how long it waits in the book, how far it may go to get out, how often it tries."""

from decimal import Decimal

from pydantic import Field

from hedged.config.section import Section


class ExecutionConfig(Section):
    """How orders are worked. Seconds are the clock's (`clock.speed`)."""

    rest_s: float = Field(
        15.0,
        ge=0,
        le=300,
        description="all orders of one decision together wait in the book so long before what is left is taken; not "
        "at all where a fast clock leaves less than two true seconds",
    )
    reprices: int = Field(
        3, ge=0, le=20, description="times that a resting order follows the best price, at most"
    )
    naked_s: float = Field(
        60.0,
        ge=5,
        le=600,
        description="within this time the legs of a pair both stand, or neither: else nothing is opened any more; on a "
        "fast clock ten true seconds at least",
    )
    reduce_collar_bp: Decimal = Field(
        Decimal(100),
        gt=0,
        le=1_000,
        description="worst price from the mark of a reduction that found nothing within risk.price_collar_bp",
    )
    max_orders_per_cycle: int = Field(
        40, ge=1, description="orders of one decision, every attempt counted; reductions are not held up"
    )
    max_notional_per_cycle_usd: Decimal | None = Field(
        None, gt=0, description="default: what is left of the hour's"
    )
