"""Measures a forecasts file against what came and against baselines on the same origins, and writes down what it found.

Folds need training, so the caller makes them: forecasts, and those of trained baselines, come one fold beside the
other, told apart by an optional column `fold`; what is tuned here is tuned anew before each.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hedged.adapters.replay.series import SeriesData
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.evaluation import arima as arima_baseline
from hedged.evaluation.baselines import Histories, persistence, seasonal, zero
from hedged.evaluation.bootstrap import ratios
from hedged.evaluation.losses import context, losses
from hedged.evaluation.metrics import metrics
from hedged.evaluation.page import write_page
from hedged.evaluation.prints import histories
from hedged.evaluation.profiles import PROFILES, by_series
from hedged.evaluation.result import Comparison, Findings, Result
from hedged.evaluation.smoothing import ewma
from hedged.evaluation.spread import spreads
from hedged.evaluation.summary import summary
from hedged.evaluation.truth import KEY, QUANTILES, Truth, load_series, settle

OURS = "hedged"
STRONGEST = ("lightgbm", "ewma")
"""Baselines that ratios are quoted against unless told otherwise, the first that is there."""
Progress = Callable[[str, float], None]
Rule = Callable[[Histories, pl.DataFrame], pl.DataFrame]
Rival = tuple[str, Callable[[], pl.DataFrame]]
"""A baseline's name and how to get its answers."""
SIMPLE: dict[str, Rule] = {"zero": zero, "persistence": persistence, "seasonal": seasonal, "ewma": ewma}


def evaluate(
    data: Path,
    forecasts: pl.DataFrame,
    out: Path,
    rng: np.random.Generator,
    *,
    baseline_quantiles: pl.DataFrame | None = None,
    against: str | None = None,
    arima_series: int = 8,
    from_ms: int = 0,
    on_progress: Progress = lambda _text, _share: None,
) -> dict[str, Any]:
    """Evaluate `forecasts` on a data directory; write metrics.parquet, metrics.json and index.html to `out`.

    `baseline_quantiles`: answers of trained baselines, the same columns and `forecaster`. `arima_series`: how many
    series of each venue class AutoARIMA is tried on (0: none). `from_ms`: earlier origins are not scored; what was
    missed there joins the venues later. Returns what metrics.json holds. Raises DataError for frames that are none.
    """
    on_progress("reading", 0.0)
    result = measure(
        load_series(data, forecasts),
        forecasts,
        rng,
        baseline_quantiles=baseline_quantiles,
        against=against,
        arima_series=arima_series,
        from_ms=from_ms,
        on_progress=on_progress,
    )
    on_progress("writing", 0.95)
    out.mkdir(parents=True, exist_ok=True)
    found = summary(result)
    result.metrics.write_parquet(out / "metrics.parquet")
    (out / "metrics.json").write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    write_page(result, out / "index.html")
    on_progress("done", 1.0)
    return found


def measure(
    series: Mapping[SeriesKey, SeriesData],
    forecasts: pl.DataFrame,
    rng: np.random.Generator,
    *,
    baseline_quantiles: pl.DataFrame | None = None,
    against: str | None = None,
    arima_series: int = 8,
    from_ms: int = 0,
    on_progress: Progress = lambda _text, _share: None,
) -> Result:
    """Do what `evaluate` does, without reading or writing."""
    whole = settle(forecasts, series)
    truth = whole.since(from_ms)
    notes = _dropped(truth)
    if truth.rows.is_empty():
        raise DataError("none of the forecasts can be judged: " + " ".join(notes))
    shared = context(truth)
    ours = losses(shared, truth.rows)
    findings, compared = {OURS: find(ours, rng)}, {}
    rivals: list[Rival] = [
        *((name, partial(_folded, series, truth, rule)) for name, rule in SIMPLE.items()),
        *_arima(series, truth, arima_series, rng, notes),
        *_given(baseline_quantiles),
    ]
    # one after the other: the quantiles of all at once would not fit into memory
    for done, (name, answer) in enumerate(rivals):
        on_progress(f"baseline {name}", 0.1 + 0.8 * done / len(rivals))
        theirs = losses(shared, answer())
        if len(theirs) < len(ours) and name != "arima":
            notes.append(f"The baseline {name} answers {len(theirs):,} of {len(ours):,} forecasts.")
        if len(theirs):
            findings[name], compared[name] = find(theirs, rng), compare(ours, theirs, rng)
    named = against or next((name for name in STRONGEST if name in compared), "")
    if named not in compared:
        raise DataError(f"no baseline {named!r}: there are {', '.join(compared)}")
    on_progress("spread between venues", 0.9)
    between = spreads(whole, _folded(series, whole, ewma), from_ms)
    return Result(OURS, named, truth, findings, compared, between, notes)


def find(scored: pl.DataFrame, rng: np.random.Generator) -> Findings:
    """Measure one forecaster from its `losses`."""
    profile = {name: profile_of(scored) for name, profile_of in PROFILES.items()}
    return Findings(metrics(scored), profile, ratios(scored, scored, "abs_error", rng, "persistence_error"))


def compare(ours: pl.DataFrame, theirs: pl.DataFrame, rng: np.random.Generator) -> Comparison:
    """Hold our `losses` against those of a baseline."""
    mae, pinball = (ratios(ours, theirs, loss, rng) for loss in ("abs_error", "pinball"))
    return Comparison(mae, pinball, by_series(ours, theirs))


def _folded(series: Mapping[SeriesKey, SeriesData], truth: Truth, rule: Rule) -> pl.DataFrame:
    """Answer every fold with a rule that tunes itself on what came before."""
    folds = truth.origins.partition_by("fold", maintain_order=True)
    return pl.concat([rule(histories(series, origins), origins) for origins in folds])


def _dropped(truth: Truth) -> list[str]:
    return [f"{n:,} forecasts were not judged: {reason}." for reason, n in truth.dropped.items()]


def _given(frame: pl.DataFrame | None) -> list[Rival]:
    if frame is None:
        return []
    missing = {"forecaster", *KEY, *QUANTILES, "p_up"} - set(frame.columns)
    if missing:
        raise DataError(f"the baseline's quantiles lack the column {', '.join(sorted(missing))}")
    names = frame["forecaster"].unique(maintain_order=True).to_list()
    return [(str(name), partial(frame.filter, pl.col("forecaster") == name)) for name in names]


def _arima(
    series: Mapping[SeriesKey, SeriesData],
    truth: Truth,
    per_class: int,
    rng: np.random.Generator,
    notes: list[str],
) -> list[Rival]:
    """Put AutoARIMA on a sample of series, and note which; without its library, note that."""
    if not per_class:
        notes.append("AutoARIMA was not asked for.")
        return []
    if not arima_baseline.installed():
        notes.append(f"AutoARIMA was left out: {arima_baseline.LIBRARY} is not installed.")
        return []
    sample = arima_baseline.sample_of(truth.origins, per_class, rng)
    if not sample:
        notes.append(f"AutoARIMA was left out: no series has {arima_baseline.MIN_ORIGINS} origins.")
        return []
    notes.append("AutoARIMA answers a random sample of series alone: " + ", ".join(map(str, sample)) + ".")
    keys = pl.DataFrame(sample, schema=["venue", "symbol"], orient="row")
    origins = truth.origins.join(keys, on=["venue", "symbol"], how="semi", maintain_order="left")
    return [("arima", lambda: arima_baseline.arima(histories(series, origins), origins, sample))]
