"""The whole evaluation, and the page that tells of it."""

import json
import re

import numpy as np
import polars as pl
import pytest

from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.evaluation import arima, run
from hedged.evaluation.page import page, write_page
from hedged.evaluation.run import evaluate, measure, summary
from hedged.evaluation.truth import QUANTILES
from hedged.page.frame import LIBRARY, asset

MAX_BYTES = 1_300_000
NASTY = "</script><b>&'\""


BAND = np.linspace(-3e-6, 3e-6, len(QUANTILES))


@pytest.fixture(scope="module")
def forecasts(series, make):
    """A good forecast: what came, with a band about it."""
    return make.forecasts(series, lambda data, origins, h: make.what_came(data, origins, h) + BAND)


@pytest.fixture(scope="module")
def rival(series, make):
    """A baseline that knows as much but says it less sharply, on the slow series alone."""
    wide = make.forecasts(series, lambda data, origins, h: make.what_came(data, origins, h) + 3 * BAND)
    return wide.filter(pl.col("venue") != "hyperliquid").with_columns(forecaster=pl.lit("lightgbm"))


@pytest.fixture(scope="module")
def result(series, forecasts, rival):
    return measure(series, forecasts, np.random.default_rng(0), baseline_quantiles=rival, arima_series=0)


def embedded(html):
    """Return the chart data as a browser finds it: up to the first closing tag."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script', html, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_every_baseline_answers_and_ours_is_held_against_each(result):
    """A baseline that is silently left out is a comparison won by default."""
    assert list(result.findings) == ["hedged", "zero", "persistence", "seasonal", "ewma", "lightgbm"]
    assert set(result.compared) == set(result.findings) - {"hedged"}
    assert result.against == "lightgbm"
    assert len(result.cells) == 8
    assert result.compared["ewma"].pinball["hourly", "s1"].high < 1
    assert result.compared["lightgbm"].pinball["slow", "s1"].value == pytest.approx(1 / 3, rel=0.01)
    assert ("hourly", "s1") not in result.compared["lightgbm"].pinball
    assert any(note.startswith("The baseline lightgbm answers 1,") for note in result.notes)
    assert result.findings["persistence"].relmae["slow", "s1"].value == 1.0


def test_what_is_told_can_be_stored_and_read_again(result):
    """NaN is no JSON: the file would break every reader but ours."""
    told = json.dumps(summary(result), allow_nan=False)
    assert json.loads(told)["against"] == "lightgbm"


def test_files_are_written(series, forecasts, tmp_path, monkeypatch):
    """The command's promise: metrics.parquet, metrics.json and index.html."""
    monkeypatch.setattr(run, "load_series", lambda _data, _forecasts: series)
    steps = []
    found = evaluate(
        tmp_path, forecasts, tmp_path / "out", np.random.default_rng(0), arima_series=0,
        on_progress=lambda text, share: steps.append((text, share)),
    )  # fmt: skip
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"metrics.parquet", "metrics.json", "index.html"}
    assert json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8")) == found
    table = pl.read_parquet(tmp_path / "out" / "metrics.parquet")
    assert {"forecaster", "venue_class", "symbol", "horizon", "relmae", "ece"} <= set(table.columns)
    assert [share for _, share in steps] == sorted(share for _, share in steps)
    assert steps[-1] == ("done", 1.0)


def test_each_fold_is_tuned_on_its_own_past(series, make):
    """One tuning for all folds would be done before the first, and the later ones judged by a stale baseline."""
    frame = make.forecasts(series, make.last_rate)
    middle = frame["origin_ts"].sort()[len(frame) // 2]
    folded = frame.with_columns(fold=(pl.col("origin_ts") > middle).cast(pl.Int64))
    found = []

    def spy(past, origins):
        found.append((origins["fold"].unique().to_list(), origins["origin_ts"].min()))
        return run.SIMPLE["zero"](past, origins)

    truth = run.settle(folded, series)
    answered = run._folded(series, truth, spy)
    assert [fold for fold, _ in found] == [[0], [1]]
    assert found[1][1] > middle
    assert sorted(answered["row"]) == list(range(len(truth.rows)))


def test_a_library_that_is_not_there_is_told_of(series, forecasts, monkeypatch):
    """A missing AutoARIMA must be a sentence in the report, not a crash or a silence."""
    monkeypatch.setattr(arima, "LIBRARY", "no_such_library")
    found = measure(series, forecasts, np.random.default_rng(0), arima_series=2)
    assert "arima" not in found.findings
    assert any("no_such_library is not installed" in note for note in found.notes)


def test_arima_is_held_against_ours_on_its_sample(series, forecasts, monkeypatch):
    """Its series are few: the ratio must be over these alone, and they must be named."""
    monkeypatch.setattr(arima, "installed", lambda: True)
    model = arima.Model(np.array([0.7]), np.empty(0), 0, 1.5e-5, 4e-6)
    whole = arima.arima
    monkeypatch.setattr(
        arima, "arima", lambda past, origins, sample: whole(past, origins, sample, fit=lambda _: model)
    )
    found = measure(series, forecasts, np.random.default_rng(0), arima_series=1)
    assert found.compared["arima"].mae["slow", "s1"].series == 1
    assert any("AutoARIMA answers a random sample" in note for note in found.notes)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"against": "oracle"}, "oracle"),
        ({"baseline_quantiles": pl.DataFrame({"venue": ["x"]})}, "forecaster"),
    ],
)
def test_what_cannot_be_compared_is_refused(series, forecasts, arguments, says):
    """A misspelt baseline must not fall back on another one."""
    with pytest.raises(DataError, match=says):
        measure(series, forecasts, np.random.default_rng(0), arima_series=0, **arguments)


def test_forecasts_of_an_unknown_market_are_refused(forecasts):
    """A data directory that holds none of the markets would otherwise give an empty page."""
    with pytest.raises(DataError, match="none of the forecasts can be judged"):
        measure({}, forecasts, np.random.default_rng(0), arima_series=0)


def test_the_page_is_one_small_file_that_asks_the_network_for_nothing(result, tmp_path):
    """A remote font or script would leak that the report is read, and fail offline."""
    target = write_page(result, tmp_path / "index.html")
    html = target.read_text("utf-8")
    assert target.stat().st_size < MAX_BYTES
    own = html.replace(asset(LIBRARY), "")
    assert "default-src &#x27;none&#x27;" in own
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import|https?://""", own)
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]


def test_the_page_holds_what_was_found(result):
    """Tables must read without scripts, and charts hold every cell."""
    html = page(result)
    data = embedded(html)
    assert [cell["id"] for cell in data["cells"]] == [
        f"{kind}-{horizon}" for kind in ("slow", "hourly") for horizon in ("s1", "s3", "m24h", "m120h")
    ]
    assert html.count('class="cell"') == 8
    assert "below that of LightGBM in 4 of 4 cells" in html
    assert set(data["fan"]["slow-s1"]) == {"Binance BTC", "Bybit BTC"}
    assert len(data["series"]["hourly-m24h"]) == 2
    for claim in ("70\u2060–\u206080", "0.03", "below ARIMA", "linear regression"):
        assert claim in html


def test_hostile_names_stay_texts(make):
    """A symbol that holds a closing script tag would otherwise run as code in the reader's browser."""
    key = SeriesKey("binance", NASTY)
    series = {key: make.history(key, 8.0, 0)}
    frame = make.forecasts(series, make.last_rate)
    found = measure(
        series, frame, np.random.default_rng(0), arima_series=0,
        baseline_quantiles=frame.with_columns(forecaster=pl.lit(NASTY)), against=NASTY,
    )  # fmt: skip
    html = page(found)
    assert "<b>&'" not in html
    assert embedded(html)["names"][NASTY] == NASTY
