"""The page of a rehearsal: when which model served and why, and what that was worth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hedged.page import wording
from hedged.page.frame import framed, write_whole
from hedged.page.wording import esc, scrolling

PAGE = "rehearsal.html"
NAMES = {"living": "retrained, promoted, demoted", "never": "the first model for ever", "ewma": "EWMA alone"}


def write_page(summary: Mapping[str, Any], out: Path) -> Path:
    """Write `rehearsal.html` beside the summary; return its path."""
    return write_whole(page(summary), out / PAGE)


def page(summary: Mapping[str, Any]) -> str:
    """Return the whole page."""
    shown = ("rolling", "regimes", "served", "planted")
    data = {name: summary[name] for name in shown} | {
        "events": [one for one in summary["events"] if not one["what"].startswith("regime")]
    }
    return framed(
        "hedged.rehearsal", "rehearsal", "hedged — the life of its models", data,
        period=esc(f"{summary['from'][:10]} – {summary['to'][:10]}"),
        what=esc(f"{', '.join(summary['symbols'])} at {', '.join(summary['venues'])}; recipe {summary['recipe']}"),
        tiles=_tiles(summary), losses=_losses(summary), money=_money(summary), events=_events(summary),
    )  # fmt: skip


def _tiles(summary: Mapping[str, Any]) -> str:
    whole, counts = summary["losses"]["the whole"], summary["counts"]
    against = whole["living_to_never"]
    interval = f"{wording.number(against['low'], 3)} … {wording.number(against['high'], 3)} by weeks"
    money = summary["money"]
    more = money["living"]["net_saving_usd"] - money["never"]["net_saving_usd"]
    shown = (
        ("Loss ÷ never retraining", wording.number(against["value"], 3), interval),
        ("Loss ÷ EWMA", wording.number(whole["living"], 3), "of what served"),
        ("The first model for ever", wording.number(whole["never"], 3), "loss ÷ EWMA"),
        ("Trainings", f"{counts['trainings']}", f"{counts['promotions']} promoted"),
        ("Gave way to the EWMA", f"{counts['demotions']}", f"{counts['drift_alarms']} proofs of drift"),
        (
            "Net saving, USD",
            wording.number(money["living"]["net_saving_usd"], 0, plus=True),
            f"{wording.number(more, 0, plus=True)} against never retraining",
        ),
    )
    return "".join(
        f"<div><dt>{esc(name)}</dt><dd><strong>{value}</strong><span>{esc(note)}</span></dd></div>"
        for name, value, note in shown
    )


def _losses(summary: Mapping[str, Any]) -> str:
    head = (
        "Stretch",
        "From",
        "What served ÷ EWMA",
        "First model ÷ EWMA",
        "What served ÷ first model",
        "95 %",
    )
    rows = []
    for name, one in summary["losses"].items():
        against = one["living_to_never"]
        cells = (one["living"], one["never"], against["value"])
        rows.append(
            f'<th scope="row">{esc(name)}</th><td>{esc(one["from"][:10])}</td>'
            + "".join(f"<td>{wording.number(cell, 3)}</td>" for cell in cells)
            + f"<td>{wording.number(against['low'], 3)} … {wording.number(against['high'], 3)}</td>"
        )
    return _table("Losses", head, rows)


def _money(summary: Mapping[str, Any]) -> str:
    columns = (
        "net_saving_usd", "unhedged_funding_usd", "hedged_funding_usd", "fees_usd", "spread_usd", "turnover_usd",
    )  # fmt: skip
    head = ("Life", *(name.removesuffix("_usd").replace("_", " ") + ", USD" for name in columns), "fills")
    rows = [
        f'<th scope="row">{esc(NAMES[name])}</th>'
        + "".join(f"<td>{wording.number(money[column], 0)}</td>" for column in columns)
        + f"<td>{wording.number(money['fills'], 0)}</td>"
        for name, money in summary["money"].items()
    ]
    return _table("Money", head, rows)


def _events(summary: Mapping[str, Any]) -> str:
    head = ("When", "What", "Model", "Why")
    rows = [
        f'<th scope="row">{esc(one["ts"][:16].replace("T", " "))}</th><td class="words">{esc(one["what"])}</td>'
        f'<td class="words"><code>{esc(one["model"][:8])}</code></td><td class="words">{esc(one["why"])}</td>'
        for one in summary["events"]
    ]
    return _table("Events", head, rows)


def _table(label: str, head: tuple[str, ...], rows: list[str]) -> str:
    heads = "".join(f'<th scope="col">{esc(one)}</th>' for one in head)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return scrolling(label, f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>")
