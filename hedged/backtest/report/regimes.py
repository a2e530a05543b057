"""When which regime ruled and which model spoke: for shading the charts, and what the hedge made of each regime."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hedged.backtest.report import tables, text
from hedged.backtest.report.files import Run
from hedged.backtest.report.money import cumulative
from hedged.domain.clock import DAY_MS
from hedged.page import wording
from hedged.page.wording import esc


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
    keys = ("from", "to", "trained_to", "model_hash")
    found = spans(run.summary.get("models"), period_ms)
    return [{key: one.get(key) or "" for key in keys} for one in found]


def regime_table(run: Run, period_ms: tuple[int, int]) -> str:
    """Return what was paid and saved in each regime, computed from the run's own settlements and fills."""
    found = regimes_of(run, period_ms)
    if not found:
        return ""
    names = list(dict.fromkeys(str(one["name"]) for one in found))
    at = np.array([[one["from"], one["to"]] for one in found], dtype=np.int64).ravel()
    order = np.argsort(at, kind="stable")
    standing = {name: np.empty(len(at)) for name in ("unhedged", "hedged", "net")}
    for name, values in cumulative(run, at[order])[""].items():
        standing[name][order] = values
    rows = []
    for regime in names:
        mine = [i for i, one in enumerate(found) if one["name"] == regime]
        days = sum(found[i]["to"] - found[i]["from"] for i in mine) / DAY_MS
        made = {
            name: float(sum(values[2 * i + 1] - values[2 * i] for i in mine))
            for name, values in standing.items()
        }
        why = next((str(found[i]["why"]) for i in mine if found[i]["why"]), "")
        amounts = (made["unhedged"], made["hedged"], made["net"] - made["unhedged"])
        a_day = amounts[2] / days if days else None
        rows.append(
            [
                f'<span class="name">{esc(regime)}</span><span class="meaning">{esc(why)}</span>',
                wording.number(days, 1),
                *(text.usd(amount, plus=True) for amount in amounts),
                text.usd(a_day, plus=True),
            ]
        )
    heads = ["Regime", "Days", "Funding, unhedged, USD", "Funding, hedged, USD", "Net saving, USD"]
    return tables.table(
        "Result by regime", [*heads, "Net saving a day, USD"], rows, look="beside sortable cards"
    )


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
        ]
        for one in models
    ]
    heads = ["Speaks from", "To", "Learned up to", "Model"]
    table = tables.table("Models one after another", heads, rows, texts=4, look="cards")
    return f'<h3 class="sub">Models one after another</h3>{table}'
