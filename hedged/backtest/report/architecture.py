"""The picture of the model, drawn from the card of the very artefact that spoke: inputs, members, law."""

from collections.abc import Mapping, Sequence
from typing import Any

from hedged.features.sequence import CHANNELS, STEPS
from hedged.page.wording import THIN, esc, number, percent

ROW, GAP, HEAD = 26, 5, 46
LONGEST = 32
"""Letters of a name that fit into a row."""
KINDS = {
    "mlp": "Multilayer perceptron",
    "lstm_attention": "LSTM with attention",
    "cnn_gru": "CNN + GRU",
    "transformer": "Transformer",
    "trees": "LightGBM trees",
}
HORIZONS = {
    "s1": "next settlement",
    "s3": "third settlement",
    "m24h": "mean of 24 h",
    "m120h": "mean of 120 h",
}
Block = tuple[str, int]
"""SVG and its height."""


def model_svg(card: Mapping[str, Any]) -> str:
    """Return both drawings, in columns and in one column for phones; the stylesheet shows the one that fits."""
    return _wide(card) + _tall(card)


def _wide(card: Mapping[str, Any]) -> str:
    widths, gap = (300, 330, 300), 55
    blocks = [_inputs(card, widths[0]), _members(card, widths[1]), _law(card, widths[2])]
    height, parts, x = max(block[1] for block in blocks), [], 1
    for i, ((svg, tall), width) in enumerate(zip(blocks, widths, strict=True)):
        parts.append(f'<g transform="translate({x} {1 + (height - tall) // 2})">{svg}</g>')
        if i < len(blocks) - 1:
            parts.append(_arrow(f"M{x + width + 8} {height // 2}h{gap - 16}"))
        x += width + gap
    return _svg("wide", x - gap + 1, height + 2, "".join(parts), card)


def _tall(card: Mapping[str, Any]) -> str:
    width, gap, parts, y = 340, 34, [], 1
    blocks = [_inputs(card, width), _members(card, width), _law(card, width)]
    for i, (svg, tall) in enumerate(blocks):
        parts.append(f'<g transform="translate(1 {y})">{svg}</g>')
        y += tall + gap
        if i < len(blocks) - 1:
            parts.append(_arrow(f"M{1 + width // 2} {y - gap + 6}v{gap - 12}"))
    return _svg("tall", width + 2, y - gap + 1, "".join(parts), card)


def _svg(kind: str, width: int, height: int, body: str, card: Mapping[str, Any]) -> str:
    names = ", ".join(_member_name(part["name"]) for part in card.get("members") or [])
    label = f"The model: {card.get('features')} inputs go to {names}; weighted by outcomes they give one law."
    return (
        f'<svg class="drawing {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{esc(label)}">'
        f"{body}</svg>"
    )


def _arrow(path: str) -> str:
    return f'<path class="flow" d="{path}" marker-end="url(#tip)"/>'


def _head(title: str, note: str) -> str:
    return f'<text class="step" y="15">{esc(title)}</text><text y="34">{esc(note)}</text>'


def _bars(rows: Sequence[tuple[str, str, float]], width: int, look: str) -> str:
    """Return rows of a name, a figure and a bar behind them; the longest bar is as wide as the block."""
    most = max((share for _, _, share in rows), default=0) or 1.0
    parts = []
    for i, (name, figure, share) in enumerate(rows):
        y = HEAD + i * (ROW + GAP)
        parts.append(
            f'<rect class="box" y="{y}" width="{width}" height="{ROW}" rx="4"/>'
            f'<rect class="{look}" y="{y}" width="{max(3, round(width * share / most))}" height="{ROW}" rx="4"/>'
            f'<text class="name" x="9" y="{y + 18}">{esc(_short(name))}</text>'
            f'<text class="figure" x="{width - 9}" y="{y + 18}">{esc(figure)}</text>'
        )
    return "".join(parts)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "\u2026"


def _height(n: int) -> int:
    return HEAD + n * (ROW + GAP) - GAP


def _inputs(card: Mapping[str, Any], width: int) -> Block:
    groups: Mapping[str, int] = card.get("inputs") or {}
    rows = [(name[:1].upper() + name[1:], str(count), float(count)) for name, count in groups.items()]
    note = f"and the last {STEPS} steps in {len(CHANNELS)} channels"
    return _head(f"{card.get('features')} inputs", note) + _bars(rows, width, "in"), _height(len(rows))


def _member_name(name: str) -> str:
    """Name a member by its kind: `mlp-1` → Multilayer perceptron 1."""
    kind, _, which = name.rpartition("-")
    return f"{KINDS.get(kind, kind)} {which}" if kind else KINDS.get(name, name)


def _members(card: Mapping[str, Any], width: int) -> Block:
    members = card.get("members") or []
    rows = []
    for part in members:
        weight = part.get("weight")
        rows.append((_member_name(str(part["name"])), percent(weight, 1), float(weight or 0.0)))
    note = f"weights at the start, {HORIZONS.get(str(card.get('horizon')), '')}"
    return _head(f"{len(members)} members", note) + _bars(rows, width, "member"), _height(len(rows))


def _law(card: Mapping[str, Any], width: int) -> Block:
    levels = [float(level) for level in card.get("levels") or [0.0]]
    ends = f"{number(100 * levels[0], 0)}\u2013{number(100 * levels[-1], 0)}{THIN}%"
    read = HORIZONS.get(str(card.get("horizon")), "")
    horizons = f"{len(card.get('horizons') or [])} horizons; the plan reads {read}"
    steps = [
        ("Mixture", ("each day the weights follow", "what the members\u2019 past errors earned")),
        ("Calibration", ("bands and probabilities are", "corrected by what has settled")),
        ("Law", (f"{len(levels)} quantiles, {ends}", "and the chance of a rise")),
        ("Joint scenarios", ("markets move together as their", "recent errors did")),
    ]
    parts, y, tall = [_head("One law for each market", horizons)], HEAD, 70
    for title, lines in steps:
        parts.append(
            f'<rect class="box" y="{y}" width="{width}" height="{tall}" rx="6"/>'
            f'<text class="step" x="12" y="{y + 22}">{title}</text>'
        )
        parts += [f'<text x="12" y="{y + 41 + 17 * i}">{esc(line)}</text>' for i, line in enumerate(lines)]
        y += tall + 8
    return "".join(parts), y - 8
