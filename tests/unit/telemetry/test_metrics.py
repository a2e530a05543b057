"""Metrics: rules and dashboards ask only for what the daemon exposes, and it exposes little."""

import re

import pytest
from prometheus_client import Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from promql import Asked, asked, dashboards, queries, rules

from hedged.telemetry.metrics import Metrics

SCRAPED = frozenset({"job", "instance"})
OF_PROMETHEUS = {
    "up": SCRAPED,
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "venue", "symbol"}),
}
FEW = {
    "detector",
    "feature",
    "of",
    "regime",
    "venues",
    "cause",
    "venue", "symbol", "action", "address", "band", "config", "forecaster", "hours", "kind", "mode", "model", "outcome",
    "part", "purpose", "reason", "severity", "since", "source", "stream", "target", "task", "verdict", "version",
}  # fmt: skip
"""Labels whose values are venues, coins, a small enum, or what was configured: never ids, prices or texts."""


def expressions() -> dict[str, list[str]]:
    """PromQL by file."""
    found = {"rules.yml": [rule["expr"] for rule in rules()]}
    shown = {name: [expr for _, expr in queries(body)] for name, body in dashboards().items()}
    return found | {name: exprs for name, exprs in shown.items() if exprs}


def every(metrics: Metrics) -> list[object]:
    """What the metrics hold, those of drift and trainings too."""
    return [*vars(metrics).values(), *vars(metrics.drift).values(), *vars(metrics.training).values()]


def touched() -> Metrics:
    """Metrics of which every one has a sample."""
    metrics = Metrics()
    for metric in every(metrics):
        if isinstance(metric, MetricWrapperBase):
            labelled = metric.labels(*("x" for _ in metric._labelnames)) if metric._labelnames else metric
            {Counter: lambda m: m.inc(), Gauge: lambda m: m.set(1), Histogram: lambda m: m.observe(1)}[
                type(metric)
            ](labelled)
    return metrics


@pytest.fixture(scope="module")
def exposed() -> dict[str, frozenset[str]]:
    """Sample names as Prometheus has them, with their labels; what it records and makes by itself too."""
    out: dict[str, frozenset[str]] = dict(OF_PROMETHEUS)
    for family in text_string_to_metric_families(generate_latest(touched().registry).decode()):
        for sample in family.samples:
            out[sample.name] = out.get(sample.name, SCRAPED) | set(sample.labels)
    for rule in rules():
        if "record" in rule:
            out[rule["record"]] = frozenset().union(*(one.grouped for one in asked(rule["expr"])))
    return out


def ill(one: Asked, exposed: dict[str, frozenset[str]]) -> str:
    """Say what is wrong with a selector; empty where nothing is."""
    if one.metric not in exposed:
        return f"nobody exposes {one.metric}"
    if strange := one.matched - exposed[one.metric]:
        return f"{one.metric} has no label {sorted(strange)}"
    # one side of a join may lack what the other is grouped by, so of all together
    return ""


@pytest.mark.parametrize("file", sorted(expressions()))
def test_what_is_asked_for_is_exposed(file: str, exposed: dict[str, frozenset[str]]) -> None:
    """If this fails, an alert never fires or a panel stays empty, and both look like all is well."""
    faults = []
    for expression in expressions()[file]:
        found = asked(expression)
        assert found or "vector(1)" in expression, expression
        faults += [f"{why}: {expression}" for one in found if (why := ill(one, exposed))]
        labels = frozenset().union(*(exposed.get(one.metric, frozenset()) for one in found))
        if strange := frozenset().union(*(one.grouped for one in found)) - labels:
            faults.append(f"grouped by {sorted(strange)}, which nothing there has: {expression}")
    assert faults == []


def test_a_wrong_question_is_seen(exposed: dict[str, frozenset[str]]) -> None:
    """If this fails, the test above passes whatever is asked."""
    assert "nobody exposes" in ill(asked("rate(hedged_cycle_total[5m])")[0], exposed)
    assert "no label" in ill(asked('sum(hedged_ready{venue="okx"})')[0], exposed)
    assert [one.grouped for one in asked("sum by (venue) (hedged_ready)")] == [frozenset({"venue"})]


def test_every_metric_is_shown_or_watched(exposed: dict[str, frozenset[str]]) -> None:
    """If this fails, the daemon measures what nobody will ever look at."""
    used = {one.metric for exprs in expressions().values() for expr in exprs for one in asked(expr)}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exposed if name.startswith("hedged_")}
    assert families - {re.sub(r"_(bucket|count|sum)$", "", name) for name in used} == set()


def test_names_follow_the_conventions(exposed: dict[str, frozenset[str]]) -> None:
    """If this fails, a dashboard written by the conventions (hedged_…, counters in _total) does not find the metric."""
    ours = set(exposed) - set(OF_PROMETHEUS) - {rule.get("record") for rule in rules()}
    assert all(name.startswith(("hedged_", "process_")) for name in ours)
    for metric in every(Metrics()):
        if isinstance(metric, Counter):
            assert f"{metric._name}_total" in exposed


def test_labels_have_few_values() -> None:
    """If this fails, a label that grows without end fills Prometheus' memory."""
    used = {name for m in every(Metrics()) if isinstance(m, MetricWrapperBase) for name in m._labelnames}
    assert used == FEW


def test_two_daemons_in_one_process_do_not_share_metrics() -> None:
    """If this fails, a backtest beside a test fails on duplicate names, or counts into the other's totals."""
    first, second = Metrics(), Metrics()
    first.cycles.inc()
    assert b"hedged_cycles_total 1.0" in generate_latest(first.registry)
    assert b"hedged_cycles_total 0.0" in generate_latest(second.registry)


def test_every_metric_says_what_it_means() -> None:
    """If this fails, an operator meets a number without unit or meaning in Grafana's explorer."""
    for family in Metrics().registry.collect():
        assert len(family.documentation) > 8, family.name
