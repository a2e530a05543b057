"""What was decided and done: hedge sizes as shares of the own position, fills, and a strip of decisions."""

import json
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from hedged.backtest.report.files import Run
from hedged.backtest.report.money import instants
from hedged.backtest.report.reasons import template
from hedged.domain.market import INJECTIVE
from hedged.page import wording

CYCLE_MS = 15 * 60_000
MAX_POINTS = 1_500
MAX_FILLS = 1_500
ROWS = ("nothing", "hold", "acted", "refused", "frozen")
_ROW_OF = {"none": "nothing", "hold": "hold", "refused": "refused", "frozen": "frozen"}
MERGED = (
    "",
    "Neighbouring decisions of one kind are drawn as one, with their first reason.",
    "There are more changes than a page can hold: each stretch shows the most telling of several decisions.",
)
_LOUDEST = ("acted", "frozen", "refused", "hold", "nothing")


def row(action: str | None) -> str:
    """Return the strip's row of an action: whatever sent an order is `acted`."""
    return "nothing" if action is None else _ROW_OF.get(action, "acted")


def layer_shares(own: float | None, current: str | None) -> dict[str, float]:
    """Return each layer's size in percent of the own position, from a decision's `current`.

    `current`: JSON, the daemon's own signed part by venue; on Injective a cut has the sign opposite to the position's.
    """
    try:
        held = json.loads(current or "{}")
    except ValueError:
        return {}
    if not own or not isinstance(held, dict):
        return {}
    cut, shares = -float(held.get(INJECTIVE, 0.0)) / own, {}
    for venue, quantity in held.items():
        if venue != INJECTIVE:
            moved = float(quantity) * own > 0
            share = abs(float(quantity) / own)
            shares[f"{'Moved to' if moved else 'Hedge on'} {wording.venue(venue)}"] = share
            cut -= share if moved else 0.0  # a part moved elsewhere counts once
    shares["Own cut"] = cut
    return {name: round(100 * share, 1) for name, share in shares.items() if round(100 * share, 1)}


def layers(decisions: pl.DataFrame, most: int = MAX_POINTS) -> dict[str, Any]:
    """Return the sizes of the hedge at every change, `t` (points,) and each layer's percent (points,)."""
    sizes = [layer_shares(own, held) for own, held in decisions.select("own_quantity", "current").iter_rows()]
    keep = [i for i, size in enumerate(sizes) if i in (0, len(sizes) - 1) or size != sizes[i - 1]]
    stride = -(-len(keep) // most) or 1
    keep = sorted({*keep[::stride], *keep[-1:]})
    names = sorted({name for size in sizes for name in size}, key=lambda name: (name != "Own cut", name))
    ts_ms = instants(decisions)
    return {
        "t": [int(ts_ms[i]) for i in keep],
        "layers": [{"name": name, "values": [sizes[i].get(name, 0.0) for i in keep]} for name in names],
    }


class Sentences:
    """Every sentence once; the charts name it by its place."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._place: dict[str, int] = {}

    def place(self, sentence: str) -> int:
        """Return the sentence's place, adding it when it is new."""
        if sentence not in self._place:
            self._place[sentence] = len(self.all)
            self.all.append(sentence)
        return self._place[sentence]


def strip(decisions: pl.DataFrame, sentences: Sentences, most: int = MAX_POINTS) -> dict[str, Any]:
    """Return stretches of like decisions: first and last instant, row, and the place of its first reason.

    `merged`: how alike stretches had to be made to fit: not at all, whatever the reason, or the loudest of several.
    """
    ts_ms = instants(decisions)
    rows = [row(action) for action in decisions["action"]]
    said = [reason or "" for reason in decisions["reason"]]
    kinds = [template(reason) for reason in said]
    ways = ([*zip(rows, kinds, strict=True)], [(name, "") for name in rows], _binned(rows, most))
    merged = next((i for i, way in enumerate(ways) if len(_starts(way)) <= most), len(ways) - 1)
    key = ways[merged]
    starts = _starts(key)
    ends = [*starts[1:], len(rows)]
    until = [int(ts_ms[end]) if end < len(rows) else int(ts_ms[-1]) + CYCLE_MS for end in ends]
    return {
        "from": [int(ts_ms[i]) for i in starts],
        "to": until,
        "row": [ROWS.index(key[i][0]) for i in starts],
        "why": [sentences.place(said[i]) for i in starts],
        "merged": MERGED[merged],
    }


def _starts(key: list[tuple[str, str]]) -> list[int]:
    """Return where a new stretch begins."""
    return [i for i in range(len(key)) if i == 0 or key[i] != key[i - 1]]


def _binned(rows: list[str], most: int) -> list[tuple[str, str]]:
    """Give every decision its bin's loudest row, so that a restless run still fits into the strip."""
    size = -(-len(rows) // most) or 1
    bins = [min(rows[i : i + size], key=_LOUDEST.index) for i in range(0, len(rows), size)]
    return [(bins[i // size], "") for i in range(len(rows))]


def fill_marks(run: Run, symbol: str, sentences: Sentences) -> list[dict[str, Any]]:
    """Return every fill with the reason of the decision that asked for it (the same cycle's, if it acted)."""
    fills, decisions = run.of("fills", symbol), run.of("decisions", symbol)
    at_ms, decided_ms = instants(fills), instants(decisions)
    asked_by = np.searchsorted(decided_ms, at_ms, side="right") - 1
    actions, reasons = decisions["action"].to_list(), decisions["reason"].to_list()
    marks = []
    for i, fill in enumerate(fills.head(MAX_FILLS).iter_rows(named=True)):
        j = int(asked_by[i])
        asked = j >= 0 and at_ms[i] - decided_ms[j] < CYCLE_MS and row(actions[j]) == "acted"
        why = reasons[j] if asked and reasons[j] else "Between two cycles: no decision stands behind it."
        marks.append(
            {name: fill[name] for name in ("venue", "side", "quantity", "price", "fee_usd", "purpose")}
            | {"t": int(at_ms[i]), "venue": wording.venue(fill["venue"] or ""), "why": sentences.place(why)}
        )
    return marks


def timelines(run: Run, sentences: Sentences, most: int = MAX_POINTS) -> dict[str, dict[str, Any]]:
    """Return every symbol's timeline; symbols without decisions have none."""
    found = {}
    for symbol, decisions in ((symbol, run.of("decisions", symbol)) for symbol in run.symbols):
        if decisions.height:
            found[symbol] = layers(decisions, most) | {
                "strip": strip(decisions, sentences, most),
                "fills": fill_marks(run, symbol, sentences),
                "fills_left_out": max(0, run.of("fills", symbol).height - MAX_FILLS),
            }
    return found


def action_counts(decisions: pl.DataFrame) -> dict[str, int]:
    """Return how many decisions fell into each row of the strip."""
    rows = sorted((row(action) for action in decisions["action"]), key=ROWS.index)
    return {name: len(list(group)) for name, group in groupby(rows)}
