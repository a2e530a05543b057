"""What is at risk: hedges with the way to their stop, collateral with the way to a margin call."""

from hedged.page import wording
from hedged.page.wording import esc
from hedged.status.document import Status, Stop
from hedged.status.view import words
from hedged.status.view.book import legs
from hedged.status.view.state import used

STATES = {
    "watched": "Watched",
    "blind": "Cannot be valued",
    "unwinding": "Being unwound",
    "resting": "Stopped",
}
NEAR, FAR = 0.5, 0.8
"""Shares of a stop that are used: above, it is shown as a warning, as an alarm."""
CALL_NEAR, CALL_FAR = 0.15, 0.3
"""Price moves to a margin call: below, it is shown as an alarm, as a warning."""


def bar(share: float, tone: str) -> str:
    """Draw how much of something is used up, 0 … 1."""
    width = round(100 * min(max(share, 0.0), 1.0), 1)
    return (
        f'<svg class="bar {tone}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="ground" width="100" height="6"/><rect width="{width}" height="6"/></svg>'
    )


def stops(status: Status) -> str:
    """Return the hedges, how near the loss of each is to its stop, and how far liquidation is."""
    if not status.stops:
        return words.nothing(
            "No hedge is held, and none rests after a stop."
            if status.cycle.last_ms
            else "Known after the first decision."
        )
    heads = (
        ("Hedge", False), ("Legs", False), ("Result, USD", True), ("Stop at, USD", True), ("Of it used", False),
        ("Liquidation", False), ("State", False),
    )  # fmt: skip
    by_symbol = {row.symbol: row for row in status.book}
    rows = []
    for one in status.stops:
        row = by_symbol.get(one.symbol)
        held = legs(row.hedge, row.own_quantity) if row else "none"
        name = esc(one.symbol) + words.small(esc(one.strategy.replace("_", " ")))
        resting = one.state == "resting"
        rows.append(
            (
                name,
                held,
                "–" if resting else words.usd(words.minus(one.loss_usd)),
                "–" if resting else words.usd(words.minus(one.allowance_usd)),
                "–" if resting else _used(one),
                "–" if resting else _liquidation(one),
                _state(one, status.about.now_ms),
            )
        )
    return words.table("Hedges, each with its stop", heads, rows, "stops")


def _used(one: Stop) -> str:
    if one.state != "watched":
        return words.UNKNOWN
    share = used(one)
    tone = "bad" if share >= FAR else "warn" if share >= NEAR else "good"
    return f"{words.share(share)}{bar(share, tone)}"


def _liquidation(one: Stop) -> str:
    told = "".join(
        f'<span class="leg">{words.away(move)} away on {esc(wording.venue(venue))}</span>'
        for venue, move in sorted(one.liquidation.items(), key=lambda item: item[1])
    )
    return told or words.UNKNOWN


def _state(one: Stop, now_ms: int) -> str:
    text = f"<b>{STATES[one.state]}</b>"
    told = esc(one.why or "") if one.state != "watched" else ""
    if one.until_ms is not None and one.state != "watched":
        told += f"{'; ' if told else ''}nothing is opened before {words.clock(one.until_ms, now_ms)} UTC"
    return text + words.small(told)


def collateral(status: Status) -> str:
    """Return each venue's collateral."""
    if not status.collateral:
        return words.nothing("Known after the first decision.")
    heads = (
        ("Venue", False), ("Equity, USD", True), ("In use, USD", True), ("Free, USD", True), ("Margin call", False),
    )  # fmt: skip
    rows = []
    for row in status.collateral:
        if row.unknown:
            call = f"{words.UNKNOWN}{words.small(esc(row.unknown))}"
        elif not row.held:
            call = "nothing is held there"
        elif row.margin_call_move is None:
            call = f"{words.UNKNOWN}{words.small('the venue does not tell it')}"
        else:
            move = row.margin_call_move
            tone = "bad" if move < CALL_NEAR else "warn" if move < CALL_FAR else "good"
            call = (
                f"after a move of {words.away(move)} against {esc(row.nearest or 'it')}{bar(1 - move, tone)}"
            )
        figures = (words.usd(usd, plus=False) for usd in (row.equity_usd, row.used_usd, row.free_usd))
        rows.append((esc(wording.venue(row.venue)), *figures, call))
    return words.table("Collateral by venue", heads, rows, "collateral")


def held(status: Status) -> str:
    """Say what a kill would meet: the legs that flatten closes, the cuts that it leaves."""
    closed, cuts = [], []
    for row in status.book:
        for leg in row.hedge:
            size = words.coins(abs(leg.quantity)).lstrip("+")
            if leg.venue == "injective":
                cuts.append(f"{size} {esc(row.symbol)}")
            else:
                side = "long" if leg.quantity > 0 else "short"
                closed.append(f"{side} {size} {esc(row.symbol)} at {esc(wording.venue(leg.venue))}")
    if status.cycle.last_ms is None:
        return f"<p>What is held is {words.UNKNOWN}: nothing has been decided yet.</p>"
    one = f"Hedge legs held now: {', '.join(closed) or 'none'}."
    other = f" Cut from your position: {', '.join(cuts)}." if cuts else ""
    return f"<p>{one}{other}</p>"
