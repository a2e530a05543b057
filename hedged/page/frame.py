"""Puts a page together: one HTML file that opens anywhere and asks the network for nothing.

A package gives its own part as three files in its folder `assets`: NAME.html, NAME.css and NAME.js. The script finds
the chart kit as `page` (charts.js, reading.js), the chart library as `echarts`, and its data in `page.data`. A long
script may lie in several files, which run in the order given, NAME.js last.
"""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from hedged.page.wording import embeddable, esc

LIBRARY = "echarts.min.js"


def asset(name: str, package: str = "hedged.page") -> str:
    """Read a file from a package's folder `assets`."""
    return (files(package) / "assets" / name).read_text(encoding="utf-8")


def framed(
    package: str, name: str, title: str, data: object, scripts: Sequence[str] = (), **parts: str
) -> str:
    """Return the whole page: the package's own part, filled with `parts` (safe HTML), in the shared frame."""
    head, library = asset("theme.js"), asset(LIBRARY)
    own = "".join(asset(f"{part}.js", package) for part in (*scripts, name))
    script = asset("charts.js") + asset("reading.js") + own
    return Template(asset("page.html")).substitute(
        policy=esc(_policy(head, library, script)),
        title=esc(title),
        css=asset("page.css") + asset(f"{name}.css", package),
        head=head,
        main=Template(asset(f"{name}.html", package)).substitute(parts),
        data=embeddable(data),
        library=library,
        script=script,
    )


def write_whole(text: str, target: Path) -> Path:
    """Write a page whole or not at all, and return its path."""
    draft = target.with_name(target.name + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)
    return target


def _policy(*scripts: str) -> str:
    """Return a content policy under which these very scripts run and nothing is ever fetched."""
    sums = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{value}'" for value in sums)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"
