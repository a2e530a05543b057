"""What a finished sweep found: the best trial, whether it is luck, and what choosing on the past was worth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.sweep.plan import DEFAULT, Plan, Trial
from hedged.sweep.score import best_of, daily_gains, fold_scores, proof_folds, search_folds, steps
from hedged.sweep.statistics.overfitting import overfitting_probability
from hedged.sweep.statistics.sharpe import deflated_sharpe
from hedged.sweep.statistics.stepwise import interval, stepwise_p_values
from hedged.sweep.store import Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chosen:
    """One walk-forward step. `trial`: chosen on `train`; scores in the objective's unit, larger is better."""

    train: tuple[int, ...]
    test: int
    trial: Trial
    in_sample: float
    out_of_sample: float
    default: float
    hindsight: float


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is told. Rows of `scores` (trials, folds), `p_default`, `p_none` are as `trials`; NaN is unknown.

    `p_default`, `p_none`: corrected for all trials, against the default configuration and against no hedge.
    `p_best`: of the best trial against the same; after Optuna, which chose it on other days than these, not corrected.
    `deflated`, `deflated_default`: of the best trial, against the same. `path`, `path_default`: bp a day on the folds
    scored, of what was chosen on the past and of the default; `gain`: mean difference with its 95 % interval, bp a day.
    `proof_days`: how many days the p-values rest on; `searched`: trials were drawn by Optuna, on other days.
    """

    trials: Sequence[Trial]
    scores: Floats
    best: int
    p_default: Floats
    p_none: Floats
    p_best: tuple[float, float]
    deflated: float
    deflated_default: float
    overfitting: float
    steps: Sequence[Chosen]
    path: Floats
    path_default: Floats
    gain: tuple[float, float, float]
    proof_days: int
    searched: bool

    @property
    def usable(self) -> int:
        """Return how many trials ran without a failure."""
        return int((~np.isnan(self.scores).any(axis=1)).sum())


def find(plan: Plan, trials: Sequence[Trial], rows: Rows, rng: np.random.Generator) -> Findings:
    """Compare all trials; the default (number 0) is the first and has run on every fold."""
    scores = np.array([fold_scores(plan, trial, rows) for trial in trials])
    whole = np.flatnonzero(~np.isnan(scores).any(axis=1))
    best = best_of(np.where(np.isnan(scores).any(axis=1)[:, None], np.nan, scores), search_folds(plan))
    assert best is not None  # the default's runs are good, or the sweep had ended
    proof = proof_folds(plan)
    gains = np.column_stack([daily_gains(plan, trials[i], rows, proof) for i in map(int, whole)])
    over_default = gains - gains[:, [DEFAULT]]
    own = int(np.flatnonzero(whole == best)[0])
    p_none, p_default = (np.full(len(trials), np.nan) for _ in range(2))
    p_none[whole] = stepwise_p_values(gains, rng)
    p_default[whole] = stepwise_p_values(over_default, rng)
    p_best = float(p_default[best]), float(p_none[best])
    if plan.sweep.trials is not None:
        alone = (stepwise_p_values(one[:, [own]], rng) for one in (over_default, gains))
        p_best = next(alone).item(), next(alone).item()
    chosen = _chosen(plan, trials, scores)
    path, path_default = _paths(plan, trials, rows, chosen)
    gain = path - path_default
    return Findings(
        trials,
        scores,
        best,
        p_default,
        p_none,
        p_best,
        deflated_sharpe(gains, own),
        deflated_sharpe(over_default, own),
        overfitting_probability(gains),
        chosen,
        path,
        path_default,
        (float(gain.mean()), *interval(gain, rng)),
        len(gains),
        plan.sweep.trials is not None,
    )


def _chosen(plan: Plan, trials: Sequence[Trial], scores: Floats) -> list[Chosen]:
    """Choose on the past of each step; a trial that then fails on the next fold would have been no choice."""
    found = []
    for step in steps(plan):
        able = np.where(np.isnan(scores[:, [step.test]]), np.nan, scores)
        number = best_of(able, step.train)
        assert number is not None  # the default is always able
        found.append(
            Chosen(
                step.train,
                step.test,
                trials[number],
                float(scores[number, list(step.train)].mean()),
                float(scores[number, step.test]),
                float(scores[DEFAULT, step.test]),
                float(np.nanmax(scores[:, step.test])),
            )
        )
    return found


def _paths(
    plan: Plan, trials: Sequence[Trial], rows: Rows, chosen: Sequence[Chosen]
) -> tuple[Floats, Floats]:
    mine = [daily_gains(plan, one.trial, rows, (one.test,)) for one in chosen]
    default = [daily_gains(plan, trials[DEFAULT], rows, (one.test,)) for one in chosen]
    return np.concatenate(mine), np.concatenate(default)
