"""Which trials are run: every combination, or what Optuna draws and learns from."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hedged.domain.errors import ConfigError
from hedged.sweep.paths import kind_of
from hedged.sweep.plan import Plan, Trial

Scored = Callable[[Trial], float | None]
"""What a finished trial is worth on the folds that a search may look at, larger is better; None: it failed."""
MODEL = "model"


def batches(plan: Plan, scored: Scored) -> Iterator[Sequence[Trial]]:
    """Yield trials to be run, those of a batch in any order; the default comes first, alone.

    Each batch must be finished before the next is asked for: what is drawn then depends on the seed alone, not on which
    worker was quick, and a sweep that is started again draws the same.
    """
    if plan.sweep.trials is None:
        default, *others = plan.grid()
        yield [default]
        yield others
    else:
        yield from _drawn(plan, plan.sweep.trials, scored)


def _drawn(plan: Plan, count: int, scored: Scored) -> Iterator[Sequence[Trial]]:
    """Yield what the TPE sampler draws. Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011."""
    try:
        import optuna
    except ModuleNotFoundError as missing:
        raise ConfigError(f"trials are drawn by {missing.name}: pip install 'hedged[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=plan.sweep.seed)
    )
    default = plan.default()
    yield [default]
    known = {default.key: default}
    while len(study.trials) < count:
        asked = [study.ask() for _ in range(min(plan.sweep.at_once, count - len(study.trials)))]
        drawn = []
        for one in asked:
            trial = plan.trial(len(known), *_values(plan, one))
            drawn.append(known.setdefault(trial.key, trial))
        yield list({trial.number: trial for trial in drawn}.values())
        for one, trial in zip(asked, drawn, strict=True):
            value = scored(trial)
            state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
            study.tell(one, value, state)


def _values(plan: Plan, asked: Any) -> tuple[str, dict[str, Any]]:
    """Return the model and settings of an Optuna trial; whole numbers where the setting is one."""
    models = plan.models
    model = asked.suggest_categorical(MODEL, models) if len(models) > 1 else models[0]
    values: dict[str, Any] = {}
    for path, one in plan.sweep.parameters.items():
        if one.choices is not None:
            # by number: Optuna's choices are plain values, and a setting may be a list
            values[path] = one.choices[asked.suggest_categorical(path, range(len(one.choices)))]
        elif kind_of(path) is int:
            low, high = math.ceil(one.low or 0), math.floor(one.high or 0)
            values[path] = asked.suggest_int(path, low, high, step=int(one.step or 1), log=one.log)
        else:
            drawn = asked.suggest_float(path, one.low, one.high, step=one.step, log=one.log)
            values[path] = float(f"{drawn:.4g}")
    return model, values
