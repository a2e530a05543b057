"""A run beside its baselines, as a person sees it."""

import io

import pytest
from rich.console import Console

from hedged.backtest.metrics.definitions import LABELS, Metric
from hedged.commands.figures_text import show_baselines


def row(name: str, net: float, low: float | None = -34_647.0) -> dict[str, object]:
    return {
        "name": name, "label": LABELS[name][0], "net_saving_usd": net, "low_usd": low, "high_usd": 125_715.0,
        "saved_usd": net, "costs_usd": 0.0, "turnover_usd": 40_244_015.0, "worst_day_usd": -1_975.0,
    }  # fmt: skip


def summary(value: float | None) -> dict[str, object]:
    figure = {
        "value": value,
        "low": value,
        "high": value,
        "numerator_usd": 410_000.0,
        "denominator_usd": 2_143_000.0,
    }
    metrics = {str(metric): figure | {"date": "2026-01-12"} for metric in Metric}
    rows = [row(name, net) for name, net in zip(LABELS, range(-30_000, 40_000, 10_000), strict=True)]
    rules = {rule: metrics | {"of": "hedged", "baselines": rows} for rule in ("chain", "level")}
    if value is None:
        metrics |= {"naked_hours": figure | {"value": 0.0}, "monthly_funding": figure | {"value": 0.0}}
    return {
        "metrics": metrics, "baselines": rows, "assumptions": {"cap": 0.4}, "proxy_rules": rules if value else {},
        "proxy_rule": "chain",
    }  # fmt: skip


def shown(tree: dict[str, object], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show_baselines(console, tree)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_off(width: int) -> None:
    """If this fails, a person at a usual terminal does not see how good the hedge was."""
    told = shown(summary(0.5), width)
    assert all(len(line) <= width for line in told.splitlines())
    for text in (
        *(label for label, _ in LABELS.values()),
        "-34,647 … +125,715",
        "40,244",
        "Injective by chain",
    ):
        assert text in told, text
    assert "by level, not run" in told


def test_what_is_not_known_is_a_dash_or_left_out() -> None:
    """If this fails, a window too short to say anything ends in an error, or says something."""
    tree = summary(None)
    tree["baselines"] = [row(name, 0.0, None) for name in LABELS]
    told = shown(tree, 80)
    assert "–" in told
    assert "saving ratio" not in told
    assert "None" not in told
    assert "nan" not in told
