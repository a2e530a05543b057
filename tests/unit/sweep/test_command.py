"""`hedged sweep` as typed: real runs on a small recorded world, pictures in a real browser, bad input answered."""

import json
import re
import shutil
import subprocess

import polars as pl
import pytest
import sweeping
from commands import hedged
from worlds import HISTORY_DAYS, tables, write_directory

from hedged.sweep.run import run_sweep
from hedged.sweep.store import opened

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--virtual-time-budget=5000", "--dump-dom"),
)


@pytest.mark.slow
def test_a_grid_is_run_and_told(tmp_path):
    """If this fails, the command does not do what its help promises, or its days do not add up to its totals."""
    data = write_directory(tables(2), tmp_path / "data")
    asked = (
        "sweep", "--data", str(data), "--from", "2026-01-01", "--to", "2026-01-03", "--position", "INJ=80000",
        "--folds", "2", "--model", "ewma", "--grid", "hedge.cap=0.1,0.4", "--set", "cycle.interval_s=3600",
        "--set", f"cycle.history_days={HISTORY_DAYS}", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    done = hedged(*asked)
    assert done.returncode == 0, done.stderr
    assert "nothing can be proven: give folds of more days. Keep the default." in " ".join(
        done.stdout.split()
    )
    results = pl.read_parquet(tmp_path / "out" / "results.parquet")
    assert results["status"].to_list() == ["ok"] * 4
    assert results["hedge.cap"].to_list() == [0.4, 0.4, 0.1, 0.1]
    assert results["turnover_usd"].n_unique() > 1
    summed = results["daily_net_saving_usd"].list.sum()
    assert (summed - results["net_saving_usd"]).abs().max() < 1e-4
    told = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert told["stand_in"] is None
    assert "4/4" in hedged(*asked).stdout  # again: nothing is left to run


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "nothing is searched"),
        (("--grid", "hedge.cap"), "expected SETTING=VALUE"),
        (("--grid", "hedge.capp=0.2"), "did you mean 'hedge.cap'?"),
        (("--range", "hedge.cap=0.1"), "expected SETTING=LOW..HIGH"),
        (("--grid", "hedge.cap=0.1,0.2", "--position", "INJ"), "expected SYMBOL=USD"),
        (("--grid", "hedge.cap=0.1,0.2"), "the book is empty"),
        (
            ("--grid", "hedge.cap=0.1,0.2", "--position", "INJ=1", "--data", "/nowhere"),
            "no directory /nowhere",
        ),
        (("nowhere.yaml",), "cannot read nowhere.yaml"),
    ],
)
def test_bad_input_gets_one_clear_line(tmp_path, args, message):
    """If this fails, a typing error ends in a traceback or in silence."""
    window = (
        "--data",
        str(tmp_path),
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-09",
        "--out",
        str(tmp_path / "out"),
    )
    done = hedged("sweep", *window, *args)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_example_is_printed():
    """If this fails, a newcomer has no file to start from."""
    assert "parameters:" in hedged("sweep", "--example").stdout


@pytest.mark.browser
@pytest.mark.slow
def test_every_chart_is_drawn_without_an_error(tmp_path):
    """If this fails, empty boxes stand where the evidence should be."""
    several = {
        "hedge.cap": {"low": 0.1, "high": 0.9},
        "hedge.tail_h": [0, 168],
        "hedge.min_change": [0.01, 0.02],
    }
    plan = sweeping.plan(tmp_path, parameters=several, trials=8)
    with opened(tmp_path / "out") as rows:
        _, page = run_sweep(plan, rows, sweeping.Played(gain=30), tmp_path / "out")
    profile = tmp_path / "profile"
    command = [
        BROWSER,
        *FLAGS,
        f"--user-data-dir={profile}",
        f"{page.as_uri()}?theme=dark#setting=hedge.tail_h",
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout
    shutil.rmtree(profile, ignore_errors=True)
    head = re.search(r"<html[^>]*>", dom).group()
    assert 'data-ready="true"' in head
    assert "data-errors" not in head
    for name in ("path", "scatter", "setting"):
        box = re.search(rf'<div class="chart[^"]*" id="{name}".*?</svg>', dom, re.DOTALL)
        assert box is not None, name
        assert box.group().count("<path") > 3
    assert 'data-setting="hedge.tail_h"' in dom
    assert dom.count('class="map"') == 1
