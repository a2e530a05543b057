"""The commands as a new user meets them: errors are one line that says what to do; nothing shows a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from commands import Done, hedged, in_a_process
from worlds import tables, write_directory

DAY = ["--from", "2026-01-01", "--to", "2026-01-02"]
POSITION = ["--position", "INJ=80000"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory written from the simulator: three days after its history."""
    return write_directory(tables(3), tmp_path_factory.mktemp("data"))


def backtest(data: Path, out: Path, *args: str, run: Callable[..., Done] = hedged) -> Done:
    return run("backtest", "--data", str(data), "--out", str(out), *args)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([*DAY, "--position", "XYZ=1000"], "unknown symbol XYZ"),
        ([*DAY, "--position", "INJ"], "expected SYMBOL=USD"),
        ([*DAY, "--position", "INJ=nan"], "expected SYMBOL=USD"),
        (DAY, "the book is empty"),
        (["--from", "2026-01-02", "--to", "2026-01-02", *POSITION], "the window is empty"),
        (["--from", "yesterday", "--to", "2026-01-02", *POSITION], "expected a day, YYYY-MM-DD"),
        (["--from", "2027-01-01", "--to", "2027-01-02", *POSITION], "its candles reach from 2025-12-20"),
        ([*DAY, *POSITION, "--forecaster", "oracle"], "unknown forecaster 'oracle'"),
        ([*DAY, *POSITION, "--hedge-venues", "kraken"], "kraken"),
        ([*DAY, *POSITION, "--proxy", "hyperliquid"], "expected injective=VENUE"),
        ([*DAY, *POSITION, "--proxy", "injective=binance"], "binance"),
        ([*DAY, *POSITION, "--config", "nowhere.yaml"], "cannot read nowhere.yaml"),
        ([*DAY, "--position", "INJ=1e-9"], "less than a billionth of a coin"),
        ([*DAY, "--position", "INJ=1e30"], "no such number makes sense here"),
        ([*DAY, *POSITION, "--position", "INJ=1"], "names a symbol twice"),
        ([*DAY, *POSITION, "--out", "/proc/none"], "/proc/none cannot be written"),
    ],
)
def test_bad_input_gets_one_clear_line(data: Path, tmp_path: Path, args: list[str], message: str) -> None:
    """If this fails, a typing error ends in a traceback or in silence."""
    result = backtest(data, tmp_path / "out", *args)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_process_ends_with_one_line_too(data: Path, tmp_path: Path) -> None:
    """If this fails, the tests above, which run the entry point in their own process, do not show what a user sees."""
    result = backtest(data, tmp_path / "out", *DAY, "--position", "XYZ=1000", run=in_a_process)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr + result.stdout
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert "unknown symbol XYZ" in line


@pytest.mark.parametrize("table", ["funding", "ohlcv"])
def test_a_missing_table_is_named(data: Path, tmp_path: Path, table: str) -> None:
    """If this fails, a user with an incomplete data directory does not learn what is missing."""
    frames = {name: frame for name, frame in tables(1).items() if name != table}
    result = backtest(write_directory(frames, tmp_path / "data"), tmp_path / "out", *DAY, *POSITION)
    assert result.returncode == 2
    assert f"has no {table}.parquet" in result.stderr


def test_a_backtest_on_any_data_directory(data: Path, tmp_path: Path) -> None:
    """If this fails, the product's main job does not run on a directory that holds Injective's own funding."""
    own = [*POSITION, "--position", "ETH=-60000"]
    result = backtest(data, tmp_path / "out", *DAY, *own, "--cap", "0.3", run=in_a_process)
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["proxy"] is None
    assert summary["assumptions"]["cap"] == 0.3
    assert set(summary["per_symbol"]) == {"ETH", "INJ"}
    decisions = pl.read_parquet(tmp_path / "out" / "decisions.parquet")
    assert len(decisions) == 2 * 96
    assert summary["pays"] in " ".join(result.stdout.split())


def test_a_gap_is_stated(tmp_path: Path) -> None:
    """If this fails, a hole in the recording passes as a complete result."""
    frames = tables(2)
    hole = (
        (pl.col("venue") == "injective")
        & (pl.col("ts").dt.hour().is_between(6, 9))
        & (pl.col("ts").dt.year() == 2026)
    )
    frames["funding"] = frames["funding"].filter(~hole)
    result = backtest(write_directory(frames, tmp_path / "data"), tmp_path / "out", *DAY, *POSITION)
    assert result.returncode == 0, result.stderr
    gaps = json.loads((tmp_path / "out" / "summary.json").read_text())["data_gaps"]
    assert {"venue": "injective", "symbol": "INJ", "table": "funding"}.items() <= gaps[0].items()
    assert "gaps in the data" in result.stdout


def test_check_explains_a_config(tmp_path: Path) -> None:
    """If this fails, a misspelt key is silently ignored."""
    (tmp_path / "c.yaml").write_text("hedge: {horizn_h: 24}\n")
    result = hedged("check", "--config", str(tmp_path / "c.yaml"))
    assert result.returncode == 2
    assert "did you mean 'horizon_h'" in result.stderr


def test_live_is_refused_without_ceremony(tmp_path: Path) -> None:
    """If this fails, real money can be traded without saying so twice."""
    (tmp_path / "c.yaml").write_text("mode: live\n")
    result = hedged("run", "--config", str(tmp_path / "c.yaml"))
    assert result.returncode == 2
    assert "live_acknowledgement" in result.stderr


def test_kill_and_resume_need_no_daemon(tmp_path: Path) -> None:
    """If this fails, the switch works only while the daemon is well."""
    (tmp_path / "c.yaml").write_text(f"state_dir: {tmp_path}/state\n")
    assert hedged("kill", "--reason", "drill", "--config", str(tmp_path / "c.yaml")).returncode == 0
    assert hedged("resume", "--yes", "--config", str(tmp_path / "c.yaml")).returncode == 0


def test_serving_never_imports_torch(tmp_path: Path) -> None:
    """If this fails, the small VPS pays 200 MB for a library that only training needs."""
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['hedged', 'demo', '--days', '1', '--out', sys.argv[1]];"
        "from hedged.cli import main; main()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_help_teaches() -> None:
    """If this fails, `hedged --help` does not tell a newcomer where to start."""
    text = in_a_process("--help").stdout
    assert "hedged demo" in " ".join(text.split())
    for command in ("demo", "backtest", "run", "check", "kill", "resume"):
        assert command in text


def ruined(tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], table: str = "funding") -> Path:
    frames = tables(1)
    return write_directory(frames | {table: change(frames[table])}, tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.with_columns(pl.col("ts").dt.replace_time_zone(None)), "expected a timestamp in UTC"),
        (lambda f: f.with_columns(pl.col("ts").dt.epoch("ms")), "expected a timestamp in UTC"),
        (lambda f: f.with_columns(pl.col("funding_rate").cast(pl.String)), "expected numbers"),
        (lambda f: pl.concat([f, f.with_columns(pl.col("funding_rate") + 1e-5)]), "stands twice and differs"),
    ],
)
def test_wrong_data_are_refused(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    """If this fails, data that mean something else are read as if they were right, or end in a traceback."""
    result = backtest(ruined(tmp_path, change), tmp_path / "out", *DAY, *POSITION)
    assert result.returncode == 2, result.stdout
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def unhedged(out: Path) -> tuple[float, list[dict[str, str]]]:
    summary = json.loads((out / "summary.json").read_text())
    return summary["unhedged_funding_usd"], summary["data_gaps"]


def test_microseconds_and_repeated_rows_change_nothing(data: Path, tmp_path: Path) -> None:
    """If this fails, the same data in another spelling give another result."""
    plain = backtest(data, tmp_path / "a", *DAY, *POSITION)
    spelt = ruined(
        tmp_path, lambda f: pl.concat([f, f]).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    )
    again = backtest(spelt, tmp_path / "b", *DAY, *POSITION)
    assert plain.returncode == again.returncode == 0, again.stderr
    assert unhedged(tmp_path / "a") == unhedged(tmp_path / "b")


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
@pytest.mark.parametrize(("table", "column"), [("funding", "funding_rate"), ("ohlcv", "close")])
def test_what_says_nothing_is_a_stated_gap(
    data: Path, tmp_path: Path, table: str, column: str, value: float | None
) -> None:
    """If this fails, a hole in the data becomes a rate or a price: unknown is never a number."""
    hole = (
        (pl.col("venue") == "injective")
        & pl.col("ts").dt.hour().is_between(6, 9)
        & (pl.col("ts").dt.year() == 2026)
    )
    blank = pl.when(hole).then(pl.lit(value, pl.Float64)).otherwise(pl.col(column)).alias(column)
    result = backtest(
        ruined(tmp_path, lambda f: f.with_columns(blank), table), tmp_path / "out", *DAY, *POSITION
    )
    assert result.returncode == 0, result.stderr
    paid, gaps = unhedged(tmp_path / "out")
    if table == "funding":
        assert ("injective", "INJ", "funding") in {(g["venue"], g["symbol"], g["table"]) for g in gaps}
    assert abs(paid) < 400, "a day's funding, not the cap"
    assert "Warning" not in result.stderr
