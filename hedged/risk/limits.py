"""The gate's limits: the operator's configuration as the rules read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hedged.config import Config
from hedged.domain.clock import SECOND_MS
from hedged.domain.forecast import STAND_IN
from hedged.domain.orders import Strategy


@dataclass(frozen=True, slots=True)
class StrategyLimits:
    """Limits that each strategy has for itself. `equity_at_risk`: 95 % loss over the horizon ÷ equity."""

    max_leverage: Decimal
    equity_at_risk: Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares are fractions, money USD, spans ms on the daemon's clock. None: no such limit.

    `max_notional_per_hour_usd` None: the own book's gross notional.
    """

    cap: Decimal
    by_strategy: Mapping[Strategy, StrategyLimits]
    max_orders_per_hour: int
    max_notional_per_hour_usd: Decimal | None
    max_market_usd: Decimal | None
    max_venue_usd: Decimal | None
    max_total_usd: Decimal | None
    depth_share: Decimal
    price_collar_bp: Decimal
    reduce_collar_bp: Decimal
    liquidation_distance: Decimal
    max_venue_failures: int
    max_clock_skew_ms: int
    max_forecast_age_ms: int
    open_on_stand_in: bool
    max_miss_share: float
    settlement_guard_ms: int
    max_daily_loss: Decimal
    max_drawdown: Decimal

    def of(self, strategy: Strategy) -> StrategyLimits:
        """Return a strategy's own limits."""
        return self.by_strategy[strategy]


def limits_of(config: Config) -> Limits:
    """Read the limits out of the configuration. The distance from liquidation includes its cushion (E10)."""
    hedge, risk = config.hedge, config.risk
    cascade, trades = config.strategies.cascade_hedge, config.strategies.divergence
    by_strategy = {
        Strategy.FUNDING_HEDGE: StrategyLimits(risk.max_leverage, hedge.equity_at_risk),
        Strategy.CASCADE_HEDGE: StrategyLimits(
            min(cascade.max_leverage, risk.max_leverage), hedge.equity_at_risk
        ),
        Strategy.DIVERGENCE: StrategyLimits(
            min(trades.max_leverage, risk.max_leverage), trades.risk_per_trade
        ),
    }
    speed = config.clock.speed
    return Limits(
        cap=hedge.cap,
        by_strategy=by_strategy,
        max_orders_per_hour=risk.max_orders_per_hour,
        max_notional_per_hour_usd=risk.max_notional_per_hour_usd,
        max_market_usd=risk.max_market_usd,
        max_venue_usd=risk.max_venue_usd,
        max_total_usd=risk.max_total_usd,
        depth_share=risk.depth_share,
        price_collar_bp=risk.price_collar_bp,
        reduce_collar_bp=max(risk.price_collar_bp, config.execution.reduce_collar_bp),
        liquidation_distance=risk.min_liquidation_distance + risk.liquidation_cushion,
        max_venue_failures=risk.max_venue_failures,
        max_clock_skew_ms=round(risk.max_clock_skew_s * SECOND_MS * speed),
        max_forecast_age_ms=risk.max_forecast_age_s * SECOND_MS,
        open_on_stand_in=risk.open_on_stand_in
        or hedge.forecaster == STAND_IN,  # then it is what was asked for
        max_miss_share=risk.max_miss_share,
        settlement_guard_ms=round(
            risk.settlement_guard_s * SECOND_MS
        ),  # of a fast clock too: an hour there is short
        max_daily_loss=risk.max_daily_loss,
        max_drawdown=risk.max_drawdown,
    )
