"""The run beside simple ways to hedge, through the same costs: a table with its intervals drawn, and lines by day."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedged.backtest.metrics.definitions import LABELS
from hedged.backtest.report import tables, text
from hedged.backtest.report.files import Run
from hedged.backtest.report.money import instants
from hedged.page import wording
from hedged.page.wording import esc

OWN = "hedged"
FORESIGHT = "foresight"
PLOT_W, PLOT_H, EDGE = 190, 22, 6


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Return the strategies as the summary names them, this run first."""
    found = [row for row in run.summary.get("baselines") or [] if isinstance(row, dict) and row.get("name")]
    return sorted(found, key=lambda row: row["name"] != OWN)


def baseline_table(run: Run) -> str:
    """Return the table: net saving with its interval drawn, share of foresight, costs, turnover, worst day."""
    rows = rows_of(run)
    if not rows:
        return '<p class="empty">Baselines were not measured in this run.</p>'
    best = _foresight(run, rows)
    low, high = _range(rows)
    body = []
    for row in rows:
        net = row.get("net_saving_usd")
        share = net / best if net is not None and best else None
        meaning = LABELS.get(row["name"], ("", ""))[1]
        name = f'<span class="name">{esc(_label(row))}</span>'
        body.append(
            [
                f'{name}<span class="meaning">{esc(meaning)}</span>',
                text.usd(net, plus=True),
                _interval(row, low, high),
                wording.percent(share),
                wording.number(row.get("costs_usd")),
                wording.number(row.get("turnover_usd"), 0),
                wording.number(row.get("worst_day_usd"), plus=True),
            ]
        )
    heads = [
        "Strategy",
        "Net saving, USD",
        f"95{wording.THIN}% interval, USD {_axis(low, high)}",
        "Share of foresight",
    ]
    heads += ["Costs, USD", "Turnover, USD", "Worst day, USD"]
    return tables.table("This run beside simple strategies", heads, body, look="beside sortable cards")


def _label(row: dict[str, Any]) -> str:
    return "This run" if row["name"] == OWN else text.words(str(row.get("label") or row["name"]))


def _foresight(run: Run, rows: Sequence[dict[str, Any]]) -> float | None:
    """Return what perfect foresight saves; None where the metrics say that it is too little to be a yardstick."""
    told = (run.summary.get("metrics") or {}).get("foresight_share") or {"value": True}
    best = next((row.get("net_saving_usd") for row in rows if row["name"] == FORESIGHT), None)
    return best if best is not None and best > 0 and told.get("value") is not None else None


def _range(rows: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Return the ends that all intervals share; zero is always among them."""
    keys = ("low_usd", "net_saving_usd", "high_usd")
    ends = [float(row[key]) for row in rows for key in keys if row.get(key) is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return (low, high) if high > low else (-1.0, 1.0)


def _axis(low: float, high: float) -> str:
    """Draw the scale that the intervals of all rows share: its ends as numbers, zero as a tick."""
    zero = round(EDGE + (0 - low) / (high - low) * (PLOT_W - 2 * EDGE), 1)
    ends = [(0, "start", low), (PLOT_W, "end", high)]
    texts = "".join(
        f'<text x="{x}" y="10" text-anchor="{anchor}">{wording.number(end, 0, plus=True)}</text>'
        for x, anchor, end in ends
    )
    return (
        f'<svg class="interval axis" viewBox="0 0 {PLOT_W} {PLOT_H}" aria-hidden="true">{texts}'
        f'<path d="M{EDGE} 20H{PLOT_W - EDGE}M{EDGE} 16V20M{PLOT_W - EDGE} 16V20M{zero} 16V20"/></svg>'
    )


def _interval(row: dict[str, Any], low: float, high: float) -> str:
    """Draw one interval as a line with its point, zero as a rule; without an interval the point alone."""
    net, left, right = (row.get(key) for key in ("net_saving_usd", "low_usd", "high_usd"))
    if net is None:
        return wording.DASH

    def x(value: float) -> float:
        return round(EDGE + (value - low) / (high - low) * (PLOT_W - 2 * EDGE), 1)

    said, bar = "no interval: too few days", ""
    if left is not None and right is not None:
        said = f"{text.usd(left, plus=True)} to {text.usd(right, plus=True)}"
        bar = f'<path d="M{x(left)} 11H{x(right)}M{x(left)} 7V15M{x(right)} 7V15"/>'
    kind = "own" if row["name"] == OWN else "other"
    return (
        f'<svg class="interval {kind}" viewBox="0 0 {PLOT_W} {PLOT_H}" role="img" aria-label="{esc(said)}">'
        f'<title>{esc(said)}</title><path class="zero" d="M{x(0)} 0V{PLOT_H}"/>{bar}'
        f'<circle cx="{x(net)}" cy="11" r="4.5"/></svg>'
    )


def daily_lines(run: Run) -> dict[str, Any]:
    """Return each strategy's running net saving at the end of every day, by symbol; "" is the whole book.

    The run itself is left out: it is drawn from its own settlements and fills.
    """
    daily = run.daily.drop_nulls(["name", "symbol"])
    if daily.is_empty():
        return {}
    labels = {row["name"]: _label(row) for row in rows_of(run)}
    names = [name for name in dict.fromkeys(daily["name"]) if name not in (OWN, "none")]
    days = np.unique(instants(daily))
    lines: dict[str, dict[str, list[float]]] = {"": {}}
    for symbol in run.symbols:
        lines[symbol] = {}
        for name in names:
            mine = daily.filter((daily["name"] == name) & (daily["symbol"] == symbol))
            net = (mine["saved_usd"].fill_null(0) - mine["cost_usd"].fill_null(0)).to_numpy()
            by_day = np.zeros(len(days))
            np.add.at(by_day, np.searchsorted(days, instants(mine)), net)
            lines[symbol][name] = np.cumsum(by_day).round(2).tolist()
    for name in names:
        whole = np.sum([lines[symbol][name] for symbol in run.symbols], axis=0)
        lines[""][name] = np.round(whole, 2).tolist()
    named = {name: labels.get(name, text.words(name)) for name in names}
    return {"t": days.tolist(), "labels": named, "lines": lines}
