"""What lay as collateral at each venue and how near it came to a liquidation, where the run kept it."""

from collections.abc import Mapping
from typing import Any

from hedged.backtest.report import tables, text
from hedged.page import wording
from hedged.page.wording import esc

_HEADS = {
    "collateral_usd": "Collateral, USD",
    "margin_used_usd": "Margin used, most, USD",
    "used_usd": "Margin used, most, USD",
    "leverage_max": "Leverage, most",
    "margin_ratio_max": "Margin ratio, most",
    "liquidation_distance_min": "Nearest liquidation",
    "liquidations": "Liquidations",
}


def margin_section(found: Any) -> str:
    """Return the table by venue, its columns as the run names them; nothing where the run kept none.

    `found`: {venue: {field: number}}, or a list of such rows with the venue among them.
    """
    rows = _rows(found)
    fields = list(dict.fromkeys(key for row in rows for key in row if key not in ("venue", "symbol")))
    if not rows or not fields:
        return ""
    by_symbol = any(row.get("symbol") for row in rows)
    heads = [
        "Venue",
        *(["Symbol"] if by_symbol else []),
        *(_HEADS.get(key, text.words(key)) for key in fields),
    ]
    body = [
        [
            esc(wording.venue(str(row.get("venue") or ""))),
            *([esc(row.get("symbol") or "")] if by_symbol else []),
            *(_cell(key, row.get(key)) for key in fields),
        ]
        for row in rows
    ]
    return tables.table(
        "Margin and collateral by venue", heads, body, texts=2 if by_symbol else 1, look="cards"
    )


def _rows(found: Any) -> list[Mapping[str, Any]]:
    if isinstance(found, Mapping):
        return [{"venue": name, **part} for name, part in found.items() if isinstance(part, Mapping)]
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _cell(key: str, amount: Any) -> str:
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return text.value_html(amount)
    if key.endswith("_usd"):
        return text.usd(amount)
    if any(part in key for part in ("share", "ratio", "distance")):
        return wording.percent(amount, 1)
    return wording.number(amount, 0 if float(amount).is_integer() else 2)
