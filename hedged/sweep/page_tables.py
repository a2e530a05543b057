"""The page's tables. Every text is escaped here."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from hedged.page.wording import DASH, esc, number, scrolling
from hedged.sweep.findings import Findings
from hedged.sweep.page_data import axes, levels_of, ranged, short, turn_of, value_of
from hedged.sweep.plan import DEFAULT, Plan
from hedged.sweep.wording import digits, unit

MAX_LEVELS = 12
"""A setting with more values than this is no row of a table."""
MAX_MAPS = 3


def steps_table(plan: Plan, found: Findings) -> str:
    """Return what was chosen at each step and what it then was worth."""
    turn, places = turn_of(plan), digits(plan.sweep.objective)
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
    turn, places = turn_of(plan), digits(plan.sweep.objective)
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
    choices = {name: levels_of(plan, found, name) for name in axes(plan) if not ranged(plan, name)}
    levels = {name: values for name, values in choices.items() if 1 < len(values) <= MAX_LEVELS}
    pairs = list(combinations(levels, 2))[:MAX_MAPS]
    drawn = "".join(_map(plan, found, a, b, levels) for a, b in pairs)
    return f'<div class="maps">{drawn}</div>' if drawn else ""


def _map(plan: Plan, found: Findings, down: str, across: str, levels: Mapping[str, list[Any]]) -> str:
    turn, places = turn_of(plan), digits(plan.sweep.objective)
    means = found.scores.mean(axis=1)
    cells: dict[tuple[int, int], float] = {}
    for i, a in enumerate(levels[down]):
        for j, b in enumerate(levels[across]):
            here = [
                m for t, m in zip(found.trials, means, strict=True)
                if value_of(plan, t, down) == a and value_of(plan, t, across) == b and np.isfinite(m)
            ]  # fmt: skip
            cells[i, j] = float(np.mean(here)) if here else float("nan")
    known = [value for value in cells.values() if np.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    head = "".join(f'<th scope="col" class="n">{esc(b)}</th>' for b in levels[across])
    body = ""
    for i, a in enumerate(levels[down]):
        row = "".join(_shade(turn, cells[i, j], low, high, places) for j in range(len(levels[across])))
        body += f'<tr><th scope="row">{esc(a)}</th>{row}</tr>'
    title = f"{short(down)} (down) by {short(across)} (across)"
    inner = f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{body}</tbody>'
    return f"<figure><figcaption>{esc(title)}</figcaption>{scrolling(title, inner, 'map')}</figure>"


def _shade(turn: int, value: float, low: float, high: float, places: int) -> str:
    if not np.isfinite(value):
        return f'<td class="n">{DASH}</td>'
    share = (value - low) / (high - low) if high > low else 0.5
    return f'<td class="n" style="--share:{share:.2f}">{number(turn * value, places, plus=True)}</td>'


def _head(first: str, heads: tuple[str, ...], texts: int = 0) -> str:
    cells = "".join(
        f'<th scope="col"{"" if i < texts else " class=n"}>{esc(text)}</th>' for i, text in enumerate(heads)
    )
    return f'<thead><tr><th scope="col">{esc(first)}</th>{cells}</tr></thead>'
