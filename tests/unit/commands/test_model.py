"""The model's commands say what is wrong and what to do, and leave nothing half done."""

from pathlib import Path

import polars as pl
import pytest
from rates import tables
from small_tables import at

from hedged.commands import model
from hedged.commands.shared import ProxyRuleName
from hedged.domain.errors import ConfigError
from hedged.domain.market import SeriesKey
from hedged.evaluation.folds import folds_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    for name, frame in tables().items():
        frame.write_parquet(path / f"{name}.parquet")
    return path


def day(number: int) -> str:
    return f"{at(24 * number):%Y-%m-%d}"


def test_forecast_writes_what_it_says(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails, the command a user runs first gives no file, or another one than it says."""
    out = tmp_path / "f.parquet"
    model.forecast(data, day(60), day(61), out, None, ["BTC"])
    frame = pl.read_parquet(out)
    assert set(frame["symbol"]) == {"BTC"}
    assert frame["origin_ts"].min() == at(24 * 60)
    assert f"{len(frame):,} forecasts of 3 series" in capsys.readouterr().out.replace("\n", " ")


def test_a_stand_in_is_forecast_as_injective(data: Path, tmp_path: Path) -> None:
    """If this fails, forecasts for the hedge's yardstick are of the stand-in's own rates."""
    out = tmp_path / "f.parquet"
    model.forecast(data, day(60), day(61), out, None, ["BTC"], ProxyRuleName.CHAIN)
    assert set(pl.read_parquet(out)["venue"]) == {"injective", "binance", "bybit"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"from_": "2025-02-02", "to": "2025-02-01"}, "is not before"),
        ({"from_": "yesterday", "to": "2025-02-01"}, "expected a day"),
        ({"from_": "2025-01-01", "to": "2025-02-01", "model": Path("nowhere")}, "is not a model"),
        ({"from_": "2025-01-01", "to": "2025-02-01", "symbol": ["NOSUCH"]}, "has no funding of NOSUCH"),
    ],
)
def test_mistakes_are_named(data: Path, tmp_path: Path, arguments: dict, says: str) -> None:
    """If this fails, a mistyped day or path ends in a traceback, or in an empty file."""
    with pytest.raises(ConfigError, match=says):
        model.forecast(data, out=tmp_path / "f.parquet", **arguments)
    assert not list(tmp_path.iterdir())


def test_folds_cover_the_window_once() -> None:
    """If this fails, a walk-forward leaves days out or scores them twice."""
    day_ms = 86_400_000
    folds = folds_of(0, 800 * day_ms, 365)
    assert [(f.from_ms // day_ms, f.to_ms // day_ms) for f in folds] == [(0, 365), (365, 730), (730, 800)]


def test_one_symbol_is_forecast_with_all_in_view(data: Path, tmp_path: Path) -> None:
    """If this fails, asking for one coin changes its forecast, because the rest of the market went unread."""
    model.forecast(data, day(60), day(61), tmp_path / "one", None, ["BTC"])
    model.forecast(data, day(60), day(61), tmp_path / "all", None, None)
    one, every = (pl.read_parquet(tmp_path / n).filter(pl.col("symbol") == "BTC") for n in ("one", "all"))
    key = SeriesKey("binance", "BTC")
    pick = (pl.col("venue") == key.venue) & (pl.col("horizon") == "s1")
    a, b = (frame.filter(pick).sort("origin_ts")["q50"].to_numpy() for frame in (one, every))
    assert a == pytest.approx(b, rel=0.02)  # what other coins taught about widths and weights is missing
