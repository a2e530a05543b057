"""How contests stand, as the daemon says it and the command line reads it: `models/contests.json`."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import FiniteFloat, TypeAdapter

from hedged.directories import make_private_directory
from hedged.forecast.models.durable import write_whole

FILE = "contests.json"
HALFWAY = 0.5


@dataclass(frozen=True, slots=True)
class Contest:
    """A challenger's contest with the champion. `standing`, `why`: see `contest`; `ratio`: of their losses, null while
    there is none; `days`: of common outcomes; `progress`: see `contest.Verdict`.
    """

    model: str
    champion: str
    standing: str
    why: str
    ratio: FiniteFloat | None
    days: int
    progress: FiniteFloat = 0.0


@dataclass(frozen=True, slots=True)
class _Document:
    ts: str
    contests: tuple[Contest, ...]


DOCUMENTS: TypeAdapter[_Document] = TypeAdapter(_Document)


def write_contests(directory: Path, contests: Sequence[Contest], ts: str) -> None:
    """Say how contests stand; where nothing has changed, and where there never was one, nothing is written.

    Raises OSError.
    """
    before = read_contests(directory)
    if before == tuple(contests):
        return
    make_private_directory(directory)
    body = {"ts": ts, "contests": [asdict(one) for one in contests]}
    write_whole(directory / FILE, json.dumps(body, indent=1, allow_nan=False).encode() + b"\n")


def read_contests(directory: Path) -> tuple[Contest, ...]:
    """Return how contests stood when the daemon said so last; empty where it never did."""
    try:
        return DOCUMENTS.validate_json((directory / FILE).read_bytes()).contests
    except (OSError, ValueError):
        return ()


def gone_on_with(
    contests: Sequence[Contest], drift: bool, for_drift: Collection[str], shadow_days: int
) -> frozenset[str]:
    """Return whose contest goes on before a newer challenger gets its place in shadow: of all that have begun.

    While `drift` is proven only that of challengers which were trained for it, until they can be judged, and further
    where they are halfway to a decision by then: the older ones have learnt the law that is no more, and the first that
    has not may have seen too little of the new one. But if every newer one took the place none would ever be decided.
    """
    begun = [one for one in contests if one.days]
    if drift:
        mine = (one for one in begun if one.model in for_drift)
        begun = [one for one in mine if one.days < shadow_days or one.progress >= HALFWAY]
    return frozenset(one.model for one in begun)


def least_promising(challengers: Sequence[str], contests: Sequence[Contest]) -> str:
    """Return who gives way where challengers are too many: the oldest whose contest has not begun, else the one whose
    losses are the highest share of the champion's. `challengers`: the oldest first.
    """
    ratios = {one.model: one.ratio for one in contests if one.days and one.ratio is not None}
    waiting = [one for one in challengers if one not in ratios]
    return waiting[0] if waiting else max(challengers, key=lambda one: ratios[one] or 0.0)
