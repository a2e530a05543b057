"""Metrics: dashboards and alerts ask only for what the daemon exposes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from hedged.telemetry.metrics import Metrics

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
NAME = re.compile(r"\bhedged_\w+")
MATCHED = re.compile(r"\b(hedged_\w+)\s*\{([^}]*)\}")


def strings_in(node: Any, *keys: str) -> Iterator[str]:
    """Every string that stands under one of `keys`, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys and isinstance(value, str):
                yield value
            yield from strings_in(value, *keys)
    elif isinstance(node, list):
        for item in node:
            yield from strings_in(item, *keys)


def expressions() -> dict[str, list[str]]:
    """PromQL by file."""
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8"))
    found = {"rules.yml": list(strings_in(rules, "expr"))}
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        found[path.name] = list(strings_in(dashboard, "expr", "query", "definition"))
    return found


def touched() -> Metrics:
    """Metrics of which every one has a sample."""
    metrics = Metrics()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            labelled = metric.labels(*("x" for _ in metric._labelnames)) if metric._labelnames else metric
            {Counter: lambda m: m.inc(), Gauge: lambda m: m.set(1), Histogram: lambda m: m.observe(1)}[
                type(metric)
            ](labelled)
    return metrics


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """Sample names as Prometheus scrapes them, with their labels."""
    out: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(touched().registry).decode()):
        for sample in family.samples:
            out.setdefault(sample.name, set()).update(sample.labels)
    return out


@pytest.mark.parametrize("file", sorted(expressions()))
def test_every_metric_that_is_asked_for_is_exposed(file, exposed):
    """An alert on a renamed metric never fires, and a panel stays empty: both look like all is well."""
    asked = {name for expression in expressions()[file] for name in NAME.findall(expression)}
    assert asked
    assert asked <= set(exposed)


@pytest.mark.parametrize("file", sorted(expressions()))
def test_every_label_that_is_matched_exists(file, exposed):
    """A selector on a label that the metric lacks matches nothing, without an error."""
    for expression in expressions()[file]:
        for name, matchers in MATCHED.findall(expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert labels <= exposed[name] | {"job", "instance"}, expression


def test_names_follow_the_conventions(exposed):
    """A dashboard written by the conventions (hedged_…, counters in _total) would not find the metric."""
    assert all(name.startswith("hedged_") for name in exposed)
    for metric in vars(Metrics()).values():
        if isinstance(metric, Counter):
            assert f"{metric._name}_total" in exposed


def test_two_daemons_in_one_process_do_not_share_metrics():
    """A backtest beside a test would fail on duplicate names, or count into the other's totals."""
    first, second = Metrics(), Metrics()
    first.cycles.inc()
    assert b"hedged_cycles_total 1.0" in generate_latest(first.registry)
    assert b"hedged_cycles_total 0.0" in generate_latest(second.registry)


def test_every_metric_says_what_it_means():
    """An operator would meet a number without unit or meaning in Grafana's explorer."""
    for family in Metrics().registry.collect():
        assert len(family.documentation) > 8, family.name
