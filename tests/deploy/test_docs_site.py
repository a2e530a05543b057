"""The documentation builds into a site, and nothing in it leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return out


def test_every_page_is_in_the_site_and_every_link_leads_somewhere(site: Path) -> None:
    """If this fails, an operator follows a link at night and finds nothing, or a page that nobody can find."""
    pages = {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")} - {
        Path("adr/0000-template")
    }
    assert len(pages) > 40
    assert not [page for page in pages if not (site / page).with_suffix(".html").is_file()]


def test_the_site_asks_nobody(site: Path) -> None:
    """If this fails, reading about one's money tells a stranger, or does not work without a network."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(
            r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']https?://[^"']+""", text
        ), page
