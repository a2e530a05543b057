"""The page in a real browser: its script runs, its charts are drawn, and a press changes them."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from hedged.evaluation.page import write_page
from hedged.evaluation.run import measure

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--virtual-time-budget=5000", "--dump-dom"),
)
CHARTS = ("ratios", "fan", "reliability", "coverage", "hours", "regimes")


def browse(page, tmp_path, query=""):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    shown = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"{page.as_uri()}{query}"],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
    return shown.stdout


@pytest.fixture(scope="module")
def written(series, make, tmp_path_factory):
    found = measure(series, make.forecasts(series, make.last_rate), np.random.default_rng(0), arima_series=0)
    return write_page(found, tmp_path_factory.mktemp("page") / "index.html")


@pytest.mark.parametrize("query", ["", "?theme=dark#cell=hourly-m24h"])
def test_every_chart_is_drawn_without_an_error(written, tmp_path, query):
    """A script error would leave empty boxes where the evidence should be."""
    dom = browse(written, tmp_path, query)
    head = re.search(r"<html[^>]*>", dom).group()
    assert "data-errors" not in head
    assert 'data-ready="true"' in head
    cell = "hourly-m24h" if query else "slow-s1"
    for name in CHARTS:
        box = re.search(rf'<div class="chart[^"]*" id="{name}"[^>]*>.*?</svg>', dom, re.DOTALL)
        assert box is not None, name
        assert f'data-cell="{cell}"' in box.group()
    assert len(re.findall(r'<div class="cell" data-cell="[^"]*"(?! hidden)>', dom)) == 1


def test_pressing_a_heading_sorts(written, tmp_path):
    """A table of hundreds of series is of use only in the order that one asks for."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", written.read_text("utf-8"))
    start, end, rest = page.rpartition("</body>")
    press = "for (let i = 0; i < 2; i++) document.querySelector('#by-series [data-column=\"0\"]').click();"
    copy = tmp_path / "pressed.html"
    copy.write_text(f"{start}<script>{press}</script>{end}{rest}", "utf-8")
    dom = browse(copy, tmp_path)
    table = re.search(r'id="by-series".*?</table>', dom, re.DOTALL).group()
    assert re.findall(r'<th scope="row">(.*?)</th>', table) == ["Bybit", "Binance"]
    assert 'aria-sort="descending"' in table
