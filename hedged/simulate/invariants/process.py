"""Invariants of the process: 12, 14, and the liveness 16 to 18 of the design; and that it never ends by a bug."""

from collections import Counter
from collections.abc import Sequence

from hedged.domain.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.simulate.history import Event
from hedged.simulate.invariants.rules import Rules, said

MOST_KEPT = 20_000
MOST_TASKS = 40
MOST_LOOKUPS = 40
"""Of one order within ten minutes: five tries two seconds apart, then once in each look that is about to act."""
GRACE_MS = 60 * SECOND_MS
"""What systemd and docker give the process to end (deploy/)."""
SETTLED_MS = 90 * MINUTE_MS
"""What held orders back (a quarantine, a venue that failed, limits on rate) does so for an hour after it has ended."""


def ends_on_purpose(events: Sequence[Event], rules: Rules) -> str:
    """A life ends by a stop, a crash from outside, or as a task keeps failing: never by a bug, which ends no task
    either; a journal that cannot be written ends nothing.
    """
    del rules
    for event in events:
        if event.kind == "task_failed" and event.what["name"] != "Failing":
            return said(event, "a task failed by itself")
        if event.kind == "end":
            how = event.what["how"]
            if how not in ("stopped", "crash") and not how.startswith("Fatal: Failing failed"):
                return said(event, "the daemon ended by itself")
    return ""


def cycles_apart(events: Sequence[Event], rules: Rules) -> str:
    """12: cycles never overlap, are never repeated and never made up for late."""
    interval_ms = rules.config.cycle.interval_s * SECOND_MS
    running, last_ms, first = False, 0, True
    for event in events:
        if event.kind == "begin":
            running, last_ms, first = False, 0, True
        elif event.kind == "cycle":
            due_ms, late_ms = event.what["due_ms"], event.what["clock_ms"] - event.what["due_ms"]
            if running:
                return said(event, "a cycle began while another was running")
            if due_ms <= last_ms:
                return said(event, "a cycle was repeated")
            if not first and due_ms % interval_ms:
                return said(event, "a cycle ran between two boundaries")
            if late_ms >= interval_ms:
                return said(event, f"a cycle was made up for {late_ms // SECOND_MS} s late")
            running, last_ms, first = True, due_ms, False
        elif event.kind in ("cycled", "broke_off"):
            running = False
    return ""


def stays_bounded(events: Sequence[Event], rules: Rules) -> str:
    """14: retries and memory are bounded."""
    del rules
    lookups: Counter[tuple[str, int]] = Counter()
    for event in events:
        if event.kind == "cycled":
            if event.what["kept"] > MOST_KEPT or event.what["tasks"] > MOST_TASKS:
                return said(event, f"{event.what['kept']} things kept, {event.what['tasks']} tasks")
        elif event.kind == "looks_up":
            one = (event.what["client_id"], event.at_ms // (10 * MINUTE_MS))
            lookups[one] += 1
            if lookups[one] > MOST_LOOKUPS:
                return said(event, f"order {one[0]} was looked up {lookups[one]} times within ten minutes")
    return ""


def converges(events: Sequence[Event], rules: Rules) -> str:
    """16: two cycles after the last fault every outcome is known and every venue has told what is held; in the end what
    is held of hedges is what is wanted. That may change with every hour, whose moves are news; two cycles later it is
    done. Divergence trades look at every bar.
    """
    if not rules.lively:
        return ""
    after = [e for e in events if e.kind == "cycle" and e.at_ms >= rules.quiet_ms]
    if len(after) < 3:
        return f"only {len(after)} cycles after the faults had ended"
    second_ms, apart_ms = after[1].at_ms, 2 * rules.config.cycle.interval_s * SECOND_MS
    settled_ms = rules.quiet_ms + SETTLED_MS
    for event in events:
        if event.kind == "model":  # another one wants something else
            settled_ms = max(settled_ms, event.at_ms)
        if event.kind == "cycled" and event.at_ms > second_ms:
            if event.what["unresolved"] or event.what["unknown"]:
                return said(event, "two cycles after the last fault something is unknown still")
            late = event.at_ms >= settled_ms + apart_ms
            if late and event.what["due_ms"] % HOUR_MS >= apart_ms and event.what["approved"]:
                return said(event, "positions have not converged")
    return ""


def data_fresh(events: Sequence[Event], rules: Rules) -> str:
    """17: a minute after the last fault every series is fresh."""
    if not rules.lively:
        return ""
    for event in events:
        if event.kind == "cycled" and event.what["began_ms"] >= rules.quiet_ms + MINUTE_MS:
            stale = [fault for fault in event.what["not_ready"] if fault.startswith("stale")]
            if stale:
                return said(event, f"not fresh: {stale[0]}")
    return ""


def stops_in_time(events: Sequence[Event], rules: Rules) -> str:
    """18: asked to stop, the daemon ends within the grace period, once nothing hinders it."""
    asked_ms = None
    for event in events:
        if event.kind == "begin":
            asked_ms = None
        elif event.kind == "sigterm":
            asked_ms = event.at_ms
        elif event.kind == "end" and asked_ms is not None and rules.lively and asked_ms >= rules.quiet_ms:
            if event.at_ms - asked_ms > GRACE_MS:
                return said(event, f"it took {(event.at_ms - asked_ms) / SECOND_MS:.0f} s to end")
            return ""
    return "" if not rules.lively or rules.quiet_ms > rules.to_ms else "it never ended when asked to"
