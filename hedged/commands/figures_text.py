"""A run beside its baselines, and its figures, at the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

HEADS = ("USD", "net\nsaving", "95 %\nbetween", "of fore-\nsight", "turnover\nthousands", "worst\nday")
RULE_HEADS = ("USD", "paid a\nmonth", "hedged", "planner,\nEWMA", "cap\nalways", "perfect\nforesight")
FIGURES = {
    "saving_ratio": (
        "saving ratio",
        "{:.0%}",
        "{money} of funding; cutting alone, foreseen and free: {saving_ratio_ceiling:.0%} at the cap of {cap:.0%}, "
        "{saving_ratio_ceiling_full:.0%} at 100%",
    ),
    "hedge_effectiveness": (
        "hedge effectiveness",
        "{:.0%}",
        "{money} of losing days avoided, after costs",
    ),
    "variance_effectiveness": (
        "variance",
        "{:.0%}",
        "of that of daily funding taken off; the cap always cut takes {variance_effectiveness_ceiling:.0%}",
    ),
    "turnover_month": (
        "turnover",
        "{:.2f} ×",
        "notional a month{made}; worst day {date}; a leg alone for {naked_s:,.0f} s",
    ),
    "return_on_capital": ("return on capital", "{:.1%}", "a year of {capital:,.0f} USD at hedge venues"),
    "break_even_monthly_funding": (
        "break-even",
        "{:,.0f}",
        "USD of funding a month from which this pays; this book paid {monthly_funding:,.0f}",
    ),
}
"""What is told of a figure: what it is called, how it is written, and what it is made of."""
Tree = Mapping[str, Any]


def show_baselines(console: Console, summary: Tree) -> None:
    """Print the run beside its baselines, its figures, each ratio with its money, and both proxy rules."""
    shared = summary["metrics"]["foresight_share"]["value"] is not None
    console.print(_baselines(summary["baselines"], shared))
    figures = Table(box=None, padding=(0, 1, 0, 1), show_header=False)
    figures.add_column(no_wrap=True)
    figures.add_column(justify="right", no_wrap=True)
    figures.add_column()
    for line in _figures(summary["metrics"], summary["assumptions"]["cap"]):
        figures.add_row(*line)
    console.print(figures)
    if summary["proxy_rules"]:
        console.print(_rules(summary["proxy_rules"], summary["proxy_rule"]))


def _table(heads: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left", no_wrap=True)
    return table


def _baselines(rows: list[Tree], shared: bool) -> Table:
    """`shared`: whether perfect foresight saved enough to have a share of."""
    table = _table(HEADS)
    best = next(row["net_saving_usd"] for row in rows if row["name"] == "foresight")
    for row in rows:
        net = row["net_saving_usd"]
        table.add_row(
            row["label"],
            f"{net:+,.0f}" if net else "0",
            _between(row["low_usd"], row["high_usd"]),
            f"{net / best:.0%}" if shared and net >= -best else "–",
            f"{row['turnover_usd'] / 1_000:,.0f}",
            f"{row['worst_day_usd']:+,.0f}" if row["turnover_usd"] else "0",
            style="bold" if row["name"] == "hedged" else "",
        )
    return table


def _between(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "–"
    return f"{low:+,.0f} … {high:+,.0f}" if low or high else "0"


def _figures(metrics: Tree, cap: float) -> Iterator[tuple[str, str, str]]:
    """Tell name, value and what it is made of; a figure that is not known is left out."""
    value = {name: figure["value"] for name, figure in metrics.items()}
    for name, (called, form, told) in FIGURES.items():
        if value[name] is None:
            continue
        facts = {
            "money": _money(metrics[name]),
            "cap": cap,
            "date": metrics["worst_day"]["date"],
            "made": f", {value['maker_share']:.0%} of it made" if value["maker_share"] else "",
            "naked_s": value["naked_hours"] * 3_600,
            "capital": metrics["return_on_capital"]["denominator_usd"],
        }
        yield called, form.format(value[name]), told.format(**value, **facts)


def _money(figure: Tree) -> str:
    if figure.get("numerator_usd") is None:
        return ""
    return f"{figure['numerator_usd']:,.0f} of {figure['denominator_usd']:,.0f} USD"


def _rules(rules: Tree, own: str) -> Table:
    """Both rules for Injective, side by side; the run was played under one of them."""
    table = _table(RULE_HEADS)
    for rule, told in sorted(rules.items(), key=lambda item: item[0] != own):
        net = {row["name"]: row["net_saving_usd"] for row in told["baselines"]}
        named = ("hedged", "ewma", "constant", "foresight")
        table.add_row(
            f"Injective by {rule}" if rule == own else f"by {rule}, not run",
            f"{told['monthly_funding']['value']:,.0f}",
            *(f"{net[name]:+,.0f}" if name in net else "–" for name in named),
        )
    return table
