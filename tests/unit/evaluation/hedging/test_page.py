"""The page says what was found, in a real browser too."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from hedge_worlds import history, setting

from hedged.evaluation.hedging.page import write_page
from hedged.evaluation.hedging.perfect import foresee
from hedged.evaluation.hedging.result import outcome, rows
from hedged.evaluation.hedging.walk import account, constant, walk

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--virtual-time-budget=5000", "--dump-dom"),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    market = setting(per_usd=1e-4)
    past = history([3e-5] * 2000, [0.0] * 2000)
    found = [
        outcome(past, market, "BTC<", rule, side, name, account(past, market, side, held))
        for rule in ("chain", "level")
        for side in (1, -1)
        for name, held in (
            ("hedged", walk(past, market, constant(market))),
            ("perfect", foresee(past, market, side)),
        )
    ]
    table = rows(found, np.random.default_rng(0))
    return write_page(found, table, market, ["a <note>"], tmp_path_factory.mktemp("page") / "index.html")


def test_it_says_what_was_found(written):
    """If this fails, the page's headline is not the table's figure, or a name from the data becomes markup."""
    text = written.read_text("utf-8")
    assert re.search(r"hedged earned −?[\d,]+ of [\d,]+ USD \([^)]*chain\)", text)
    assert "a &lt;note&gt;" in text
    assert "BTC&lt; long" in text
    assert "BTC<" not in text


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "?theme=dark#part=short-level"])
def test_the_chart_is_drawn_and_one_part_shown(written, tmp_path, query):
    """If this fails, a script error leaves an empty box where the picture should be, or all tables at once."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    dom = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"{written.as_uri()}{query}"],
        capture_output=True, text=True, timeout=90, check=True,
    ).stdout  # fmt: skip
    head = re.search(r"<html[^>]*>", dom).group()
    assert "data-errors" not in head
    assert 'data-ready="true"' in head
    assert re.search(r'<div class="chart[^"]*" id="path"[^>]*>.*?</svg>', dom, re.DOTALL)
    shown = set(re.findall(r'<div class="part" data-part="([^"]*)">', dom))
    assert shown == {"short-level" if query else "long-chain"}
