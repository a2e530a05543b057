"""How far every hedge is from its stop, as metrics."""

from hedged.domain.clock import SECOND_MS
from hedged.guard import Guard
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
