"""The run's metrics as tiles that say what they mean, and both rules of a stand-in side by side."""

from collections.abc import Mapping
from typing import Any

from hedged.backtest.report import tables, text
from hedged.page import wording
from hedged.page.wording import DASH, THIN, esc

_UNITS = {"usd": " USD", "hours": " h", "ratio": ""}


def metric_tiles(metrics: Mapping[str, Any]) -> str:
    """Return every metric as a tile: value, interval, what it is made of, and its definition on demand."""
    if not metrics:
        return '<p class="empty">These metrics were not measured in this run.</p>'
    return f'<div class="metrics">{"".join(_tile(name, part) for name, part in metrics.items())}</div>'


def _tile(name: str, part: Mapping[str, Any]) -> str:
    unit = str(part.get("unit") or "")
    day = text.day(part["date"]) if part.get("date") else ""
    notes = [note for note in (_interval(part, unit), _fraction(part), esc(day)) if note]
    body = f"<strong>{value(part.get('value'), unit)}</strong>" + "".join(f"<span>{n}</span>" for n in notes)
    label = esc(part.get("label") or text.words(name))
    if not part.get("definition"):
        return f'<div class="metric"><h3>{label}</h3>{body}</div>'
    return (
        f'<details class="metric" title="{esc(part["definition"])}"><summary><h3>{label}</h3>{body}</summary>'
        f"<p>{esc(part['definition'])}</p></details>"
    )


def value(amount: float | None, unit: str) -> str:
    """Write a metric's value with its unit; what is not known says so."""
    if amount is None:
        return "not known"
    if unit == "share":
        return wording.percent(amount, 1)
    return _amount(amount, unit) + esc(_UNITS.get(unit, f" {unit}" if unit else ""))


def _amount(amount: float, unit: str) -> str:
    return text.usd(amount, plus=True) if unit == "usd" else wording.number(amount)


def _interval(part: Mapping[str, Any], unit: str) -> str:
    low, high = part.get("low"), part.get("high")
    if low is None or high is None:
        return ""
    if unit == "share":
        return f"95{THIN}%: {wording.percent(low, 1)} to {wording.percent(high, 1)}"
    return f"95{THIN}%: {_amount(low, unit)} to {_amount(high, unit)}"


def _fraction(part: Mapping[str, Any]) -> str:
    upper, lower = part.get("numerator_usd"), part.get("denominator_usd")
    return "" if upper is None or lower is None else f"{text.usd(upper)} of {text.usd(lower)} USD"


def proxy_rules(rules: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the metrics under each rule of the stand-in, side by side; nothing where there is no stand-in."""
    if not rules:
        return ""
    names = dict.fromkeys(
        name for found in rules.values() for name in found if isinstance(found[name], Mapping)
    )
    rows = []
    for name in names:
        parts = [found.get(name) or {} for found in rules.values()]
        label = next((part["label"] for part in parts if part.get("label")), text.words(name))
        rows.append([esc(label), *map(_cell, parts)])
    heads = ["Metric", *(_head(rule, found) for rule, found in rules.items())]
    said = (
        "The stand-in\u2019s rates can be read in two ways, as premium through Injective\u2019s own formula (chain) or "
        "as printed (level). What holds under one alone does not hold."
    )
    table = tables.table("Both rules of the stand-in", heads, rows, look="cards")
    return f'<h3 class="sub">Both rules of the stand-in</h3><p class="say">{said}</p>{table}'


def _head(rule: str, found: Mapping[str, Any]) -> str:
    """Name a column by its rule and by whose figures it holds: the run was played under one rule alone."""
    rows = {row.get("name"): row for row in found.get("baselines") or []}
    of = found.get("of")
    whose = "" if not of else "this run" if of == "hedged" else (rows.get(of) or {}).get("label") or of
    return f"{esc(rule)}{f' <small>{esc(whose)}</small>' if whose else ''}"


def _cell(part: Mapping[str, Any]) -> str:
    if not part:
        return DASH
    unit = str(part.get("unit") or "")
    interval = _interval(part, unit)
    small = f'<span class="meaning">{interval}</span>' if interval else ""
    return value(part.get("value"), unit) + small
