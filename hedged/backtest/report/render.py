"""Writes the page: texts, numbers and pictures of one run in one HTML file that asks the network for nothing."""

from pathlib import Path
from typing import Any

from hedged.backtest.report import tables, text
from hedged.backtest.report.data import chart_data, period_ms
from hedged.backtest.report.files import Run, load_run
from hedged.backtest.report.pipeline import pipeline_svg
from hedged.backtest.report.reasons import idle_reasons
from hedged.backtest.report.timeline import action_counts
from hedged.domain.clock import DAY_MS
from hedged.page import wording
from hedged.page.frame import framed, write_whole
from hedged.page.wording import esc

LEAST_COST_PER_YEAR = 0.002
"""No ratio is quoted against a funding below 20 bp of the notional a year: it would be noise."""
HASHES = ("model_hash", "feature_hash", "config_hash")


def _flow(amount: float) -> str:
    return "received" if amount > 0 else "paid" if amount < 0 else "nothing paid"


def saved_share(run: Run) -> float | None:
    """Return the net saving as a share of the funding paid unhedged; None where that funding is no yardstick."""
    summary, (start_ms, end_ms) = run.summary, period_ms(run)
    notional = sum(abs(part.get("position_usd") or 0) for part in (summary.get("per_symbol") or {}).values())
    least = LEAST_COST_PER_YEAR * notional * (end_ms - start_ms) / (365 * DAY_MS)
    paid = -float(summary["unhedged_funding_usd"])
    return float(summary["net_saving_usd"]) / paid if paid > max(least, 1.0) else None


def tiles(run: Run) -> str:
    """Return the six numbers of the headline."""
    summary = run.summary
    unhedged, hedged = float(summary["unhedged_funding_usd"]), float(summary["hedged_funding_usd"])
    costs, share = float(summary["fees_usd"]) + float(summary["spread_usd"]), saved_share(run)
    saved = (
        f"{wording.percent(share, 1)} of the funding paid unhedged"
        if share is not None
        else "after fees and spread"
    )
    shown = (
        ("Net saving", text.usd(summary["net_saving_usd"], plus=True), saved),
        ("Funding, unhedged", text.usd(unhedged, plus=True), _flow(unhedged)),
        ("Funding, hedged", text.usd(hedged, plus=True), _flow(hedged)),
        ("Fees and spread", text.usd(costs), f"assumed; {text.usd(summary['fees_usd'])} of it fees"),
        (
            "Price PnL vs unhedged",
            text.usd(summary["price_pnl_vs_unhedged_usd"], plus=True),
            "market moves, not saving",
        ),
        (
            "Turnover",
            text.usd(summary["turnover_usd"]),
            f"{run.fills.height:,} fill{'s' * (run.fills.height != 1)}",
        ),
    )
    return "".join(
        f"<div><dt>{name}</dt><dd><strong>{value}</strong> <abbr>USD</abbr><span>{note}</span></dd></div>"
        for name, value, note in shown
    )


def _banner(summary: dict[str, Any]) -> str:
    if not summary.get("proxy"):
        return ""
    ours, _, theirs = str(summary["proxy"]).partition("=")
    rule = f" under the {summary['proxy_rule']} rule" if summary.get("proxy_rule") else ""
    said = f"{wording.venue(ours)}\u2019s rates are stood in for by {wording.venue(theirs)}{rule}."
    return f'<p class="banner" role="note"><strong>Proxy data.</strong> {esc(said)}</p>'


def _acted(run: Run) -> str:
    """Say in one sentence how often something was done."""
    counts, n = action_counts(run.decisions), run.decisions.height
    if not n:
        return "No decision was recorded."
    acted = counts.get("acted", 0)
    if run.fills.is_empty():
        return f"No order was filled in {n:,} decisions: the book stayed as it was."
    return f"{acted:,} of {n:,} decisions asked for an order; {run.fills.height:,} fills came of it."


def _model(summary: dict[str, Any]) -> str:
    """Name the model, and what it decided with, in one line."""
    hashes = (f"{key.removesuffix('_hash')} {str(summary.get(key) or 'none')[:12]}" for key in HASHES)
    return " \u00b7 ".join((*([str(summary["model"])] if summary.get("model") else []), *hashes))


def _folds(run: Run) -> str:
    summary = run.summary
    basics = {
        "command": summary.get("command"),
        "from": summary.get("from"),
        "to": summary.get("to"),
        "equity_usd": summary.get("equity_usd"),
        "proxy": summary.get("proxy"),
        "proxy_rule": summary.get("proxy_rule"),
    }
    basics |= {key: summary[key] for key in (*HASHES, "seed") if summary.get(key) is not None}
    missing = summary.get("data_gaps") or []
    return "".join(
        (
            tables.folded("Assumptions", text.value_html(summary.get("assumptions") or {}), "assumptions"),
            tables.folded("Run and hashes", text.value_html(basics), "run"),
            tables.folded("Fills", tables.fill_table(run), "fills", f"{run.fills.height:,}"),
            tables.folded("Data gaps", tables.gaps(missing), "gaps", f"{len(missing):,}"),
            tables.folded("Price sources", text.value_html(summary.get("price_sources") or {}), "sources"),
            tables.folded("Definitions", text.value_html(summary.get("definitions") or {}), "definitions"),
        )
    )


def page(run: Run) -> str:
    """Return the whole page."""
    summary = run.summary
    start_ms, end_ms = period_ms(run)
    days = max(1, round((end_ms - start_ms) / DAY_MS))
    return framed(
        "hedged.backtest.report",
        "report",
        "hedged — what the hedge did",
        chart_data(run),
        kind=esc(text.words(str(summary.get("command") or "run"))),
        period=esc(f"{text.day(summary.get('from'))} \u2013 {text.day(summary.get('to'))}"),
        days=f"{days:,} day{'s' * (days != 1)}",
        equity=wording.number(summary.get("equity_usd"), 0),
        pays=esc(summary.get("pays") or "The run says nothing about whether hedging paid."),
        banner=_banner(summary),
        tiles=tiles(run),
        acted=esc(_acted(run)),
        per_symbol=tables.per_symbol(run),
        reasons=tables.reason_list(idle_reasons(run.decisions)),
        pipeline=pipeline_svg(),
        model=esc(_model(summary)),
        folds=_folds(run),
    )


def write_report(out: Path) -> Path:
    """Write `report.html` beside the run's files and return its path."""
    return write_whole(page(load_run(out)), out / "report.html")
