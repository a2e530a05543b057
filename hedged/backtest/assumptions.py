"""Everything in the figures of a run that is assumed rather than recorded, each with its figure (docs/backtest.md)."""

from typing import Any

from hedged.adapters.paper.fills import REACH
from hedged.backtest.runner import RunResult
from hedged.backtest.world import World
from hedged.config import Config
from hedged.domain.market import INJECTIVE


def assumptions(result: RunResult, world: World) -> dict[str, Any]:
    """Name every assumption."""
    config = result.config
    return {
        "costs (assumed)": _costs(world),
        "impact": f"linear: the depth lies evenly within {float(REACH * 10_000):g} bp of the touch, nothing beyond; "
        "an order is filled as far as its worst price reaches, by the law that the planner expects",
        "orders": "all hedge orders take liquidity where data tell prices at the ends of bars only: nothing rests",
        "latency (lognormal, ms)": _latencies(config),
        "latency_seed": config.paper.seed,
        "price_within_a_bar": "the last that was known: no order pays for a move within its latency",
        **_margins(result, world),
        **_expiries(config),
        "injective_hourly_cap (from one snapshot where the data hold it, else the default; held constant)": dict(
            world.hourly_caps
        ),
        "own_positions": "constant in coins over the whole run, unless a venue closes them by force",
        "capital_rate_per_year": float(config.hedge.capital_rate_per_year),
        "cap": float(config.hedge.cap),
        "allow_own_cut": config.hedge.allow_own_cut,
        "horizon_h": config.hedge.horizon_h,
        "hedge_venues": config.hedge.venues,
        "settlement": "paid by the quantity held strictly before its instant, at the price that the venue printed "
        "with it, else the last close; from and to themselves are outside",
        "intervals": "each print carries its own hours; its rate is paid once, whatever they are",
    }


def _latencies(config: Config) -> dict[str, dict[str, int]]:
    laws = {venue: config.paper.latency_of(venue) for venue in (INJECTIVE, *config.hedge.venues)}
    return {
        venue: {"median": law.median_ms, "p95": law.p95_ms, "floor": law.floor_ms}
        for venue, law in laws.items()
    }


def _margins(result: RunResult, world: World) -> dict[str, Any]:
    config, paper = result.config, result.config.paper
    met = paper.margin_calls == "met"
    return {
        "idle_margin_at_each_hedge_venue_usd": float(result.equity_usd * config.hedge.collateral_share),
        "margin_at_exchanges": "cross: all legs by one collateral; the leg with the largest loss goes first",
        "margin_on_injective": "each own position by its share of the equity, by notional at the start; "
        + ("margin calls are met from outside" if met else "nothing is added: it is liquidated"),
        "margin_calls": paper.margin_calls,
        "liquidation_fee_bp (exchanges; Injective keeps all the margin left)": float(
            paper.liquidation_fee_bp
        ),
        "liquidated_by": "high and low of a bar where candles tell them (of trades: they reach further than the mark), "
        "for what was held all through the bar; else the mark at its close",
        "margin_ratios (initial, maintenance)": {
            str(key): [float(market.initial_margin_ratio), float(market.maintenance_margin_ratio)]
            for key, market in sorted(world.markets.items())
        },
    }


def _expiries(config: Config) -> dict[str, Any]:
    paper = config.paper
    return {
        "price_expires_s": paper.price_expires_s,
        "delisted_after_s (nothing told of a market; then closed at its last mark)": paper.delisted_after_s,
        "delisting_cost_bp": float(paper.delisting_cost_bp),
    }


def _costs(world: World) -> dict[str, dict[str, float]]:
    """Return assumed costs by venue, or by market where a venue's markets differ."""
    by_market = {
        key: {
            "maker_bp": float(market.costs.maker_fee * 10_000),
            "taker_bp": float(market.costs.taker_fee * 10_000),
            "half_spread_bp": float(market.costs.half_spread * 10_000),
            "depth_within_50bp_usd": float(market.costs.depth_usd),
        }
        for key, market in sorted(world.markets.items())
    }
    costs: dict[str, dict[str, float]] = {}
    for venue in dict.fromkeys(key.venue for key in by_market):
        mine = {str(key): cost for key, cost in by_market.items() if key.venue == venue}
        first = next(iter(mine.values()))
        costs |= {venue: first} if all(cost == first for cost in mine.values()) else mine
    return costs
