"""The whole page, and its parts by name: the page asks for those again and again."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from string import Template

from hedged.page import wording
from hedged.page.frame import asset
from hedged.page.wording import embeddable, esc
from hedged.status.document import Status
from hedged.status.view import book, decisions, risk, scores, state, venues
from hedged.status.view.words import hours

PACKAGE = "hedged.status"
NOW: Mapping[str, Callable[[Status], str]] = {
    "state": state.state,
    "alerts": state.alerts,
    "tiles": state.tiles,
    "stops": risk.stops,
    "collateral": risk.collateral,
    "held": risk.held,
    "venues": venues.venues,
}
"""Parts that change from second to second."""
SLOW: Mapping[str, Callable[[Status], str]] = {
    "book": book.book,
    "ahead": book.ahead,
    "saved": book.saved,
    "decisions": decisions.decisions,
    "earlier": decisions.earlier,
    "errors": venues.errors,
    "scores": scores.scores,
    "contests": scores.contests,
    "about": venues.about,
}
"""Parts that change with a decision, or a trade."""


def title(status: Status) -> str:
    """Return what the browser's tab says."""
    told = state.headline(status)
    return f"{state.MARKS[told.tone]} {told.title} – hedged"


def slow_parts(status: Status) -> tuple[str, dict[str, str]]:
    """Return what changes seldom, with a name for this edition of it."""
    parts = {name: make(status) for name, make in SLOW.items()}
    told = "\0".join((*parts.values(), *(f"{one.made_ms}" for one in status.forecasts)))
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest(), parts


def now_parts(status: Status) -> dict[str, str]:
    """Return what changes always."""
    return {name: make(status) for name, make in NOW.items()}


def update(status: Status, edition: str, slow: Mapping[str, str] | None) -> dict[str, object]:
    """Return what the page asks for again and again; `slow` None: the page has that edition already."""
    told: dict[str, object] = {
        "now_ms": status.about.now_ms,
        "started_ms": status.about.started_ms,
        "edition": edition,
        "title": title(status),
        "latched": status.health.latch is not None,
        "parts": now_parts(status) | dict(slow or {}),
    }
    return told if slow is None else told | {"forecasts": drawn(status)}


def drawn(status: Status) -> list[dict[str, object]]:
    """Return what the fans are drawn from."""
    return [one.model_dump(include=DRAWN) | {"name": wording.venue(one.venue)} for one in status.forecasts]


DRAWN = {
    "venue", "symbol", "made_ms", "hours", "mean", "p10", "p25", "p75", "p90", "past_ms", "past"
}  # fmt: skip


@cache
def frame() -> Template:
    """Return what the parts are put into: read once, so that a file changed on the disk changes nothing half."""
    return Template(asset("status.html", PACKAGE))


def page(status: Status, edition: str, slow: Mapping[str, str], build: str) -> str:
    """Return the whole page. `build`: names the files it is made of, so that a browser never mixes two programs."""
    first = update(status, edition, slow)
    parts = {**slow, **now_parts(status)}
    first["parts"] = {}
    horizon = hours(status.book[0].horizon_h) if status.book else "the horizon"
    return frame().substitute(
        parts,
        build=esc(build),
        title=esc(title(status)),
        mode=esc(status.about.mode),
        account=esc(status.about.account),
        horizon=esc(horizon),
        levels=_levels(),
        keys=book.KEYS,
        data=embeddable({**first, "build": build}),
    )


def _levels() -> str:
    """Return the choice of a level, each with what it does; the mildest is chosen."""
    return "".join(
        f'<label class="level"><input type="radio" name="level" value="{level}"{" checked" * (i == 0)} '
        f'data-does="{esc(does)}"><span><b>{level}</b>{esc(does)}</span></label>'
        for i, (level, does) in enumerate(state.LEVELS.items())
    )
