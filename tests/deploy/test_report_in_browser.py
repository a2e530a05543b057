"""The report in a real browser, at two widths and in both themes: it draws, it answers, it fits, it asks nobody."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Page, chromium
from synthetic_run import NASTY, write_run

from hedged.backtest.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHARTS = ("cumulative", "waterfall", "timeline", "fan", "calibration", "pit", "direction", "coverage")
LOOKS = [(width, theme) for width in (1440, 390) for theme in ("light", "dark")]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as page:
        yield page


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the report of a made-up run that measured all it can, hostile texts everywhere."""
    out = tmp_path_factory.mktemp("whole")
    write_run(out, days=20, whole=True)
    return write_report(out).as_uri()


def seen(tab: Page, address: str, width: int = 1440, theme: str = "light") -> Page:
    """Open a report and see that nothing went wrong in it and that nobody was asked for anything."""
    tab.problems.clear()
    tab.requests.clear()
    tab.look(width, theme)
    tab.open("about:blank")
    tab.open(address)
    assert tab.run("document.documentElement.dataset.ready") == "true"
    well(tab)
    assert tab.requests[-1].startswith("file:")
    assert all(asked.startswith(("file:", "about:", "data:")) for asked in tab.requests)
    return tab


def well(tab: Page) -> None:
    """See that no script failed, nothing was blocked or complained of, and no hostile text ran."""
    assert tab.run("document.documentElement.dataset.errors ?? ''") == ""
    assert tab.problems == []
    assert tab.run("window.hacked") is None


def paths(tab: Page, name: str) -> int:
    """Count what is drawn inside one chart."""
    return int(tab.run(f"document.querySelectorAll('#{name} svg path').length"))


def text(tab: Page, css: str) -> str:
    return str(tab.run(f"document.querySelector({json.dumps(css)}).textContent"))


def centre(tab: Page, css: str) -> tuple[float, float]:
    """Bring an element into view and return its middle in the window."""
    box: dict[str, Any] = tab.run(
        f"(() => {{ const one = document.querySelector({json.dumps(css)});"
        "one.scrollIntoView({ block: 'center', behavior: 'instant' }); const box = one.getBoundingClientRect();"
        "return { x: box.x + box.width / 2, y: box.y + box.height / 2 }; })()"
    )
    return box["x"], box["y"]


def place_of_hostile(tab: Page) -> tuple[float, float]:
    """Return where on the screen the timeline shows a decision with a hostile reason."""
    centre(tab, "#timeline")
    x, y = tab.run(
        "(() => { const data = page.data, view = data.timeline.INJ;"
        "const fill = view.fills.find((one) => data.sentences[one.why].includes('hacked'));"
        "const box = document.getElementById('timeline'), chart = echarts.getInstanceByDom(box);"
        "const at = box.getBoundingClientRect();"
        "return [at.x + chart.convertToPixel({ xAxisIndex: 0 }, fill.t), at.y + 80]; })()"
    )
    return x, y


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_it_opens_fits_and_draws_every_chart(tab: Page, whole: str, width: int, theme: str) -> None:
    """If this fails, a script breaks, a chart stays empty, or a phone has to scroll the page sideways."""
    seen(tab, whole, width, theme)
    assert tab.run("document.documentElement.dataset.theme") == theme
    assert tab.run("document.documentElement.scrollWidth") == width
    for name in CHARTS:
        assert paths(tab, name) > 3, name
    unnamed = tab.run(
        "[...document.querySelectorAll('[role=img], button, nav, [role=region]')]"
        ".filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim())).length"
    )
    assert unnamed == 0
    links = tab.run("[...document.querySelectorAll('.contents a')].map((a) => a.hash.slice(1))")
    assert "reliability" in links
    assert "regimes" in links
    assert all(tab.run(f"document.getElementById('{link}') !== null") for link in links)


def test_the_theme_changes_what_the_charts_are_drawn_with(tab: Page, whole: str) -> None:
    """If this fails, charts keep their light colours on a dark page, or the other way about."""
    seen(tab, whole)
    light = tab.run("document.getElementById('cumulative').innerHTML")
    tab.look(1440, "dark")
    tab.until("document.documentElement.dataset.theme === 'dark'")
    assert tab.run("document.getElementById('cumulative').innerHTML") != light
    well(tab)


def test_a_name_in_the_legend_shows_and_hides_its_line(tab: Page, whole: str) -> None:
    """If this fails, the baselines can never be seen, or not be taken away again."""
    seen(tab, whole)
    names = "echarts.getInstanceByDom(document.getElementById('cumulative')).getOption().series.map((one) => one.name)"
    button = '#keys-cumulative [data-key="Cap held always"]'
    assert "Cap held always" not in tab.run(names)
    tab.click(*centre(tab, button))
    assert "Cap held always" in tab.run(names)
    assert tab.run(f"document.querySelector({json.dumps(button)}).ariaPressed") == "true"
    tab.click(*centre(tab, '#keys-cumulative [data-key="Unhedged"]'))
    assert "Unhedged" not in tab.run(names)
    tab.click(*centre(tab, '#measure [data-choice="true"]'))
    assert "Net saving, after costs" in tab.run(names)
    well(tab)


def test_a_tap_on_the_timeline_tells_the_reason(tab: Page, whole: str) -> None:
    """If this fails, whoever reads the report on a phone never learns why, or a reason runs as code."""
    seen(tab, f"{whole}#symbol=INJ", 390)
    before = text(tab, "#told-what")
    for _ in range(10):  # on a machine that is busy a tap may last too long to be one; a person taps again
        tab.tap(*place_of_hostile(tab))
        if NASTY in text(tab, "#told-what"):
            break
    assert NASTY in text(tab, "#told-what")
    assert text(tab, "#told-what") != before
    well(tab)
    tab.look(1440, "light")
    tab.until("!document.querySelector('#timeline .tip')?.textContent.includes('below')")
    tab.run("page.charts.get('timeline').dispatchAction({ type: 'hideTip' }); 0")
    told_under(tab, lambda: (*place_of_hostile(tab), ".textContent.includes('hacked')"))
    assert NASTY in text(tab, "#timeline .tip")
    told_under(tab, lambda: longest_of(tab))
    well(tab)


def told_under(tab: Page, place: Callable[[], tuple[float, float, str]]) -> None:
    """Hover where `place` says until the tip tells what it says; a page that was just laid out anew may move."""
    for _ in range(20):
        x, y, tells = place()
        tab.hover(5, 5)
        tab.hover(x, y)
        told = f"document.querySelector('#timeline .tip')?{tells}"
        if tab.run(f"new Promise((done) => setTimeout(() => done(!!({told})), 500))"):
            return
    raise AssertionError(f"the tip never told {tells}")


def longest_of(tab: Page) -> tuple[float, float, str]:
    """The middle of the longest stretch of one decision, and that its tip tells the instant under the pointer."""
    x, y, when = tab.run(
        "(() => { const strip = page.data.timeline.INJ.strip, long = strip.from.map((from, i) => strip.to[i] - from);"
        "const i = long.indexOf(Math.max(...long)), chart = page.charts.get('timeline');"
        "const box = document.getElementById('timeline').getBoundingClientRect();"
        "const x = Math.round(box.x + chart.convertToPixel({ xAxisIndex: 0 }, strip.from[i] + long[i] / 2));"
        "return [x, box.y + 90, page.when(chart.convertFromPixel({ xAxisIndex: 0 }, x - box.x))]; })()"
    )
    return x, y, f".querySelector('b')?.textContent === {json.dumps(when + ' UTC')}"


def test_the_keyboard_walks_from_decision_to_decision(tab: Page, whole: str) -> None:
    """If this fails, reasons can be read with a mouse or a finger alone."""
    seen(tab, f"{whole}#symbol=INJ")
    told = [text(tab, "#told-what")]
    for name in ("later", "later", "earlier"):
        tab.run(f"document.getElementById('{name}').focus()")
        tab.press("Enter", "\r")
        told.append(text(tab, "#told-what"))
    assert told[3] == told[1]
    assert len(set(told)) == 3


def test_every_chart_can_be_read_as_a_table(tab: Page, whole: str) -> None:
    """If this fails, what a chart shows stays hidden from whoever cannot see it."""
    seen(tab, whole, 390)
    for name in CHARTS:
        tab.click(*centre(tab, f"[aria-controls=table-{name}]"))
        assert tab.run(f"document.querySelectorAll('#table-{name} tbody tr').length") > 1, name
        assert "NaN" not in text(tab, f"#table-{name}")
        assert "undefined" not in text(tab, f"#table-{name}")
    assert tab.run("document.documentElement.scrollWidth") == 390
    well(tab)


def test_tables_sort_and_the_configuration_is_copied(tab: Page, whole: str) -> None:
    """If this fails, the largest saving has to be looked for by eye, or a run's configuration typed off."""
    seen(tab, whole)
    first = "[...document.querySelectorAll('#baselines .beside tbody .name')].map((one) => one.textContent)"
    tab.click(*centre(tab, "#baselines .beside thead th:nth-child(2) button"))
    values = "[...document.querySelectorAll('#baselines .beside tbody td:nth-child(2)')].map((one) => one.textContent)"
    shown = [float(value.replace("\u2212", "-").replace(",", "")) for value in tab.run(values)]
    assert shown == sorted(shown, reverse=True)
    assert len(tab.run(first)) == len(shown)
    tab.run("document.getElementById('configuration').open = true")
    tab.click(*centre(tab, "[data-copy]"))
    tab.until("document.querySelector('[data-copy]').textContent === 'Copied'")
    well(tab)


def test_the_address_names_the_symbol_that_is_shown(tab: Page, whole: str) -> None:
    """If this fails, a link to one symbol's charts opens another one's."""
    drawn = {}
    for symbol in ("BTC", "INJ"):
        seen(tab, f"{whole}#symbol={symbol}")
        assert tab.run("document.getElementById('fan').dataset.symbol") == symbol
        drawn[symbol] = tab.run("document.getElementById('fan').innerHTML")
    assert drawn["BTC"] != drawn["INJ"]
    tab.click(*centre(tab, "#forecast [data-choice=BTC]"))
    assert tab.run("document.getElementById('timeline').dataset.symbol") == "BTC"
    assert tab.run("location.hash") == "#symbol=BTC"


def test_a_run_without_a_single_fill_is_drawn_and_says_so(tab: Page, tmp_path: Path) -> None:
    """If this fails, the normal run, which hedges nothing, or one of an older program, breaks on what it lacks."""
    write_run(tmp_path, days=8, hedging=False)
    seen(tab, write_report(tmp_path).as_uri(), 390)
    assert "No hedge was ever held in BTC." in text(tab, "#timeline-note")
    assert "were not measured in this run" in text(tab, "#baselines")
    assert tab.run("document.getElementById('regimes')") is None
    assert tab.run("document.documentElement.scrollWidth") == 390


def test_paper_holds_every_chart(tab: Page, whole: str) -> None:
    """If this fails, a printed report is cut off at the right, or dark."""
    seen(tab, whole, theme="dark")
    tab.run("window.dispatchEvent(new Event('beforeprint'))")
    widest = "Math.max(...[...document.querySelectorAll('.chart svg')].map((one) => one.getBoundingClientRect().width))"
    assert tab.run(widest) <= 690
    assert tab.run("document.documentElement.dataset.theme") == "light"
    tab.run("window.dispatchEvent(new Event('afterprint'))")
    assert tab.run("document.documentElement.dataset.theme") == "dark"
    well(tab)
