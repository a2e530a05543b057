"""The divergence trade: collects funding where venues disagree, long where it is lower and short where it is higher.

Equal coins at both venues, so that the price cancels and the basis remains; by choice one leg alone. Opened only when
the funding expected over the horizon exceeds all costs, in and out at both venues; closed when the divergence is gone
or turns over, at the stop, or after its longest time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from hedged.config import DivergenceConfig, HedgeConfig
from hedged.domain.clock import HOUR_MS, iso
from hedged.domain.market import SeriesKey, decimal_of
from hedged.domain.orders import Purpose
from hedged.strategy.budget import Budget
from hedged.strategy.divergence_episode import DivergenceEpisode
from hedged.strategy.divergence_pairs import (
    Pair,
    collected_per_hour,
    pairs_of,
    rate_known,
    size_usd,
    stop_floor,
    usable,
)
from hedged.strategy.divergence_signals import PER_8H, Signals, signals
from hedged.strategy.programme import Z_95
from hedged.strategy.snapshot import DesiredPosition, Snapshot


@dataclass(frozen=True, slots=True)
class DivergencePlan:
    """What one symbol's trade should be; `episode` as it is remembered; `risk_usd`: 95 % loss, `legs_usd`: notional by
    venue of what is opened now.
    """

    desired: tuple[DesiredPosition, ...]
    reason: str
    episode: DivergenceEpisode
    risk_usd: float = 0.0
    legs_usd: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, float | None] = field(default_factory=dict)


def decide(
    held: Mapping[SeriesKey, Decimal],
    free: tuple[SeriesKey, ...],
    episode: DivergenceEpisode,
    snapshot: Snapshot,
    config: DivergenceConfig,
    hedge: HedgeConfig,
    budget: Budget,
) -> DivergencePlan:
    """Plan one coin. `held`: its legs; `free`: markets at hedge venues that no other strategy holds or wants."""
    if held:
        return _hold(held, episode, snapshot, config)
    return _enter(free, episode, snapshot, config, hedge, budget)


def close(held: Mapping[SeriesKey, Decimal], reason: str) -> tuple[DesiredPosition, ...]:
    """Go flat."""
    return tuple(DesiredPosition(key, Decimal(0), Purpose.DIVERGENCE_CLOSE, reason) for key in sorted(held))


def _hold(
    held: Mapping[SeriesKey, Decimal],
    episode: DivergenceEpisode,
    snapshot: Snapshot,
    config: DivergenceConfig,
) -> DivergencePlan:
    """Keep, mend or close what is held."""
    so_far = f"{episode.net_usd:+,.2f} USD so far, {episode.received_usd:+,.2f} of it funding"
    unseen = [key.venue for key in held if key not in snapshot.marks]
    if unseen:
        return DivergencePlan((), f"no price of {', '.join(unseen)}: all stays ({so_far})", episode)
    waits_ms = snapshot.now_ms + config.cooldown_h * HOUR_MS
    long = next((key for key, q in held.items() if q > 0), None)
    short = next((key for key, q in held.items() if q < 0), None)
    if not config.single_leg and (long is None or short is None):
        why = f"one leg stands alone: it is closed ({so_far})"
        return DivergencePlan(close(held, why), why, _waiting(episode, waits_ms))
    seen = signals(snapshot, long, short, config) if all(rate_known(key, snapshot) for key in held) else None
    # a rate that is not forecast now is taken to stay
    told = all(key in snapshot.forecasts.marginals for key in held)
    forecast = collected_per_hour(snapshot, long, short) * PER_8H if told else None
    why, stopped = _exit(episode, seen, forecast, snapshot.now_ms, config)
    figures: dict[str, float | None] = {
        "divergence_8h": seen.now if seen else None, "net_usd": episode.net_usd
    }  # fmt: skip
    if why:
        why = f"closed: {why} ({so_far})"
        kept = _waiting(episode, waits_ms) if stopped else episode
        return DivergencePlan(close(held, why), why, kept, figures=figures)
    why = f"held: {seen.text if seen else 'a rate is not known now'} ({so_far})"
    even = min(abs(q) for q in held.values())
    uneven = [key for key, q in held.items() if abs(q) - even >= snapshot.markets[key].quantity_step]
    desired = tuple(
        DesiredPosition(key, even if held[key] > 0 else -even, Purpose.DIVERGENCE_CLOSE, why)
        for key in uneven
    )
    return DivergencePlan(desired, why, episode, figures=figures)


def _exit(
    episode: DivergenceEpisode,
    seen: Signals | None,
    forecast_8h: float | None,
    now_ms: int,
    config: DivergenceConfig,
) -> tuple[str, bool]:
    """Return why to close, empty to hold, and whether nothing is opened for a while. None: unknown."""
    if why := episode.stopped(float(config.stop_cushion)):
        return why, True
    if now_ms - episode.opened_ms >= config.max_hold_h * HOUR_MS:
        return f"held for {config.max_hold_h} h", True  # to open it again at once would pay for nothing
    if seen is None:
        return "", False
    forecast_8h = seen.now if forecast_8h is None else forecast_8h
    if seen.now < 0 and forecast_8h < 0:
        return "the divergence has turned over: it would be paid, not collected", False
    if max(seen.now, forecast_8h) < config.exit_below:
        return f"normalised: {seen.now * 100:+.3f} % per 8 h, forecast {forecast_8h * 100:+.3f} %", False
    return "", False


def _enter(
    free: tuple[SeriesKey, ...],
    episode: DivergenceEpisode,
    snapshot: Snapshot,
    config: DivergenceConfig,
    hedge: HedgeConfig,
    budget: Budget,
) -> DivergencePlan:
    """Open the best pair, if any pays."""
    if snapshot.now_ms < episode.waits_until_ms:
        return DivergencePlan((), f"stopped: nothing is opened before {iso(episode.waits_until_ms)}", episode)
    known = [key for key in free if usable(key, snapshot)]
    pairs = pairs_of(known, snapshot, config, hedge, budget)
    if not pairs:
        need = "one exchange" if config.single_leg else "two exchanges"
        told = ", ".join(key.venue for key in known) or "none"
        return DivergencePlan((), f"needs {need} open, free and forecast; there is {told}", episode)
    best = max(pairs, key=lambda p: p.expected - p.costs)
    flagged = [pair for pair in pairs if pair.seen.enters]
    if not flagged:
        why = f"no divergence above {float(config.threshold) * 100:.3f} %: {best.text}, {best.seen.text}"
        return DivergencePlan((), why, episode, figures={"divergence_8h": best.seen.now})
    return _open(max(flagged, key=lambda p: p.expected - p.costs), episode, snapshot, config, budget)


def _open(
    pair: Pair,
    episode: DivergenceEpisode,
    snapshot: Snapshot,
    config: DivergenceConfig,
    budget: Budget,
) -> DivergencePlan:
    """Size the pair and open it if what it is expected to collect exceeds all of its costs."""
    markets = [snapshot.markets[key] for key in pair.legs]
    mark = max(snapshot.marks[key] for key in pair.legs)
    step = max(market.quantity_step for market in markets)
    wanted = decimal_of(size_usd(pair, snapshot, config, budget)) / mark
    coins = (wanted / step).to_integral_value(ROUND_DOWN) * step
    usd = float(coins * mark)
    costs = pair.costs + sum(2 * float(market.costs.impact(decimal_of(usd))) for market in markets)
    money = (
        f"collects {pair.expected * 1e4:.1f} bp of each leg within {snapshot.forecasts.horizon_h:g} h as forecast, "
        f"costs {costs * 1e4:.1f} bp in and out"
    )
    figures = {"divergence_8h": pair.seen.now, "expected_bp": pair.expected * 1e4, "costs_bp": costs * 1e4}
    if pair.expected <= pair.costs:
        why = f"does not pay: {pair.text} {money}; {pair.seen.text}"
        return DivergencePlan((), why, episode, figures=figures)
    if any(coins * snapshot.marks[market.key] < market.min_notional_usd for market in markets):
        why = f"no room: {pair.text} {money}, but depth, margin or risk leave nothing"
        return DivergencePlan((), why, episode, figures=figures)
    why = f"open {pair.text}, {usd:,.0f} USD each: {money}; {pair.seen.text}"
    desired = tuple(
        DesiredPosition(key, side * coins, Purpose.DIVERGENCE_OPEN, why) for key, side in pair.legs.items()
    )
    opened = DivergenceEpisode(
        opened_ms=snapshot.now_ms,
        expected_usd=pair.expected * usd,
        all_costs_usd=costs * usd,
        floor_usd=stop_floor(pair, config) * usd,
    )
    legs_usd = {key.venue: usd for key in pair.legs}
    return DivergencePlan(desired, why, opened, Z_95 * pair.sigma * usd, legs_usd, figures)


def _waiting(episode: DivergenceEpisode, until_ms: int) -> DivergenceEpisode:
    return DivergenceEpisode(**(episode.to_json() | {"waits_until_ms": until_ms}))
