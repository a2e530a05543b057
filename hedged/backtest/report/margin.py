"""What became of the money at each venue, how little was ever free, and what a venue closed by force."""

from collections.abc import Mapping
from typing import Any

from hedged.backtest.report import tables, text
from hedged.page import wording
from hedged.page.wording import esc

_FLOWS = (
    ("begin_usd", "Cash at the start", False),
    ("realised_usd", "Realised PnL", True),
    ("fees_usd", "Fees", False),
    ("funding_usd", "Funding", True),
    ("penalties_usd", "Penalties", False),
    ("insured_usd", "Insured", False),
    ("added_usd", "Added", False),
    ("end_usd", "Cash at the end", False),
    ("unrealised_usd", "Unrealised PnL", True),
    ("lowest_free_usd", "Least free collateral", False),
)
_SAY = (
    "Cash at the end is that at the start with PnL realised, funding, what insurance paid and what the trader added to "
    "meet margin calls, less fees and penalties. On Injective the own position lies in the same account."
)
_ALWAYS = ("begin_usd", "end_usd", "lowest_free_usd")


def accounts(summary: Mapping[str, Any]) -> str:
    """Return the tables of accounts and of forced closings; nothing where the run kept no accounts."""
    found = {
        venue: part for venue, part in (summary.get("accounts") or {}).items() if isinstance(part, Mapping)
    }
    if not found:
        return ""
    flows = [
        flow for flow in _FLOWS if flow[0] in _ALWAYS or any(part.get(flow[0]) for part in found.values())
    ]
    rows = [
        [esc(wording.venue(venue)), *(_cell(part, key, plus) for key, _, plus in flows)]
        for venue, part in found.items()
    ]
    heads = ["Venue, USD", *(head for _, head, _ in flows)]
    table = tables.table("Accounts by venue, USD", heads, rows, look="cards")
    return f'<p class="say">{_SAY}</p>{table}{_forced(found)}'


def _cell(part: Mapping[str, Any], key: str, plus: bool) -> str:
    amount = wording.number(part.get(key), 2, plus)
    if key != "lowest_free_usd" or not part.get("lowest_free_at"):
        return amount
    return f'{amount}<span class="meaning">{esc(_minute(part["lowest_free_at"]))}</span>'


def _minute(instant: object) -> str:
    at = text.instant(instant)
    return f"{at:%Y-%m-%d %H:%M}" if at else str(instant)


def _forced(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what venues closed by themselves, in order of time, or that they closed nothing."""
    closed = [
        (str(one.get("at")), venue, one) for venue, part in found.items() for one in part.get("forced") or []
    ]
    if not closed:
        return '<p class="say">Nothing was liquidated, and no market was delisted with a position in it.</p>'
    rows = [
        [
            esc(_minute(at)),
            esc(wording.venue(venue)),
            esc(one.get("symbol") or ""),
            esc(one.get("why") or ""),
            text.quantity(one.get("quantity")),
            wording.number(one.get("price"), 4),
            text.usd(one.get("penalty_usd")),
        ]
        for at, venue, one in sorted(closed, key=lambda row: row[0])[: tables.MAX_ROWS]
    ]
    heads = ["Time, UTC", "Venue", "Symbol", "Why", "Quantity", "Price, USD", "Penalty, USD"]
    return '<h3 class="sub">Closed by force</h3>' + tables.table(
        "Closed by force", heads, rows, 4, look="cards"
    )
