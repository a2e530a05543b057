"""Writes the page: what hedges were worth, in one HTML file that asks the network for nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hedged.domain.clock import DAY_MS
from hedged.evaluation.hedging.result import IN_STEP, PERFECT, Outcome, Row, together
from hedged.evaluation.hedging.run import MODEL, ORACLE
from hedged.evaluation.hedging.setting import PRESETS, Setting
from hedged.page.frame import framed, write_whole
from hedged.page.wording import day, esc, listed, number, percent, scrolling

NAMES = {
    MODEL: "hedged",
    "ewma": "Planner on the EWMA",
    "persistence": "Planner on persistence",
    ORACLE: "Planner on the true mean",
    "constant": "Cap held always",
    "sign": "Cap by sign of the last rates",
    PERFECT: "Perfect foresight",
    IN_STEP: "Perfect foresight, in step",
}
STRATEGIES = {
    MODEL: "The planner on the forecasts given.",
    "ewma": "The same planner on the tuned EWMA with bands of its own past errors.",
    "persistence": "The same planner on the last settled rate with bands of its own past errors.",
    ORACLE: "The planner told the mean that really comes over its horizon, without a doubt. Not attainable: what "
    "it misses of perfect foresight is lost by the plan, not by the forecast.",
    "constant": "As much hedge as the cap allows, opened once.",
    "sign": "That hedge while the last settled rates say that it saves, else none.",
    PERFECT: "Dynamic programming over 0, ¼, ½, ¾ and 1 of the cap with every coming rate known.",
    IN_STEP: "The same, acting only when the planner decides: what a plan that decides so often could earn at most.",
}
DEFINITIONS = {
    "Share": "Net saving ÷ that of perfect foresight. Not shown where perfect foresight earns less than 20 bp of "
    "notional a year.",
    "bp a year": "Basis points of the own position, by year. Intervals are 95 % of a moving-block bootstrap of days.",
    "Turnover": "Hedge opened and closed in a month, in times the position.",
    "chain, level": "How Hyperliquid stands in for Injective: by Injective’s formula on Hyperliquid’s premium, or by "
    "its printed rate. The truth lies between them for BTC and ETH.",
}
DRAWN = (MODEL, "ewma", "persistence", ORACLE, PERFECT)
HEADS = (
    "Net, USD",
    "Of, USD",
    "Share",
    "bp a year",
    "Funding, bp",
    "Costs, bp",
    "Turnover",
    "Hedged",
    "Mean size",
    "Worst day, USD",
)


def write_page(
    outcomes: Sequence[Outcome], rows: Sequence[Row], setting: Setting, notes: Sequence[str], target: Path
) -> Path:
    """Write the page whole or not at all, and return its path."""
    pooled = [row for row in rows if row.symbol == "all"]
    parts = list(dict.fromkeys((row.side, row.rule) for row in pooled))
    found = {row.strategy for row in rows}
    first = min(one.days[0] for one in outcomes)
    last = max(one.days[0] + len(one.days[1]) for one in outcomes) - 1
    return write_whole(
        framed(
            "hedged.evaluation.hedging",
            "hedging",
            "hedged — what the hedge was worth",
            {
                "names": NAMES | {name: _name(name) for name in found},
                "parts": [_part(outcomes, *part) for part in parts],
            },
            period=f"{day(_date(first))} – {day(_date(last))}",
            what=esc(PRESETS[setting.name]),
            verdict=_verdict(pooled),
            notional=number(setting.notional_usd, 0),
            pooled="".join(
                _table(*part, [r for r in pooled if (r.side, r.rule) == part], "strategy") for part in parts
            ),
            symbols="".join(_by_symbol(rows, *part) for part in parts),
            strategies=listed({_name(k): v for k, v in STRATEGIES.items() if k in found}),
            definitions=listed(DEFINITIONS),
            notes="".join(f"<p>{esc(note)}</p>" for note in notes) or "<p>None.</p>",
        ),
        target,
    )


def _name(strategy: str) -> str:
    kind = strategy.removeprefix(f"{PERFECT} ")
    return NAMES.get(strategy, f"Perfect foresight, {kind} alone, to the cap")


def _date(day_number: int) -> datetime:
    return datetime.fromtimestamp(day_number * DAY_MS / 1000, UTC)


def _verdict(pooled: Sequence[Row]) -> str:
    """Say what the planner captured, of everything and under each rule."""
    both = [row for row in pooled if row.side == "both" or not any(r.side == "both" for r in pooled)]
    names = {row.strategy for row in both}
    who = MODEL if MODEL in names else "ewma"
    said = [
        f"{number(row.net_usd, 0)} of {number(row.perfect_usd, 0)} USD ({percent(row.share)}, {esc(row.rule)})"
        for row in both
        if row.strategy == who
    ]
    return f"{esc(_name(who))} earned {'; '.join(said)} of what perfect foresight would have."


def _part(outcomes: Sequence[Outcome], side: str, rule: str) -> dict[str, Any]:
    paths: dict[str, list[float]] = {}
    days = np.empty(0, np.int64)
    for name in DRAWN:
        mine = [o for o in outcomes if (o.strategy, o.rule) == (name, rule) and side in (o.side, "both")]
        if mine:
            first, daily = together(mine)
            paths[name] = np.cumsum(daily).round(1).tolist()
            days = first + np.arange(len(daily))
    return {
        "id": f"{side}-{rule}",
        "label": _label(side, rule),
        "day_ms": (days * DAY_MS).tolist(),
        "paths": paths,
    }


def _label(side: str, rule: str) -> str:
    whose = {"long": "Longs", "short": "Shorts"}.get(side, "Both")
    return whose if rule == "recorded" else f"{whose}, {rule}"


def _by_symbol(rows: Sequence[Row], side: str, rule: str) -> str:
    mine = [r for r in rows if r.symbol != "all" and r.rule == rule and (r.side == side or side == "both")]
    return _table(side, rule, [r for r in mine if r.strategy in (MODEL, "ewma", ORACLE, PERFECT)], "symbol")


def _table(side: str, rule: str, rows: Sequence[Row], by: str) -> str:
    head = "".join(f'<th scope="col" class="n">{esc(text)}</th>' for text in HEADS)
    body = "".join(_line(row, by) for row in rows)
    table = scrolling(
        f"{_label(side, rule)}, by {by}",
        f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{body}</tbody>',
        "figures",
    )
    return f'<div class="part" data-part="{esc(side)}-{esc(rule)}">{table}</div>'


def _line(row: Row, by: str) -> str:
    name = _name(row.strategy) if by == "strategy" else f"{row.symbol} {row.side}, {_name(row.strategy)}"
    look = {MODEL: ' class="own"', PERFECT: ' class="best"'}.get(row.strategy, "")
    cells = (
        number(row.net_usd, 0),
        number(row.perfect_usd, 0),
        percent(row.share, 1),
        f"{number(row.net_bp, 1)} <small>{number(row.low_bp, 0)} … {number(row.high_bp, 0)}</small>",
        number(row.net_bp + row.cost_bp, 1),
        number(row.cost_bp, 1),
        number(row.turnover_month),
        percent(row.hedged),
        percent(row.mean_size),
        number(row.worst_day_usd, 0),
    )
    body = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr{look}><th scope="row">{esc(name)}</th>{body}</tr>'
