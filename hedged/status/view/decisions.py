"""The decisions: the latest of each market with all that it rests on, and what was done before."""

from hedged.page import wording
from hedged.page.wording import esc, number
from hedged.status.document import Amount, BookRow, Decision, Explanation, LegTold, Status
from hedged.status.view import words
from hedged.status.view.book import ACTIONS, legs
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE

AT_ONCE = 8
"""Earlier decisions that are shown without being asked for."""
BAR = 60
QUIET = ("none", "hold")
NAMES = {CUT: "Cut on Injective", OPPOSITE: "Opposite at ", RELOCATE: "Moved to "}


def decisions(status: Status) -> str:
    """Return the latest decision of each market, to be opened."""
    if not status.decisions:
        return words.nothing("Nothing has been decided yet.")
    return "".join(_decision(one, status) for one in status.decisions)


def _decision(one: Decision, status: Status) -> str:
    loud = "" if one.action in QUIET else ' class="loud"'
    title = f"<b{loud}>{esc(one.symbol)}: {esc(ACTIONS.get(one.action, one.action))}</b>"
    return (
        f'<details id="{esc(f"decision-{one.symbol}")}"><summary>{title} <span class="why">{esc(one.reason)}</span>'
        f'</summary><div class="fold">{_explained(one, status)}</div></details>'
    )


def _explained(one: Decision, status: Status) -> str:
    row = next((row for row in status.book if row.symbol == one.symbol), None)
    told = one.explanation
    beside = "".join(
        f"<p><b>{esc(name.replace('_', ' '))}</b>: {esc(text)}</p>" for name, text in one.strategies.items()
    )
    if told is None:
        return f"{beside}<p>No details are kept of this decision.</p>"
    own, of = (row.own_quantity if row else None), one.symbol
    terms = {
        "Decided": f"{words.clock(one.ts_ms, status.about.now_ms)} UTC",
        "Rule": f"{esc(told.rule_text or 'none')} <code>{esc(told.rule or '')}</code>",
        "Hedge held": legs(row.hedge, own) if row else words.UNKNOWN,
        "Hedge wanted": legs(told.wanted, own),
    }
    closed = {f"Closed: {esc(wording.venue(venue))}": esc(why) for venue, why in sorted(told.closed.items())}
    listed = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in (terms | closed).items())
    return f"<dl>{listed}</dl>{beside}{_spans(told, row, of)}{_rates(told, of)}{_legs(told, of)}{_drivers(told, of)}"


def _spans(told: Explanation, row: BookRow | None, of: str) -> str:
    if not told.spans:
        return ""
    hedged = any(span.hedged for span in told.spans)
    now = row.hedged if row else None
    held = [now if row and span.hours == row.horizon_h else span.hedged for span in told.spans]
    heads = [("Within", False), ("Unhedged, USD", True), ("80 % between", True)]
    heads += [("As hedged, USD", True), ("80 % between", True)] if hedged else []
    rows = [
        (words.hours(span.hours), *_amount(span.own), *(_amount(one) if hedged else ()))
        for span, one in zip(told.spans, held, strict=True)
    ]
    return words.table(f"Funding of the position in {of}", heads, rows)


def _amount(amount: Amount | None) -> tuple[str, str]:
    return ("–", "–") if amount is None else (words.usd(amount.mean_usd), words.band(amount))


def _rates(told: Explanation, of: str) -> str:
    if not told.rates:
        return ""
    heads = (
        ("Rate forecast, % a year", False), ("Mean", True), ("80 % between", True), ("It rises", True), ("Note", False)
    )  # fmt: skip
    rows = [
        (
            esc(wording.venue(one.venue)),
            words.yearly(one.mean),
            f"{words.yearly(one.p10)} … {words.yearly(one.p90)}" if one.mean is not None else words.UNKNOWN,
            words.share(one.p_up),
            esc(one.note or ""),
        )
        for one in told.rates
    ]
    return words.table(f"Rates of {of} as forecast, in percent a year; plus: longs pay", heads, rows)


def _legs(told: Explanation, of: str) -> str:
    if not told.legs:
        return ""
    heads = (
        ("Every hedge there was, and why it is no larger", False), ("Now, USD", True), ("Wanted", True),
        ("Saves, bp", True), ("Later, bp", True), ("Costs, bp", True), ("Pays after", True), ("Sure", True),
    )  # fmt: skip
    return words.table(f"Every hedge of {of} there was", heads, [_leg(leg) for leg in told.legs], "legs")


def _leg(leg: LegTold) -> tuple[str, ...]:
    name = NAMES.get(leg.kind, leg.kind) + ("" if leg.kind == CUT else wording.venue(leg.venue))
    return (
        f"{esc(name)}{words.small(esc(leg.why))}",
        words.whole_usd(leg.now_usd),
        words.whole_usd(leg.target_usd),
        number(leg.saves_bp, 1),
        number(leg.later_bp, 1),
        number(leg.costs_bp, 1),
        "never" if leg.break_even_h is None else words.lasting(3_600 * leg.break_even_h),
        words.share(leg.confidence),
    )


def _drivers(told: Explanation, of: str) -> str:
    if told.drivers_text:
        return f"<p>The forecast on Injective is {esc(told.drivers_text)}.</p>"
    if told.last_rate is None or not told.drivers:
        return ""
    longest = max(abs(one.moved) for one in told.drivers) or 1.0
    rows = [("The last settled rate", words.yearly(told.last_rate), "")]
    for one in told.drivers:
        name = esc(one.name[:1].upper() + one.name[1:])
        rows.append((name, words.yearly(one.moved), _part(one.moved, longest)))
    forecast = told.last_rate + sum(one.moved for one in told.drivers)
    rows.append(("The forecast", f"<b>{words.yearly(forecast)}</b>", ""))
    heads = (("What drives the forecast on Injective, % a year", False), ("Part", True), ("Drawn", False))
    return words.table(f"What drives the forecast of {of}", heads, rows, "drivers")


def _part(moved: float, longest: float) -> str:
    width, tone = round(BAR * abs(moved) / longest, 1), "up" if moved > 0 else "down"
    return f'<svg class="part {tone}" viewBox="0 0 {BAR} 8" aria-hidden="true"><rect width="{width}" height="8"/></svg>'


def earlier(status: Status) -> str:
    """Return what was done before, newest first."""
    if not status.earlier:
        return words.nothing("Nothing but holding still, as far as the journal goes back.")
    rows = [_line(one, status.about.now_ms) for one in status.earlier]
    first, rest = "".join(rows[:AT_ONCE]), "".join(rows[AT_ONCE:])
    more = (
        f'<details id="more-earlier"><summary>{len(rows) - AT_ONCE} more</summary><ol class="log">{rest}</ol></details>'
        if rest
        else ""
    )
    return f'<ol class="log">{first}</ol>{more}'


def _line(one: Decision, now_ms: int) -> str:
    action = ACTIONS.get(one.action, one.action)
    return (
        f'<li><span class="at">{words.clock(one.ts_ms, now_ms)}</span><b>{esc(one.symbol)}: {esc(action)}</b>'
        f'<span class="why">{esc(one.reason)}</span></li>'
    )
