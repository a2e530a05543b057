"""The parts of the report that tell of baselines, metrics, regimes, accounts, the model and where it all comes from."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import NASTY, START, write_run

from hedged.backtest.provenance import command_line, fingerprint, provenance
from hedged.backtest.report import data, files, remake_report, write_report
from hedged.backtest.report.architecture import model_svg
from hedged.backtest.report.baselines import daily_lines
from hedged.backtest.report.intervals import interval_svg, scale_of
from hedged.backtest.report.metrics import labels_of, metric_tiles
from hedged.backtest.report.regimes import regime_table, spans
from hedged.backtest.report.sections import CONTENTS, banners
from hedged.config import parse_config
from hedged.domain.errors import DataError
from hedged.page.frame import asset

BOOK = {"book": {"positions": {"INJ": {"usd": 80_000}}}}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a made-up run of 12 days that measured all it can."""
    directory = tmp_path_factory.mktemp("whole")
    write_run(directory, days=12, whole=True)
    return directory


@pytest.fixture(scope="module")
def run(out: Path) -> files.Run:
    return files.load_run(out)


@pytest.fixture(scope="module")
def page(out: Path) -> str:
    return write_report(out).read_text("utf-8")


def test_hostile_texts_stay_texts_in_every_part(page: str) -> None:
    """If this fails, a label, a regime's name or a line of the configuration runs as code in the reader's browser."""
    own = page.replace(asset("echarts.min.js"), "")
    assert "<script>window.hacked" not in own
    assert "<b>{a|b}" not in own
    assert own.count("</script>") == 4
    assert own.count("&lt;script&gt;window.hacked") >= 8


def test_the_contents_name_what_is_there(page: str, tmp_path: Path) -> None:
    """If this fails, a link of the table of contents leads nowhere, or a section has none."""
    links = re.findall(r'<a href="#([a-z]+)">', page.split("</nav>")[0])
    assert links == [name for name, _ in CONTENTS]
    assert all(f'id="{name}"' in page for name in links)
    write_run(tmp_path, days=1)
    old = write_report(tmp_path).read_text("utf-8")
    assert "#regimes" not in old
    assert "Baselines and metrics were not measured in this run." in old
    assert "left no card with this run" in old


def test_baselines_are_added_up_by_day(run: files.Run) -> None:
    """If this fails, a baseline's line ends elsewhere than its row in the table says."""
    lines = daily_lines(run)
    assert "hedged" not in lines["labels"]
    assert lines["t"][-1] == data.period_ms(run)[1]
    net = run.summary["net_saving_usd"]
    assert lines["lines"][""]["constant"][-1] == pytest.approx(0.4 * net, abs=0.05)
    parts = [lines["lines"][symbol]["constant"][-1] for symbol in run.symbols]
    assert sum(parts) == pytest.approx(lines["lines"][""]["constant"][-1], abs=0.02)


def test_a_ruinous_baseline_does_not_flatten_the_scale() -> None:
    """If this fails, every interval but the worst is a dot."""
    good = {"name": "hedged", "net_saving_usd": 100.0, "low_usd": 50.0, "high_usd": 150.0}
    bad = {"name": "on_sign", "net_saving_usd": -30_000.0, "low_usd": -34_000.0, "high_usd": -26_000.0}
    scale = scale_of([good, bad], ("hedged",))
    assert (scale.low, scale.high) == (0.0, 150.0)
    assert "off the scale" in interval_svg(bad, scale, "other")
    assert "off the scale" not in interval_svg(good, scale, "own")


def test_a_metric_reads_alone_and_what_is_unknown_says_so() -> None:
    """If this fails, a tile says `its ceiling` of nothing, or an unknown figure reads as zero."""
    figures = {
        "saving_ratio": {"label": "Saving ratio", "unit": "share", "value": 0.1234, "low": 0.1, "high": 0.2},
        "ceiling": {"label": "Its ceiling", "unit": "share", "value": None, "definition": NASTY},
    }
    assert labels_of(figures)["ceiling"] == "Saving ratio: its ceiling"
    html = metric_tiles(figures)
    assert "12.3\u202f%" in html
    assert "not known" in html
    assert "<script>" not in html


def test_regimes_share_out_the_whole_run(run: files.Run) -> None:
    """If this fails, a saving is booked on two regimes or on none."""
    table = regime_table(run, data.period_ms(run))
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", table)
    numbers = [re.findall(r'<td class="n"[^>]*>([^<]*)', row) for row in rows]
    days, net = (
        sum(float(row[i].replace("\u2212", "-").replace(",", "")) for row in numbers) for i in (0, 3)
    )
    assert days == pytest.approx(12.0)
    assert net == pytest.approx(run.summary["net_saving_usd"], abs=0.05)


def test_a_model_that_has_seen_the_run_is_named() -> None:
    """If this fails, forecasts of days that the model was trained on pass as a test of it."""
    seen = [{"knows_days": 0.0}, {"knows_days": 12.5}]
    assert "12.5 days of this very run" in banners({"models": seen})
    assert banners({"models": seen[:1]}) == banners({}) == ""


def test_spans_are_cut_to_the_run() -> None:
    """If this fails, a regime that began before the run is drawn outside it, or one without dates breaks the page."""
    start, end = (datetime(2025, 1, day, tzinfo=UTC) for day in (2, 4))
    period = (round(start.timestamp() * 1_000), round(end.timestamp() * 1_000))
    long = {"from": "2024-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "name": "calm"}
    (one,) = spans([long, {"name": "nowhere"}, {"from": "2020-01-01", "to": "2021-01-01"}], period)
    assert (one["from"], one["to"]) == period
    assert spans(None, period) == []


def test_the_model_is_drawn_from_its_card() -> None:
    """If this fails, the picture shows another model than the one that spoke."""
    card = provenance(parse_config(BOOK), {})["model_card"]
    drawn = model_svg(card)
    assert f"{card['features']} inputs" in drawn
    assert sum(card["inputs"].values()) == card["features"]
    assert drawn.count("LightGBM trees") == 4  # two drawings, each with a row and a label
    assert sum(part["weight"] for part in card["members"]) == pytest.approx(1.0, abs=0.001)
    assert provenance(parse_config(BOOK | {"hedge": {"forecaster": "ewma"}}), {})["model_card"] is None


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["/usr/bin/hedged", "demo", "--days", "3", "--out", "/tmp/a b"], "hedged demo --days 3"),
        (["/x/hedged/__main__.py", "demo", "--out=x", "--seed", "1"], "hedged demo --seed 1"),
        (["hedged", "backtest", "--data", "my data"], "hedged backtest --data 'my data'"),
        (["pytest", "-x"], None),
        ([], None),
    ],
)
def test_the_command_is_told_but_not_where_files_went(argv: list[str], told: str | None) -> None:
    """If this fails, a run cannot be repeated, or the same run in another directory reads as a different one."""
    assert command_line(argv) == told


def test_the_fingerprint_changes_with_any_number() -> None:
    """If this fails, two runs on different data claim to rest on the same."""
    from hedged.adapters.replay.series import SeriesData
    from hedged.domain.market import SeriesKey

    key, times = SeriesKey("injective", "INJ"), np.arange(3, dtype=np.int64)

    def of(rate: float) -> str:
        series = SeriesData(key, times, np.array([0.0, 0.1, rate]), np.ones(3), np.full(3, np.nan))
        return fingerprint({key: series})

    assert of(0.2) == of(0.2) != of(0.3)
    assert fingerprint({}) != of(0.2)


def test_a_directory_without_a_run_gets_one_clear_line(tmp_path: Path) -> None:
    """If this fails, `hedged report` on the wrong directory ends in a traceback."""
    with pytest.raises(DataError, match="holds no finished run"):
        remake_report(tmp_path)
    (tmp_path / "summary.json").write_text("[", encoding="utf-8")
    with pytest.raises(DataError, match="are damaged"):
        remake_report(tmp_path)
    (tmp_path / "summary.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="are damaged"):
        remake_report(tmp_path)
    write_run(tmp_path, days=1)
    (tmp_path / "funding.parquet").write_bytes(b"not a table")
    with pytest.raises(DataError, match="are damaged"):
        remake_report(tmp_path)


def test_many_symbols_share_what_a_phone_can_hold() -> None:
    """If this fails, a run over twenty symbols makes a page that no phone opens."""
    assert data.points_of(1) == data.MAX_POINTS
    assert data.points_of(20) == 600
    assert data.points_of(500) == data.LEAST_POINTS
    start = round(START.timestamp() * 1_000)
    grid = data.make_grid(start, start + round(timedelta(days=900).total_seconds()) * 1_000, 600)
    assert grid.n <= 600
