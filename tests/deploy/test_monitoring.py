"""What is deployed beside the daemon, by its own judges: configuration, rules and when they fire, the runbook."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml
from promql import RULES, asked, rules

from hedged.cli import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in RUNBOOK.split("\n## ")[1:]}
ALERTS = [rule for rule in rules() if "alert" in rule]
PARTS = ("It means", "Done already", "Look", "Do", "Kill?", "Over when")


def of_alerts() -> dict[str, str]:
    return {title: text for title, text in SECTIONS.items() if title.startswith("Hedged")}


@pytest.mark.parametrize(
    "command",
    [
        ["promtool", "check", "rules", "prometheus/rules.yml"],
        ["promtool", "check", "config", "--syntax-only", "prometheus/prometheus.yml"],
        ["promtool", "test", "rules", "prometheus/rules_test.yml"],
        ["amtool", "check-config", "alertmanager/alertmanager.yml"],
    ],
    ids=["rules", "config", "cases", "alertmanager"],
)
def test_the_judges_agree(command: list[str]) -> None:
    """If this fails, Prometheus or Alertmanager does not start with these files, or an alert does not fire when due."""
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]} (Debian's packages prometheus and prometheus-alertmanager)")
    result = subprocess.run(command, check=False, cwd=DEPLOY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_says_what_a_tired_person_needs() -> None:
    """If this fails, somebody is woken without being told how bad it is, what it is, or where to read on."""
    for rule in ALERTS:
        name, told = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning", "none"), name
        assert told["summary"].endswith("."), name
        assert told["description"].endswith((".", ").")), name
        assert told["runbook_url"] == f"docs/runbook.md#{name.lower()}", name


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    """If this fails, an alert leads nowhere at three in the morning, or the runbook speaks of what no longer fires."""
    assert set(of_alerts()) == {rule["alert"] for rule in ALERTS}
    for name, section in of_alerts().items():
        for part in PARTS:
            assert f"- **{part}**" in section, f"{name} does not say: {part}"
        severities = {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name} - {"none"}
        opening = section.split("\n- **")[0]
        assert {word for word in ("critical", "warning") if word in opening} == severities, name


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    """If this fails, nobody knows whether an alert can fire at all, or fires always."""
    cases = yaml.safe_load((DEPLOY / "prometheus/rules_test.yml").read_text(encoding="utf-8"))["tests"]
    tried = [case for test in cases for case in test["alert_rule_test"]]
    fired = {
        (case["alertname"], alert["exp_labels"]["severity"]) for case in tried for alert in case["exp_alerts"]
    }
    silent = {case["alertname"] for case in tried if not case["exp_alerts"]}
    assert fired == {(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS}
    assert silent == {rule["alert"] for rule in ALERTS} - {"HedgedDeadMansSwitch"}


def test_the_runbooks_questions_are_promql() -> None:
    """If this fails, a question that is pasted in the middle of the night is an error, or of a metric that is gone."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "hedged/telemetry").glob("*.py"))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    found = 0
    for line in RUNBOOK.splitlines():
        for question in re.findall(r"`([^`]+)`", line.partition("PromQL: ")[2]):
            for one in asked(question):
                name = re.sub(r"_(total|bucket)$", "", one.metric)
                known = f'"{name}"' in source or one.metric in recorded or name.startswith("process_")
                assert known, question
                found += 1
    assert found > 20


def test_the_runbooks_commands_exist() -> None:
    """If this fails, a command from the runbook ends in 'no such option' while the market moves."""
    command = typer.main.get_command(app)
    found = 0
    for text in re.findall(r"^hx .+|`hx [^`]+`|`hedged [^`]+`", RUNBOOK, flags=re.MULTILINE):
        words = shlex.split(text.strip("`"), comments=True)[1:]
        sub = command.commands.get(words[0])  # type: ignore[attr-defined]
        assert sub is not None, text
        options = {option for parameter in sub.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, text
        found += 1
    assert found > 20


def test_the_log_says_what_the_runbook_looks_for() -> None:
    """If this fails, somebody searches the log for an event that the daemon does not write any more."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "hedged").rglob("*.py"))
    patterns = re.findall(r"hlog \| grep (?:-E |-A \d+ )?('[^']+'|\w+)", RUNBOOK)
    told = [event for pattern in patterns for event in re.findall(r"[a-z]+(?:_[a-z]+)+", pattern)]
    assert len(told) > 25
    assert [event for event in told if f'"{event}"' not in source] == []
    descriptions = " ".join(rule["annotations"]["description"] for rule in ALERTS)
    named = re.findall(r"\(([a-z]+(?:_[a-z]+)+(?:, [a-z_]+)*)\)", descriptions)
    for event in ", ".join(named).split(", "):
        assert f'"{event}"' in source, event


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    """If this fails, the page that explains the rest is not there."""
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        file, _, anchor = target.partition("#")
        text = (ROOT / "docs" / file).read_text(encoding="utf-8") if file else RUNBOOK
        titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, target


def test_the_rules_name_settings_that_exist() -> None:
    """If this fails, an alert sends somebody to a setting that was renamed."""
    example = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    texts = RULES.read_text(encoding="utf-8") + RUNBOOK
    sections = "alerts|book|control|cycle|execution|hedge|injective|quality|reconcile|risk|webhook"
    for section, key in re.findall(rf"\b({sections})\.(?!md\b|yml\b)([a-z_]+)\b", texts):
        assert re.search(rf"\b{key}:", example), f"{section}.{key}"
