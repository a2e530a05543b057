"""The picture of one cycle, from data to venue, drawn as inline SVG: in a row, and in a column for phones."""

from hedged.page.wording import esc

STEPS = (
    ("Data", "every 15 minutes"),
    ("Ring buffer", "history in memory"),
    ("Forecast", "mean and p10\u2013p90"),
    ("Plan", "saving \u2212 cost \u2212 risk"),
    ("Gate", "passes every rule"),
    ("Journal", "written before sent"),
    ("Venue", "order, fill"),
)
BOX_W, BOX_H, GAP = 140, 62, 22


def _box(x: int, y: int, width: int, title: str, note: str) -> str:
    middle = x + width // 2
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{BOX_H}" rx="6"/>'
        f'<text x="{middle}" y="{y + 27}" class="step">{esc(title)}</text>'
        f'<text x="{middle}" y="{y + 46}">{esc(note)}</text>'
    )


def _arrow(path: str) -> str:
    return f'<path d="{path}" marker-end="url(#tip)"/>'


def _svg(kind: str, width: int, height: int, body: str) -> str:
    label = (
        "One cycle: "
        + ", ".join(title.lower() for title, _ in STEPS)
        + "; what was filled comes back as data."
    )
    return f'<svg class="pipeline {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}</svg>'


def _row() -> str:
    width = len(STEPS) * (BOX_W + GAP) - GAP + 2
    parts = []
    for i, (title, note) in enumerate(STEPS):
        x = 1 + i * (BOX_W + GAP)
        parts.append(_box(x, 1, BOX_W, title, note))
        if i:
            parts.append(_arrow(f"M{x - GAP + 4} {1 + BOX_H // 2}H{x - 5}"))
    first, last, below = 1 + BOX_W // 2, width - 1 - BOX_W // 2, BOX_H + 27
    parts.append(
        f'<path class="back" d="M{last} {BOX_H + 5}V{below}H{first}V{BOX_H + 7}" marker-end="url(#tip)"/>'
    )
    parts.append(
        f'<text x="{width // 2}" y="{below + 17}">positions and fills: the next cycle sees the book as it is</text>'
    )
    return _svg("wide", width, below + 24, "".join(parts))


def _column() -> str:
    box_w, pitch = 250, BOX_H + GAP
    parts = []
    for i, (title, note) in enumerate(STEPS):
        y = 1 + i * pitch
        parts.append(_box(1, y, box_w, title, note))
        if i:
            middle = 1 + box_w // 2
            parts.append(_arrow(f"M{middle} {y - GAP + 4}V{y - 5}"))
    top, bottom, side = 1 + BOX_H // 2, 1 + (len(STEPS) - 1) * pitch + BOX_H // 2, box_w + 28
    parts.append(
        f'<path class="back" d="M{box_w + 5} {bottom}H{side}V{top}H{box_w + 7}" marker-end="url(#tip)"/>'
    )
    middle = (top + bottom) // 2
    parts.append(
        f'<text transform="translate({side + 16} {middle}) rotate(90)">positions and fills come back</text>'
    )
    return _svg("tall", side + 24, 1 + len(STEPS) * pitch - GAP + 1, "".join(parts))


def pipeline_svg() -> str:
    """Return both drawings; the stylesheet shows the one that fits."""
    tip = (
        '<svg width="0" height="0" aria-hidden="true" class="defs"><defs>'
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 .5 7.5 4 0 7.5z"/></marker></defs></svg>'
    )
    return tip + _row() + _column()
