"""From what is so to what stands: every condition that is worth telling, each in a line. Pure.

What concerns hedges and orders is in `hedge_conditions.py`, what concerns models in `model_conditions.py`.
"""

from collections.abc import Callable, Iterator

from hedged.alerts.facts import Facts, late_after_ms
from hedged.alerts.hedge_conditions import of_hedges
from hedged.alerts.model_conditions import of_models
from hedged.alerts.wording import lasted, line, market
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso
from hedged.domain.market import INJECTIVE
from hedged.risk.kill import KillLevel

OLD_PRICE_S = 120.0
"""Streams and polls confirm a price within seconds; one so old is confirmed by neither."""
GRANT_MS = 7 * DAY_MS
EARLY = (Kind.KILL, Kind.JOURNAL)
"""What is known before the first cycle."""

WHO = {
    "cli": "the command line", "http": "the page or the API", "file": "the file KILL", "signal": "a signal",
    "daemon": "hedged itself",
}  # fmt: skip
LETS = {
    KillLevel.REDUCE_ONLY: "nothing is opened, what is held may be closed",
    KillLevel.PAUSE: "nothing is sent, stops neither",
    KillLevel.CANCEL: "resting orders are cancelled, nothing is sent",
    KillLevel.FLATTEN: "resting orders are cancelled, hedge legs are closed; your own position is not traded",
}


def conditions(facts: Facts) -> list[Alert]:
    """Return all that stands."""
    early = [*_kill(facts), *_journal(facts), *_cycles(facts), *_gas(facts)]
    if not facts.judged:
        return early
    return [
        *early,
        *_halted(facts),
        *of_models(facts),
        *_deviations(facts),
        *_stale(facts),
        *of_hedges(facts),
    ]


def judge(facts: Facts) -> Callable[[Alert], bool]:
    """Return what tells whether `conditions` would name a condition if it stood: at a start much is not known yet."""
    compared = {market(key) for key in facts.seen.compared}

    def judged(alert: Alert) -> bool:
        if alert.kind is Kind.DEVIATION:
            return alert.subject in compared
        return facts.judged or alert.kind in EARLY

    return judged


def endings(facts: Facts) -> dict[tuple[Kind, str], str]:
    """Return how what is over has ended, where that is known."""
    latch = facts.seen.latch
    if latch.level or not latch.turn:
        return {}
    text = f"Resumed by {_who(latch.source)}: the kill latch is cleared, hedging goes on with the next cycle."
    return {(Kind.KILL, "latch"): text}


def _who(source: str) -> str:
    return WHO.get(source, source or "hand")


def _kill(facts: Facts) -> Iterator[Alert]:
    latch = facts.seen.latch
    if latch.level is KillLevel.NONE:
        return
    text = (
        f"Kill latch {latch.level.label}, set by {_who(latch.source)}: {latch.reason}. "
        f"{LETS[latch.level].capitalize()}. `hedged resume` clears it."
    )
    severity = Severity.CRITICAL if latch.source == "daemon" else Severity.WARNING
    yield Alert(Kind.KILL, severity, "latch", line(text), latch.ts_ms, str(latch.turn))
    if facts.seen.left:
        text = f"The kill ({latch.level.label}) is not done: {'; '.join(facts.seen.left)}. It is tried again."
        yield Alert(
            Kind.KILL, Severity.CRITICAL, "left to do", line(text), facts.now_ms, patience_ms=MINUTE_MS
        )


def _journal(facts: Facts) -> Iterator[Alert]:
    if facts.journal:
        text = f"The journal cannot be written, so nothing is sent, stops neither: {facts.journal}"
        yield Alert(
            Kind.JOURNAL, Severity.CRITICAL, "journal", line(text), facts.now_ms, patience_ms=30 * SECOND_MS
        )


def _cycles(facts: Facts) -> Iterator[Alert]:
    if facts.overdue_ms > late_after_ms(facts.config) and not facts.journal:
        text = (
            f"No decision for {lasted(facts.overdue_ms)}, one is due every "
            f"{lasted(facts.config.cycle.interval_s * SECOND_MS)}. Hedges stay as they are; see the log for the error."
        )
        yield Alert(Kind.CYCLES, Severity.CRITICAL, "overdue", text, facts.now_ms - facts.overdue_ms)


def _gas(facts: Facts) -> Iterator[Alert]:
    gas, ends_ms, low = facts.seen.gas_inj, facts.seen.grants_end_ms, float(facts.config.injective.low_inj)
    if gas is not None and gas < low:
        severity = Severity.CRITICAL if gas < low / 5 else Severity.WARNING
        text = f"{gas:.4f} INJ are left for gas, told below {low:g}: without gas no order reaches Injective. Send INJ."
        yield Alert(Kind.GAS, severity, "gas", text, facts.now_ms)
    if ends_ms is not None and ends_ms - facts.now_ms < GRANT_MS:
        left_ms = ends_ms - facts.now_ms
        severity = Severity.CRITICAL if left_ms < DAY_MS else Severity.WARNING
        when = f"expires in {lasted(left_ms)}" if left_ms > 0 else "has expired"
        text = f"A grant of the trading key {when} ({iso(ends_ms)}): then hedged cannot trade on Injective. Renew it."
        yield Alert(Kind.GAS, severity, "grant", text, facts.now_ms)


def _halted(facts: Facts) -> Iterator[Alert]:
    if facts.loss_limit:
        text = f"The hedges have lost too much: {facts.loss_limit}. Only reductions are sent."
        yield Alert(Kind.HALTED, Severity.CRITICAL, "losses", line(text), facts.now_ms)


def _deviations(facts: Facts) -> Iterator[Alert]:
    for key, found in sorted(facts.seen.compared.items()):
        if not found.alarming:
            continue
        text = (
            f"Funding of {market(key)} came out at {found.realised:+.4%} per 8 h, forecast was {found.forecast:+.4%}: "
            f"{found.bands:.1f} half-widths of the 80 % band away. The next decision takes it in."
        )
        yield Alert(Kind.DEVIATION, Severity.WARNING, market(key), text, found.ts_ms, reminds=False)


def _stale(facts: Facts) -> Iterator[Alert]:
    """Tell of data by venue, and of venues that do not tell the account: while that lasts no order is let through."""
    for venue, stale in sorted(facts.stale.items()):
        oldest = stale.oldest_s
        age = "were never seen" if oldest is None else f"are up to {lasted(round(oldest * SECOND_MS))} old"
        here = (
            "Nothing is decided on them."
            if venue != INJECTIVE
            else "Your position cannot be hedged meanwhile."
        )
        text = f"Data of {stale.old} of {stale.of} markets on {venue} {age}. {here}"
        yield Alert(Kind.STALE, _worse(facts, venue), f"{venue} data", text, facts.now_ms)
    for venue, age_s in sorted(facts.seen.price_ages_s.items()):
        if age_s > OLD_PRICE_S and venue not in facts.stale:
            text = (
                f"Prices of {venue} are {lasted(round(age_s * SECOND_MS))} old: neither stream nor polls tell them. "
                "Stops there go by the last ones."
            )
            yield Alert(
                Kind.STALE, Severity.WARNING, f"{venue} prices", text, facts.now_ms, patience_ms=5 * MINUTE_MS
            )
    for venue, why in sorted(facts.unknown.items()):
        # without a hedge the account is asked once a cycle: it has to fail twice
        again_ms = facts.config.cycle.interval_s * SECOND_MS + MINUTE_MS
        text = f"{venue} does not say what is held: {why}. Nothing is opened anywhere until it does."
        yield Alert(
            Kind.STALE, _worse(facts, venue), f"{venue} account", line(text), facts.now_ms,
            patience_ms=5 * MINUTE_MS if facts.holding else min(again_ms, HOUR_MS),
        )  # fmt: skip


def _worse(facts: Facts, venue: str) -> Severity:
    """Return how bad a silent venue is: worse where something of ours is held."""
    return Severity.CRITICAL if venue in facts.holding else Severity.WARNING
