"""What finished trials were worth, by fold and by day. Larger is better everywhere here."""

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.domain.errors import ConfigError
from hedged.sweep.file import ObjectiveConfig
from hedged.sweep.folds import Step, steps_of
from hedged.sweep.plan import Plan, Trial
from hedged.sweep.store import Rows
from hedged.sweep.task import Row

Floats = NDArray[np.float64]
BP = 10_000.0
DAYS_A_YEAR = 365.0


def fold_scores(plan: Plan, trial: Trial, rows: Rows) -> Floats:
    """Return a trial's objective by fold (folds,), its sign turned when it is to be small; NaN where a run failed.

    per notional: USD of all books ÷ their positions, in bp a year. Raises ConfigError for a metric that no run has.
    """
    objective = plan.sweep.objective
    scores = np.full(len(plan.folds), np.nan)
    for number, fold in enumerate(plan.folds):
        found = _of_fold(trial, number, rows)
        if found is None:
            continue
        told = np.array([_metric(row, objective) for row in found])
        if objective.per == "notional":
            years = (fold.to_ms - fold.from_ms) / DAY_MS / DAYS_A_YEAR
            value = told.sum() / sum(row["notional_usd"] for row in found) * BP / years
        else:
            value = told.mean()
        scores[number] = value if objective.direction == "maximize" else -value
    return scores


def daily_gains(plan: Plan, trial: Trial, rows: Rows, folds: Sequence[int]) -> Floats:
    """Return net savings of all books ÷ their positions, bp a day, of these folds (days,); NaN when a run failed."""
    days = []
    for number in folds:
        found = _of_fold(trial, number, rows)
        if found is None:
            fold = plan.folds[number]
            days.append(np.full((fold.to_ms - fold.from_ms) // DAY_MS, np.nan))
        else:
            usd = np.sum([row["daily"] for row in found], axis=0)
            days.append(usd / sum(row["notional_usd"] for row in found) * BP)
    return np.concatenate(days)


def search_folds(plan: Plan) -> tuple[int, ...]:
    """Return the folds that a search may look at: for Optuna all but those held out."""
    count = len(plan.folds)
    return tuple(range(count if plan.sweep.trials is None else count - plan.sweep.holdout))


def proof_folds(plan: Plan) -> tuple[int, ...]:
    """Return the folds on which trials are compared with p-values.

    A grid is fixed beforehand: all. What Optuna draws has been fitted to the folds it saw: the others.
    """
    seen = search_folds(plan)
    return seen if plan.sweep.trials is None else tuple(range(len(seen), len(plan.folds)))


def steps(plan: Plan) -> Sequence[Step]:
    """Return the walk-forward steps; trials drawn by Optuna are scored on what it never saw."""
    first = 1 if plan.sweep.trials is None else len(search_folds(plan))
    return steps_of(len(plan.folds), plan.sweep.folds.memory, first)


def best_of(scores: Floats, folds: Sequence[int]) -> int | None:
    """Return which row of scores (trials, folds) has the best mean over folds, all known; the first of equals."""
    means = scores[:, list(folds)].mean(axis=1)
    return None if np.isnan(means).all() else int(np.nanargmax(means))


def _of_fold(trial: Trial, number: int, rows: Rows) -> list[Row] | None:
    """Return the rows of all books on a fold, None unless all of them are good."""
    keys = [task.key for (fold, _), task in trial.tasks.items() if fold == number]
    found = [rows[key] for key in keys if key in rows and rows[key]["status"] == "ok"]
    return found if len(found) == len(keys) else None


def _metric(row: Row, objective: ObjectiveConfig) -> float:
    metrics = row["metrics"]
    if objective.metric not in metrics:
        near = difflib.get_close_matches(objective.metric, metrics, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(metrics))}"
        raise ConfigError(f"objective.metric {objective.metric!r}: no number of a run's summary.json; {hint}")
    return float(metrics[objective.metric])
