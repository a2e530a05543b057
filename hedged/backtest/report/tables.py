"""The page's tables and folded sections. Every text from the run is escaped here."""

from typing import Any

from hedged.backtest.report import text
from hedged.backtest.report.files import Run
from hedged.backtest.report.reasons import Reason
from hedged.page import wording
from hedged.page.wording import esc

MAX_ROWS = 200
NUMERIC = ' class="n"'
MAX_REASONS = 8
PURPOSES = {
    "own_cut": "own position cut",
    "own_restore": "own position restored",
    "hedge_open": "hedge opened",
    "hedge_close": "hedge closed",
    "relocate": "moved to another venue",
    "stop": "stop",
}
ACTIONS = {"none": "nothing to do", "hold": "held", "refused": "refused by the gate", "frozen": "frozen"}
_MONEY = (
    ("Funding, unhedged", "unhedged_funding_usd", True),
    ("Funding, hedged", "hedged_funding_usd", True),
    ("Fees", "fees_usd", False),
    ("Spread", "spread_usd", False),
    ("Net saving", "net_saving_usd", True),
    ("Price PnL vs unhedged", "price_pnl_vs_unhedged_usd", True),
    ("Turnover", "turnover_usd", False),
)


def _head_cells(heads: list[str], texts: int) -> str:
    """Return the heads: those of the first `texts` columns are of words, the rest of numbers."""
    return "".join(
        f'<th scope="col"{"" if i < max(texts, 1) else NUMERIC}>{head}</th>' for i, head in enumerate(heads)
    )


def _cells(row: list[str], heads: list[str], texts: int, told: bool) -> str:
    """Return a row's cells, the first of which names the row; `told`: each carries its head, for cards on a phone."""
    cells = [f'<th scope="row">{row[0]}</th>']
    for i, cell in enumerate(row[1:], start=1):
        head = f' data-head="{heads[i].partition("<")[0].strip()}"' if told and cell else ""
        cells.append(f"<td{'' if i < texts else NUMERIC}{head}>{cell}</td>")
    return "".join(cells)


def table(label: str, heads: list[str], rows: list[list[str]], texts: int = 1, look: str = "") -> str:
    """Return a table that scrolls inside its box; one of look `cards` becomes a card for each row on a phone.

    Cells are safe HTML.
    """
    told = "cards" in look.split()
    body = "".join(f"<tr>{_cells(row, heads, texts, told)}</tr>" for row in rows)
    head = _head_cells(heads, texts)
    return wording.scrolling(label, f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>", look)


def _money(part: dict[str, Any]) -> list[str]:
    """Return the amounts of a row, as many digits in a column from top to bottom."""
    return [wording.number(part.get(key), 0 if key == "turnover_usd" else 2, plus) for _, key, plus in _MONEY]


def per_symbol(run: Run) -> str:
    """Return the table of what each symbol paid, earned and cost, with the reason under it."""
    found: dict[str, dict[str, Any]] = run.summary.get("per_symbol") or {}
    heads = ["Symbol", "Position, USD", "Quantity", *(head for head, _, _ in _MONEY), "Fills", "Hours hedged"]
    rows = []
    for symbol in (symbol for symbol in run.symbols if symbol in found):
        part = found[symbol]
        money = _money(part)
        ends = [wording.number(part.get("fills"), 0), wording.number(part.get("hedged_hours"), 0)]
        rows.append(
            [
                esc(symbol),
                wording.number(part.get("position_usd"), 0),
                text.quantity(part.get("quantity")),
                *money,
                *ends,
            ]
        )
    if not rows:
        return '<p class="empty">The run held no position.</p>'
    totals = _money(run.summary)
    fills = wording.number(sum(part.get("fills") or 0 for part in found.values()), 0)
    rows.append(["All", "", "", *totals, fills, ""])
    whys = "".join(
        f"<div><dt>{esc(symbol)}</dt><dd>{esc(found[symbol]['why'])}</dd></div>"
        for symbol in run.symbols
        if found.get(symbol, {}).get("why")
    )
    return table("Result by symbol, USD", heads, rows, look="totalled sortable cards") + (
        f'<dl class="whys">{whys}</dl>' if whys else ""
    )


def reason_list(reasons: list[Reason]) -> str:
    """Return the most frequent reasons for sending nothing, each with its count, share and latest wording."""
    rows = []
    for reason in reasons[:MAX_REASONS]:
        example = (
            f'<span class="example">e.g. {esc(reason.example)}</span>'
            if reason.example != reason.sentence
            else ""
        )
        bar = f'<span class="bar"><i style="width:{100 * reason.share:.1f}%"></i></span>'
        said = f"{esc(reason.sentence)}{example}{bar}"
        rows.append(
            [said, ACTIONS[reason.action], wording.number(reason.count, 0), wording.percent(reason.share, 1)]
        )
    if rest := sum(reason.count for reason in reasons[MAX_REASONS:]):
        rows.append([f"{len(reasons) - MAX_REASONS} rarer reasons", "", wording.number(rest, 0), ""])
    if not rows:
        return '<p class="empty">No decision was recorded that sent nothing.</p>'
    heads = ["Reason", "Decision", "Decisions", "Share"]
    return table("Why nothing was sent", heads, rows, texts=2, look="reasons")


def fill_table(run: Run) -> str:
    """Return the last fills as a table: what the markers show, readable without the picture."""
    rows = [
        [
            f"{fill['ts']:%Y-%m-%d %H:%M}",
            *map(esc, (fill["symbol"] or "", wording.venue(fill["venue"] or ""), fill["side"] or "")),
            esc(PURPOSES.get(fill["purpose"] or "", text.words(fill["purpose"] or ""))),
            *(text.quantity(fill["quantity"]), wording.number(fill["price"], 4), text.usd(fill["fee_usd"])),
        ]
        for fill in run.fills.tail(MAX_ROWS).iter_rows(named=True)
    ]
    if not rows:
        return "<p>No order was sent, so there are no fills.</p>"
    note = f"<p>The last {MAX_ROWS} of {run.fills.height:,} fills.</p>" if run.fills.height > MAX_ROWS else ""
    heads = ["Time, UTC", "Symbol", "Venue", "Side", "Purpose", "Quantity", "Price", "Fee, USD"]
    return note + table("Fills", heads, rows, texts=5)


def gaps(found: list[dict[str, Any]]) -> str:
    """Return the gaps in the data that the run had to live with."""
    if not found:
        return "<p>None: every series was complete for the whole run.</p>"
    keys = ("venue", "symbol", "table", "from", "to", "detail")
    rows = [[esc("" if gap.get(key) is None else gap[key]) for key in keys] for gap in found[:MAX_ROWS]]
    note = f"<p>The first {MAX_ROWS} of {len(found):,} gaps.</p>" if len(found) > MAX_ROWS else ""
    return note + table("Data gaps", [text.words(key) for key in keys], rows, texts=len(keys))


def folded(title: str, body: str, anchor: str, note: str = "") -> str:
    """Return a section that opens on a click, and by itself on paper."""
    small = f" <small>{esc(note)}</small>" if note else ""
    return f'<details id="{anchor}"><summary>{esc(title)}{small}</summary><div class="fold">{body}</div></details>'
