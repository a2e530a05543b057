"""The registry's tables as a person at the terminal sees them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from hedged.alerts.wording import lasted
from hedged.domain.clock import iso

if TYPE_CHECKING:
    from hedged.forecast.models.trainings import Training

SHOWN = ("slow m24h", "hourly m24h")
"""Hold-outs that a list has room for."""
CAPTION = (
    "hold-out: mean absolute error of the last days before it was trained to, as a share of persistence's; less is "
    "better. Hold-outs of different days are no contest."
)


def show_list(
    console: Console,
    rows: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Any] | None,
    contests: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Print one line a model, what runs, and how contests stood when the daemon said so last."""
    table = _table("model", "state", "trained to", *SHOWN, "why", caption=CAPTION)
    for row in rows:
        lineage = row["lineage"] or {}
        held = lineage.get("hold_out", {})
        marks = [row["state"], *(["the one before"] if row["before"] else [])]
        marks += ["demoted"] if row["demoted"] else []
        marks += [] if row["kept"] else ["not kept"]
        marks += ["damaged"] if row["sound"] is False else []
        table.add_row(
            row["model"], ", ".join(marks), lineage.get("trained_to", "?")[:10],
            *(_figure(held.get(cell, {}).get("mae")) for cell in SHOWN), row["why"],
            style="bold" if row["state"] == "champion" else "dim" if row["state"] == "retired" else "",
        )  # fmt: skip
    console.print(table)
    if runs is None:
        _say(console, "no daemon here goes by the registry now")
    else:
        _say(console, f"the daemon serves {runs['model']} since {runs['since']}: model {runs['hash']}")
        if runs["refused"]:
            _say(console, f"not the champion, because: {runs['refused']}")
    for one in contests:
        _say(console, f"{one['model']} against {one['champion']}: {one['standing']}; {one['why']}")


def show_one(console: Console, row: Mapping[str, Any]) -> None:
    """Print a model's lineage, hold-out and history."""
    _say(
        console, f"{row['model']}: {row['state']}{'' if row['kept'] else ', its artefact is no longer kept'}"
    )
    if row["fault"]:
        _say(console, f"damaged: {row['fault']}")
    lineage = dict(row["lineage"] or {})
    held = lineage.pop("hold_out", {})
    facts = _table("", "")
    for name, value in {"hash": row["hash"], "why": row["why"], **lineage}.items():
        facts.add_row(name.replace("_", " "), str(value) if value not in ("", None) else "?")
    console.print(facts)
    table = _table("hold-out", "rows", "MAE ÷ persistence's", "the EWMA's", "pinball, s")
    for cell, figures in held.items():
        names = ("mae", "ewma_mae", "pinball")
        table.add_row(cell, f"{figures['rows']:,}", *(_figure(figures[name]) for name in names))
    console.print(table)
    for event in row["events"]:
        _say(console, f"{event['ts']}  {event['act']}, {event['by']}: {event['why']}")


def show_trainings(console: Console, trainings: "Sequence[Training]") -> None:
    """Print the last trainings, the oldest first."""
    table = _table(
        "ended", "data to", "recipe", "why", "took", "peak", "outcome", "", caption="took: of all attempts"
    )
    for one in trainings:
        table.add_row(
            iso(one.ended_ms)[:16], iso(one.to_ms)[:10], one.recipe, one.why, lasted(round(one.seconds * 1_000)),
            f"{one.peak_mb:,.0f} MB" if one.peak_mb else "?", one.model or one.outcome, one.text,
            style="" if one.completed else "dim",
        )  # fmt: skip
    if trainings:
        console.print(table)
    else:
        _say(console, "no training has ended yet")


def show_diff(console: Console, a: str, b: str, found: Mapping[str, Any]) -> None:
    """Print two cards side by side."""
    facts = _table("", f"A: {a}", f"B: {b}", "")
    for name, (one, two) in found["facts"].items():
        facts.add_row(
            name, str(one), str(two), "" if one == two else "differs", style="" if one == two else "bold"
        )
    console.print(facts)
    for name, apart in found["apart"].items():
        for whose, names in apart.items():
            if names:
                _say(console, f"{name} {whose} has: {', '.join(names)}")
    same = [name for name, equal in found["same_files"].items() if equal]
    _say(console, f"the same files: {', '.join(same) or 'none'}")
    table = _table(
        "hold-out", "MAE A", "MAE B", "B − A", "EWMA A", "EWMA B", "pinball A", "pinball B", "B − A"
    )
    for cell, told in found["hold_out"].items():
        mae, pinball = told["mae"], told["pinball"]
        pairs = (*mae, _change(mae), *(told["ewma_mae"]), *pinball, _change(pinball))
        table.add_row(cell, *(one if isinstance(one, str) else _figure(one) for one in pairs))
    console.print(table)
    if not found["same_hold_out"]:
        _say(
            console, "they were measured on different days or data: these figures are no contest between them"
        )


def _change(pair: Sequence[float | None]) -> str:
    one, two = pair
    return "?" if one is None or two is None else f"{two - one:+.3f}"


def _figure(number: float | None) -> str:
    return "?" if number is None else f"{number:.3f}"


def _table(*columns: str, caption: str | None = None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=caption, show_header=any(columns))
    for name in columns:
        table.add_column(name, no_wrap=name == "model")
    return table


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)
