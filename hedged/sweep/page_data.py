"""Turns findings into what the page's charts draw, and nothing more: it all travels inside the page."""

from typing import Any

import numpy as np

from hedged.domain.clock import DAY_MS
from hedged.sweep.findings import Findings
from hedged.sweep.plan import Plan, Trial
from hedged.sweep.wording import digits, unit

MODEL = "model"


def chart_data(plan: Plan, found: Findings) -> dict[str, Any]:
    """Return what the charts draw: scores of trials, their settings, and the path out of sample."""
    turn = turn_of(plan)
    last = found.steps[-1]
    inside = found.scores[:, list(last.train)].mean(axis=1)
    start = plan.folds[found.steps[0].test].from_ms
    return {
        "unit": unit(plan.sweep.objective),
        "digits": digits(plan.sweep.objective),
        "best": found.best,
        "scored_on": last.test + 1,
        "trials": [
            {
                "label": trial.label,
                "score": _round(turn * found.scores[i].mean()),
                "inside": _round(turn * inside[i]),
                "outside": _round(turn * found.scores[i, last.test]),
                "values": {name: value_of(plan, trial, name) for name in axes(plan)},
            }
            for i, trial in enumerate(found.trials)
        ],
        "axes": [
            {"id": name, "label": short(name), "levels": _axis(plan, found, name)} for name in axes(plan)
        ],
        "path": {
            "day_ms": [start + i * DAY_MS for i in range(len(found.path))],
            "chosen": [_round(v) for v in np.cumsum(found.path)],
            "default": [_round(v) for v in np.cumsum(found.path_default)],
        },
    }


def axes(plan: Plan) -> list[str]:
    """Return what differs among trials: the model where there are several, and every searched setting."""
    return [*([MODEL] if len(plan.models) > 1 else []), *plan.sweep.parameters]


def _axis(plan: Plan, found: Findings, name: str) -> list[Any] | None:
    """Return the levels of a setting of choices in order; None: it is a range of numbers."""
    return None if ranged(plan, name) else [str(level) for level in levels_of(plan, found, name)]


def ranged(plan: Plan, name: str) -> bool:
    """Say whether a setting is a range of numbers."""
    return name != MODEL and plan.sweep.parameters[name].choices is None


def levels_of(plan: Plan, found: Findings, name: str) -> list[Any]:
    """Return the values of a setting in order, the default's own at the end where it is none of them."""
    given = list(plan.models) if name == MODEL else plan.sweep.parameters[name].choices or []
    tried = (value_of(plan, trial, name) for trial in found.trials)
    return list(dict.fromkeys([*map(_text, given), *tried]))


def value_of(plan: Plan, trial: Trial, name: str) -> Any:
    """Return a trial's setting as a number or text."""
    return trial.model if name == MODEL else _text(plan.settings(trial)[name])


def _text(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def short(name: str) -> str:
    """Return a setting's path without its section."""
    return name.split(".", 1)[-1]


def turn_of(plan: Plan) -> int:
    """Return 1 where larger is better, −1 where scores were turned."""
    return 1 if plan.sweep.objective.direction == "maximize" else -1


def _round(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
