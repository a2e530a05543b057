"""What PromQL asks for, by a real parser: metrics, the labels that are matched and grouped by; where it stands."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/rules.yml"
DASHBOARDS = DEPLOY / "grafana/dashboards"
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "1m"}
"""What Grafana puts in before it asks; `$venue` and `$symbol` stand within strings, where they do not matter."""


@dataclass(frozen=True)
class Asked:
    """A selector: labels matched, and labels by which what holds it is grouped or joined."""

    metric: str
    matched: frozenset[str]
    grouped: frozenset[str]


def filled(expression: str) -> str:
    """Put in what Grafana would."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def asked(expression: str) -> list[Asked]:
    """Return every selector of an expression. Raises ValueError for what is not PromQL."""
    return [
        Asked(node.name, frozenset(m.name for m in node.matchers.matchers), grouped)
        for node, grouped in _walk(promql.parse(filled(expression)), frozenset())
    ]


def selectors(expression: str) -> list[str]:
    """Return every selector of an expression as PromQL, without range and offset."""
    return [str(node) for node, _ in _walk(promql.parse(filled(expression)), frozenset())]


def _walk(node: Any, grouped: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """Return the vector selectors, with the labels that what holds them is grouped or joined by."""
    match node:
        case promql.VectorSelector():
            yield node, grouped
        case promql.MatrixSelector():
            yield from _walk(node.vector_selector, grouped)
        case promql.AggregateExpr():
            by = node.modifier.labels if node.modifier is not None else ()
            yield from _walk(node.expr, grouped | frozenset(by))
        case promql.BinaryExpr():
            matching = node.modifier.matching if node.modifier is not None else None
            on = frozenset(matching.labels if matching is not None else ())
            yield from _walk(node.lhs, grouped | on)
            yield from _walk(node.rhs, grouped | on)
        case promql.Call():
            for argument in node.args:
                yield from _walk(argument, grouped)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _walk(node.expr, grouped)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise TypeError(f"a kind of expression that is not looked into: {type(node).__name__}")


def rules() -> list[dict[str, Any]]:
    """Return every rule, alerts and recordings."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboards() -> dict[str, dict[str, Any]]:
    """Return the dashboards that Grafana is given, by file name."""
    return {p.name: json.loads(p.read_text(encoding="utf-8")) for p in sorted(DASHBOARDS.glob("*.json"))}


def queries(dashboard: dict[str, Any]) -> list[tuple[str, str]]:
    """Return every query of a dashboard with the title of its panel; of a variable, what its values are taken from."""
    found = [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    for variable in dashboard["templating"].get("list", ()):
        query = variable.get("query")
        text = query if isinstance(query, str) else (query or {}).get("query", "")
        if values := re.fullmatch(r"label_values\((.+), (\w+)\)", text):
            found.append((f"${variable['name']}", f"count by ({values[2]}) ({values[1]})"))
    return found
