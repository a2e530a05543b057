"""The report in a real browser: its scripts run, its charts are drawn, and a click changes them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from synthetic_run import NASTY, write_run

from hedged.backtest.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--virtual-time-budget=5000", "--dump-dom"),
)
CHARTS = ("cumulative", "timeline", "fan", "waterfall")


def browse(page: Path, tmp_path: Path, query: str = "") -> str:
    """Open the page from file://, let its scripts run, and return the page as it then stands."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium")
    profile = tmp_path / "profile"
    shown = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", f"{page.as_uri()}{query}"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    shutil.rmtree(profile, ignore_errors=True)
    return shown.stdout


def root(dom: str) -> str:
    """Return the opening tag of the document: there the page says how it fared."""
    found = re.search(r"<html[^>]*>", dom)
    assert found is not None
    return found.group()


def chart(dom: str, name: str) -> str:
    """Return what stands inside one chart's box."""
    found = re.search(rf'<div class="chart[^"]*" id="{name}".*?</svg>', dom, re.DOTALL)
    assert found is not None, f"{name} holds no picture"
    return found.group()


def with_script(page: Path, script: str) -> Path:
    """Return a copy of the page that runs one more script; its content policy would rightly forbid that."""
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    start, end, rest = free.rpartition("</body>")
    copy = page.with_name("scripted.html")
    copy.write_text(f"{start}<script>{script}</script>{end}{rest}", encoding="utf-8")
    return copy


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The report of a made-up run that hedges, with a hostile text among its reasons."""
    write_run(tmp_path, days=40)
    return write_report(tmp_path)


def test_every_chart_is_drawn_without_a_script_error(page: Path, tmp_path: Path) -> None:
    """A broken script, a blocked script or an empty chart would leave the reader with headings alone."""
    dom = browse(page, tmp_path)
    assert 'data-ready="true"' in root(dom)
    assert "data-errors" not in root(dom)
    for name in CHARTS:
        assert chart(dom, name).count("<path") > 3


def test_a_run_without_a_single_fill_is_drawn_and_says_so(tmp_path: Path) -> None:
    """The normal run hedges nothing; its report must not break on empty tables."""
    write_run(tmp_path, days=10, hedging=False)
    dom = browse(write_report(tmp_path), tmp_path)
    assert 'data-ready="true"' in root(dom)
    assert "data-errors" not in root(dom)
    assert "No hedge was ever held in BTC." in dom


def test_the_dark_theme_changes_what_the_charts_are_drawn_with(page: Path, tmp_path: Path) -> None:
    """Charts that kept their light colours would be unreadable on a dark page."""
    light, dark = (browse(page, tmp_path, f"?theme={theme}") for theme in ("light", "dark"))
    assert 'data-theme="dark"' in root(dark)
    assert chart(light, "cumulative") != chart(dark, "cumulative")


def test_the_address_names_the_symbol_that_is_shown(page: Path, tmp_path: Path) -> None:
    """A link to one symbol's charts would open another one's."""
    btc, inj = (browse(page, tmp_path, f"#symbol={symbol}") for symbol in ("BTC", "INJ"))
    assert 'data-symbol="BTC"' in chart(btc, "fan")
    for name in ("cumulative", "timeline", "fan"):
        assert chart(btc, name) != chart(inj, name)


def test_a_click_shows_the_other_symbol_and_its_reason_on_hover(page: Path, tmp_path: Path) -> None:
    """Buttons that do nothing, or a reason that turns into markup, would mislead whoever reads the report."""
    script = """
      document.querySelector('#h-fan').parentElement.querySelector('[data-choice="BTC"]').click();
      setTimeout(() => {
        const data = JSON.parse(document.getElementById("data").textContent);
        const fill = data.timeline.INJ.fills.find((one) => data.sentences[one.why].includes("hacked"));
        document.documentElement.dataset.before = document.getElementById("fan").dataset.symbol;
        document.querySelector('[data-choice="INJ"]').click();
        const chart = echarts.getInstanceByDom(document.getElementById("timeline"));
        const x = chart.convertToPixel({ xAxisIndex: 0 }, fill.t);
        chart.dispatchAction({ type: "showTip", x, y: 80 });
        if (window.hacked) document.documentElement.dataset.hacked = "true";
      }, 500);"""
    dom = browse(with_script(page, script), tmp_path)
    assert "data-errors" not in root(dom)
    assert 'data-before="BTC"' in root(dom)
    assert 'data-symbol="INJ"' in chart(dom, "fan")
    assert '<div class="tip">' in dom
    assert NASTY[:11] + "&lt;/script&gt;&lt;script&gt;window.hacked" in dom
    assert "data-hacked" not in root(dom)
