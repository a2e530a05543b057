"""Intervals drawn inside a table's cells, all rows on one scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hedged.backtest.report import text
from hedged.page.wording import DASH, esc, number

WIDTH, HEIGHT, EDGE = 190, 22, 10
REACH = 4.0
"""The scale ends at so many times the largest amount of the rows that set it: one ruinous row must not flatten all."""
_ENDS = ("low_usd", "net_saving_usd", "high_usd")


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high` USD, zero among them."""

    low: float
    high: float

    def x(self, amount: float) -> float:
        """Return the place of an amount; beyond the scale, that of its end."""
        inside = min(max(amount, self.low), self.high)
        return round(EDGE + (inside - self.low) / (self.high - self.low) * (WIDTH - 2 * EDGE), 1)

    def holds(self, amount: float) -> bool:
        """Tell whether an amount lies on the scale."""
        return self.low <= amount <= self.high


def scale_of(rows: Sequence[Mapping[str, Any]], setting: Sequence[str]) -> Scale:
    """Return the scale of all rows that do not lie far beyond those named in `setting`."""
    largest = max((abs(end) for row in rows if row["name"] in setting for end in _told(row)), default=0.0)
    ends = [end for row in rows for end in _told(row) if not largest or abs(end) <= REACH * largest]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return Scale(low, high) if high > low else Scale(-1.0, 1.0)


def _told(row: Mapping[str, Any]) -> list[float]:
    return [float(row[key]) for key in _ENDS if row.get(key) is not None]


def axis_svg(scale: Scale) -> str:
    """Draw the scale: its ends as numbers, zero as a tick."""
    ends = [(0, "start", scale.low), (WIDTH, "end", scale.high)]
    texts = "".join(
        f'<text x="{x}" y="10" text-anchor="{anchor}">{number(end, 0, plus=True)}</text>'
        for x, anchor, end in ends
    )
    right, zero = WIDTH - EDGE, scale.x(0)
    return (
        f'<svg class="interval axis" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{texts}'
        f'<path d="M{EDGE} 20H{right}M{EDGE} 16V20M{right} 16V20M{zero} 16V20"/></svg>'
    )


def interval_svg(row: Mapping[str, Any], scale: Scale, kind: str) -> str:
    """Draw a row's interval with its point; without an interval the point alone, off the scale an arrowhead."""
    net, left, right = (row.get(key) for key in _ENDS[1:2] + _ENDS[::2])
    if net is None:
        return DASH
    said, bar = "no interval: too few days", ""
    if left is not None and right is not None:
        said = f"{text.usd(left, plus=True)} to {text.usd(right, plus=True)}"
        caps = "".join(f"M{scale.x(end)} 7V15" for end in (left, right) if scale.holds(end))
        bar = f'<path d="M{scale.x(left)} 11H{scale.x(right)}{caps}"/>'
    point = f'<circle cx="{scale.x(net)}" cy="11" r="4.5"/>'
    if not scale.holds(net):
        said = f"{said}, off the scale"
        turn = -1 if net < scale.low else 1
        point = f'<path class="off" d="M{scale.x(net) + 8 * turn} 11l{-9 * turn} -6v12z"/>'
    return (
        f'<svg class="interval {kind}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{esc(said)}">'
        f'<title>{esc(said)}</title><path class="zero" d="M{scale.x(0)} 0V{HEIGHT}"/>{bar}{point}</svg>'
    )
