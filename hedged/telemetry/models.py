"""Metrics of the models: how their forecasts have done, which serves and why, what is trained."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from hedged.telemetry.drift import DriftMetrics
from hedged.telemetry.trainings import TrainingMetrics


class ModelMetrics:
    """The part of `Metrics` that is about models; made by `_of_models`."""

    def _of_models(self, r: CollectorRegistry) -> None:
        """All of it."""
        self._of_scores(r)
        self._of_lives(r)
        self.drift, self.training = DriftMetrics(r), TrainingMetrics(r)

    def _of_scores(self, r: CollectorRegistry) -> None:
        """How forecasts have done."""
        self.loss_ratio = Gauge(
            "hedged_forecast_loss_ratio",
            "pinball loss of the last weeks' forecasts over the horizon ÷ the EWMA's of the same hours, < 1 better",
            ["venue"], registry=r,
        )  # fmt: skip
        self.model_loss_ratio = Gauge(
            "hedged_model_loss_ratio",
            "the same over all markets, of every model that forecast in the last weeks, also in shadow",
            ["model"], registry=r,
        )  # fmt: skip
        self.scored = Gauge(
            "hedged_forecasts_scored", "forecasts of a market whose outcome is in the loss ratio", ["venue"], registry=r
        )  # fmt: skip
        self.error_ratio = Gauge(
            "hedged_forecast_error_ratio",
            "mean |median − outcome| in units of s ÷ the EWMA's of the same hours, < 1 better; symbol all: the venue",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip
        self.direction_right = Gauge(
            "hedged_forecast_direction_right_ratio",
            "share of calls of direction over the horizon that were right, where the rate moved; symbol all: the venue",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip
        self.band_coverage = Gauge(
            "hedged_forecast_band_coverage_ratio",
            "share of outcomes over the horizon inside the 80 % band; symbol all: the venue",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip
        self.calibration_error = Gauge(
            "hedged_forecast_calibration_error_ratio", "expected calibration error of the chance that the rate rises",
            ["venue"], registry=r,
        )  # fmt: skip
        self.settled_direction = Gauge(
            "hedged_settlement_direction_right_ratio",
            "share of calls of the coming settlement's direction that were right, where the rate moved",
            ["venue"], registry=r,
        )  # fmt: skip
        self.settled_error_ratio = Gauge(
            "hedged_settlement_error_ratio",
            "mean |median − rate| of coming settlements ÷ that of the last settled rate, < 1 better",
            ["venue"], registry=r,
        )  # fmt: skip
        self.missed_share = Gauge(
            "hedged_forecast_missed_ratio",
            "share of the last settlements outside the 80 % band, of those forecast (at most 24)",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip
        self.forecast_misses = Gauge(
            "hedged_forecast_misses", "1 while nothing is opened on a market, as its forecasts miss too often",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip

    def _of_lives(self, r: CollectorRegistry) -> None:
        """Who serves, who competes, and what was done about it."""
        self.model_swaps = Counter(
            "hedged_model_swaps",
            "models that were to take over: swapped, refused while another goes on, or restored after the EWMA",
            ["outcome"],
            registry=r,
        )
        self.model_demotions = Counter(
            "hedged_model_demotions", "models in whose place the EWMA was put", ["cause"], registry=r
        )
        self.model_stood_in = Gauge(
            "hedged_model_stood_in", "whether the EWMA forecasts in a model's place", registry=r
        )
        self.challenger_ratio = Gauge(
            "hedged_challenger_ratio",
            "a challenger's loss as a share of the champion's",
            ["model"],
            registry=r,
        )
        self.challenger_days = Gauge(
            "hedged_challenger_days", "days of outcomes in a challenger's contest", ["model"], registry=r
        )
        self.contests = Counter(
            "hedged_model_promotions",
            "what the daemon did to the models by itself: promoted, rolled back, retired",
            ["outcome"],
            registry=r,
        )
