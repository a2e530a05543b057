"""How execution fares: orders of unknown outcome, legs of pairs that stand alone, markets whose forecasts miss."""

from hedged.execution.desk import Desk
from hedged.telemetry.metrics import Metrics


def publish_execution(desk: Desk, metrics: Metrics) -> None:
    """Set what is so now, and observe for how long legs stood alone since the last call."""
    executor = desk.executor
    for key in desk.markets:
        metrics.forecast_misses.labels(*key).set(key in desk.gate_facts.missing)
    metrics.unresolved.set(len(executor.unresolved))
    metrics.naked.set(executor.naked_s())
    for seconds in executor.told_alone_s():
        metrics.alone.observe(seconds)
