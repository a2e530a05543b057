"""The book: each market's funding with its band, before and after hedging, and that of the whole."""

from collections.abc import Iterable
from dataclasses import dataclass

from hedged.page import wording
from hedged.page.wording import esc
from hedged.status.document import Amount, BookRow, HedgeLeg, Status
from hedged.status.view import words

WIDTH, LANE, EDGE = 200, 14, 8
HEADS = (
    ("Market", False), ("You hold", True), ("Unhedged, USD", True), ("As hedged now, USD", True),
    ("Both, on one scale", False), ("Hedge", False), ("Decision", False),
)  # fmt: skip
ACTIONS = {
    "none": "Nothing", "hold": "Hold", "open": "Open", "increase": "Enlarge", "decrease": "Reduce", "close": "Close",
    "stop": "Stop", "refused": "Refused", "frozen": "Frozen",
}  # fmt: skip
"""Actions in a word."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high` USD, zero among them."""

    low: float
    high: float

    @classmethod
    def over(cls, amounts: Iterable[Amount | None]) -> "Scale":
        """Return the scale that holds all of them."""
        ends = [end for one in amounts if one for end in (one.low_usd, one.mean_usd, one.high_usd)]
        low, high = min([0.0, *ends]), max([0.0, *ends])
        return cls(low, high) if high > low else cls(-1.0, 1.0)

    def x(self, usd: float) -> float:
        """Return the place of an amount."""
        return round(EDGE + (usd - self.low) / (self.high - self.low) * (WIDTH - 2 * EDGE), 1)


def picture(own: Amount | None, hedged: Amount | None, scale: Scale) -> str:
    """Draw both bands above each other, their means as points; nothing of what is unknown."""
    lanes = ""
    for kind, amount, y in (("own", own, LANE / 2), ("hedged", hedged, 1.5 * LANE)):
        if amount is not None:
            low, mean, high = (scale.x(usd) for usd in (amount.low_usd, amount.mean_usd, amount.high_usd))
            lanes += (
                f'<g class="{kind}"><path d="M{low} {y}H{high}M{low} {y - 4}v8M{high} {y - 4}v8"/>'
                f'<circle cx="{mean}" cy="{y}" r="4"/></g>'
            )
    if not lanes:
        return words.UNKNOWN
    return (
        f'<svg class="bands" viewBox="0 0 {WIDTH} {2 * LANE}" aria-hidden="true">'
        f'<path class="zero" d="M{scale.x(0)} 0V{2 * LANE}"/>{lanes}</svg>'
    )


def book(status: Status) -> str:
    """Return the table of the markets."""
    if not status.book:
        text = (
            "Nothing is held that could be hedged."
            if status.cycle.last_ms
            else "Known after the first decision."
        )
        return words.nothing(text)
    scale = Scale.over(amount for row in status.book for amount in (row.own, row.hedged))
    rows = [_row(row, scale) for row in status.book]
    return words.table(
        f"The book; funding within {words.hours(status.book[0].horizon_h)}", HEADS, rows, "book"
    )


def _row(row: BookRow, scale: Scale) -> tuple[str, ...]:
    held = words.coins(row.own_quantity)
    action = ACTIONS.get(row.action or "", row.action or "none yet")
    return (
        esc(row.symbol),
        f"{held}{words.small(f'{words.whole_usd(row.own_usd, plus=True)} USD')}",
        _amount(row.own),
        _amount(row.hedged),
        picture(row.own, row.hedged, scale),
        legs(row.hedge, row.own_quantity),
        f"<b>{esc(action)}</b>{words.small(esc(row.reason or ''))}",
    )


def _amount(amount: Amount | None) -> str:
    if amount is None:
        return words.UNKNOWN
    return f"{words.usd(amount.mean_usd)}{words.small(words.band(amount))}"


def legs(held: Iterable[HedgeLeg], own: float | None) -> str:
    """Write what the daemon holds, in words."""
    told = []
    for leg in held:
        size = f"{words.coins(abs(leg.quantity)).lstrip('+')}"
        usd = words.small(
            f"{words.whole_usd(None if leg.usd is None else abs(leg.usd))} USD"
            + ("" if leg.strategy in (None, "funding_hedge") else f", {esc(leg.strategy.replace('_', ' '))}")
        )
        if leg.venue == "injective" and own is not None:
            word = "cut from yours" if leg.quantity * own <= 0 else "added to yours"
            told.append(f"{size} {word}{usd}")
        else:
            side = "long" if leg.quantity > 0 else "short"
            told.append(f"{side} {size} at {esc(wording.venue(leg.venue))}{usd}")
    return "".join(f'<span class="leg">{one}</span>' for one in told) or "none"


def ahead(status: Status) -> str:
    """Return the funding of the whole book over the coming spans."""
    if not status.ahead:
        return words.nothing("No rate is forecast yet." if status.book else "Known after the first decision.")
    scale = Scale.over(amount for row in status.ahead for amount in (row.own, row.hedged))
    heads = (
        ("Within", False), ("Unhedged, USD", True), ("As hedged now, USD", True), ("Both, on one scale", False),
        ("Rests on", False),
    )  # fmt: skip
    rows = [
        (
            f"{words.hours(row.hours)}{' (decides)' if row.decides else ''}",
            _amount(row.own),
            _amount(row.hedged),
            picture(row.own, row.hedged, scale),
            esc(row.rests_on)
            + (f"; without {esc(', '.join(row.unknown))}, not forecast" if row.unknown else ""),
        )
        for row in status.ahead
    ]
    return words.table("Funding of the whole book ahead", heads, rows, "ahead")


def saved(status: Status) -> str:
    """Return what hedging has brought so far, and of what it is made."""
    told = status.saved
    if told is None:
        return words.nothing("Known after the first decision.")
    hedged = None if told.unhedged_usd is None else told.unhedged_usd + told.funding_usd
    heads = (
        ("So far", False), ("Funding unhedged, USD", True), ("As hedged, USD", True), ("Costs, USD", True),
        ("Prices, USD", True), ("Net saving, USD", True),
    )  # fmt: skip
    began = "the beginning"
    if told.since_ms is not None:
        began = f"{words.clock(told.since_ms, status.about.now_ms)} UTC"
    figures = (told.unhedged_usd, hedged, -told.costs_usd, told.price_usd)
    row = (f"Since {began}", *(words.usd(usd) for usd in figures), f"<b>{words.usd(told.net_usd)}</b>")
    return words.table("What hedging has brought", heads, [row], "saved")


KEYS = (
    '<p class="keys"><span><svg width="24" height="12" class="bands" aria-hidden="true"><g class="own">'
    '<path d="M2 6H22"/><circle cx="12" cy="6" r="4"/></g></svg>unhedged</span><span><svg width="24" height="12" '
    'class="bands" aria-hidden="true"><g class="hedged"><path d="M2 6H22"/><circle cx="12" cy="6" r="4"/></g></svg>'
    "as hedged now</span><span>line: 80 % of the time, point: expected, rule: zero</span></p>"
)
"""The legend of the pictures."""
