"""The ways to hold a divergence trade: what each is expected to collect and to cost, and how large it may be. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations
from math import isfinite

from hedged.config import DivergenceConfig, HedgeConfig
from hedged.domain.clock import HOURS_A_YEAR
from hedged.domain.market import SeriesKey
from hedged.strategy.budget import Budget
from hedged.strategy.divergence_signals import Signals, signals
from hedged.strategy.programme import Z_95
from hedged.strategy.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Pair:
    """Where to be long and where short; one of them None in the single-leg form. Per USD of a leg over the horizon:
    `expected` funding, as far as it is counted on, `costs` of the whole trade at no size, `sigma` of what price makes.
    """

    long: SeriesKey | None
    short: SeriesKey | None
    seen: Signals
    expected: float
    costs: float
    sigma: float

    @property
    def legs(self) -> dict[SeriesKey, int]:
        """The side of each leg."""
        return {key: side for key, side in ((self.long, 1), (self.short, -1)) if key is not None}

    @property
    def text(self) -> str:
        """The trade in words."""
        return " and ".join(
            f"{'long' if side > 0 else 'short'} {key.venue}" for key, side in self.legs.items()
        )


def usable(key: SeriesKey, snapshot: Snapshot) -> bool:
    """Tell whether a leg may be opened on a market, and all that it takes to judge it is known."""
    return (
        key in snapshot.marks
        and key not in snapshot.closed
        and key in snapshot.forecasts.keys
        and rate_known(key, snapshot)
    )


def rate_known(key: SeriesKey, snapshot: Snapshot) -> bool:
    """Tell whether a market's running rate is known."""
    reading = snapshot.now.readings.get(key)
    return reading is not None and isfinite(reading.rate)


def pairs_of(
    known: list[SeriesKey],
    snapshot: Snapshot,
    config: DivergenceConfig,
    hedge: HedgeConfig,
    budget: Budget,
) -> list[Pair]:
    """List every way to hold the trade whose price risk is known."""
    ways: list[tuple[SeriesKey | None, SeriesKey | None]] = list(permutations(known, 2))
    if config.single_leg:
        ways = [way for key in known for way in ((key, None), (None, key))]
    hours = snapshot.forecasts.horizon_h
    capital = float(hedge.capital_rate_per_year) / HOURS_A_YEAR * hours / budget.leverage(config.max_leverage)
    pairs = []
    for long, short in ways:
        legs = [key for key in (long, short) if key is not None]
        sigma = snapshot.now.basis_of(legs[0], legs[-1]) if len(legs) > 1 else snapshot.now.sigma.get(legs[0])
        if sigma is None:
            continue
        seen = signals(snapshot, long, short, config)
        share = float(config.reversal_share) if seen.reversing or seen.exhausted else 1.0
        turn = sum(
            2 * float(snapshot.markets[k].costs.taker_fee + snapshot.markets[k].costs.half_spread)
            for k in legs
        )
        expected = collected_per_hour(snapshot, long, short) * hours
        expected *= share if expected > 0 else 1.0
        pairs.append(Pair(long, short, seen, expected, turn + capital * len(legs), sigma))
    return pairs


def collected_per_hour(snapshot: Snapshot, long: SeriesKey | None, short: SeriesKey | None) -> float:
    """Return the funding per hour that the pair is forecast to collect, as a fraction of a leg."""
    told = snapshot.forecasts.marginals
    return (0.0 if short is None else told[short].mean) - (0.0 if long is None else told[long].mean)


def stop_floor(pair: Pair, config: DivergenceConfig) -> float:
    """Return the least distance of the stop, as a fraction of a leg."""
    return float(config.stop_sigmas) * pair.sigma


def size_usd(pair: Pair, snapshot: Snapshot, config: DivergenceConfig, budget: Budget) -> float:
    """Return the notional of a leg: the least that risk, margin, depth and the trade's own impact allow."""
    edge = max(0.0, pair.expected - pair.costs)
    stop = max((1 + float(config.stop_cushion)) * edge, stop_floor(pair, config))
    # a gap may jump over the stop; what it costs to get out is lost too
    loss = max(stop, Z_95 * pair.sigma) + pair.costs / 2
    usd = min(float(config.risk_per_trade * snapshot.equity_usd), budget.risk_usd) / loss
    usd = min(usd, float(config.max_notional_usd))
    impact = 0.0  # of the whole trade, per USD and per USD of its size
    for key in pair.legs:
        costs = snapshot.markets[key].costs
        impact += 2 * float(costs.impact(Decimal(1)))
        depth = float(budget.risk.depth_share * costs.depth_usd)
        room = float(config.collateral_share) * budget.room_usd(key.venue, config.max_leverage)
        usd = min(usd, room, depth)
    # beyond this each further dollar costs more impact than it collects
    return min(usd, edge / (2 * impact)) * (float(config.spike_size) if pair.seen.volatile else 1.0)
