"""Whether the model, its inputs and the market are as they were, as metrics."""

from prometheus_client import CollectorRegistry, Gauge

from hedged.features.regimes import REGIMES
from hedged.forecast.drift.inputs import CLASSES, Shifted
from hedged.forecast.drift.market import Market
from hedged.forecast.drift.verdict import DETECTORS, DriftVerdict

TOLD = 5
"""Features that are told, the most shifted ones."""


class DriftMetrics:
    """Part of `Metrics`: what is known of drift."""

    def __init__(self, r: CollectorRegistry) -> None:
        self._drift = Gauge(
            "hedged_model_drift",
            "how far a detector is on the way to its proof of drift, proven above 1; NaN: too early",
            ["detector"],
            registry=r,
        )
        self._regime = Gauge(
            "hedged_regime",
            "1 for what the market is like by its moves: calm, normal or stormy",
            ["regime"],
            registry=r,
        )
        self._rank = Gauge(
            "hedged_market_rank",
            "share of the days before of which the week moved less than the last one; of: prices, funding",
            ["of"],
            registry=r,
        )
        self._correlation = Gauge(
            "hedged_market_correlation",
            "mean correlation of the coins' hours in the last week; of: prices, funding",
            ["of"],
            registry=r,
        )
        self._feature = Gauge(
            "hedged_feature_drift",
            "population stability index of the inputs that are furthest from training; venues: hourly or slow",
            ["venues", "feature"],
            registry=r,
        )
        self._shifted = Gauge(
            "hedged_features_shifted",
            "inputs whose population stability index is above 0.25",
            ["venues"],
            registry=r,
        )
        self._silent = Gauge(
            "hedged_features_silent",
            "inputs nearly always known in training and mostly unknown of late",
            ["venues"],
            registry=r,
        )
        for detector in DETECTORS:
            self._drift.labels(detector).set(float("nan"))

    def of_model(self, verdict: DriftVerdict) -> None:
        """Tell what the detectors say."""
        for finding in verdict.findings:
            self._drift.labels(finding.detector).set(finding.share)

    def of_market(self, market: Market) -> None:
        """Tell what the market is like."""
        for name in REGIMES:
            self._regime.labels(name).set(name == market.regime)
        self._rank.labels("prices").set(market.price_rank)
        self._rank.labels("funding").set(market.funding_rank)
        self._correlation.labels("prices").set(market.prices.week)
        self._correlation.labels("funding").set(market.funding.week)

    def of_inputs(self, shifted: Shifted) -> None:
        """Tell how far inputs are from training's; nothing of a model that does not know them."""
        self._feature.clear()
        for name in CLASSES:
            self._shifted.labels(name).set(shifted.large(name))
            self._silent.labels(name).set(sum(of == name for of, _ in shifted.silent))
        for (name, feature), value in list(shifted.psi.items())[:TOLD]:
            self._feature.labels(name, feature).set(value)
