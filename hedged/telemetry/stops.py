"""How far every hedge is from its stop: metrics, and the rows of the status page."""

from collections.abc import Mapping

from hedged.domain.clock import SECOND_MS, iso
from hedged.domain.market import SeriesKey
from hedged.execution.stops import Unvalued
from hedged.guard import Guard
from hedged.risk.stop import Episode
from hedged.telemetry.metrics import Metrics


def publish_guard(guard: Guard, metrics: Metrics, before_ms: int, took_s: float) -> None:
    """Set what the latest look has found. `before_ms`: instant of the one before, 0: there was none."""
    config, now_ms = guard.desk.config, guard.last_ms
    metrics.guard_last.set(now_ms / SECOND_MS)
    metrics.guard_duration.observe(took_s)
    if before_ms:
        late_s = (now_ms - before_ms) / SECOND_MS / config.clock.speed - config.cycle.guard_interval_s
        metrics.guard_late.set(max(0.0, late_s))
    held = {key.symbol for key in guard.desk.stops.part(guard.desk.accounts)}
    for symbol, episode in guard.desk.stops.episodes.items():
        metrics.stop_loss.labels(symbol).set(episode.loss_usd if symbol in held else 0)
        metrics.stop_allowance.labels(symbol).set(episode.allowance_usd if symbol in held else 0)
        metrics.stop_unwinding.labels(symbol).set(episode.unwinding)
        metrics.stop_until.labels(symbol).set(episode.stopped_until_ms / SECOND_MS)
    for symbol in {key.symbol for key in guard.desk.markets}:
        blind_s = guard.blind_s(symbol, now_ms)
        metrics.hedge_not_valued.labels(symbol).set(blind_s >= config.risk.unvalued_alert_s)
    for key in set(guard.told_distances) - set(guard.distances):
        metrics.liquidation_distance.remove(*key)
    for key, distance in guard.distances.items():
        metrics.liquidation_distance.labels(*key).set(distance)
    guard.told_distances = frozenset(guard.distances)


def stop_rows(guard: Guard, now_ms: int) -> list[dict[str, str]]:
    """Return a row for each hedge that is held or rests after a stop."""
    stops = guard.desk.stops
    held = {key.symbol for key in stops.part(guard.desk.accounts)}
    return [
        {
            "symbol": symbol,
            "lost": f"{episode.loss_usd:+,.2f} USD" if symbol in held else "–",
            "stop at": f"{episode.allowance_usd:,.2f} USD" if symbol in held else "–",
            "liquidation": _nearest(symbol, guard.distances),
            "state": _state(
                episode, symbol in held, stops.unvalued.get(symbol), guard.blind_s(symbol, now_ms)
            ),
        }
        for symbol, episode in sorted(stops.episodes.items())
        if symbol in held or now_ms < episode.stopped_until_ms
    ]


def _nearest(symbol: str, distances: Mapping[SeriesKey, float]) -> str:
    found = sorted((d, key.venue) for key, d in distances.items() if key.symbol == symbol)
    return "\n".join(f"{distance:.0%} away on {venue}" for distance, venue in found) or "unknown"


def _state(episode: Episode, held: bool, unvalued: Unvalued | None, blind_s: float) -> str:
    if episode.unwinding:
        return f"being unwound\n{episode.why}"
    if held and unvalued:
        return f"cannot be valued for {blind_s:.0f} s\n{unvalued.why}"
    if held:
        return "watched"
    return f"stopped, nothing is opened before {iso(episode.stopped_until_ms)}\n{episode.why}"
