"""From a cycle's report to metrics."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from hedged.cycle import CycleReport
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.domain.funding import funding_payment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose
from hedged.domain.quarantine import Fault
from hedged.risk.verdict import Reason
from hedged.telemetry.ahead import outlooks
from hedged.telemetry.metrics import Metrics


def publish(
    report: CycleReport,
    metrics: Metrics,
    now_ms: int,
    ages_s: Mapping[SeriesKey, float],
    keys: Collection[SeriesKey],
    forecaster: str,
) -> None:
    """Set every gauge from the latest cycle and count what happened in it.

    `keys`: every series that is followed; `forecaster`: the one asked for.
    """
    publish_forecasters(report.forecasts, metrics, keys, forecaster)
    metrics.cycles.inc()
    metrics.cycle_completed.set(now_ms / 1_000)
    for key, age_s in ages_s.items():
        metrics.series_age.labels(*key).set(age_s)
    for key, forecast in report.forecasts.marginals.items():
        metrics.forecast.labels(*key, "mean").set(forecast.mean)
        metrics.forecast.labels(*key, "p10").set(float(forecast.quantiles[1]))
        metrics.forecast.labels(*key, "p90").set(float(forecast.quantiles[-2]))
    for key, quantity in report.account.attributed.items():
        if key in report.marks:
            metrics.hedge_usd.labels(*key).set(float(quantity * report.marks[key]))
    for symbol, quantity in report.account.own.items():
        mark = report.marks.get(SeriesKey(INJECTIVE, symbol))
        if mark is not None:
            metrics.own_usd.labels(symbol).set(float(quantity * mark))
    for key in {*report.marks, *report.closed}:
        metrics.venue_closed.labels(*key).set(key in report.closed)
    faults = Counter((key.venue, held.fault) for key, held in report.quarantined.items())
    for venue in {key.venue for key in (*ages_s, *report.quarantined)}:
        for fault in Fault:
            metrics.quarantined.labels(venue, fault).set(faults[venue, fault])
    for key in report.newly_quarantined:
        metrics.quarantines.labels(key.venue, report.quarantined[key].fault).inc()
    for symbol, signal in report.signals.items():
        metrics.signal_factor.labels(symbol).set(signal.factor)
    for symbol, body in report.decisions.items():
        metrics.decisions.labels(symbol, body["action"]).inc()
        if "expected_funding_usd" in body:
            metrics.expected_funding.labels(symbol).set(body["expected_funding_usd"])
    for refused in report.review.refused:
        metrics.refusals.labels(refused.reason).inc()
    for shrunk in report.review.shrunk:
        metrics.shrinks.labels(shrunk.reason).inc()
    for approved in report.review.approved:
        metrics.orders.labels(approved.intent.key.venue, approved.intent.purpose).inc()
    for fill in report.fills:
        metrics.fees.inc(max(0.0, float(fill.execution.fee_usd)))
    publish_money(report, metrics)


def announce(metrics: Metrics, venues: Iterable[str]) -> None:
    """Begin rare counters at 0: Prometheus can count the first order of a kind only from there."""
    for venue in venues:
        for purpose in Purpose:
            metrics.orders.labels(venue, purpose)
    for reason in Reason:
        metrics.refusals.labels(reason)
        metrics.shrinks.labels(reason)


def publish_forecasters(
    made: ForecastSet, metrics: Metrics, keys: Collection[SeriesKey], forecaster: str
) -> None:
    """Say how many series each forecaster speaks for: also that it is none any more."""
    by = Counter(made.made_by.get(key, forecaster) for key in made.keys)
    by["none"] = len(set(keys) - set(made.keys))
    for name in {forecaster, STAND_IN} - set(by):
        by[name] = 0
    for name, count in by.items():
        metrics.forecast_series.labels(name).set(count)


def publish_money(report: CycleReport, metrics: Metrics) -> None:
    """Set what hedges have brought, what funding is to come, and what lies at the venues."""
    pnl, losses = report.pnl, report.pnl.losses
    metrics.hedge_pnl.set(pnl.total_usd)
    for part, usd in (("funding", pnl.funding_usd), ("price", pnl.price_usd), ("costs", -pnl.costs_usd)):
        metrics.hedge_pnl_part.labels(part).set(usd)
    metrics.hedge_loss.labels("day").set(losses.day_usd)
    metrics.hedge_loss.labels("drawdown").set(losses.drawdown_usd)
    metrics.loss_limit.set(bool(report.loss_limit))
    _publish_funding(report, metrics)
    metrics.funding_ahead.clear()
    for span in outlooks(report, report.account):
        if not span.own:
            continue
        for kind, amount in (("unhedged", span.own_book), ("hedged", span.held_book)):
            for band, usd in (("mean", amount.mean), ("p10", amount.low), ("p90", amount.high)):
                metrics.funding_ahead.labels(span.hours, kind, band).set(usd)
    for gauge, told in (
        (metrics.collateral, report.account.collateral_usd),
        (metrics.collateral_free, report.account.free_usd),
    ):
        gauge.clear()  # a venue that does not tell is unknown, never what it told before
        for venue, amount_usd in told.items():
            gauge.labels(venue).set(float(amount_usd))


def _publish_funding(report: CycleReport, metrics: Metrics) -> None:
    """Add the new payments to the running totals: as received, and as they would have been without the daemon."""
    for payment in report.payments:
        key = payment.settlement.key
        metrics.funding.labels(key.symbol, "hedged").inc(float(payment.payment_usd))
        if key.venue == INJECTIVE:
            own = report.account.own.get(key.symbol, Decimal(0))
            unhedged = funding_payment(own, payment.settlement).payment_usd
            metrics.funding.labels(key.symbol, "unhedged").inc(float(unhedged))
