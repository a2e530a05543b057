"""The files of a sweep: results.parquet, sweep.json and the page."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from hedged.domain.clock import iso
from hedged.page.frame import write_whole
from hedged.sweep.findings import Findings
from hedged.sweep.page import Notes, page
from hedged.sweep.plan import DEFAULT, Plan, Trial
from hedged.sweep.store import Rows
from hedged.sweep.task import Row
from hedged.sweep.verdict import verdict
from hedged.sweep.wording import DEFINITIONS


def write_outputs(plan: Plan, found: Findings, rows: Rows, out: Path) -> Path:
    """Write every file whole or not at all, and return the page's path."""
    draft = out / "results.parquet.part"
    table(plan, found.trials, rows).write_parquet(draft)
    draft.replace(out / "results.parquet")
    text = json.dumps(summary(plan, found, rows), indent=2, allow_nan=False)
    write_whole(text + "\n", out / "sweep.json")
    notes = Notes(
        failures(found.trials, rows),
        stand_in(found, rows),
        gaps(found, rows),
        knowing(found, rows),
        by_daemon(found.trials, rows),
    )
    return write_whole(page(plan, found, notes), out / "sweep.html")


def table(plan: Plan, trials: Sequence[Trial], rows: Rows) -> pl.DataFrame:
    """Return a row for each trial, fold and book: settings, status, metrics and daily net savings in USD."""
    lines = [_line(plan, trial, fold, book, rows[task.key])
             for trial in trials for (fold, book), task in trial.tasks.items() if task.key in rows]  # fmt: skip
    return pl.DataFrame(lines, infer_schema_length=None, strict=False)


def _line(plan: Plan, trial: Trial, fold: int, book: str, row: Row) -> dict[str, Any]:
    window = plan.folds[fold]
    return {
        "trial": trial.number,
        "model": trial.model,
        **{path: _plain(value) for path, value in plan.settings(trial).items()},
        "fold": fold + 1,
        "from": iso(window.from_ms),
        "to": iso(window.to_ms),
        "book": book,
        "status": row["status"],
        "error": row.get("error"),
        "seconds": row["seconds"],
        "notional_usd": row.get("notional_usd"),
        **row.get("metrics", {}),
        "daily_net_saving_usd": row.get("daily"),
        "key": row["key"],
    }


def _plain(value: Any) -> Any:
    """Return numbers as numbers, all else as its JSON."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else json.dumps(value)


def failures(trials: Sequence[Trial], rows: Rows) -> dict[int, str]:
    """Return the first error of each trial that has one, by its number."""
    return {
        trial.number: errors[0]
        for trial in trials
        if (
            errors := [
                rows[t.key]["error"] for t in trial.tasks.values() if t.key in rows and "error" in rows[t.key]
            ]
        )
    }


def gaps(found: Findings, rows: Rows) -> dict[str, list[str]]:
    """Return what the data lack, by fold and book: these runs say less."""
    default = found.trials[DEFAULT].tasks.items()
    return {
        f"Fold {fold + 1}, {book}": told for (fold, book), task in default if (told := rows[task.key]["gaps"])
    }


def knowing(found: Findings, rows: Rows) -> list[str]:
    """Return the models that were trained on days that they are judged on here: their figures are no forecasts."""
    return sorted(
        {
            trial.model
            for trial in found.trials
            for task in trial.tasks.values()
            if task.key in rows and rows[task.key].get("knows_days", 0) > 0
        }
    )


def by_daemon(trials: Sequence[Trial], rows: Rows) -> dict[str, int]:
    """Return why runs were not played by the batch engine that was asked for, and how many."""
    said = (rows[t.key].get("by_daemon") for trial in trials for t in trial.tasks.values() if t.key in rows)
    return dict(Counter(why for why in said if why))


def stand_in(found: Findings, rows: Rows) -> str | None:
    """Return in words what stood in for Injective's funding; None: it was recorded."""
    first = next(iter(found.trials[DEFAULT].tasks.values()))
    told: str | None = rows[first.key]["stand_in"]
    return told


def summary(plan: Plan, found: Findings, rows: Rows) -> dict[str, Any]:
    """Return sweep.json. Scores are as the objective says, p-values corrected; null is unknown."""
    wrong = failures(found.trials, rows)
    turn = 1 if plan.sweep.objective.direction == "maximize" else -1
    tree = {
        "verdict": verdict(found),
        "best": found.best,
        "trials": [
            {
                "number": trial.number, "label": trial.label, "model": trial.model, "values": plan.settings(trial),
                "score": turn * found.scores[i].mean(), "by_fold": list(turn * found.scores[i]),
                "p_against_default": found.p_default[i], "p_against_no_hedge": found.p_none[i],
                "error": wrong.get(trial.number),
            }
            for i, trial in enumerate(found.trials)
        ],
        "walk_forward": list(_steps(found, turn)),
        "gain_over_default_bp_a_day": dict(zip(("value", "low", "high"), found.gain, strict=True)),
        "p_best_against_default": found.p_best[0],
        "p_best_against_no_hedge": found.p_best[1],
        "deflated_sharpe": found.deflated,
        "deflated_sharpe_over_default": found.deflated_default,
        "overfitting_probability": found.overfitting,
        "days": found.proof_days,
        "stand_in": stand_in(found, rows),
        "data_gaps": gaps(found, rows),
        "models_that_knew": knowing(found, rows),
        "by_daemon": by_daemon(found.trials, rows),
        "folds": [{"from": iso(fold.from_ms), "to": iso(fold.to_ms)} for fold in plan.folds],
        "books": plan.books,
        "sweep": plan.sweep.model_dump(mode="json", by_alias=True),
        "code_hash": plan.grounds.code,
        "data_hash": plan.grounds.data[1],
        "definitions": DEFINITIONS,
    }  # fmt: skip
    return {name: _known(value) for name, value in tree.items()}


def _steps(found: Findings, turn: int) -> Iterator[dict[str, Any]]:
    for one in found.steps:
        yield {
            "chosen_on": [number + 1 for number in one.train],
            "scored_on": one.test + 1,
            "trial": one.trial.number,
            "in_sample": turn * one.in_sample,
            "out_of_sample": turn * one.out_of_sample,
            "default": turn * one.default,
            "best_in_hindsight": turn * one.hindsight,
        }


def _known(value: Any) -> Any:
    """Return plain JSON values, null for what is unknown."""
    if isinstance(value, Mapping):
        return {name: _known(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
