"""A dashboard around its rows: the same first row, variables and links on each."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, QueryVariable, Row
from grafana_foundation_sdk.models.dashboard import (
    Dashboard as Built,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from panels import BAD_ABOVE_ZERO, GREEN, ORANGE, RED, SOURCE, AnyPanel, Texts, number
from runbook import UID as RUNBOOK

TAG = "hedged"
STATUS_PAGE = "http://127.0.0.1:9464/"
ALERTMANAGER = "http://127.0.0.1:9093/"
Rows = Sequence[tuple[str, Sequence[AnyPanel]]]
LATCH: Texts = {
    0: ("none", GREEN), 1: ("reduce-only", ORANGE), 2: ("pause", RED), 3: ("cancel", RED), 4: ("flatten", RED),
    11: ("halted itself", RED),
}  # fmt: skip


def state_row() -> list[AnyPanel]:
    """Return the first row of every dashboard: is it well, and if not, what holds it back?"""
    return [
        number(
            "Daemon", '(max(up{job="hedged"}) or vector(0)) + (max(hedged_ready) or vector(0))', "none",
            "Down: Prometheus cannot reach it; nobody watches the hedges. Not ready: the status page names the part "
            "that is missing.",
            texts={0: ("DOWN", RED), 1: ("not ready", ORANGE), 2: ("ready", GREEN)},
            alerts=("HedgedDown", "HedgedNotReady"), coloured=True,
        ),
        number(
            "Kill latch", "max(hedged_kill_latch) + 10 * max(hedged_halted)", "none",
            "Set: no hedge is opened; under pause stops do not work either. Why, since when and by whom stands on the "
            "status page. `hedged resume` clears it.",
            texts=LATCH, alerts=("HedgedHalted", "HedgedKillLatch", "HedgedKillNotDone"), coloured=True,
        ),
        number(
            "Critical alerts", 'count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)', "none",
            "Each has a section in the runbook that says what to do.", BAD_ABOVE_ZERO, coloured=True,
        ),
        number(
            "Last cycle, in intervals",
            "(time() - max(hedged_cycle_last_completed_timestamp_seconds > 0)) / max(hedged_cycle_interval_seconds)",
            "none", "Time since a decision, in intervals of the cycle. Up to 1 is right; the alert comes a little beyond 2.",
            ((None, GREEN), (1.2, ORANGE), (2, RED)), alerts=("HedgedCycleOverdue",), decimals=2, empty="none yet",
        ),
        number(
            "Held back by",
            {
                "journal cannot be written": "max(hedged_journal_failing) > 0",
                "loss limit": "max(hedged_loss_limit_reached) > 0",
                "leg alone, s": "max(hedged_naked_seconds) > 0",
                "orders of unknown outcome": "max(hedged_orders_outcome_unknown) > 0",
                "hedges not flat": "sum(hedged_stop_unwinding) > 0",
                "markets that do not agree": "sum(hedged_reconcile_frozen) > 0",
                "series not believed": "sum(hedged_series_quarantined) > 0",
                "markets closed": "sum(hedged_venue_closed) > 0",
                "markets whose forecasts miss": "sum(hedged_forecast_misses) > 0",
                "left of a kill": "max(hedged_kill_left) > 0",
            },
            "none", "What keeps hedges from being opened or closed now, with how many. Empty: nothing does, and a decision "
            "for no hedge is one of economics (`hedged explain`).",
            ((None, GREEN), (1e-9, ORANGE)), names=True, width=8, empty="nothing",
        ),
    ]  # fmt: skip


def page(uid: str, title: str, about: str, rows: Rows) -> Built:
    """Build a dashboard: the state, then the rows. Panels are numbered in their order."""
    made = frame(uid, title, about).with_variable(_variable("venue", "hedged_series_age_seconds"))
    made.with_variable(_variable("symbol", "hedged_series_age_seconds"))
    for panel in state_row():
        made.with_panel(panel)
    for name, panels in rows:
        made.with_row(Row(name))
        for panel in panels:
            made.with_panel(panel)
    return numbered(made.build())


def numbered(built: Built) -> Built:
    """Give every panel a number of its own, by which links find it."""
    for i, panel in enumerate(built.panels or (), 1):
        panel.id_val = i
    return built


def frame(uid: str, title: str, about: str) -> Dashboard:
    """Begin a dashboard: its links to the others, to the status page, to the runbook."""
    made = Dashboard(title).uid(uid).description(about).tags([TAG]).timezone("utc").readonly()
    made.time("now-24h", "now").refresh("30s").tooltip(DashboardCursorSync.CROSSHAIR)
    made.link(
        DashboardLink("").type(DashboardLinkType.DASHBOARDS).tags([TAG]).include_vars(True).keep_time(True)
    )
    for name, url in (
        ("Status page", STATUS_PAGE),
        ("Alertmanager", ALERTMANAGER),
        ("Runbook", f"/d/{RUNBOOK}"),
    ):
        made.link(DashboardLink(name).type(DashboardLinkType.LINK).url(url).target_blank(True))
    return made


def _variable(name: str, metric: str) -> QueryVariable:
    made = QueryVariable(name).label(name.capitalize()).datasource(SOURCE)
    made.query(f"label_values({metric}, {name})").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    made.multi(True).include_all(True).all_value(".*").sort(VariableSort.ALPHABETICAL_ASC)
    return made.current(VariableOption(selected=True, text=["All"], value=["$__all"]))
