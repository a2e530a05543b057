"""What every page shares: a frame that fetches nothing, and texts that stay texts."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from string import Template

import pytest

from hedged.page.frame import asset, framed, write_whole
from hedged.page.wording import embeddable, esc, listed, number, percent, scrolling, venue

NASTY = "</script><b>&'\"\u2028"
PACKAGE = "hedged.backtest.report"
PARTS = dict.fromkeys(Template(asset("report.html", PACKAGE)).get_identifiers(), "") | {"pays": "$5 <b>"}


@pytest.fixture(scope="module")
def page() -> str:
    return framed(PACKAGE, "report", "A & B", {"name": NASTY}, ("common", "money"), **PARTS)


def test_the_policy_allows_these_scripts_alone(page: str) -> None:
    """If this fails, the page's own scripts are blocked, or a foreign one would run."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    sums = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts}
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    assert set(re.findall(r"'sha256-([^']*)'", policy)) == sums
    assert len(sums) == 3
    assert policy.startswith("default-src 'none'")


def test_parts_and_data_come_through_whole(page: str) -> None:
    """If this fails, a dollar sign in a sentence, or a tag in a name, breaks the page."""
    assert "$5 <b>" in page
    assert "<title>A &amp; B</title>" in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script', page, re.DOTALL)
    assert json.loads(data[1]) == {"name": NASTY}


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    """If this fails, a killed command leaves half a page under the page's name, or litter beside it."""
    assert write_whole("text", tmp_path / "page.html").read_text("utf-8") == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_texts_stay_texts() -> None:
    """If this fails, a symbol or a reason turns into markup in the reader's browser."""
    for safe in (esc(NASTY), listed({NASTY: NASTY}), scrolling(NASTY, ""), embeddable([NASTY])):
        assert "</script>" not in safe
        assert "<b>" not in safe


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (number(-1234.5), "\u22121,234.50"),
        (number(-0.001), "0.00"),
        (number(2.0, 0, plus=True), "+2"),
        (number(None), "\u2013"),
        (number(float("nan")), "\u2013"),
        (percent(0.123, 1), "12.3\u202f%"),
        (percent(None), "\u2013"),
        (venue("OKX"), "OKX"),
        (venue("dydx_v3"), "dYdX v3"),
        (venue("binance"), "Binance"),
    ],
)
def test_numbers_and_names(shown: str, wanted: str) -> None:
    """If this fails, a negative zero, a hyphen for a minus or an unknown as nan stands in a page."""
    assert shown == wanted
