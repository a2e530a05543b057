"""The planner's yardstick on the command line: figures on the terminal and in files, mistakes named."""

import json
from pathlib import Path

import polars as pl
import pytest
from rates import tables
from small_tables import at
from typer.testing import CliRunner

from hedged.cli import app
from hedged.domain.errors import ConfigError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    for name, frame in tables().items():
        frame.write_parquet(path / f"{name}.parquet")
    return path


def asked(data: Path, *more: str) -> list[str]:
    window = ["--from", f"{at(24 * 45):%Y-%m-%d}", "--to", f"{at(24 * 60):%Y-%m-%d}"]
    return ["evaluate-hedge", "--data", str(data), "--symbol", "BTC", *window, *more]


def test_it_measures_and_writes(data: Path, tmp_path: Path) -> None:
    """If this fails, whoever asks what the hedge is worth gets no table, or files that say something else."""
    result = CliRunner().invoke(app, asked(data, "--side", "long", "--out", str(tmp_path), "--symbol", "INJ"))
    assert result.exit_code == 0, result.output
    assert "long positions, chain" in result.output
    assert "INJ (chain): " in result.output
    frame = pl.read_parquet(tmp_path / "hedge.parquet")
    planned = {"ewma", "persistence", "oracle"}
    assert set(frame["strategy"]) == {*planned, "constant", "sign", "perfect", "perfect in step"}
    assert set(frame["rule"]) == {"chain", "level"}
    best = frame.filter(pl.col("strategy") == "perfect")["net_usd"]
    assert (best >= -1e-6).all()
    assert "Planner on the EWMA earned" in (tmp_path / "index.html").read_text()
    whole = json.loads((tmp_path / "hedge.json").read_text())
    assert whole["rows"][0]["net_usd"] == frame["net_usd"][0]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--forecasts", "nowhere.parquet"], "no such file"),
        (["--forecasts", "mean=x"], "expected FILE, chain=FILE or level=FILE"),
        (["--horizon", "m12h"], "there are s1, s3, m24h, m120h"),
        (["--every", "7"], "must divide 24"),
        (["--to", "2000-01-01"], "is not before"),
    ],
)
def test_mistakes_are_named(data: Path, more: list[str], says: str) -> None:
    """If this fails, a mistyped option ends in a traceback, or measures something else."""
    result = CliRunner().invoke(app, asked(data, *more))
    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)
