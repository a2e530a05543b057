"""How much hedging is wanted, of which kind, at which cost, within which limits."""

from decimal import Decimal
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from hedged.config.section import Section
from hedged.domain.market import Costs


class CostConfig(Section):
    """What trading costs at a venue, in basis points of notional. A negative fee is a rebate."""

    maker_bp: Decimal = Field(description="fee of an order that rested; negative: a rebate")
    taker_bp: Decimal = Field(description="fee of an order that took")
    half_spread_bp: Decimal = Field(Decimal(1), description="between the mid price and the best one")
    depth_usd: Decimal = Field(Decimal(2_000_000), gt=0, description="resting within 50 bp, one side")

    def to_costs(self) -> Costs:
        """Convert to fractions."""
        bp = Decimal(10_000)
        return Costs(self.maker_bp / bp, self.taker_bp / bp, self.half_spread_bp / bp, self.depth_usd)


class HedgeConfig(Section):
    """How much hedging is wanted, and of which kind."""

    venues: list[str] = Field(
        default_factory=lambda: ["binance", "bybit"],
        description="exchanges to hedge on; []: cut on Injective alone",
    )
    cap: Decimal = Field(Decimal("0.40"), ge=0, le=1, description="share of the own position")
    allow_own_cut: bool = Field(
        True, description="may the own position be made smaller (layer 1, relocation)?"
    )
    horizon_h: int = Field(24, ge=1, le=240, description="hours that a plan looks ahead; ensemble: 24 or 120")
    forecaster: str = Field("ensemble", description="ensemble, nowcast, ewma or persistence")
    model: Path | None = Field(
        None, description="directory of a trained model; none: the one that is shipped"
    )
    confidence_knots: list[tuple[float, float]] = Field(
        default_factory=lambda: [(0.50, 0.25), (0.80, 0.60)],
        description="(hedge confidence, share of the full-Kelly size); linear between, flat above",
    )
    delta_band: Decimal = Field(
        Decimal("0.10"),
        ge=0,
        le=1,
        description="largest change of the price exposure, as share of the own position",
    )
    min_change: Decimal = Field(
        Decimal("0.02"),
        ge=0,
        le=1,
        description="smallest change worth an order, as share of the own position",
    )
    equity_at_risk: Decimal = Field(
        Decimal("0.02"), gt=0, le=1, description="95 % loss over the horizon ÷ equity"
    )
    tail_h: int = Field(
        168,
        ge=0,
        le=720,
        description="hours after the horizon for which a hedge may still be worth something, at most its cost",
    )
    capital_rate_per_year: Decimal = Field(Decimal("0.05"), ge=0, description="charge on margin tied up")
    collateral_share: Decimal = Field(
        Decimal("0.25"), gt=0, le=1, description="paper: idle margin at each hedge venue ÷ equity"
    )

    @model_validator(mode="after")
    def _venues_are_others(self) -> Self:
        if "injective" in self.venues or len(set(self.venues)) != len(self.venues):
            raise ValueError("venues lists hedge venues other than injective, each once")
        return self

    @model_validator(mode="after")
    def _horizon_is_forecast(self) -> Self:
        if self.forecaster == "ensemble" and self.horizon_h not in (24, 120):
            raise ValueError("horizon_h is 24 or 120 with the ensemble; other horizons need forecaster: ewma")
        return self

    @model_validator(mode="after")
    def _knots_ascend(self) -> Self:
        if not self.confidence_knots or self.confidence_knots != sorted(self.confidence_knots):
            raise ValueError("confidence_knots must ascend")
        if not all(0 <= number <= 1 for knot in self.confidence_knots for number in knot):
            raise ValueError("confidence_knots are shares: numbers from 0 to 1")
        return self


class RiskConfig(Section):
    """Limits of the gate, and the distance from liquidation that bounds the plan's leverage."""

    min_leverage: Decimal = Field(
        Decimal(2), gt=0, le=10, description="of a hedge leg whose saving is uncertain (2 to 5)"
    )
    max_leverage: Decimal = Field(
        Decimal(5), gt=0, le=10, description="of a hedge leg whose saving is sure; the ceiling of all"
    )
    min_liquidation_distance: Decimal = Field(
        Decimal("0.15"),
        gt=0,
        lt=1,
        description="nothing is opened that brings a leg nearer to its liquidation",
    )
    liquidation_cushion: Decimal = Field(Decimal("0.03"), ge=0, description="true prices differ 2–3 %")
    margin_stop: Decimal = Field(
        Decimal("0.05"),
        ge=0,
        lt=1,
        description="a hedge nearer than this to its liquidation is unwound; 0: never",
    )
    leg_stop: bool = Field(
        False,
        description="stop a hedge also by what its legs lose by themselves, whatever the position gains",
    )
    valued_within_s: int = Field(
        30,
        ge=1,
        le=900,
        description="prices that a hedge is valued by were known within so long of each other",
    )
    unvalued_alert_s: int = Field(
        300,
        ge=10,
        description="alert when a hedge could not be valued for so long, as a price of it is not believed",
    )
    max_orders_per_hour: int = Field(60, ge=1, description="openings; reductions are never held back")
    max_notional_per_hour_usd: Decimal | None = Field(
        None, gt=0, description="default: the book's gross notional, and what divergence may hold"
    )
    max_market_usd: Decimal | None = Field(
        None, gt=0, description="largest position of the daemon's own in one market"
    )
    max_venue_usd: Decimal | None = Field(None, gt=0, description="the same at one venue, gross")
    max_total_usd: Decimal | None = Field(None, gt=0, description="the same at all venues together, gross")
    max_daily_loss: Decimal = Field(
        Decimal("0.02"),
        gt=0,
        le=1,
        description="loss of the hedges since 00:00 UTC ÷ equity: then reductions only",
    )
    max_drawdown: Decimal = Field(
        Decimal("0.05"), gt=0, le=1, description="the same since their best moment of the last 30 days"
    )
    max_forecast_age_s: int = Field(7_200, ge=60, description="an older forecast opens nothing")
    open_on_stand_in: bool = Field(
        True, description="may anything be opened on the word of the stand-in forecaster?"
    )
    max_miss_share: float = Field(
        0.4,
        ge=0.2,
        le=1,
        description="a market whose settlements surely leave the forecast's 80 % band more often opens nothing; 1: off",
    )
    max_venue_failures: int = Field(
        2, ge=0, description="more failures of a venue within an hour: nothing is opened there"
    )
    max_clock_skew_s: float = Field(
        5.0, gt=0, description="a clock further from a venue's opens nothing there"
    )
    settlement_guard_s: float = Field(
        10.0, ge=0, description="nothing is opened so shortly before a settlement of the market"
    )
    depth_share: Decimal = Field(Decimal("0.25"), gt=0, le=1, description="largest order ÷ resting depth")
    price_collar_bp: Decimal = Field(
        Decimal(30), gt=0, description="worst price of a taker order from the mark"
    )

    @model_validator(mode="after")
    def _stop_is_nearer(self) -> Self:
        if self.margin_stop >= self.min_liquidation_distance:
            raise ValueError(
                "margin_stop must be below min_liquidation_distance, or what is opened is stopped at once"
            )
        return self
