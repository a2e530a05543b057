"""When what a venue tells is not believed. Where each default comes from: docs/data-quality.md."""

from pydantic import Field

from hedged.config.section import Section


class QualityConfig(Section):
    """Thresholds of the judge. Rates are fractions per hour."""

    price_deviation: float = Field(
        0.10,
        gt=0,
        lt=0.8,
        description="largest distance of a mark from the other venues' (true: up to 0.036)",
    )
    lone_jump: float = Field(
        0.5, gt=0, lt=5, description="largest move of a mark within an hour that no other venue can confirm"
    )
    alike_s: int = Field(
        300, ge=1, le=3_600, description="marks are compared that were known within so long of each other"
    )
    frozen_after_s: int = Field(
        7_200, ge=60, le=86_400, description="a mark that stands still for so long ..."
    )
    frozen_move: float = Field(0.01, gt=0, lt=1, description="... while the others' moved by so much")
    rate_outlier: float = Field(
        16, gt=1, le=1_000, description="an estimate beyond so many times the usual rate needs a witness"
    )
    rate_limit_per_hour: float = Field(
        0.04, gt=0, le=1, description="no venue's cap is wider than Hyperliquid's 4 % an hour"
    )
    unit_tolerance: float = Field(
        0.10,
        gt=0,
        lt=0.5,
        description="how near a rate is to what it would be had its interval alone changed",
    )
    rate_evidence: float = Field(
        72,
        ge=10,
        le=1_000_000,
        description="log-likelihood × hours that a rate's course is a multiple or the mirror image of what is likely",
    )
    sign_after_h: int = Field(8, ge=1, le=240, description="a rate against its premium for longer than this")
    sign_premium: float = Field(0.001, gt=0, lt=1, description="a premium of which the sign is not in doubt")
    release_after: int = Field(4, ge=1, le=1_000, description="sound observations in a row before a release")
