"""docs/runbook.md as a dashboard: one panel a section, so that it can be read where the alert is seen.

Its panels are numbered by their place in the page; whoever links to one asks here.
"""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs/runbook.md"
UID = "hedged-runbook"


def sections() -> dict[str, str]:
    """Return the sections of the page by title, in their order; links between pages say where to look instead."""
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: _for_grafana(part.split("\n", 1)[1].strip()) for part in parts}


def link_to(title: str) -> str:
    """Return the link to a section. Raises KeyError for one that does not exist."""
    number = {name: i for i, name in enumerate(sections(), 1)}[title]
    return f"/d/{UID}?viewPanel={number}"


def _for_grafana(text: str) -> str:
    """Let links within the page lead to its panels, and name the file that others lead to: Grafana does not serve it."""
    numbers = {title.lower(): i for i, title in enumerate(_titles(), 1)}

    def put(match: re.Match[str]) -> str:
        name, target = match[1], match[2]
        if target.startswith("#") and target[1:] in numbers:
            return f"[{name}](/d/{UID}?viewPanel={numbers[target[1:]]})"
        return f"{name} (docs/{target})"

    return re.sub(r"\[([^\]]+)\]\((?!http)([^)]+)\)", put, text)


def _titles() -> list[str]:
    return re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
