"""How execution fares: orders of unknown outcome, and legs of pairs that stand alone."""

from hedged.execution.executor import Executor
from hedged.telemetry.metrics import Metrics


def publish_execution(executor: Executor, metrics: Metrics) -> None:
    """Set what is so now, and observe for how long legs stood alone since the last call."""
    metrics.unresolved.set(len(executor.unresolved))
    metrics.naked.set(executor.naked_s())
    for seconds in executor.told_alone_s():
        metrics.alone.observe(seconds)
