"""Process: does the program itself run well, and is the machine large enough?"""

from grafana_foundation_sdk.models.dashboard import Dashboard
from pages import page
from panels import BAD_ABOVE_ZERO, BLUE, GREEN, ORANGE, RED, AnyPanel, lines, listing, number

HEDGED = '{job="hedged"}'


def process() -> Dashboard:
    """Build it."""
    return page(
        "hedged-process", "hedged: Process", "Does the program itself run well, and is the machine large enough?",
        [("What runs", runs()), ("Cycles and the event loop", loops()), ("Memory, CPU, files", machine()), ("Disk", disk()), ("What it tells", telling())],
    )  # fmt: skip


def runs() -> list[AnyPanel]:
    """What runs."""
    return [
        listing("Runs", "hedged_info", "Version, and hashes of model and configuration as they stand on every decision.",
                columns=("version", "mode", "model", "config"), width=12, height=4, empty="starting"),
        number("Up for", f"time() - process_start_time_seconds{HEDGED}", "s", "Since the process started.",
               ((None, ORANGE), (600, GREEN)), alerts=("HedgedDown", "HedgedRestarting")),
        number("Starts within a day", f"changes(process_start_time_seconds{HEDGED}[1d])", "none",
               "None or one is right; more: look at the log's last lines before each.", ((None, GREEN), (2, ORANGE), (5, RED)),
               alerts=("HedgedRestarting",)),
        number("Window filled", "hedged_backfilled_ratio", "percentunit", "A start reads history until this is 100 %.",
               ((None, ORANGE), (1, GREEN))),
    ]  # fmt: skip


def loops() -> list[AnyPanel]:
    """Its clockwork."""

    def quantiles(metric: str) -> dict[str, str]:
        return {
            name: f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket[$__rate_interval])))"
            for name, q in (("half", 0.5), ("19 in 20", 0.95))
        }

    return [
        lines("Event loop lag", {"lag": "hedged_loop_lag_seconds"}, "s", "How late the loop woke up. Above 0.25 s all the time: the "
              "machine is starved.", ((None, GREEN), (0.25, RED)), least=0, alerts=("HedgedLoopLag", "HedgedLoopStalled")),
        lines("A cycle takes", {
                name: expr.replace("$__rate_interval", "1h") for name, expr in quantiles("hedged_cycle_duration_seconds").items()},
              "s", "Snapshot to execution. Beyond the interval cycles are left out.", least=0,
              alerts=("HedgedCycleOverdue", "HedgedCycleMissed")),
        lines("A look at the stops takes", quantiles("hedged_guard_duration_seconds"), "s",
              "What is done about them included. Empty: no look yet.", width=8, least=0),
        lines("The stops were looked at late by", {"late": "hedged_guard_late_seconds"}, "s",
              "A running cycle holds the fast loop up.", width=8, least=0, alerts=("HedgedGuardSilent",)),
        lines("Since the last look at the stops", {"ago": "time() - (hedged_guard_last_look_timestamp_seconds > 0)"}, "s",
              "Above two minutes nobody watches the hedges.", ((None, GREEN), (120, RED)), width=8, least=0,
              alerts=("HedgedGuardSilent",)),
        lines("Cycles an hour", {"completed": "increase(hedged_cycles_total[1h])", "left out": "increase(hedged_cycles_missed_total[1h])"},
              "none", "Four an hour by default, none left out.", width=8, least=0, alerts=("HedgedCycleMissed",)),
        lines("Tasks started again an hour", {"{{task}}": "increase(hedged_task_restarts_total[1h])"}, "none",
              "Zero is right. The log has the error (task_failed).", width=8, least=0, alerts=("HedgedTaskFailing",)),
        number("Loop stood still, a day", "increase(hedged_loop_stalls_total[1d])", "none", "Stacks are in the log.", BAD_ABOVE_ZERO,
               width=4, height=8, alerts=("HedgedLoopStalled",), decimals=0),
        number("Configurations read, a day", {"{{outcome}}": "increase(hedged_reloads_total[1d])"}, "none",
               "refused: the running configuration stands; the log says why.", ((None, BLUE),), width=4, height=8, names=True,
               empty="none", decimals=0),
    ]  # fmt: skip


def machine() -> list[AnyPanel]:
    """What it uses."""
    return [
        lines("Memory", {"resident": f"process_resident_memory_bytes{HEDGED}"}, "bytes",
              "The container ends it at 1 GiB. Grows with markets and cycle.history_days.",
              ((None, GREEN), (850e6, ORANGE), (1024**3, RED)), width=8, least=0, alerts=("HedgedRestarting",)),
        lines("CPU", {"of one core": f"rate(process_cpu_seconds_total{HEDGED}[$__rate_interval])"}, "percentunit",
              "A cycle takes a moment; all the time above 100 % is a machine that is too small.", width=8, least=0,
              alerts=("HedgedLoopLag",)),
        lines("Open files", {"open": f"process_open_fds{HEDGED}", "limit": f"process_max_fds{HEDGED}"}, "none",
              "Connections count. Growing without end is a bug to report.", width=8, least=0),
    ]  # fmt: skip


def disk() -> list[AnyPanel]:
    """What it writes."""
    return [
        number("Journal", "hedged_journal_failing", "none", "Fails: nothing is sent, stops neither. Make room.",
               texts={0: ("works", GREEN), 1: ("FAILS", RED)}, alerts=("HedgedJournalFailing",), coloured=True, height=6),
        number("Recorder", "hedged_recorder_failing", "none", "Fails: what is collected waits in memory. Make room.",
               texts={0: ("works", GREEN), 1: ("fails", ORANGE)}, alerts=("HedgedRecorderFailing",), coloured=True, height=6),
        lines("Rows recorded an hour", {"rows": "increase(hedged_recorded_rows_total[1h])"}, "none",
              "None with simulated data: they are not recorded.", width=8, height=6, least=0),
        lines("Bars given up an hour", {"bars": "increase(hedged_recorder_bars_given_up_total[1h])"}, "none",
              "They waited too long for the disk.", width=4, height=6, least=0, alerts=("HedgedRecorderFailing",)),
        number("Nodes set aside", "hedged_nodes_set_aside", "none", "Injective's nodes that turned out to be of another chain.",
               ((None, GREEN), (1, ORANGE)), height=6),
    ]  # fmt: skip


def telling() -> list[AnyPanel]:
    """What it tells by itself, beside Prometheus."""
    return [
        lines("Conditions that stand", {"{{severity}}": "hedged_alerts_active"}, "none",
              "As the daemon's own messages count them, told or not; the status page lists them.", width=8, least=0),
        lines("Messages an hour", {"{{target}} {{outcome}}": "increase(hedged_alert_messages_total[1h])"}, "none",
              "failed: tried again. dropped: too much waited. Empty: nobody is to be told (alerts.targets).", width=8, least=0,
              alerts=("HedgedMessagesLost",)),
        number("Heartbeat heard", "time() - (hedged_heartbeat_last_heard_timestamp_seconds > 0)", "s",
               "How long ago the service outside answered. Empty: none is configured.", ((None, GREEN), (900, RED)), height=8,
               alerts=("HedgedHeartbeatUnheard",), empty="none is to hear it"),
        number("Faults in telling, a day", "increase(hedged_alerts_broken_total[1d])", "none", "A bug to report; the log has it.",
               BAD_ABOVE_ZERO, height=8, alerts=("HedgedAlertsBroken",), decimals=0),
    ]  # fmt: skip
