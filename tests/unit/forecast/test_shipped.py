"""The model that is shipped: whole, small, served without torch, and never a silent number."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rates import tables
from small_tables import ms

from hedged.adapters.replay.series import series_of
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import ConfigError, DataError
from hedged.domain.forecast import QUANTILE_COLUMNS
from hedged.domain.market import SeriesKey
from hedged.features.history import grid_at
from hedged.features.resample import HourlyGrid
from hedged.forecast.artefact import SHIPPED, Artefact, load
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.forecast.table import write_forecasts

END_H = 24 * 70
BTC = SeriesKey("binance", "BTC")


@pytest.fixture(scope="module")
def shipped() -> Artefact:
    return load(SHIPPED)


@pytest.fixture(scope="module")
def told() -> dict[str, pl.DataFrame]:
    return tables()


def grid_of(told: dict[str, pl.DataFrame], end_h: int = END_H, from_h: int = 1) -> HourlyGrid:
    series = series_of(told)
    return grid_at(series, sorted(series), np.arange(ms(from_h), ms(end_h) + 1, HOUR_MS))


def test_it_is_small(shipped: Artefact) -> None:
    """If this fails, the package grows beyond what the model may weigh (10 MB)."""
    assert sum(path.stat().st_size for path in shipped.path.iterdir()) < 10_000_000


def test_it_forecasts_every_market(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, the daemon gets no forecast, crossing quantiles, or scenarios that contradict them."""
    grid = grid_of(told)
    for horizon in (24, 120):
        made = EnsembleForecaster(shipped).forecast(grid, ms(END_H), horizon)
        assert set(made.keys) == set(grid.keys)
        assert made.scenarios.shape == (256, len(grid.keys))
        for key, one in made.marginals.items():
            assert (np.diff(one.quantiles) >= 0).all()
            assert 0 < one.p_up < 1
            middle = np.median(made.column(key))
            assert one.quantiles[3] <= middle <= one.quantiles[5]
            assert np.abs(one.quantiles).max() < 1e-3
        assert made.model_hash == shipped.hash


def test_it_forecasts_the_same_each_time(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, a replayed day decides differently from the day itself."""
    first, second = EnsembleForecaster(shipped), EnsembleForecaster(shipped)
    for end_h in (END_H - 30, END_H - 29, END_H):
        grid = grid_of(told, end_h)
        a, b = (f.forecast(grid, ms(end_h), 24) for f in (first, second))
        np.testing.assert_array_equal(a.scenarios, b.scenarios)
    again = first.forecast(grid, ms(END_H) + 900_000, 24)
    np.testing.assert_array_equal(again.scenarios, b.scenarios)
    assert again.made_at_ms == ms(END_H) + 900_000


def test_a_venue_that_is_down_is_left_out(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, a venue without data gets a number, or takes the others with it."""
    cut = pl.col("venue").eq("bybit") & (pl.col("ts").dt.epoch("ms") > ms(END_H - 24))
    grid = grid_of({n: f.filter(~cut) for n, f in told.items()})
    made = EnsembleForecaster(shipped).forecast(grid, ms(END_H), 24)
    assert {key.venue for key in made.keys} == {"binance", "hyperliquid"}


def test_strangers_are_forecast_by_what_is_common(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, a venue or coin that training never saw is refused, or breaks the others."""
    named = {
        n: f.with_columns(
            pl.col("venue").replace("bybit", "newcomer"), pl.col("symbol").replace("ETH", "NEWCOIN")
        )
        for n, f in told.items()
    }
    made = EnsembleForecaster(shipped).forecast(grid_of(named), ms(END_H), 24)
    assert SeriesKey("newcomer", "NEWCOIN") in made.keys
    assert np.isfinite(made.scenarios).all()


def test_a_window_of_hours_is_too_short(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, the first minutes of a cold start trade on a forecast from nothing."""
    made = EnsembleForecaster(shipped).forecast(grid_of(told, END_H, END_H - 5), ms(END_H), 24)
    assert made.keys == ()
    empty = grid_of(told, END_H, END_H + 1)
    assert EnsembleForecaster(shipped).forecast(empty, ms(END_H), 24).keys == ()


def test_wild_prints_stay_numbers(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, a print of −100 bp or a series that never moves gives NaN or an absurd rate."""
    wild = told["funding"].with_columns(
        funding_rate=pl.when((pl.col("venue") == "binance") & (pl.col("ts").dt.epoch("ms") == ms(END_H - 8)))
        .then(-0.01)
        .when(pl.col("venue") == "bybit")
        .then(5e-5)
        .otherwise(pl.col("funding_rate"))
    )
    made = EnsembleForecaster(shipped).forecast(grid_of(told | {"funding": wild}), ms(END_H), 24)
    assert np.isfinite(made.scenarios).all()
    assert np.abs(made.marginals[BTC].quantiles).max() < 0.01
    constant = made.marginals[SeriesKey("bybit", "BTC")]
    assert constant.quantiles[4] == pytest.approx(1.25e-5, abs=2e-6)


def test_a_horizon_it_does_not_know_is_refused(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, a forecast over 24 hours is taken for one over 8."""
    with pytest.raises(ConfigError, match="24 or 120"):
        EnsembleForecaster(shipped).forecast(grid_of(told), ms(END_H), 8)


def test_the_forecasts_file(shipped: Artefact, told: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    """If this fails, the file has rows doubled or missing, in other units, or for prints that never came."""
    series = series_of(told)
    out = tmp_path / "f.parquet"
    rows = write_forecasts(shipped, series, list(series), ms(24 * 60), ms(24 * 62), out)
    frame = pl.read_parquet(out)
    assert frame.columns == [
        "venue", "symbol", "origin_ts", "target_ts", "horizon", *QUANTILE_COLUMNS, "p_up",
    ]  # fmt: skip
    assert list(QUANTILE_COLUMNS) == ["q05", "q10", "q25", "q40", "q50", "q60", "q75", "q90", "q95"]
    assert (
        len(frame) == rows == 2 * 48 * (1 + 1 / 8 + 1 / 4) * 4
    )  # coins × hours × settlements an hour × horizons
    assert not frame.select("venue", "symbol", "origin_ts", "horizon").is_duplicated().any()
    ahead = frame.with_columns(h=(pl.col("target_ts") - pl.col("origin_ts")).dt.total_hours())
    by = dict(
        ahead.filter(pl.col("venue") == "binance").group_by("horizon").agg(pl.col("h").unique()).iter_rows()
    )
    assert by == {"s1": [8], "s3": [24], "m24h": [24], "m120h": [120]}
    size = frame.group_by("venue", "horizon").agg(pl.col("q50").abs().median())
    median = {(v, h): q for v, h, q in size.iter_rows()}
    assert median["binance", "s1"] == pytest.approx(8 * median["hyperliquid", "s1"], rel=0.5)
    assert median["binance", "m24h"] == pytest.approx(median["hyperliquid", "m24h"], rel=0.5)


def test_forecasts_know_no_future(shipped: Artefact, told: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    """If this fails, weights, bands or probabilities learn from prints that had not settled."""
    later = told["funding"].with_columns(
        funding_rate=pl.when(pl.col("ts").dt.epoch("ms") > ms(24 * 61))
        .then(3e-4)
        .otherwise(pl.col("funding_rate"))
    )
    frames = []
    for name, funding in (("true", told["funding"]), ("changed", later)):
        series = series_of(told | {"funding": funding})
        write_forecasts(shipped, series, list(series), ms(24 * 60), ms(24 * 63), tmp_path / name)
        frames.append(
            pl.read_parquet(tmp_path / name).filter(pl.col("origin_ts").dt.epoch("ms") <= ms(24 * 61))
        )
    assert frames[0].equals(frames[1])


def test_nothing_to_forecast_is_said(
    shipped: Artefact, told: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    """If this fails, an empty file looks like a result."""
    series = series_of(told)
    with pytest.raises(DataError, match="no series has history enough"):
        write_forecasts(shipped, series, list(series), ms(24 * 900), ms(24 * 901), tmp_path / "f.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda p: (p / "card.json").unlink(), "it has no card.json; train one"),
        (lambda p: (p / "card.json").write_text("{"), "cannot be read"),
        (lambda p: (p / "networks.onnx").unlink(), "lacks networks.onnx"),
        (lambda p: (p / "networks.onnx").write_bytes(b"x"), "damaged or exchanged"),
        (lambda p: rewrite(p, feature_hash="0" * 16), "was trained for feature schema"),
        (lambda p: rewrite(p, format=0), "has format 0"),
        (lambda p: rewrite(p, horizons=["s1"]), "other horizons or levels"),
    ],
)
def test_a_damaged_model_is_refused(damage, says: str, tmp_path: Path) -> None:
    """If this fails, the daemon runs on weights that are not the ones that were tested."""
    copy = tmp_path / "model"
    shutil.copytree(SHIPPED, copy)
    damage(copy)
    with pytest.raises(ConfigError, match=says):
        load(copy)


def rewrite(path: Path, **changes: object) -> None:
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps(card | changes))


def test_it_counts_what_it_is_asked(shipped: Artefact, told: dict[str, pl.DataFrame]) -> None:
    """If this fails, feature drift is told of nothing, or of the inputs of another window."""
    forecaster = EnsembleForecaster(shipped)
    forecaster.forecast(grid_of(told), ms(END_H), 24)
    assert forecaster.inputs is not None
    found = forecaster.inputs.shifted().psi
    assert {name for name, _ in found} <= {"hourly", "slow"}
    assert len({feature for _, feature in found}) > 100
    fewer = grid_of(told).rows([0])
    forecaster.forecast(fewer, ms(END_H), 24)
    assert len(forecaster.inputs.shifted().psi) < len(found) or not found
