"""Groups the reasons of decisions: sentences that differ in their numbers alone are one reason."""

import re
from dataclasses import dataclass

import polars as pl

_NUMBER = re.compile(r"(?<![\w-])[-+\u2212]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")
BLANK = "\u2026"
IDLE = ("none", "hold", "refused", "frozen")
"""Actions that sent no order."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One kind of reason: the sentence with its changing numbers blanked, how often, and its latest wording."""

    sentence: str
    action: str
    count: int
    share: float
    example: str


def template(reason: str) -> str:
    """Blank every number of a sentence: sentences with the same template are the same reason."""
    return _NUMBER.sub(BLANK, reason)


def sentence(reasons: list[str]) -> str:
    """Write what sentences of one template have in common: a number that never changes stays."""
    columns = list(zip(*(_NUMBER.findall(reason) for reason in reasons), strict=True))
    kept = iter([numbers[0] if len(set(numbers)) == 1 else BLANK for numbers in columns])
    return _NUMBER.sub(lambda _: next(kept), reasons[-1])


def idle_reasons(decisions: pl.DataFrame) -> list[Reason]:
    """Count why cycles sent nothing, the most frequent reason first."""
    idle = decisions.filter(pl.col("action").is_in(IDLE)).with_columns(
        pl.col("reason").fill_null("no reason given")
    )
    groups: dict[tuple[str, str], list[str]] = {}
    for action, reason in idle.select("action", "reason").iter_rows():
        groups.setdefault((action, template(reason)), []).append(reason)
    found = [
        Reason(sentence(said), action, len(said), len(said) / decisions.height, said[-1])
        for (action, _), said in groups.items()
    ]
    return sorted(found, key=lambda reason: -reason.count)
