"""A run beside its baselines, and its figures, at the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

HEADS = ("USD", "net saving", "95 % between", "of foresight", "turnover", "worst day")
Tree = Mapping[str, Any]


def show_figures(console: Console, summary: Tree) -> None:
    """Print the table of baselines and what else there is to know of the run, each ratio with its money."""
    console.print(
        _baselines(summary["baselines"], summary["metrics"]["foresight_share"]["value"] is not None)
    )
    for line in _lines(summary["metrics"], summary["assumptions"]["cap"]):
        console.print(line, highlight=False)
    if summary["proxy_rules"]:
        console.print(_rules(summary["proxy_rules"], summary["proxy_rule"]))


def _baselines(rows: list[Tree], shared: bool) -> Table:
    """`shared`: whether perfect foresight saved enough to have a share of."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in HEADS:
        table.add_column(head, justify="left" if head == HEADS[0] else "right", no_wrap=True)
    best = next(row["net_saving_usd"] for row in rows if row["name"] == "foresight")
    for row in rows:
        net = row["net_saving_usd"]
        table.add_row(
            row["label"],
            f"{net:+,.0f}" if net else "0",
            _between(row["low_usd"], row["high_usd"]),
            f"{net / best:.0%}" if shared and net >= -best else "–",
            f"{row['turnover_usd']:,.0f}",
            f"{row['worst_day_usd']:+,.0f}" if row["turnover_usd"] else "0",
            style="bold" if row["name"] == "hedged" else "",
        )
    return table


def _between(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "–"
    return f"{low:+,.0f} … {high:+,.0f}" if low or high else "0"


def _lines(metrics: Tree, cap: float) -> Iterator[str]:
    value = {name: figure["value"] for name, figure in metrics.items()}
    if value["saving_ratio"] is not None:
        yield (
            f"saving ratio {value['saving_ratio']:.0%} {_money(metrics['saving_ratio'])}; cutting alone, foreseen and "
            f"free, would reach {value['saving_ratio_ceiling']:.0%} at the cap of {cap:.0%} and "
            f"{value['saving_ratio_ceiling_full']:.0%} at 100 %"
        )
    if value["hedge_effectiveness"] is not None:
        avoided = _money(metrics["hedge_effectiveness"])
        yield (
            f"hedge effectiveness {value['hedge_effectiveness']:.0%} {avoided} of losing days; variance lowered by "
            f"{_number(value['variance_effectiveness'], '.0%')}, the cap always cut gives "
            f"{value['variance_effectiveness_ceiling']:.0%}"
        )
    yield (
        f"turnover {_number(value['turnover_month'], '.2f')} × notional a month; worst day "
        f"{metrics['worst_day']['date']}; a leg alone for {value['naked_hours'] * 3_600:,.0f} s"
    )
    if value["return_on_capital"] is not None:
        collateral = metrics["return_on_capital"]["denominator_usd"]
        yield f"return on capital {value['return_on_capital']:.1%} a year of {collateral:,.0f} USD at hedge venues"
    if value["break_even_monthly_funding"] is not None:
        yield (
            f"hedging like this pays from {value['break_even_monthly_funding']:,.0f} USD of funding a month on; this "
            f"book paid {value['monthly_funding']:,.0f}"
        )


def _money(figure: Tree) -> str:
    return f"({figure['numerator_usd']:,.0f} of {figure['denominator_usd']:,.0f} USD)"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _rules(rules: Tree, own: str) -> Table:
    """Both rules side by side: of the run's own rule the run, of the other the planner on the EWMA."""
    table = Table(
        title="both rules for Injective, USD", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for head in ("rule", "a month paid", *("hedged", "EWMA", "constant", "foresight")):
        table.add_column(head, justify="left" if head == "rule" else "right", no_wrap=True)
    for rule, told in sorted(rules.items(), key=lambda item: item[0] != own):
        net = {row["name"]: row["net_saving_usd"] for row in told["baselines"]}
        table.add_row(
            rule if rule == own else f"{rule} (not run)",
            f"{told['monthly_funding']['value']:,.0f}",
            *(
                f"{net[name]:+,.0f}" if name in net else "–"
                for name in ("hedged", "ewma", "constant", "foresight")
            ),
        )
    return table
