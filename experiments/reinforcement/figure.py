"""Draws the figure of the documentation: how policies learnt, and what they were worth. Plain SVG, no library."""

from collections.abc import Mapping, Sequence
from html import escape

from experiments.reinforcement.learning import Point
from experiments.reinforcement.measure import Line

WIDTH, HEIGHT, TOP, LEFT = 900, 330, 46, 44
PANEL = 330
BARS = 640
COLOURS = {"varied": "#1f6fb2", "plain": "#c2571a"}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:13px}.g{stroke:#ccc}.e{stroke:#333}"
    "rect.b{fill:#fff}"
)


def figure(
    curves: Mapping[str, Sequence[Sequence[Point]]],
    best_usd: Mapping[str, float],
    planner_usd: Mapping[str, float],
    lines: Sequence[Line],
    names: Mapping[str, str],
) -> str:
    """Return the SVG. By lesson: `curves`, and what perfect foresight and the planner earn in the same worlds.

    `names`: which lines are drawn, and what they are called.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Learning curves, and net saving by strategy">',
        f'<style>{STYLE}</style><rect class="b" width="{WIDTH}" height="{HEIGHT}"/>',
        *_learning(curves, best_usd, planner_usd),
        *_worth([line for line in lines if line.name in names], names),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _learning(
    curves: Mapping[str, Sequence[Sequence[Point]]],
    best_usd: Mapping[str, float],
    planner_usd: Mapping[str, float],
) -> list[str]:
    """Share of perfect foresight in unseen simulated worlds, by steps; a line for each seed, the planner dashed."""
    most = max(point.steps for of in curves.values() for curve in of for point in curve)
    low, high = -0.25, 1.0
    bottom = HEIGHT - 40

    def at(steps: float, share: float) -> str:
        y = bottom - (min(max(share, low), high) - low) / (high - low) * (bottom - TOP)
        return f"{LEFT + steps / most * (PANEL - LEFT):.1f},{y:.1f}"

    out = [_text(LEFT, 20, "Unseen simulated worlds: share of the best", "t")]
    for share in (0.0, 0.5, 1.0):
        y = at(0, share).split(",")[1]
        out.append(f'<line class="g" x1="{LEFT}" x2="{PANEL}" y1="{y}" y2="{y}"/>')
        out.append(_text(LEFT - 30, float(y) + 4, f"{share:.1f}"))
    for n, (name, of) in enumerate(curves.items()):
        colour = COLOURS.get(name, "#777")
        for curve in of:
            path = " ".join(at(point.steps, point.net_usd / best_usd[name]) for point in curve)
            out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{path}"/>')
        if name in planner_usd:
            ends = " ".join(at(steps, planner_usd[name] / best_usd[name]) for steps in (0, most))
            out.append(f'<polyline fill="none" stroke="{colour}" stroke-dasharray="5 4" points="{ends}"/>')
        out.append(f'<circle cx="{LEFT + 10 + 95 * n}" cy="34" r="4" fill="{colour}"/>')
        out.append(_text(LEFT + 18 + 95 * n, 38, name))
    out.append(_text(PANEL - 120, HEIGHT - 14, f"decisions, to {most:,}"))
    return out


def _worth(lines: Sequence[Line], names: Mapping[str, str]) -> list[str]:
    """Net saving with its 95 % interval, a bar for each strategy."""
    low = min(0.0, *(line.net_interval[0] for line in lines))
    high = max(line.net_interval[1] for line in lines)
    row = (HEIGHT - TOP - 30) / len(lines)

    def x(bp: float) -> float:
        return BARS + (bp - low) / (high - low) * (WIDTH - 20 - BARS)

    out = [_text(PANEL + 40, 20, "Recorded funding: net saving, bp of notional a year, 95 %", "t")]
    out.append(f'<line class="g" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP - 8}" y2="{HEIGHT - 24}"/>')
    for n, line in enumerate(lines):
        y = TOP + row * n
        left, right = sorted((x(0), x(line.net_bp)))
        colour = COLOURS["varied"] if line.seeds > 1 else "#999"
        out.append(
            f'<rect fill="{colour}" x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" height="{row * 0.6:.1f}"/>'
        )
        middle = y + row * 0.3
        ends = [x(end) for end in line.net_interval]
        out.append(
            f'<line class="e" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        )
        out.append(_text(PANEL + 40, middle + 4, names[line.name]))
        out.append(_text(BARS - 34, middle + 4, f"{line.net_bp:.0f}"))
    return out


def _text(x: float, y: float, said: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(said)}</text>'
