"""How the forecasts did, as metrics: of the model that serves by venue and market, of every other one in one figure."""

from prometheus_client import Gauge

from hedged.forecast.record.measures import Measure, Measures, Reckoning
from hedged.telemetry.metrics import Metrics

ALL = "all"
"""The symbol of what is told of a whole venue."""


def publish_scores(told: Reckoning, metrics: Metrics) -> None:
    """Set every gauge anew; what is not known, or rests on too few, has no value."""
    for gauge in (
        metrics.loss_ratio, metrics.model_loss_ratio, metrics.scored, metrics.error_ratio, metrics.direction_right,
        metrics.band_coverage, metrics.calibration_error, metrics.settled_direction, metrics.settled_error_ratio,
    ):  # fmt: skip
        gauge.clear()
    for name, found in told.measured.items():
        _set(metrics.model_loss_ratio, found.whole.pinball_ratio, name)
    serving = told.measured.get(told.serving)
    if serving is None:
        return
    for venue, one in serving.venues.items():
        if one.pinball_ratio.of:
            metrics.scored.labels(venue).set(one.pinball_ratio.of)
        _set(metrics.loss_ratio, one.pinball_ratio, venue)
        _set(metrics.calibration_error, one.ece, venue)
        _set(metrics.settled_direction, one.settled_direction, venue)
        _set(metrics.settled_error_ratio, one.settled_ratio, venue)
        _market(metrics, one, venue, ALL)
    for key, one in serving.series.items():
        _market(metrics, one, *key)


def _market(metrics: Metrics, one: Measures, venue: str, symbol: str) -> None:
    _set(metrics.error_ratio, one.mae_ratio, venue, symbol)
    _set(metrics.direction_right, one.direction, venue, symbol)
    _set(metrics.band_coverage, one.coverage, venue, symbol)


def _set(gauge: Gauge, measure: Measure, *labels: str) -> None:
    if measure.value is not None:
        gauge.labels(*labels).set(measure.value)
