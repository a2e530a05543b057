"""Writes the page: texts, numbers and pictures of one run in one HTML file that asks the network for nothing."""

from pathlib import Path

from polars.exceptions import PanicException, PolarsError

from hedged.backtest.report import sections, tables, text
from hedged.backtest.report.baselines import baseline_table
from hedged.backtest.report.data import chart_data, period_ms
from hedged.backtest.report.files import Run, load_run
from hedged.backtest.report.margin import accounts
from hedged.backtest.report.metrics import metric_tiles, proxy_rules
from hedged.backtest.report.pipeline import arrow_tip, pipeline_svg
from hedged.backtest.report.reasons import idle_reasons
from hedged.backtest.report.regimes import model_table, models_of, regime_table
from hedged.domain.clock import DAY_MS
from hedged.domain.errors import DataError
from hedged.page import wording
from hedged.page.frame import framed, write_whole
from hedged.page.wording import esc

LEAST_COST_PER_YEAR = 0.002
"""No ratio is quoted against a funding below 20 bp of the notional a year: it would be noise."""
SCRIPTS = ("common", "money", "timeline", "forecasts")


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


def page(run: Run) -> str:
    """Return the whole page."""
    summary, drawn = run.summary, chart_data(run)
    start_ms, end_ms = period_ms(run)
    days = max(1, round((end_ms - start_ms) / DAY_MS))
    told = _optional(run, (start_ms, end_ms))
    return framed(
        "hedged.backtest.report",
        "report",
        "hedged — what the hedge did",
        drawn,
        SCRIPTS,
        kind=esc(text.words(str(summary.get("command") or "run"))),
        contents=sections.contents([name for name in ("regimes", "margin") if not told[name]]),
        period=esc(f"{text.day(summary.get('from'))} \u2013 {text.day(summary.get('to'))}"),
        days=f"{days:,} day{'s' * (days != 1)}",
        equity=wording.number(summary.get("equity_usd"), 0),
        pays=esc(summary.get("pays") or "The run says nothing about whether hedging paid."),
        banner=sections.banners(summary),
        tiles=tiles(run),
        sampling=esc(sections.sampling(run, drawn["grid"]["step"])),
        worth=f'<p class="worth">{esc(summary["worth"])}</p>' if summary.get("worth") else "",
        measured=_measured(run),
        proxy_rules=proxy_rules(summary.get("proxy_rules") or {}),
        acted=esc(sections.acted(run)),
        per_symbol=tables.per_symbol(run),
        reasons=tables.reason_list(idle_reasons(run.decisions)),
        arrow_tip=arrow_tip(),
        pipeline=pipeline_svg(run),
        architecture=sections.model(summary),
        model=esc(sections.model_line(summary)),
        folds=sections.folds(run),
        **told,
    )


def _measured(run: Run) -> str:
    """Return the run beside its baselines, and its metrics."""
    if not run.summary.get("metrics") and not run.summary.get("baselines"):
        return '<p class="empty">Baselines and metrics were not measured in this run.</p>'
    tiles = metric_tiles(run.summary.get("metrics") or {})
    return f'{baseline_table(run)}<h3 class="sub">Metrics</h3>{tiles}'


def _optional(run: Run, period: tuple[int, int]) -> dict[str, str]:
    """Return the sections that not every run has, empty where this one has not."""
    by_regime, by_model = regime_table(run, period), model_table(models_of(run, period))
    return {
        "regimes": sections.section(
            "regimes",
            "Regimes and models",
            by_regime + by_model,
            "Shaded in the charts above, all but the normal; a vertical rule marks where another model took over.",
        ),
        "margin": sections.section("margin", "Margin and collateral", accounts(run.summary)),
    }


def write_report(out: Path) -> Path:
    """Write `report.html` beside the run's files and return its path."""
    return write_whole(page(load_run(out)), out / "report.html")


def remake_report(out: Path) -> Path:
    """Do the same for a directory that a person named. Raises DataError where that holds no whole run."""
    try:
        return write_report(out)
    except FileNotFoundError:
        raise DataError(
            f"{out} holds no finished run: it has no summary.json; `hedged demo` and `hedged backtest` write one"
        ) from None
    except PermissionError as error:
        raise DataError(f"{error.filename} cannot be read or written: {error.strerror}") from None
    except (
        ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, PolarsError,
        PanicException,
    ) as error:  # fmt: skip
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"the files in {out} are damaged or of another program ({detail}); run it again"
        ) from None
