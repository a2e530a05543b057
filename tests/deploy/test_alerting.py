"""The whole way of an alert, for real: a daemon, scraped by Prometheus, judged by the shipped rules, delivered.

Grafana is not there; its questions are put to Prometheus.
"""

import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
from alerting import Stack, fetch, stack, wait_until
from promql import dashboards, filled, queries, rules, selectors
from rehearsal import STARTUP_S

WHY_EMPTY = {
    "the simulator has no streams": (
        "hedged_feed_up", "hedged_feed_age_seconds", "hedged_feed_lag_seconds", "hedged_feed_period_seconds",
        "hedged_feed_connections_total", "hedged_feed_messages_total", "hedged_feed_messages_unreadable_total",
        "hedged_feed_subscriptions_refused_total", "hedged_feed_fallback_polls_total",
    ),
    "paper has no trading key": ("hedged_gas_inj", "hedged_grants_end_timestamp_seconds"),
    "nobody is to be told by the daemon itself": ("hedged_alert_messages_total",),
    "no outside source is configured, and no webhook": (
        "hedged_outside_last_answer_timestamp_seconds", "hedged_venue_status_unknown", "hedged_signals_total",
        "hedged_signal_last_received_timestamp_seconds",
    ),
    "no forecast has an outcome within the first minute": (
        "hedged_forecast_loss_ratio", "hedged_forecasts_scored", "hedged_forecast_missed_ratio",
        "hedged_model_loss_ratio", "hedged_forecast_error_ratio", "hedged_forecast_direction_right_ratio",
        "hedged_forecast_band_coverage_ratio", "hedged_forecast_calibration_error_ratio",
        "hedged_settlement_direction_right_ratio", "hedged_settlement_error_ratio",
        "hedged_forecast_deviation_bands", "hedged_forecast_deviated_timestamp_seconds",
    ),
    "there is no challenger, and no hour's inputs were counted yet": (
        "hedged_challenger_ratio", "hedged_challenger_days", "hedged_feature_drift", "hedged_features_shifted",
        "hedged_features_silent",
    ),
    "whether a hedge pays within that minute is for the market to say": ("hedged_hedge_quantity_usd",),
    "nothing has settled within the first minute": ("hedged_funding_usd",),
    "told from the first time on, and there was none": (
        "hedged_quarantines_total", "hedged_reloads_total", "hedged_reconcile_frozen",
        "hedged_position_mismatch_coins", "hedged_ledger_mismatch_usd",
    ),
    "the hedge is a cut on Injective: no leg at an exchange can be liquidated": (
        "hedged_liquidation_distance_ratio", "venue:hedged_liquidation_distance_ratio:min",
    ),
    "nothing fires but the dead man's switch, which is left out": ("ALERTS",),
}  # fmt: skip
"""What a sound daemon on the simulator does not tell in its first minute, and why: the panels stay empty."""
EMPTY = {metric for metrics in WHY_EMPTY.values() for metric in metrics}
FIRING = 'ALERTS{alertstate="firing",alertname!="HedgedDeadMansSwitch"}'


@pytest.fixture(scope="module")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All of it, once the daemon is ready and was scraped twice since."""
    with stack(tmp_path_factory.mktemp("stack")) as made:
        wait_until(lambda: made.ask("hedged_ready == 1"), "the daemon is ready")
        decided = "min(count_over_time(hedged_decisions_total[1m])) > 1"
        wait_until(lambda: made.ask(decided), "decisions were scraped twice")
        wait_until(lambda: made.ask("hedged_guard_last_look_timestamp_seconds > 0"), "a look at the stops")
        yield made


def test_what_is_scraped_holds_to_the_conventions_and_is_little(running_stack: Stack) -> None:
    """If this fails, a metric is named so that nobody finds it, or a label fills Prometheus' memory."""
    with urllib.request.urlopen(f"{running_stack.url}/metrics", timeout=20) as answer:
        scrape = answer.read()
    series = [line for line in scrape.decode().splitlines() if not line.startswith("#")]
    assert 200 < len(series) < 600, "two coins on three venues"
    if shutil.which("promtool"):
        judged = subprocess.run(
            ["promtool", "check", "metrics"], input=scrape, capture_output=True, check=False
        )
        assert (judged.returncode, judged.stdout + judged.stderr) == (0, b"")


def test_every_rule_is_evaluated_without_an_error(running_stack: Stack) -> None:
    """If this fails, Prometheus loads a rule and then cannot answer it, so it never fires."""
    groups = fetch(f"{running_stack.prometheus}/api/v1/rules")["data"]["groups"]
    found = {
        rule["name"]: (rule["health"], rule.get("lastError", ""))
        for group in groups
        for rule in group["rules"]
    }
    assert {name: told for name, told in found.items() if told != ("ok", "")} == {}
    assert set(found) == {rule.get("alert") or rule["record"] for rule in rules()}


def test_every_panel_is_answered_or_empty_for_a_known_reason(running_stack: Stack) -> None:
    """If this fails, a panel stays empty on a sound daemon, and nobody knows whether that is good or bad."""
    answered, empty, faults = 0, {}, []
    for name, body in dashboards().items():
        for title, expr in queries(body):
            expression = filled(expr).replace("$venue", ".*").replace("$symbol", ".*")
            if running_stack.ask(expression):
                answered += 1
                continue
            # a filter that lets nothing through is no fault; a metric that nobody tells is
            missing = [one for one in selectors(expression) if not running_stack.ask(one)]
            unknown = [one for one in missing if promql.parse(one).name not in EMPTY]
            if not missing and not re.search(" (?:>|<|==|!=) ", expression):
                unknown = [f"no answer, though every metric is there: {expression}"]
            empty[f"{name}: {title}"] = [promql.parse(one).name for one in missing]
            faults += [f"{name}: {title}: {one}" for one in unknown]
    assert faults == []
    assert answered > len(empty), sorted(empty)
    absent = {metric for metrics in empty.values() for metric in metrics}
    assert {"hedged_feed_up", "hedged_gas_inj"} <= absent, "the reasons are no longer those of this world"


def test_the_state_that_is_shown_is_the_true_one(running_stack: Stack) -> None:
    """If this fails, the first row of every dashboard says that all is well, or ill, when it is not so."""
    # the shortened rules call a start that takes seconds one that takes minutes
    wait_until(lambda: not running_stack.ask(FIRING), "what fired during the start has resolved")
    overview = dashboards()["overview.json"]
    shown = {
        panel["title"]: [running_stack.ask(target["expr"]) for target in panel["targets"]]
        for panel in overview["panels"][:5]
    }
    assert shown["Daemon"][0][0]["value"][1] == "2"
    assert shown["Kill latch"][0][0]["value"][1] == "0"
    assert shown["Critical alerts"][0][0]["value"][1] == "0"
    assert 0 <= float(shown["Last cycle, in intervals"][0][0]["value"][1]) < 2
    assert not any(shown["Held back by"])


def test_a_kill_is_delivered_with_the_way_to_the_runbook(running_stack: Stack) -> None:
    """If this fails, an alert that fires does not reach the operator, or does not say what to do."""
    running_stack.daemon.process.send_signal(signal.SIGUSR1)

    def latched() -> list[dict[str, Any]]:
        return [a for a in running_stack.ear.alerts() if a["labels"]["alertname"] == "HedgedKillLatch"]

    (alert, *_) = wait_until(latched, "the kill latch's alert is delivered")
    assert alert["status"] == "firing"
    assert alert["labels"]["severity"] == "warning"
    assert alert["annotations"]["summary"] == "The kill latch is set (level 1)."
    assert alert["annotations"]["runbook_url"] == "docs/runbook.md#hedgedkilllatch"
    assert running_stack.ask("max(hedged_kill_latch) + 10 * max(hedged_halted)")[0]["value"][1] == "1"


def test_a_dead_daemon_is_reported_and_silences_the_rest(running_stack: Stack) -> None:
    """If this fails, nobody is called when the daemon dies, or everybody by twenty alerts at once."""
    # the shortened rules may have called the start a failure, too
    before = len(running_stack.ear.alerts())
    assert running_stack.daemon.end(within_s=STARTUP_S) == 0

    def down() -> list[dict[str, Any]]:
        new = running_stack.ear.alerts()[before:]
        return [a for a in new if (a["labels"]["alertname"], a["status"]) == ("HedgedDown", "firing")]

    (alert, *_) = wait_until(down, "the dead daemon is reported")
    assert alert["labels"]["severity"] == "critical"
    running_stack.raise_alert(alertname="HedgedLoopLag", severity="warning")
    wait_until(lambda: running_stack.held_back().get("HedgedLoopLag"), "what it explains is held back")
    held_back = running_stack.held_back()
    assert held_back["HedgedDown"] is False
    assert held_back["HedgedDeadMansSwitch"] is False, "outside it would look as if alerting itself were dead"
    assert (running_stack.ask('(max(up{job="hedged"}) or vector(0)) + (max(hedged_ready) or vector(0))'))[0][
        "value"
    ][1] == "0"


def test_the_dead_mans_switch_goes_its_own_way(running_stack: Stack) -> None:
    """If this fails, the service that watches the alerting hears nothing, or the operator hears it every minute."""
    wait_until(lambda: running_stack.ear.alerts("/dead_man_url"), "the dead man's switch is delivered")
    names = {alert["labels"]["alertname"] for alert in running_stack.ear.alerts()}
    assert "HedgedDeadMansSwitch" not in names
    assert {a["labels"]["alertname"] for a in running_stack.ear.alerts("/dead_man_url")} == {
        "HedgedDeadMansSwitch"
    }
