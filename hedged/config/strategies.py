"""The strategies: which are on, and the settings of those beside the funding hedge.

Rates and divergences are fractions per 8 hours, whatever a venue's own interval: 0.0005 is 0.05 %.
"""

from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from hedged.config.section import Section


class FundingHedgeConfig(Section):
    """Protects the trader's own positions from funding; its settings are those of hedge."""

    enabled: bool = Field(
        True, description="the hedge of your positions' funding; its settings are those of `hedge`"
    )


class CascadeHedgeConfig(Section):
    """Protects the trader's own positions from liquidation cascades (requirements C3, C5, C6, C8)."""

    enabled: bool = Field(
        False, description="an opposite perp while a liquidation cascade threatens your position"
    )
    symbols: list[str] | None = Field(
        default_factory=lambda: ["ETH"], description="positions that are protected; null: all that are held"
    )
    knots: list[tuple[float, float]] = Field(
        default_factory=lambda: [(0.50, 0.25), (0.80, 0.60)],
        description="(probability of a cascade against the position, share of the largest hedge)",
    )
    close_below: float = Field(
        0.40, ge=0, le=1, description="a hedge is held until the probability falls below this"
    )
    min_hold_h: float = Field(
        6.0, ge=0, le=240, description="and for so long after it was last called for: each turn costs"
    )
    crowded_share: float = Field(
        0.95, gt=0.5, lt=1, description="one-sided: beyond this share of the last 30 days"
    )
    spike_rate: Decimal = Field(Decimal("0.0015"), gt=0, description="a funding spike: a rate beyond this")
    spike_deviation: Decimal = Field(Decimal("0.0010"), gt=0, description="or this far from its mean of 24 h")
    max_leverage: Decimal = Field(Decimal(3), ge=1, le=5, description="of a leg, 2 to 5")

    @model_validator(mode="after")
    def _knots_ascend(self) -> Self:
        if not self.knots or self.knots != sorted(self.knots):
            raise ValueError("knots must ascend")
        if not all(0 <= number <= 1 for knot in self.knots for number in knot):
            raise ValueError("knots are a probability and a share: numbers from 0 to 1")
        if self.close_below > self.knots[0][0]:
            raise ValueError("close_below lies below the first knot, or a hedge is closed as it is opened")
        return self


class DivergenceConfig(Section):
    """Collects funding where venues disagree (requirements E1–E8, B6)."""

    enabled: bool = Field(False, description="long where funding is lower, short where it is higher")
    symbols: list[str] = Field(
        default_factory=lambda: ["IMX"], min_length=1, description="coins; Injective need not list them"
    )
    single_leg: bool = Field(
        False, description="one leg alone, on the side that is paid: it carries the whole price risk"
    )
    threshold: Decimal = Field(Decimal("0.0005"), gt=0, description="divergence of two venues")
    deviation: Decimal = Field(
        Decimal("0.0010"), gt=0, description="distance of a rate from its mean of 24 h worth watching"
    )
    extreme: Decimal = Field(Decimal("0.0010"), gt=0, description="a rate that counts as extreme (E3, E5)")
    spike: Decimal = Field(
        Decimal("0.0015"), gt=0, description="range of a rate within 8 h: volatility ahead"
    )
    spike_size: Decimal = Field(Decimal("0.5"), gt=0, le=1, description="size after such a spike")
    reversal_share: Decimal = Field(
        Decimal("0.5"),
        ge=0,
        le=1,
        description="share of the forecast counted on when a reversal is near (E3, E5)",
    )
    exit_below: Decimal = Field(
        Decimal("0.0001"), ge=0, description="normalised: divergence now and forecast below this"
    )
    max_hold_h: int = Field(72, ge=1, le=720, description="closed after so long, whatever it earned")
    cooldown_h: int = Field(
        8, ge=0, le=240, description="after a stop or max_hold_h nothing is opened for so long"
    )
    risk_per_trade: Decimal = Field(Decimal("0.02"), gt=0, le=Decimal("0.02"), description="of equity")
    stop_cushion: Decimal = Field(Decimal("0.20"), ge=0, le=1, description="beyond break-even")
    stop_sigmas: Decimal = Field(
        Decimal(1), ge=0, description="the stop is no nearer than so many σ of the basis over the horizon"
    )
    max_leverage: Decimal = Field(Decimal(5), ge=1, le=10, description="5 to 10; risk.max_leverage binds too")
    max_notional_usd: Decimal = Field(Decimal(50_000), gt=0, description="of each leg")
    collateral_share: Decimal = Field(
        Decimal("0.5"),
        gt=0,
        le=1,
        description="largest part of a venue's room that a trade takes; the hedges need it too",
    )

    @model_validator(mode="after")
    def _exit_is_nearer(self) -> Self:
        if self.exit_below >= self.threshold:
            raise ValueError("exit_below lies below threshold, or a position is closed as it is opened")
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols names each once")
        return self


class StrategiesConfig(Section):
    """What is run, in this order; they share one risk budget, and a market belongs to one of them at a time."""

    funding_hedge: FundingHedgeConfig = FundingHedgeConfig()
    cascade_hedge: CascadeHedgeConfig = CascadeHedgeConfig()
    divergence: DivergenceConfig = DivergenceConfig()

    @property
    def crowded_share(self) -> float | None:
        """From where on open interest is one-sided; None where nobody asks for cascades."""
        return self.cascade_hedge.crowded_share if self.cascade_hedge.enabled else None

    @property
    def beside_usd(self) -> Decimal:
        """Largest notional that is opened beside the book's hedges, all legs together."""
        trades = self.divergence
        legs = 1 if trades.single_leg else 2
        return legs * trades.max_notional_usd * len(self.beside_the_book)

    @property
    def beside_the_book(self) -> tuple[str, ...]:
        """Symbols that are followed and traded whether the trader holds them or not; Injective need not list them."""
        return tuple(sorted(self.divergence.symbols)) if self.divergence.enabled else ()
