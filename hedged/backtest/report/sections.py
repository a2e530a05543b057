"""The parts of the page that tell rather than draw: banner, verdict's words, what a run was made of."""

from collections.abc import Sequence
from typing import Any

from hedged.backtest.report import tables, text
from hedged.backtest.report.architecture import model_svg
from hedged.backtest.report.files import Run
from hedged.backtest.report.timeline import action_counts
from hedged.page import wording
from hedged.page.wording import esc

HASHES = ("model_hash", "feature_hash", "config_hash")
CONTENTS = (
    ("verdict", "Verdict"),
    ("funding", "Funding"),
    ("baselines", "Baselines"),
    ("costs", "Costs"),
    ("decisions", "Decisions"),
    ("forecast", "Forecast"),
    ("reliability", "Reliability"),
    ("symbols", "Symbols"),
    ("regimes", "Regimes"),
    ("margin", "Margin"),
    ("how", "How it works"),
    ("run", "Run"),
)
"""Sections by anchor, in the order of the page."""


def contents(absent: Sequence[str] = ()) -> str:
    """Return the links of the table of contents, but for sections that this run has nothing for."""
    return "".join(f'<a href="#{name}">{title}</a>' for name, title in CONTENTS if name not in absent)


def section(anchor: str, title: str, body: str, say: str = "") -> str:
    """Return a whole section of safe HTML, which a run may lack; nothing where the body is."""
    if not body:
        return ""
    told = f'<p class="say">{say}</p>' if say else ""
    return f'<section id="{anchor}" aria-labelledby="h-{anchor}"><h2 id="h-{anchor}">{title}</h2>{told}{body}</section>'


def banners(summary: dict[str, Any]) -> str:
    """Warn where rates are not Injective's own, and where a model had learned from days that it is tried on."""
    return _proxy(summary) + _seen(summary)


def _seen(summary: dict[str, Any]) -> str:
    days = sum(float(one.get("knows_days") or 0) for one in summary.get("models") or [])
    if not days:
        return ""
    said = f"It was trained on {wording.number(days, 1)} days of this very run; its forecasts of those are no test."
    return (
        f'<p class="banner" role="note"><strong>The model has seen what it is tried on.</strong> {said}</p>'
    )


def _proxy(summary: dict[str, Any]) -> str:
    if not summary.get("proxy"):
        return ""
    ours, _, theirs = str(summary["proxy"]).partition("=")
    rule = f" under the {summary['proxy_rule']} rule" if summary.get("proxy_rule") else ""
    said = f"{wording.venue(ours)}\u2019s rates are stood in for by {wording.venue(theirs)}{rule}."
    return f'<p class="banner" role="note"><strong>Proxy data.</strong> {esc(said)}</p>'


def acted(run: Run) -> str:
    """Say in one sentence how often something was done."""
    counts, n = action_counts(run.decisions), run.decisions.height
    if not n:
        return "No decision was recorded."
    done = counts.get("acted", 0)
    if run.fills.is_empty():
        return f"No order was filled in {n:,} decisions: the book stayed as it was."
    return f"{done:,} of {n:,} decisions asked for an order; {run.fills.height:,} fills came of it."


def sampling(run: Run, step_ms: int) -> str:
    """Say how far the lines are thinned out."""
    minutes = step_ms / 60_000
    every = f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.3g} hours"
    return (
        f"Lines are drawn at one point every {every}; the figures in tiles and tables come from all "
        f"{run.decisions.height:,} decisions, {run.funding.height:,} settlements and {run.fills.height:,} fills."
    )


def model(summary: dict[str, Any]) -> str:
    """Draw the model from its card, or say why there is none to draw."""
    provenance = summary.get("provenance") or {}
    card, name = provenance.get("model_card"), summary.get("model") or "the forecaster"
    if not card:
        said = "has no learned parts to draw" if "model_card" in provenance else "left no card with this run"
        return f'<p class="empty">The model ({esc(name)}) {said}.</p>'
    days, samples = wording.number(card.get("history_days"), 0), wording.number(card.get("samples"), 0)
    facts = (
        f"{samples} samples of {card.get('coins')} coins on {card.get('venues')} venues",
        f"{days} days up to {text.day(card.get('trained_to'))}",
        f"seed {card.get('seed')}",
        *(["a head for liquidation cascades beside it"] if card.get("cascade") else []),
    )
    several = len(summary.get("models") or []) > 1
    note = " The run changed models on its way; this is the last of them." if several else ""
    said = f"Drawn from the card of this run\u2019s model: {esc('; '.join(facts))}.{note}"
    return f'<p class="say">{said}</p>{model_svg(card)}'


def model_line(summary: dict[str, Any]) -> str:
    """Name the model, and what it decided with, in one line."""
    hashes = (f"{key.removesuffix('_hash')} {str(summary.get(key) or 'none')[:12]}" for key in HASHES)
    return " \u00b7 ".join((*([str(summary["model"])] if summary.get("model") else []), *hashes))


def folds(run: Run) -> str:
    """Return what a run was made of, each part folded."""
    summary = run.summary
    missing = summary.get("data_gaps") or []
    return "".join(
        (
            tables.folded("Configuration", _config(summary), "configuration", "the whole effective YAML"),
            tables.folded("Command, versions and hashes", text.value_html(_basics(summary)), "hashes"),
            tables.folded("Assumptions", text.value_html(summary.get("assumptions") or {}), "assumptions"),
            tables.folded("Fills", tables.fill_table(run), "fills", f"{run.fills.height:,}"),
            tables.folded("Data gaps", tables.gaps(missing), "gaps", f"{len(missing):,}"),
            tables.folded("Price sources", text.value_html(summary.get("price_sources") or {}), "sources"),
            tables.folded("Definitions", text.value_html(summary.get("definitions") or {}), "definitions"),
        )
    )


def _config(summary: dict[str, Any]) -> str:
    yaml = (summary.get("provenance") or {}).get("config_yaml")
    if not yaml:
        return "<p>The run kept no configuration.</p>"
    button = '<button type="button" class="copy" data-copy="config-yaml">Copy</button>'
    pre = f'<pre id="config-yaml" tabindex="0" aria-label="Configuration">{esc(yaml)}</pre>'
    return f'<div class="code">{button}{pre}</div>'


def _basics(summary: dict[str, Any]) -> dict[str, Any]:
    keys = ("command", "from", "to", "equity_usd", "proxy", "proxy_rule", *HASHES, "seed")
    found = {key: summary.get(key) for key in keys if summary.get(key) is not None}
    kept = summary.get("provenance") or {}
    names = ("command_line", "data_fingerprint", "versions")
    return (
        {key: kept[key] for key in names[:1] if kept.get(key)}
        | found
        | {key: kept.get(key) for key in names[1:]}
    )
