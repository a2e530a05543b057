"""Writes the page of a sweep: one HTML file that asks the network for nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hedged.page.frame import framed
from hedged.page.wording import day, esc, listed, number, percent
from hedged.sweep.findings import Findings
from hedged.sweep.page_data import chart_data, turn_of
from hedged.sweep.page_tables import maps, steps_table, trials_table
from hedged.sweep.plan import DEFAULT, Plan
from hedged.sweep.verdict import verdict
from hedged.sweep.wording import DEFINITIONS, digits, unit


@dataclass(frozen=True, slots=True)
class Notes:
    """What a reader must know of the runs. `errors`: the first of each trial that failed, by its number; `stand_in`:
    for Injective's funding, None where it was recorded; `gaps`: what the data lack, by fold and book; `knowing`: models
    that were trained on days that they are judged on; `by_daemon`: why runs were not the batch engine's, and how many.
    """

    errors: Mapping[int, str]
    stand_in: str | None
    gaps: Mapping[str, Sequence[str]]
    knowing: Sequence[str] = ()
    by_daemon: Mapping[str, int] = field(default_factory=dict)


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
                "Engine": plan.sweep.engine,
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
    if notes.knowing:
        yield f"{', '.join(notes.knowing)} had been trained on days of this window: these figures are no forecasts."
    if notes.gaps:
        yield f"The data have gaps in {', '.join(notes.gaps)}: these figures say less (listed below)."
    for why, runs in notes.by_daemon.items():
        yield f"{runs} runs were played by the daemon itself: {why}."
    if notes.errors:
        yield f"{len(notes.errors)} trials failed; the table of all trials says why."


def tiles(plan: Plan, found: Findings) -> str:
    """Return the six numbers of the headline."""
    turn, places = turn_of(plan), digits(plan.sweep.objective)
    means = turn * found.scores.mean(axis=1)
    gain = tuple(365 * value for value in found.gain)
    against = f"{found.trials[found.best].label}; default {number(means[DEFAULT], places, plus=True)}"
    if found.best == DEFAULT:
        against = "the default"
    tested = "on days the search never saw" if found.searched else f"corrected for {found.usable} trials"
    shown = (
        (f"Best, {unit(plan.sweep.objective)}", number(means[found.best], places, plus=True),
         against),
        ("Best against the default, p", number(found.p_best[0], 3), tested),
        ("Best against no hedge, p", number(found.p_best[1], 3), f"on {found.proof_days} days"),
        ("Chosen on the past − default, bp a year", number(gain[0], 1, plus=True),
         f"95 %: {number(gain[1], 0)} – {number(gain[2], 0)}"),
        ("Deflated Sharpe", percent(found.deflated), f"over the default {percent(found.deflated_default)}"),
        ("Probability of overfitting", percent(found.overfitting), "about 50 %: choosing is worth nothing"),
    )  # fmt: skip
    return "".join(
        f"<div><dt>{esc(name)}</dt><dd><strong>{value}</strong><span>{esc(note)}</span></dd></div>"
        for name, value, note in shown
    )
