"""How execution fares: orders of unknown outcome, legs of pairs that stand alone, markets whose forecasts miss."""

from hedged.execution.desk import Desk
from hedged.telemetry.metrics import Metrics


def publish_execution(desk: Desk, metrics: Metrics, now_ms: int) -> None:
    """Set what is so now, and observe for how long legs stood alone since the last call."""
    executor = desk.executor
    facts = desk.gate_facts
    for key in desk.markets:
        metrics.forecast_misses.labels(*key).set(key in facts.missing)
    metrics.missed_share.clear()
    for key, seen in facts.record.misses(now_ms).items():
        metrics.missed_share.labels(*key).set(seen.missed / seen.of)
    metrics.unresolved.set(len(executor.unresolved))
    metrics.naked.set(executor.naked_s())
    for seconds in executor.told_alone_s():
        metrics.alone.observe(seconds)
