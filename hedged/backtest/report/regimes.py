"""When which regime ruled and which model spoke: for shading the charts, and what the hedge made of each regime."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hedged.backtest.metrics.definitions import LABELS
from hedged.backtest.report import tables, text
from hedged.backtest.report.files import Run
from hedged.backtest.report.money import Floats, cumulative
from hedged.domain.clock import DAY_MS
from hedged.page import wording
from hedged.page.wording import esc

RIVALS = ("constant", "foresight")
"""Baselines whose net saving stands beside the run's own."""


def _ms(value: object) -> int | None:
    at = text.instant(value)
    return round(at.timestamp() * 1_000) if at else None


def spans(found: Any, period_ms: tuple[int, int]) -> list[dict[str, Any]]:
    """Return what has a `from` and a `to` within the run, cut to it, in order; what has no dates is left out."""
    cut = []
    for one in found if isinstance(found, list) else []:
        start, end = _ms(one.get("from")), _ms(one.get("to"))
        if start is not None and end is not None:
            start, end = max(start, period_ms[0]), min(end, period_ms[1])
            if end > start:
                cut.append({**one, "from": start, "to": end})
    return sorted(cut, key=lambda one: int(one["from"]))


def regimes_of(run: Run, period_ms: tuple[int, int]) -> list[dict[str, Any]]:
    """Return the regimes to shade."""
    found = spans(run.summary.get("regimes"), period_ms)
    keys = ("from", "to", "name", "why")
    return [{key: one.get(key) or "" for key in keys} for one in found]


def models_of(run: Run, period_ms: tuple[int, int]) -> list[dict[str, Any]]:
    """Return the models that spoke one after another, each with when it took over."""
    keys = ("from", "to", "trained_to", "model_hash", "samples", "knows_days")
    found = spans(run.summary.get("models"), period_ms)
    return [{key: one.get(key) or "" for key in keys} for one in found]


def regime_table(run: Run, period_ms: tuple[int, int]) -> str:
    """Return what was paid and saved in each regime, from the run's own settlements and fills.

    The summary's `by_regime`, where there is one, knows each fill's own spread, and what baselines saved.
    """
    found = regimes_of(run, period_ms)
    if not found:
        return ""
    standing = _standing(run, found)
    told = (run.summary.get("by_regime") or {}).items()
    rivals = {name: part.get("net_saving_usd") or {} for name, part in told}
    beside = [name for name in RIVALS if any(name in part for part in rivals.values())]
    rows = []
    for regime in dict.fromkeys(str(one["name"]) for one in found):
        mine = [i for i, one in enumerate(found) if one["name"] == regime]
        days = sum(found[i]["to"] - found[i]["from"] for i in mine) / DAY_MS
        unhedged, hedged, net = (float(sum(changes[i] for i in mine)) for changes in standing)
        why = next((f"First: {found[i]['why']}" for i in mine if found[i]["why"]), "")
        saving = rivals.get(regime, {}).get("hedged", net - unhedged)
        amounts = (unhedged, hedged, saving, saving / days)
        rows.append(
            [
                f'<span class="name">{esc(regime)}</span><span class="meaning">{esc(why)}</span>',
                wording.number(days, 1),
                *(text.usd(amount, plus=True) for amount in amounts),
                *(text.usd(rivals.get(regime, {}).get(name), plus=True) for name in beside),
            ]
        )
    heads = ["Regime", "Days", "Funding, unhedged, USD", "Funding, hedged, USD", "Net saving, USD"]
    heads += ["Net saving a day, USD", *(f"{text.words(LABELS[name][0])}, USD" for name in beside)]
    return tables.table("Result by regime", heads, rows, look="beside sortable cards")


def _standing(run: Run, found: Sequence[Mapping[str, Any]]) -> list[Floats]:
    """Return by how much the running funding unhedged, hedged and after costs changed over each stretch."""
    at = np.array([[one["from"], one["to"]] for one in found], dtype=np.int64).ravel()
    order = np.argsort(at, kind="stable")
    lines, changes = cumulative(run, at[order])[""], []
    for name in ("unhedged", "hedged", "net"):
        values = np.empty(len(at))
        values[order] = lines[name]
        changes.append(values[1::2] - values[::2])
    return changes


def model_table(models: Sequence[Mapping[str, Any]]) -> str:
    """Return which model spoke from when, and up to when it had learned."""
    if not models:
        return ""
    rows = [
        [
            esc(text.day_of_ms(one["from"])),
            esc(text.day_of_ms(one["to"])),
            esc(text.day(one["trained_to"]) if one["trained_to"] else wording.DASH),
            f"<code>{esc(str(one['model_hash'])[:16] or wording.DASH)}</code>",
            wording.number(one["samples"] or None, 0),
            wording.number(float(one["knows_days"] or 0), 1),
        ]
        for one in models
    ]
    heads = ["Speaks from", "To", "Learned up to", "Model", "Samples", "Days of the run it had seen"]
    table = tables.table("Models one after another", heads, rows, texts=4, look="cards")
    return f'<h3 class="sub">Models one after another</h3>{table}'
