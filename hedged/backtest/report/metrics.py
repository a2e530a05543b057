"""The run's metrics as tiles that say what they mean, and both rules of a stand-in side by side."""

from collections.abc import Mapping
from typing import Any

from hedged.backtest.report import tables, text
from hedged.page import wording
from hedged.page.wording import DASH, THIN, esc

_UNITS = {"usd": " USD", "hours": " h", "share": ""}
SIGNED = ("net_saving", "over_constant", "worst_day")
"""Amounts that may be gains or losses: their sign is written out."""


def metric_tiles(metrics: Mapping[str, Any]) -> str:
    """Return every metric as a tile: value, interval, what it is made of, and its definition on demand."""
    if not metrics:
        return '<p class="empty">These metrics were not measured in this run.</p>'
    labels = labels_of(metrics)
    return f'<div class="metrics">{"".join(_tile(name, labels[name], part) for name, part in metrics.items())}</div>'


def _tile(name: str, label: str, part: Mapping[str, Any]) -> str:
    day = text.day(part["date"]) if part.get("date") else ""
    notes = [note for note in (_interval(name, part), _fraction(part), esc(day)) if note]
    body = f"<strong>{value(name, part)}</strong>" + "".join(f"<span>{n}</span>" for n in notes)
    if not part.get("definition"):
        return f'<div class="metric"><h3>{esc(label)}</h3>{body}</div>'
    return (
        f'<details class="metric" title="{esc(part["definition"])}"><summary><h3>{esc(label)}</h3>{body}</summary>'
        f"<p>{esc(part['definition'])}</p></details>"
    )


def labels_of(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return what to call each metric, standing alone: `Its ceiling` is that of the one before it."""
    labels, before = {}, ""
    for name, part in metrics.items():
        label = str(part.get("label") or text.words(name))
        if label.startswith("Its ") and before:
            label = f"{before}: {label[0].lower()}{label[1:]}"
        else:
            before = label
        labels[name] = label
    return labels


def value(name: str, part: Mapping[str, Any]) -> str:
    """Write a metric's value with its unit; what is not known says so."""
    unit = str(part.get("unit") or "")
    if part.get("value") is None:
        return "not known"
    return _amount(name, part, "value") + esc(_UNITS.get(unit, f" {unit}" if unit else ""))


def _amount(name: str, part: Mapping[str, Any], which: str) -> str:
    """Write one number of a metric, with as many digits as the others of it."""
    unit, amount = part.get("unit"), float(part[which])
    if unit == "share":
        return wording.percent(amount, 1)
    if unit != "usd":
        return wording.number(amount)
    large = any(abs(part.get(key) or 0) >= text.LARGE_USD for key in ("value", "low", "high"))
    return wording.number(amount, 0 if large else 2, plus=name in SIGNED)


def _interval(name: str, part: Mapping[str, Any]) -> str:
    if part.get("value") is None or part.get("low") is None or part.get("high") is None:
        return ""
    return f"95{THIN}%: {_amount(name, part, 'low')} to {_amount(name, part, 'high')}"


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
    every = {name: next(found[name] for found in rules.values() if name in found) for name in names}
    labels = labels_of(every)
    rows = [
        [esc(labels[name]), *(_cell(name, found.get(name) or {}) for found in rules.values())]
        for name in names
    ]
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


def _cell(name: str, part: Mapping[str, Any]) -> str:
    interval = _interval(name, part) if part else ""
    small = f'<span class="meaning">{interval}</span>' if interval else ""
    return value(name, part) + small if part else DASH
