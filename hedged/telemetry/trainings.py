"""Metrics of models that are trained anew."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class TrainingMetrics:
    """What `Metrics.training` holds."""

    def __init__(self, r: CollectorRegistry) -> None:
        self.running = Gauge("hedged_training_running", "1 while a model is trained", registry=r)
        self.progress = Gauge(
            "hedged_training_progress_ratio",
            "share of the training at hand, or of the last one, that is done",
            registry=r,
        )
        self.seconds = Gauge("hedged_training_seconds", "how long the last model took to train", registry=r)
        self.last = Gauge(
            "hedged_training_last_timestamp_seconds", "when the last training came to a model", registry=r
        )
        self.failures = Gauge(
            "hedged_training_failures", "trainings in a row that came to no model by a fault", registry=r
        )
        self.outcomes = Counter(
            "hedged_training",
            "trainings: added to the challengers, rejected by their hold-out, or why they broke off",
            ["outcome"],
            registry=r,
        )
