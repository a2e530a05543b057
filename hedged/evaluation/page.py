"""Writes the page: what an evaluation found in one HTML file that asks the network for nothing."""

from pathlib import Path

from hedged.evaluation import page_tables, wording
from hedged.evaluation.page_data import chart_data
from hedged.evaluation.page_spreads import spread_tables
from hedged.evaluation.result import Result
from hedged.evaluation.wording import number, percent
from hedged.page.frame import framed, write_whole
from hedged.page.wording import day, esc, listed

DEFINITIONS = {
    "s": "The usual change of a series: mean size of the change from print to print over the last 30 days, known at "
    "the origin. A usual change is what persistence gets wrong.",
    "relMAE": "Mean absolute error of the median divided by that of persistence (the last settled rate), for each "
    "series; then the geometric mean over series with at least 100 rows.",
    "Pinball": "Mean over the nine quantile levels of the quantile loss: small for bands that are narrow and right.",
    "Direction": "Share of changes whose side the probability of a rise was on. Unchanged rates are left out here, and "
    "are an outcome of one half for calibration.",
    "Largest moves": "The quarter of a series’ changes with the largest realised size, where a wrong side costs most. "
    "They are picked by what came, so the figure compares forecasters; it is not the accuracy to expect of a call.",
    "Coverage": "Share of what came inside the band from the 10 % to the 90 % quantile. Rates on the edge of "
    "a band are inside, and counted half in the figure in brackets; for rates that rest the truth lies between.",
    "Intervals": "95 % of a bootstrap over weeks of origins, drawn jointly for all series.",
    "Regime": "Calm, usual and stormy: thirds of the forecasts by s over the series’ own median s.",
}
FORECASTERS = {
    "zero": "No funding is due.",
    "persistence": "The last settled rate stays.",
    "seasonal": "Mean of the last seven days at the hour of day of the coming settlement; for means, of all hours.",
    "ewma": "Exponentially weighted mean; half-life tuned per venue class and horizon on the year before each fold.",
    "ridge": "Ridge regression on the tabular features, one per horizon.",
    "arima": "AutoARIMA without seasons on the last 500 prints, refitted monthly, fed with each print; normal bands.",
    "lightgbm": "Quantile trees on the tabular features, venue and coin, tuned by random search within each training "
    "window.",
}


def write_page(result: Result, target: Path) -> Path:
    """Write the page whole or not at all, and return its path."""
    return write_whole(page(result), target)


def page(result: Result) -> str:
    """Return the whole page."""
    origins = result.truth.rows["origin_ts"].sort()
    return framed(
        "hedged.evaluation",
        "evaluation",
        "hedged — how good the forecasts are",
        chart_data(result),
        period=f"{day(origins[0])} – {day(origins[-1])}",
        n=number(len(result.truth.rows), 0),
        against=esc(wording.forecaster(result.against)),
        verdict=page_tables.verdict(result),
        tiles=tiles(result),
        tables=page_tables.cell_tables(result),
        seeds=page_tables.seeds(result),
        spreads=spread_tables(result.spreads),
        definitions=listed(DEFINITIONS),
        forecasters=listed(
            {wording.forecaster(name): text for name, text in FORECASTERS.items() if name in result.findings}
        ),
        notes="".join(f"<p>{esc(note)}</p>" for note in result.notes) or "<p>None.</p>",
    )


def tiles(result: Result) -> str:
    """Return the six numbers of the headline: the next settlement, of either venue class."""
    shown = []
    for kind in ("slow", "hourly"):
        cell = (kind, "s1")
        own, name = result.pooled(result.ours, cell), wording.CLASS_NAMES[kind].lower()
        base = result.pooled(result.against, cell)
        if not own or not base:
            continue
        relmae = result.findings[result.ours].relmae[cell]
        pinball = result.compared[result.against].pinball[cell]
        against = wording.forecaster(result.against)
        shown += [
            (f"MAE ÷ persistence, {name}", number(relmae.value), f"{against} {number(base['relmae'])}"),
            (
                f"Pinball ÷ {against}, {name}",
                number(pinball.value),
                f"95 %: {number(pinball.low)} – {number(pinball.high)}",
            ),
            (f"Direction, {name}", percent(own["direction"]), f"{against} {percent(base['direction'])}"),
        ]
    return "".join(
        f"<div><dt>{esc(name)}</dt><dd><strong>{value}</strong><span>{esc(note)}</span></dd></div>"
        for name, value, note in shown
    )
