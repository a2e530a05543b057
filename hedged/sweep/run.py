"""A sweep from its plan to its files."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hedged.domain.errors import DataError
from hedged.sweep.findings import Findings, find
from hedged.sweep.outputs import write_outputs
from hedged.sweep.plan import DEFAULT, Plan, Trial
from hedged.sweep.score import fold_scores, search_folds
from hedged.sweep.search import batches
from hedged.sweep.store import Rows
from hedged.sweep.wording import digits, unit
from hedged.sweep.workers import Workers

OnTask = Callable[[int, int, str], None]
"""Called after each task with how many are done, how many there are as far as known, and the best so far in words."""


def run_sweep(
    plan: Plan, rows: Rows, workers: Workers, out: Path, on_task: OnTask = lambda _done, _all, _best: None
) -> tuple[Findings, Path]:
    """Run what is not in `rows` yet, compare all trials and write every file. Returns the page's path too.

    Raises DataError when the default configuration itself cannot be run, ConfigError when workers are of no use.
    """
    trials = _run_trials(plan, rows, workers, on_task)
    found = find(plan, trials, rows, np.random.default_rng(plan.sweep.seed))
    return found, write_outputs(plan, found, rows, out)


def _run_trials(plan: Plan, rows: Rows, workers: Workers, on_task: OnTask) -> list[Trial]:
    trials: list[Trial] = []
    best = _Best(plan, rows)
    done, total = 0, _expected(plan)

    def scored(trial: Trial) -> float | None:
        value = float(fold_scores(plan, trial, rows)[list(search_folds(plan))].mean())
        return None if np.isnan(value) else value

    for batch in batches(plan, scored):
        fresh = [trial for trial in batch if trial.number not in {one.number for one in trials}]
        tasks = {task.key: task for trial in fresh for task in trial.tasks.values()}
        todo = [task for task in tasks.values() if task.key not in rows]
        done += len(tasks) - len(todo)
        if trials and plan.sweep.trials is None:
            total = done + len(todo)  # combinations that are the same configuration are one
        on_task(done, max(total, done), best.said(trials))
        for row in workers.run(todo):
            rows.add(row)
            done += 1
            on_task(done, max(total, done), best.said([*trials, *fresh]))
        trials += fresh
        _refuse_a_broken_default(trials[DEFAULT], rows)
    return trials


def _expected(plan: Plan) -> int:
    """Return how many tasks there will be at most; Optuna may draw a trial twice, which is then run once."""
    choices = (len(one.choices or ()) for one in plan.sweep.parameters.values())
    drawn = plan.sweep.trials or math.prod((len(plan.models), *choices))
    return len(plan.folds) * len(plan.books) * (drawn + 1)


def _refuse_a_broken_default(default: Trial, rows: Rows) -> None:
    """Raise DataError when there is nothing to compare with."""
    for (fold, book), task in default.tasks.items():
        if rows[task.key]["status"] != "ok":
            raise DataError(
                f"the default configuration fails on fold {fold + 1} of {book}: {rows[task.key]['error']} "
                "(--retry-failed runs again what failed)"
            )


class _Best:
    """Says which finished trial is the best so far. Each is scored once."""

    def __init__(self, plan: Plan, rows: Rows) -> None:
        self._plan, self._rows = plan, rows
        self._scores: dict[int, float] = {}
        self._labels: dict[int, str] = {}

    def said(self, trials: list[Trial]) -> str:
        for trial in trials:
            if trial.number not in self._scores and all(t.key in self._rows for t in trial.tasks.values()):
                scores = fold_scores(self._plan, trial, self._rows)[list(search_folds(self._plan))]
                self._scores[trial.number] = float(scores.mean())
                self._labels[trial.number] = trial.label
        known = {number: score for number, score in self._scores.items() if not np.isnan(score)}
        if not known:
            return ""
        number = max(known, key=lambda n: (known[n], -n))
        objective = self._plan.sweep.objective
        turn = 1 if objective.direction == "maximize" else -1
        return f"best {turn * known[number]:,.{digits(objective)}f} {unit(objective)}: {self._labels[number]}"
