"""What the paper venue assumes of a venue: how quick it is, what margin it asks for, when data are too old."""

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from hedged.config.section import Section


class LatencyConfig(Section):
    """Signal to fill (or cancel), a lognormal law; p95_ms = median_ms makes it a constant."""

    median_ms: int = Field(ge=0, description="half of all orders take no longer")
    p95_ms: int = Field(ge=0, description="95 % of them take no longer")
    floor_ms: int = Field(0, ge=0, description="nothing is quicker")

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if not self.floor_ms <= self.median_ms <= self.p95_ms:
            raise ValueError("a latency needs floor_ms ≤ median_ms ≤ p95_ms")
        return self


LATENCIES = {
    # 7 ms to the node, 22 at most (docs/benchmarks.md); then a block of 0.7 s to be included and matched, or two
    "injective": LatencyConfig(median_ms=700, p95_ms=1_400, floor_ms=50),
    # to the wire 53 ms, 121 at most (docs/benchmarks.md); the network is assumed; the old constant (C7) is the median
    "cex": LatencyConfig(median_ms=200, p95_ms=600, floor_ms=50),
}


class PaperConfig(Section):
    """The paper venue, of backtests too."""

    latency: dict[str, LatencyConfig] = Field(
        default_factory=lambda: dict(LATENCIES),
        description="by venue; `cex` stands for every one that is not named (docs/backtest.md)",
    )
    latency_ms: int | None = Field(None, ge=0, description="one constant for every venue instead")
    seed: int = Field(7, ge=0, description="of the latencies that are drawn")
    liquidation_fee_bp: Decimal = Field(
        Decimal(125), ge=0, description="of what an exchange liquidates; Injective takes all the margin left"
    )
    margin_calls: Literal["met", "unmet"] = Field(
        "met", description="met: you add margin to your own positions in time; unmet: they are liquidated"
    )
    price_expires_s: int = Field(7_200, ge=60, description="an older price fills and liquidates nothing")
    delisted_after_s: int = Field(
        86_400, ge=3_600, description="a market whose venue has told nothing for so long is closed"
    )
    delisting_cost_bp: Decimal = Field(Decimal(50), ge=0, description="from the last mark known")

    def latency_of(self, venue: str) -> LatencyConfig:
        """Return the law of a venue."""
        if self.latency_ms is not None:
            return LatencyConfig(median_ms=self.latency_ms, p95_ms=self.latency_ms, floor_ms=self.latency_ms)
        laws = LATENCIES | self.latency
        return laws.get(venue, laws["cex"])
