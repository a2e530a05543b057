"""What is read first: whether all is well, what is latched, what wants a look, and the figures that matter."""

from typing import NamedTuple

from hedged.domain.clock import SECOND_MS
from hedged.page import wording
from hedged.page.wording import esc
from hedged.status.document import AlertRow, Status, Stop
from hedged.status.view import words

LEVELS = {
    "reduce-only": "Only orders that reduce a hedge leg are sent. Hedges and cuts stay; stops still work.",
    "pause": "Nothing is sent, reductions neither: stops do not work. Everything stays as it is.",
    "cancel": "Every resting order of ours is cancelled, and nothing else is sent. Hedges and cuts stay; stops do not "
    "work.",
    "flatten": "Resting orders are cancelled, and every hedge leg is closed. Your own position is never traded; what "
    "was cut of it is not given back.",
}
"""What each level of the kill switch does, in one line."""
MARKS = {"good": "●", "wait": "◌", "warn": "▲", "bad": "■"}
SAID = {"good": "", "wait": "", "warn": "Attention: ", "bad": "Alarm: "}
SAID_ABOVE = ("kill", "latch")
"""The alert that says what the headline says already."""
WORST = {"critical": "bad", "warning": "warn"}


class Headline(NamedTuple):
    """`tone`: good, wait, warn or bad; `title` plain text; `lines` safe HTML."""

    tone: str
    title: str
    lines: tuple[str, ...]


def headline(status: Status) -> Headline:
    """Say in a few words how the daemon is; what stops it from working comes before what it complains of."""
    health = status.health
    told = [one for one in health.reasons if not (health.backfilled and one.startswith("backfilling"))]
    reasons = tuple(esc(reason) for reason in (*health.not_alive, *told, *health.halted))
    if health.latch:
        by = "by itself" if health.latch.by == "daemon" else f"by {health.latch.by}"
        lines = (f"{esc(health.latch.text)}.", LEVELS.get(health.latch.level, ""), *reasons)
        return Headline("bad", f"Halted {by}: {health.latch.level}", lines)
    if health.state == "stopping":
        return Headline("warn", "Stopping", reasons)
    if not health.alive:
        return Headline("bad", "Running, but it does not get on", reasons)
    if health.state == "starting":
        return Headline("wait", "Starting", reasons)
    if not health.ready:
        waits = all(reason.startswith("waiting") for reason in health.reasons)
        return Headline("wait" if waits else "bad", "Running, but not ready", reasons)
    if health.halted:
        return Headline("warn", "Running; nothing is opened", reasons)
    tones = {WORST.get(alert.severity, "good") for alert in status.alerts}
    if "bad" in tones:
        return Headline("bad", "Running; something wants a look now", ())
    if "warn" in tones or status.quarantined or status.disagreements:
        return Headline("warn", "Running; something wants a look", ())
    return Headline("good", "Running, nothing is wrong", ())


def state(status: Status) -> str:
    """Return the panel that says how the daemon is."""
    told = headline(status)
    lines = "".join(f"<p>{line}</p>" for line in told.lines if line)
    return (
        f'<div class="state {told.tone}"><h1><span class="mark" aria-hidden="true">{MARKS[told.tone]}</span> '
        f'<span class="sr">{SAID[told.tone]}</span>{esc(told.title)}</h1>{lines}{_filling(status)}'
        f'<p class="when">{_when(status)}</p></div>'
    )


def _filling(status: Status) -> str:
    done = status.health.backfilled
    if done is None or status.health.state != "starting":
        return ""
    text = words.share(done)
    return (
        f'<p><progress max="1" value="{done:.3f}" aria-label="History that has been read"></progress> {text} of the '
        "history has been read</p>"
    )


def _when(status: Status) -> str:
    cycle, now_ms = status.cycle, status.about.now_ms
    if cycle.last_ms is None:
        text = "Nothing has been decided yet"
    else:
        at = words.clock(cycle.last_ms, now_ms)
        text = f"Last decision at {at} UTC, {words.since(cycle.last_ms, now_ms)} ago"
    if cycle.next_ms is not None:
        text += f"; the next in {words.due(cycle.next_ms, now_ms)}"
    missed = f" {cycle.missed} missed since the start." if cycle.missed else ""
    return f"{text}.{missed}"


def alerts(status: Status) -> str:
    """Return the alerts that stand, the worst first, then what is not believed and what does not agree."""
    now_ms = status.about.now_ms
    shown = [one for one in status.alerts if (one.kind, one.subject) != SAID_ABOVE]
    rows = [_alert(one, now_ms) for one in shown]
    told = {one.subject.removesuffix(" order") for one in shown if one.kind == "mismatch"}
    unsaid = [one for one in status.disagreements if f"{one.symbol} on {one.venue}" not in told]
    for doubt in (*unsaid, *status.quarantined):
        ago = f", for {words.since(doubt.since_ms, now_ms)}" if doubt.since_ms is not None else ""
        kind = "Does not agree" if doubt in unsaid else "Not believed"
        where = f"{esc(doubt.symbol)} on {esc(wording.venue(doubt.venue))}"
        rows.append(
            f'<li class="warn"><b><span aria-hidden="true">▲</span> {kind}: {where}</b> {esc(doubt.what)}: '
            f"{esc(doubt.why)}{ago}</li>"
        )
    return f'<ul class="alerts">{"".join(rows)}</ul>' if rows else ""


def _alert(one: AlertRow, now_ms: int) -> str:
    tone = WORST.get(one.severity, "info")
    mark = MARKS.get(tone, "●")
    return (
        f'<li class="{tone}"><b><span aria-hidden="true">{mark}</span> {esc(one.severity.capitalize())}:</b> '
        f"{esc(one.text)} {words.small(f'for {words.since(one.since_ms, now_ms)}')}</li>"
    )


def tiles(status: Status) -> str:
    """Return the six figures of the headline."""
    shown = (_ahead(status), _saved(status), _hedged(status), _stop(status), _call(status), _days(status))
    return "".join(
        f"<div><dt>{title}</dt><dd><strong>{value}</strong><span>{note}</span></dd></div>"
        for title, value, note in shown
    )


Tile = tuple[str, str, str]


FIRST = "known after the first decision"


def _ahead(status: Status) -> Tile:
    row = next((row for row in status.ahead if row.decides), None)
    if row is None:
        return "Funding ahead", words.UNKNOWN, "nothing is forecast yet"
    title = f"Funding ahead, {words.hours(row.hours)}"
    note = f"80 %: {words.band(row.hedged)}; unhedged {words.usd(row.own.mean_usd)}"
    if row.unknown:
        note += f"; without {esc(', '.join(row.unknown))}"
    return title, f"{words.usd(row.hedged.mean_usd)} <abbr>USD</abbr>", note


def _saved(status: Status) -> Tile:
    saved, now_ms = status.saved, status.about.now_ms
    if saved is None:
        return "Saved so far", words.UNKNOWN, FIRST
    began = f"since {words.clock(saved.since_ms, now_ms)} UTC" if saved.since_ms is not None else "so far"
    note = f"funding {words.usd(saved.funding_usd)}, costs {words.usd(-saved.costs_usd)}, {began}"
    return "Saved so far", f"{words.usd(saved.net_usd)} <abbr>USD</abbr>", note


def _hedged(status: Status) -> Tile:
    if status.cycle.last_ms is None:
        return "Held as hedge", words.UNKNOWN, FIRST
    own = [row.own_usd for row in status.book]
    legs = [leg.usd for row in status.book for leg in row.hedge]
    known = [abs(usd) for usd in own if usd is not None]
    total = words.whole_usd(sum(known)) if len(known) == len(own) else words.UNKNOWN
    if any(usd is None for usd in legs):
        return "Held as hedge", words.UNKNOWN, f"beside positions of {total} USD"
    size = sum(abs(usd) for usd in legs if usd is not None)
    note = f"{len(legs)} leg{'s' * (len(legs) != 1)}, beside positions of {total} USD"
    return "Held as hedge", f"{words.whole_usd(size)} <abbr>USD</abbr>", note


def _stop(status: Status) -> Tile:
    held = [one for one in status.stops if one.state != "resting"]
    if status.cycle.last_ms is None:
        return "Nearest stop", words.UNKNOWN, FIRST
    if not held:
        return "Nearest stop", "none", "no hedge is held"
    nearest = max(held, key=used)
    if nearest.state != "watched":
        return (
            "Nearest stop",
            "blind" if nearest.state == "blind" else "unwinding",
            esc(f"{nearest.symbol}: {nearest.why or ''}"),
        )
    now, stop = (words.usd(words.minus(usd)) for usd in (nearest.loss_usd, nearest.allowance_usd))
    note = f"{esc(nearest.symbol)}: {now} USD, stop at {stop}"
    return "Nearest stop", f"{words.share(used(nearest))} used", note


def used(stop: Stop) -> float:
    """Return the share of what a hedge may lose that it has lost; what cannot be watched comes before all."""
    if stop.loss_usd is None or stop.allowance_usd is None or stop.state != "watched":
        return 10.0
    if stop.allowance_usd <= 0:
        return 1.0 if stop.loss_usd >= 0 else 0.0
    return min(max(stop.loss_usd / stop.allowance_usd, 0.0), 9.0)


def _call(status: Status) -> Tile:
    title = "Nearest margin call"
    if status.cycle.last_ms is None:
        return title, words.UNKNOWN, FIRST
    silent = [row.venue for row in status.collateral if row.unknown]
    if silent:
        return title, words.UNKNOWN, esc(f"{', '.join(silent)}: not told")
    moves = [row for row in status.collateral if row.margin_call_move is not None]
    blank = [row for row in status.collateral if row.held and row.margin_call_move is None]
    untold = f"not told by {', '.join(wording.venue(row.venue) for row in blank)}" if blank else ""
    if not moves:
        return title, words.UNKNOWN if blank else "none", esc(untold) or "nothing is held"
    row = min(moves, key=lambda one: one.margin_call_move or 0.0)
    note = f"{row.nearest} on {wording.venue(row.venue)}" + (f"; {untold}" if untold else "")
    return title, f"{words.away(row.margin_call_move or 0.0)} away", esc(note)


def _days(status: Status) -> Tile:
    about = status.about
    running = f"running for {words.lasting((about.now_ms - about.started_ms) / SECOND_MS)}"
    if about.mode == "live":
        return "Mode", "live", f"real money; {running}"
    days = words.UNKNOWN if about.paper_days is None else f"{about.paper_days} of {about.paper_days_goal}"
    return "Paper days", days, f"days with decisions on paper; {running}"
