"""Writes every dashboard as the JSON that Grafana is given: `make dashboards`, or into another folder, `make.py DIR`."""

import json
import sys
from pathlib import Path

from execution import execution
from forecasts import forecasts
from grafana_foundation_sdk.builders import text
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.text import TextMode
from overview import overview
from pages import frame, numbered
from process import process
from runbook import UID, sections
from venues import venues

OUT = Path(__file__).resolve().parents[1] / "dashboards"


def runbook() -> Dashboard:
    """Build docs/runbook.md as a dashboard."""
    made = frame(
        UID, "hedged: Runbook", "docs/runbook.md: a section for each alert. Every alert names its section."
    )
    for title, body in sections().items():
        lines = sum(1 + len(line) // 150 for line in body.splitlines())
        panel = text.Panel().title(title).mode(TextMode.MARKDOWN).content(body).span(24)
        made.with_panel(panel.height(4 + round(lines * 0.8)))
    return numbered(made.build())


def main() -> None:
    """Write them."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    out.mkdir(parents=True, exist_ok=True)
    made = {
        "overview": overview(), "forecasts": forecasts(), "execution": execution(), "venues": venues(),
        "process": process(), "runbook": runbook(),
    }  # fmt: skip
    for name, dashboard in made.items():
        body = json.dumps(dashboard, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        (out / f"{name}.json").write_text(body + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
