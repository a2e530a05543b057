"""The picture of one cycle, from the venues' data to the order, with this run's own figures."""

from hedged.backtest.report.files import Run
from hedged.page.wording import THIN, esc, venue

BOX_W, BOX_H, GAP, PER_ROW = 216, 84, 26, 4
COLUMN_W = 250
Step = tuple[str, str, str]
"""Title, what happens, what it was in this run."""


def steps_of(run: Run) -> list[Step]:
    """Return the steps with what each amounted to in this run."""
    summary = run.summary
    provenance = summary.get("provenance") or {}
    card = provenance.get("model_card") or {}
    venues = (summary.get("assumptions") or {}).get("hedge_venues") or []
    names = ", ".join(["Injective", *(venue(str(name)) for name in venues[:3])])
    n, fills, symbols = run.decisions.height, run.fills.height, len(run.symbols)
    inputs = f"{card['features']} inputs" if card.get("features") else "past rates"
    forecaster = str(summary.get("model") or "not named").partition(":")[0]
    return [
        ("Venues", "public API and streams", names),
        ("Quality", "quarantine what is odd", _count(len(summary.get("data_gaps") or []), "gap")),
        ("Bars", "15 minutes, in memory", _count(symbols, "symbol")),
        ("Features", "from what was known", inputs),
        ("Forecast", f"mean, 80{THIN}% band, scenarios", forecaster),
        ("Plan", "saving \u2212 cost \u2212 risk", _count(n, "decision")),
        ("Risk gate", "every rule, or not sent", "one way to an order"),
        ("Journal, then order", "written before it is sent", _count(fills, "fill")),
    ]


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def _box(x: int, y: int, width: int, step: Step) -> str:
    middle, (title, what, here) = x + width // 2, step
    return (
        f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{BOX_H}" rx="6"/>'
        f'<g text-anchor="middle"><text x="{middle}" y="{y + 26}" class="step">{esc(title)}</text>'
        f'<text x="{middle}" y="{y + 46}">{esc(what)}</text>'
        f'<text x="{middle}" y="{y + 68}" class="here">{esc(here)}</text></g>'
    )


def _flow(path: str, look: str = "flow") -> str:
    return f'<path class="{look}" d="{path}" marker-end="url(#tip)"/>'


def _svg(kind: str, width: int, height: int, steps: list[Step], body: str) -> str:
    told = "; ".join(f"{title}: {what}, {here}" for title, what, here in steps)
    label = f"One cycle. {told}. What was filled and paid comes back as data."
    return (
        f'<svg class="drawing {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{esc(label)}">'
        f"{body}</svg>"
    )


def _rows(steps: list[Step]) -> str:
    """Lay the steps out in rows that are read from left to right."""
    pitch, parts, row_gap = BOX_W + GAP, [], 40
    width = PER_ROW * pitch - GAP + 2
    for i, step in enumerate(steps):
        row, column = divmod(i, PER_ROW)
        x, y = 1 + column * pitch, 1 + row * (BOX_H + row_gap)
        parts.append(_box(x, y, BOX_W, step))
        if column:
            parts.append(_flow(f"M{x - GAP + 4} {y + BOX_H // 2}H{x - 5}"))
        elif row:
            above, between = y - row_gap, y - row_gap // 2
            last = 1 + (PER_ROW - 1) * pitch + BOX_W // 2
            parts.append(_flow(f"M{last} {above + 5}V{between}H{1 + BOX_W // 2}V{y - 6}"))
    bottom = 1 + (len(steps) // PER_ROW - 1) * (BOX_H + row_gap) + BOX_H
    parts.append(
        f'<text text-anchor="end" x="{width - 1}" y="{bottom + 22}">'
        "\u21ba fills, positions and funding come back: the next cycle sees the book as it is</text>"
    )
    return _svg("wide", width, bottom + 30, steps, "".join(parts))


def _column(steps: list[Step]) -> str:
    pitch, parts, middle = BOX_H + GAP, [], 1 + COLUMN_W // 2
    for i, step in enumerate(steps):
        y = 1 + i * pitch
        parts.append(_box(1, y, COLUMN_W, step))
        if i:
            parts.append(_flow(f"M{middle} {y - GAP + 4}V{y - 5}"))
    top, bottom, side = 1 + BOX_H // 2, 1 + (len(steps) - 1) * pitch + BOX_H // 2, COLUMN_W + 28
    parts.append(_flow(f"M{COLUMN_W + 5} {bottom}H{side}V{top}H{COLUMN_W + 7}", "flow back"))
    parts.append(
        f'<text text-anchor="middle" transform="translate({side + 13} {(top + bottom) // 2}) rotate(90)">'
        "fills, positions and funding come back</text>"
    )
    return _svg("tall", side + 34, len(steps) * pitch - GAP + 3, steps, "".join(parts))


def arrow_tip() -> str:
    """Return the arrow's tip that all drawings of the page share."""
    return (
        '<svg width="0" height="0" aria-hidden="true" class="defs"><defs>'
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 .5 7.5 4 0 7.5z"/></marker></defs></svg>'
    )


def pipeline_svg(run: Run) -> str:
    """Return both drawings; the stylesheet shows the one that fits."""
    steps = steps_of(run)
    return _rows(steps) + _column(steps)
