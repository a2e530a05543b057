"""What is assumed of one venue, from the configuration."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from hedged.adapters.paper.expiry import Expiry
from hedged.adapters.paper.latency import Latency
from hedged.config.paper import PaperConfig
from hedged.domain.market import INJECTIVE

BP = Decimal(10_000)


class Backing(StrEnum):
    """What stands behind a position."""

    UNLIMITED = "unlimited"  # nothing is ever liquidated: somebody else keeps the margin
    CROSS = "cross"  # the whole account
    ISOLATED = "isolated"  # its own margin, which is not added to
    TOPPED_UP = "topped up"  # its own margin, which the trader adds to when it runs out


@dataclass(frozen=True, slots=True)
class Terms:
    """`liquidation_fee`, `delisting_cost`: fractions of notional; `seed`: of the latencies that are drawn."""

    latency: Latency
    seed: int = 0
    backing: Backing = Backing.UNLIMITED
    liquidation_fee: Decimal = Decimal(0)
    delisting_cost: Decimal = Decimal(0)
    expiry: Expiry = field(default_factory=Expiry)


def terms_of(paper: PaperConfig, venue: str) -> Terms:
    """Return the terms of a venue: cross margin at exchanges, a margin for each position on Injective."""
    law = paper.latency_of(venue)
    isolated = Backing.TOPPED_UP if paper.margin_calls == "met" else Backing.ISOLATED
    return Terms(
        latency=Latency(law.median_ms, law.p95_ms, law.floor_ms),
        seed=paper.seed,
        backing=isolated if venue == INJECTIVE else Backing.CROSS,
        liquidation_fee=paper.liquidation_fee_bp / BP,
        delisting_cost=paper.delisting_cost_bp / BP,
        expiry=Expiry(paper.price_expires_s, paper.delisted_after_s),
    )
