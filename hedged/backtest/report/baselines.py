"""The run beside simple ways to hedge, through the same costs: a table with its intervals drawn, and lines by day."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedged.backtest.metrics.definitions import LABELS
from hedged.backtest.report import tables, text
from hedged.backtest.report.files import Run
from hedged.backtest.report.intervals import axis_svg, interval_svg, scale_of
from hedged.backtest.report.money import instants
from hedged.page import wording
from hedged.page.wording import esc

OWN = "hedged"
FORESIGHT = "foresight"


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
    scale = scale_of(rows, (OWN, FORESIGHT, "constant"))
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
                interval_svg(row, scale, "own" if row["name"] == OWN else "other"),
                wording.percent(share),
                wording.number(row.get("costs_usd")),
                wording.number(row.get("turnover_usd"), 0),
                wording.number(row.get("worst_day_usd"), plus=True),
            ]
        )
    heads = [
        "Strategy",
        "Net saving, USD",
        f"95{wording.THIN}% interval, USD {axis_svg(scale)}",
        "Share of foresight",
    ]
    heads += ["Costs, USD", "Turnover, USD", "Worst day, USD"]
    short = all(row.get("low_usd") is None for row in rows)
    note = '<p class="note">The run has too few days to say how sure these figures are.</p>' if short else ""
    return tables.table("This run beside simple strategies", heads, body, look="beside sortable cards") + note


def _label(row: dict[str, Any]) -> str:
    return "This run" if row["name"] == OWN else text.words(str(row.get("label") or row["name"]))


def _foresight(run: Run, rows: Sequence[dict[str, Any]]) -> float | None:
    """Return what perfect foresight saves; None where the metrics say that it is too little to be a yardstick."""
    told = (run.summary.get("metrics") or {}).get("foresight_share") or {"value": True}
    best = next((row.get("net_saving_usd") for row in rows if row["name"] == FORESIGHT), None)
    return best if best is not None and best > 0 and told.get("value") is not None else None


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
