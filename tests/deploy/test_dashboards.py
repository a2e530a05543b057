"""Grafana's dashboards: made from their source, whole, linked, and readable by a tired person.

Grafana itself is not asked: the library's models, generated from Grafana's own schema of that version, stand for it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from promql import DASHBOARDS, DEPLOY, dashboards, queries

ROOT = DEPLOY.parent
READ = {name: body for name, body in dashboards().items() if name != "runbook.json"}
PLACES = [(name, panel) for name, body in READ.items() for panel in body["panels"] if panel["type"] != "row"]


def test_they_are_what_their_source_makes(tmp_path: Path) -> None:
    """If this fails, somebody edited JSON by hand, or forgot `make dashboards` after a change (of the runbook, too)."""
    make = [sys.executable, str(DEPLOY / "grafana/source/make.py"), str(tmp_path)]
    subprocess.run(make, check=True)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(made) == {path.name for path in DASHBOARDS.iterdir()}
    stale = [name for name, text in made.items() if text != (DASHBOARDS / name).read_text(encoding="utf-8")]
    assert stale == [], "run `make dashboards`"


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_nothing_in_them_is_unknown_to_grafanas_schema(name: str) -> None:
    """If this fails, Grafana drops a part of the dashboard without a word."""
    register_default_plugins()
    body = dashboards()[name]
    assert json.loads(json.dumps(Dashboard.from_json(body), cls=JSONEncoder)) == body


def test_there_are_five_to_watch_and_one_to_read() -> None:
    """If this fails, a dashboard is lost, or two answer to one address."""
    titles = {body["title"].removeprefix("hedged: ") for body in READ.values()}
    assert titles == {"Overview", "Forecast quality", "Execution and risk", "Venues and data age", "Process"}
    assert len({body["uid"] for body in dashboards().values()}) == 6
    assert all("hedged" in body["tags"] for body in dashboards().values())


def test_the_state_comes_first_everywhere() -> None:
    """If this fails, somebody who was woken has to look for whether it is well."""
    for name, body in READ.items():
        first = [panel["title"] for panel in body["panels"] if panel["gridPos"]["y"] == 0]
        assert first == [
            "Daemon",
            "Kill latch",
            "Critical alerts",
            "Last cycle, in intervals",
            "Held back by",
        ], name


def test_venue_and_symbol_can_be_chosen() -> None:
    """If this fails, one coin cannot be looked at alone."""
    for name, body in READ.items():
        assert [variable["name"] for variable in body["templating"]["list"]] == ["venue", "symbol"], name
    text = "".join(expr for body in READ.values() for _, expr in queries(body))
    assert text.count('venue=~"$venue"') > 10
    assert text.count('symbol=~"$symbol"') > 10


@pytest.mark.parametrize(("name", "panel"), PLACES, ids=[f"{n}:{p['title']}" for n, p in PLACES])
def test_every_panel_says_what_it_shows(name: str, panel: dict[str, Any]) -> None:
    """If this fails, a panel shows a number without a unit, or without a word on what to do about it."""
    assert len(panel["description"]) > 12
    assert panel["description"].endswith((".", ")"))
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_do_not_lie_upon_each_other() -> None:
    """If this fails, Grafana shifts panels about, and the state is no longer first."""
    for name, body in dashboards().items():
        taken: set[tuple[int, int]] = set()
        for panel in body["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24, (name, panel["title"])
            mine = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
            assert not mine & taken, (name, panel["title"])
            taken |= mine
        assert len({panel["id"] for panel in body["panels"]}) == len(body["panels"])


def test_every_link_leads_to_where_it_says() -> None:
    """If this fails, the way from a panel to its section of the runbook ends on another one."""
    by_uid = {body["uid"]: body for body in dashboards().values()}
    found = 0
    for body in dashboards().values():
        own = [(link["title"], link["url"]) for link in body["links"] if link["type"] == "link"]
        of_panels = [(link["title"], link["url"]) for p in body["panels"] for link in p.get("links") or ()]
        texts = "".join(panel.get("options", {}).get("content", "") for panel in body["panels"])
        in_text = re.findall(r"\[([^\]]+)\]\((/d/[^)]+)\)", texts)
        for title, url in (*own, *of_panels, *in_text):
            if not url.startswith("/d/"):
                continue
            uid, _, number = url.removeprefix("/d/").partition("?viewPanel=")
            panels = {panel["id"]: panel["title"] for panel in by_uid[uid]["panels"]}
            assert not number or panels[int(number)] == title.removeprefix("Runbook: "), url
            found += 1
    assert found > 60


def test_grafana_is_given_what_they_need() -> None:
    """If this fails, Grafana starts with empty panels, or with a home page of its own."""
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    used = {target["datasource"]["uid"] for _, panel in PLACES for target in panel["targets"]}
    used |= {
        variable["datasource"]["uid"] for body in READ.values() for variable in body["templating"]["list"]
    }
    assert used == {source["uid"]}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    home = Path(compose["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert f"./deploy/grafana/dashboards:{home.parent}:ro" in compose["volumes"]
    assert dashboards()[home.name]["title"] == "hedged: Overview"
    (provider,) = yaml.safe_load((provisioning / "dashboards/hedged.yml").read_text())["providers"]
    assert provider["options"]["path"] == str(home.parent)
