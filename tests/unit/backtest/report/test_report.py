"""The report's numbers and texts, without a browser."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from synthetic_run import NASTY, START, write_run

from hedged.backtest.report import data, files, money, reasons, render, text, timeline, write_report
from hedged.backtest.report.fan import realised_per_hour
from hedged.page.frame import LIBRARY, asset

MAX_BYTES = 1_300_000


def embedded(page: Path) -> dict[str, Any]:
    """Return the chart data inside the page, found as a browser finds it: up to the first closing tag."""
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script', page.read_text("utf-8"), re.DOTALL
    )
    assert found is not None
    loaded: dict[str, Any] = json.loads(found.group(1))
    return loaded


@pytest.fixture(scope="module")
def hedged_run(tmp_path_factory: pytest.TempPathFactory) -> files.Run:
    """A made-up run of 30 days that hedges."""
    out = tmp_path_factory.mktemp("run")
    write_run(out, days=30)
    return files.load_run(out)


def test_a_long_run_fits_into_a_small_file(tmp_path: Path) -> None:
    """A report that grows with every decision could not be mailed or opened on a phone."""
    write_run(tmp_path, days=120)
    page = write_report(tmp_path)
    assert page == tmp_path / "report.html"
    assert page.stat().st_size <= MAX_BYTES
    assert embedded(page)["grid"]["n"] <= data.MAX_POINTS


def test_the_page_asks_the_network_for_nothing(tmp_path: Path) -> None:
    """A single remote font or script would leak that, and when, the report is read, and fail offline."""
    write_run(tmp_path, days=2)
    page = write_report(tmp_path).read_text("utf-8")
    own = page.replace(asset(LIBRARY), "")
    assert "default-src &#x27;none&#x27;" in own
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import|https?://""", own)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """A reason that holds a closing script tag would otherwise run as code in the reader's browser."""
    write_run(tmp_path, days=20)
    page = write_report(tmp_path)
    html = page.read_text("utf-8")
    assert html.count("</script>") == 4 + asset(LIBRARY).count("</script>")
    assert "<script>window.hacked" not in html
    assert NASTY in embedded(page)["sentences"]


def test_a_run_that_did_nothing_says_so(tmp_path: Path) -> None:
    """No fill at all is the normal case: it must read as a result, not as a broken page."""
    write_run(tmp_path, days=3, hedging=False)
    html = write_report(tmp_path).read_text("utf-8")
    assert "No order was filled in 576 decisions" in html
    assert "No order was sent, so there are no fills." in html


def test_a_run_without_any_table_still_gives_a_page(tmp_path: Path) -> None:
    """A run cut short leaves a summary and no tables; the reader needs to see that much."""
    summary = write_run(tmp_path, days=1)
    for table in tmp_path.glob("*.parquet"):
        table.unlink()
    (tmp_path / "summary.json").write_text(
        json.dumps(summary | {"per_symbol": {}, "proxy": None}), encoding="utf-8"
    )
    html = write_report(tmp_path).read_text("utf-8")
    assert "No decision was recorded." in html
    assert "Proxy data" not in html


def test_the_lines_end_where_the_summary_does(hedged_run: files.Run) -> None:
    """Charts that disagree with the headline numbers would make both worthless."""
    lines = data.chart_data(hedged_run)["cumulative"][""]
    summary = hedged_run.summary
    assert lines["unhedged"][-1] == pytest.approx(summary["unhedged_funding_usd"], abs=0.01)
    assert lines["hedged"][-1] == pytest.approx(summary["hedged_funding_usd"], abs=0.01)
    costs = summary["fees_usd"] + summary["spread_usd"]
    assert lines["net"][-1] == pytest.approx(summary["hedged_funding_usd"] - costs, abs=0.02)


def test_the_waterfall_explains_the_whole_difference(hedged_run: files.Run) -> None:
    """A step left out would credit a layer with what fees or another layer did."""
    steps = money.waterfall(hedged_run)
    assert [step["name"] for step in steps] == [
        *(
            "Funding, unhedged",
            "Cut on Injective",
            "Hedge on Binance",
            "Fees",
            "Spread",
            "Hedged, after costs",
        ),
    ]
    saved = steps[-1]["to"] - steps[0]["to"]
    assert saved == pytest.approx(hedged_run.summary["net_saving_usd"], abs=0.02)


def test_what_the_tables_do_not_explain_is_shown_as_such(hedged_run: files.Run) -> None:
    """Hiding a gap between summary and tables would hide a bookkeeping fault."""
    summary = hedged_run.summary | {"hedged_funding_usd": hedged_run.summary["hedged_funding_usd"] + 50}
    run = files.Run(summary, hedged_run.decisions, hedged_run.fills, hedged_run.funding)
    assert "Not attributed" in [step["name"] for step in money.waterfall(run)]


def test_a_settlement_counts_on_the_position_before_it() -> None:
    """A decision made at the settlement's own instant must not change what was owed for the hour before."""
    at = [START, START + timedelta(hours=1)]
    decisions = pl.DataFrame(
        {"ts": at, "own_quantity": [2.0, 5.0]}, schema={"ts": files.TS, "own_quantity": pl.Float64}
    )
    hour_ms = round(at[1].timestamp() * 1_000)
    assert money.own_before(decisions, np.array([hour_ms, hour_ms + 1])).tolist() == [2.0, 5.0]


def test_the_realised_rate_is_the_mean_of_what_settled_after_the_decision() -> None:
    """Counting the settlement at the decision's own instant, or an unfinished horizon, would flatter the forecast."""
    rows = [
        {"ts": START + timedelta(hours=8 * i), "venue": "injective", "rate": rate, "interval_hours": 8.0}
        for i, rate in enumerate((0.5, 0.0008, 0.0024, 0.0))
    ]
    funding = pl.DataFrame(rows, schema_overrides={"ts": files.TS})
    start_ms = round(START.timestamp() * 1_000)
    real = realised_per_hour(funding, np.array([start_ms, start_ms + 12 * 3_600_000]), np.array([16.0, 16.0]))
    assert real[0] == pytest.approx(0.0002)
    assert np.isnan(real[1])


def test_layers_are_shares_of_the_own_position() -> None:
    """A hedge shown with the wrong sign or base would look like twice, or none, of what was done."""
    assert timeline.layer_shares(-100.0, '{"injective": "10", "binance": 30}') == {
        "Own cut": 10.0,
        "Hedge on Binance": 30.0,
    }
    assert timeline.layer_shares(100.0, '{"injective": -30, "okx": 20}') == {
        "Own cut": 10.0,
        "Moved to OKX": 20.0,
    }
    assert timeline.layer_shares(0.0, "{}") == timeline.layer_shares(1.0, "not json") == {}


def test_sentences_that_differ_in_numbers_alone_are_one_reason() -> None:
    """Counting every wording apart would bury the usual reason under thousands of single ones."""
    said = [f"Saving {i}.5 USD is below 1,200 USD on binance2." for i in range(3)] + ["Data are stale."]
    at = [datetime(2025, 1, 1, i, tzinfo=UTC) for i in range(4)]
    found = reasons.idle_reasons(pl.DataFrame({"ts": at, "action": ["none"] * 4, "reason": said}))
    assert [(reason.sentence, reason.count) for reason in found] == [
        ("Saving \u2026 USD is below 1,200 USD on binance2.", 3),
        ("Data are stale.", 1),
    ]


def test_a_fill_names_the_decision_that_asked_for_it(hedged_run: files.Run) -> None:
    """A marker with another cycle's reason would explain the trade falsely."""
    sentences = timeline.Sentences()
    marks = timeline.fill_marks(hedged_run, "INJ", sentences)
    acted = set(hedged_run.of("decisions", "INJ").filter(pl.col("action").is_in(["open", "close"]))["reason"])
    assert marks
    assert {sentences.all[mark["why"]] for mark in marks} <= acted


def test_a_restless_run_still_fits_into_the_strip() -> None:
    """Ten thousand stretches of one cycle each would make the page slow and large."""
    n = 9_000
    rows = {
        "ts": [START + timedelta(minutes=15 * i) for i in range(n)],
        "action": ["none", "hold"] * (n // 2),
    }
    decisions = pl.DataFrame(rows | {"reason": ["why"] * n}, schema_overrides={"ts": files.TS})
    assert len(timeline.strip(decisions, timeline.Sentences())["from"]) <= timeline.MAX_POINTS


def test_no_ratio_is_quoted_against_hardly_any_funding(hedged_run: files.Run) -> None:
    """A saving of 3 USD on 1 USD of funding would read as 300 %."""
    assert render.saved_share(hedged_run) is not None
    little = hedged_run.summary | {"unhedged_funding_usd": -3.0}
    assert (
        render.saved_share(files.Run(little, hedged_run.decisions, hedged_run.fills, hedged_run.funding))
        is None
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1234.5, "\u22121,234.50"),
        (-0.001, "0.00"),
        (12.0, "+12.00"),
        (float("nan"), "\u2013"),
        (None, "\u2013"),
    ],
)
def test_money_is_written_with_its_sign_and_never_as_minus_zero(value: float | None, shown: str) -> None:
    """A lost minus turns a payment into income."""
    assert text.usd(value, plus=True) == shown
