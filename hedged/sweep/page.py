"""Writes the page of a sweep: one HTML file that asks the network for nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np

from hedged.domain.clock import DAY_MS
from hedged.page.frame import framed
from hedged.page.wording import DASH, day, esc, listed, number, percent, scrolling
from hedged.sweep.findings import Findings
from hedged.sweep.plan import DEFAULT, Plan, Trial
from hedged.sweep.verdict import verdict
from hedged.sweep.wording import DEFINITIONS, digits, unit

MODEL = "model"
MAX_LEVELS = 12
"""A setting with more values than this is no row of a table."""
MAX_MAPS = 3


@dataclass(frozen=True, slots=True)
class Notes:
    """What a reader must know of the runs. `errors`: the first of each trial that failed, by its number; `stand_in`:
    for Injective's funding, None where it was recorded; `gaps`: what the data lack, by fold and book.
    """

    errors: Mapping[int, str]
    stand_in: str | None
    gaps: Mapping[str, Sequence[str]]


def page(plan: Plan, found: Findings, notes: Notes) -> str:
    """Return the whole page."""
    first, last = (
        datetime.fromtimestamp(ms / 1000, UTC) for ms in (plan.folds[0].from_ms, plan.folds[-1].to_ms - 1)
    )
    books = ", ".join(plan.books)
    return framed(
        "hedged.sweep",
        "sweep",
        "hedged — a sweep",
        chart_data(plan, found),
        period=f"{day(first)} – {day(last)}",
        what=esc(f"{len(plan.folds)} folds · {books}"),
        verdict=esc(verdict(found)),
        tiles=tiles(plan, found),
        steps=steps_table(plan, found),
        maps=maps(plan, found),
        trials=trials_table(plan, found, notes.errors),
        unit=esc(unit(plan.sweep.objective)),
        notes=esc(" ".join(warnings(notes))),
        gaps=listed({where: "; ".join(told) for where, told in notes.gaps.items()})
        if notes.gaps
        else "<p>None.</p>",
        definitions=listed(DEFINITIONS),
        files=listed(
            {
                "Objective": f"{plan.sweep.objective.direction} {plan.sweep.objective.metric}, "
                f"per {plan.sweep.objective.per}",
                "Search": "every combination"
                if plan.sweep.trials is None
                else f"Optuna, {plan.sweep.trials} trials",
                "Data": f"{plan.grounds.data[0]} ({plan.grounds.data[1]})",
                "Code": plan.grounds.code,
                "Seed": str(plan.sweep.seed),
            }
        ),
    )


def warnings(notes: Notes) -> Iterator[str]:
    """Yield what stands right under the figures."""
    if notes.stand_in:
        yield f"Injective’s funding is stood in for: {notes.stand_in}."
    if notes.gaps:
        yield f"The data have gaps in {', '.join(notes.gaps)}: these figures say less (listed below)."
    if notes.errors:
        yield f"{len(notes.errors)} trials failed; the table of all trials says why."


def tiles(plan: Plan, found: Findings) -> str:
    """Return the six numbers of the headline."""
    turn, places = _turn(plan), digits(plan.sweep.objective)
    means = turn * found.scores.mean(axis=1)
    gain = tuple(365 * value for value in found.gain)
    shown = (
        (f"Best, {unit(plan.sweep.objective)}", number(means[found.best], places, plus=True),
         f"{found.trials[found.best].label}; default {number(means[DEFAULT], places, plus=True)}"),
        ("Best against the default, p", number(found.p_default[found.best], 3), f"corrected for {found.usable} trials"),
        ("Best against no hedge, p", number(found.p_none[found.best], 3), f"on {found.proof_days} days"),
        ("Chosen on the past − default, bp a year", number(gain[0], 1, plus=True),
         f"95 %: {number(gain[1], 0)} – {number(gain[2], 0)}"),
        ("Deflated Sharpe", percent(found.deflated), f"over the default {percent(found.deflated_default)}"),
        ("Probability of overfitting", percent(found.overfitting), "about 50 %: choosing is worth nothing"),
    )  # fmt: skip
    return "".join(
        f"<div><dt>{esc(name)}</dt><dd><strong>{value}</strong><span>{esc(note)}</span></dd></div>"
        for name, value, note in shown
    )


def steps_table(plan: Plan, found: Findings) -> str:
    """Return what was chosen at each step and what it then was worth."""
    turn, places = _turn(plan), digits(plan.sweep.objective)
    heads = (
        "Chosen on folds",
        "Scored on",
        "In sample",
        "Out of sample",
        "Default there",
        "Best in hindsight",
    )
    body = ""
    for one in found.steps:
        values = (one.in_sample, one.out_of_sample, one.default, one.hindsight)
        cells = "".join(f'<td class="n">{number(turn * value, places, plus=True)}</td>' for value in values)
        on = ", ".join(str(i + 1) for i in one.train)
        body += (
            f'<tr><th scope="row">{esc(one.trial.label)}</th><td>{on}</td><td>{one.test + 1}</td>{cells}</tr>'
        )
    return scrolling("Walk-forward selection", f"{_head('Chosen', heads, 2)}<tbody>{body}</tbody>")


def trials_table(plan: Plan, found: Findings, errors: Mapping[int, str]) -> str:
    """Return all trials, the best first."""
    turn, places = _turn(plan), digits(plan.sweep.objective)
    means = found.scores.mean(axis=1)
    order = sorted(
        range(len(found.trials)), key=lambda i: (-means[i] if np.isfinite(means[i]) else np.inf, i)
    )
    folds = [f"Fold {i + 1}" for i in range(len(plan.folds))]
    body = ""
    for i in order:
        trial = found.trials[i]
        values = [turn * means[i], *(turn * found.scores[i])]
        cells = "".join(f'<td class="n">{number(v, places, plus=True)}</td>' for v in values)
        cells += "".join(f'<td class="n">{number(p[i], 3)}</td>' for p in (found.p_default, found.p_none))
        error = f"<small>{esc(errors[trial.number])}</small>" if trial.number in errors else ""
        look = ' class="own"' if i == found.best else ' class="default"' if i == DEFAULT else ""
        body += f'<tr{look}><th scope="row">{esc(trial.label)}{error}</th>{cells}</tr>'
    heads = (f"Score, {unit(plan.sweep.objective)}", *folds, "p, default", "p, no hedge")
    return scrolling("All trials", f"{_head('Trial', heads)}<tbody>{body}</tbody>", "figures")


def maps(plan: Plan, found: Findings) -> str:
    """Return a coloured table of mean scores for each pair of settings that have a few choices."""
    choices = {name: _levels(plan, found, name) for name in axes(plan) if not _ranged(plan, name)}
    levels = {name: values for name, values in choices.items() if 1 < len(values) <= MAX_LEVELS}
    pairs = list(combinations(levels, 2))[:MAX_MAPS]
    drawn = "".join(_map(plan, found, a, b, levels) for a, b in pairs)
    return f'<div class="maps">{drawn}</div>' if drawn else ""


def _map(plan: Plan, found: Findings, down: str, across: str, levels: Mapping[str, list[Any]]) -> str:
    turn, places = _turn(plan), digits(plan.sweep.objective)
    means = found.scores.mean(axis=1)
    cells: dict[tuple[int, int], float] = {}
    for i, a in enumerate(levels[down]):
        for j, b in enumerate(levels[across]):
            here = [
                m for t, m in zip(found.trials, means, strict=True)
                if _value(plan, t, down) == a and _value(plan, t, across) == b and np.isfinite(m)
            ]  # fmt: skip
            cells[i, j] = float(np.mean(here)) if here else float("nan")
    known = [value for value in cells.values() if np.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    head = "".join(f'<th scope="col" class="n">{esc(b)}</th>' for b in levels[across])
    body = ""
    for i, a in enumerate(levels[down]):
        row = "".join(_shade(turn, cells[i, j], low, high, places) for j in range(len(levels[across])))
        body += f'<tr><th scope="row">{esc(a)}</th>{row}</tr>'
    title = f"{_short(down)} (down) by {_short(across)} (across)"
    inner = f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{body}</tbody>'
    return f"<figure><figcaption>{esc(title)}</figcaption>{scrolling(title, inner, 'map')}</figure>"


def _shade(turn: int, value: float, low: float, high: float, places: int) -> str:
    if not np.isfinite(value):
        return f'<td class="n">{DASH}</td>'
    share = (value - low) / (high - low) if high > low else 0.5
    return f'<td class="n" style="--share:{share:.2f}">{number(turn * value, places, plus=True)}</td>'


def chart_data(plan: Plan, found: Findings) -> dict[str, Any]:
    """Return what the charts draw: scores of trials, their settings, and the path out of sample."""
    turn = _turn(plan)
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
                "values": {name: _value(plan, trial, name) for name in axes(plan)},
            }
            for i, trial in enumerate(found.trials)
        ],
        "axes": [
            {"id": name, "label": _short(name), "levels": _axis(plan, found, name)} for name in axes(plan)
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
    return None if _ranged(plan, name) else [str(level) for level in _levels(plan, found, name)]


def _ranged(plan: Plan, name: str) -> bool:
    return name != MODEL and plan.sweep.parameters[name].choices is None


def _levels(plan: Plan, found: Findings, name: str) -> list[Any]:
    """Return the values of a setting in order, the default's own at the end where it is none of them."""
    given = list(plan.models) if name == MODEL else plan.sweep.parameters[name].choices or []
    tried = (_value(plan, trial, name) for trial in found.trials)
    return list(dict.fromkeys([*map(_text, given), *tried]))


def _value(plan: Plan, trial: Trial, name: str) -> Any:
    """Return a trial's setting as a number or text."""
    return trial.model if name == MODEL else _text(plan.settings(trial)[name])


def _text(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _short(name: str) -> str:
    return name.split(".", 1)[-1]


def _head(first: str, heads: tuple[str, ...], texts: int = 0) -> str:
    cells = "".join(
        f'<th scope="col"{"" if i < texts else " class=n"}>{esc(text)}</th>' for i, text in enumerate(heads)
    )
    return f'<thead><tr><th scope="col">{esc(first)}</th>{cells}</tr></thead>'


def _turn(plan: Plan) -> int:
    return 1 if plan.sweep.objective.direction == "maximize" else -1


def _round(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
