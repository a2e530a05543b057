"""Columns that stand in for outside signals: causal, read as the product reads them, knowing what they claim."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from small_tables import START_MS, H, recording

from experiments.sentiment.columns import (
    Signal,
    daily_innovation,
    fear_and_greed,
    knowing,
    normal_scores,
    whales,
)
from hedged.adapters.replay.series import SeriesData, Track, funded
from hedged.domain.market import SeriesKey
from hedged.features.samples import Samples
from hedged.features.sampling import Sampling, collect

HOURS = 24 * 400
BTC = SeriesKey("binance", "BTC")
BYBIT = SeriesKey("bybit", "BTC")


def market(seed: int) -> dict[SeriesKey, SeriesData]:
    """Random candles and open interest, hour by hour."""
    rng = np.random.default_rng(seed)
    ms = START_MS + np.arange(HOURS) * H
    none = (np.empty(0, np.int64), *(np.empty(0) for _ in range(3)))
    price = Track(ms, 100 * np.exp(rng.normal(0, 0.01, HOURS).cumsum()))
    volume = Track(ms, rng.gamma(2.0, 1.0, HOURS))
    interest = Track(ms, 1e4 * np.exp(rng.standard_t(3, HOURS).cumsum() * 0.002))
    return {
        BTC: SeriesData(BTC, *none, close=price, volume=volume),
        BYBIT: SeriesData(BYBIT, *none, open_interest=interest),
    }


@pytest.mark.parametrize("signal", [fear_and_greed, whales])
def test_the_future_is_not_read(signal: Callable[..., Signal]) -> None:
    """If this fails, a proxy's gain on the hold-out comes from hours that were not there yet."""
    cut, until = HOURS // 2, START_MS + HOURS * H
    one, other = market(1), market(2)

    def changed(track: Track, by: Track) -> Track:
        return Track(track.known_ms, np.concatenate((track.values[:cut], by.values[cut:])))

    names = ("close", "volume", "open_interest")
    mixed = {
        key: replace(data, **{name: changed(getattr(data, name), getattr(other[key], name)) for name in names
                              if len(getattr(data, name).values)})
        for key, data in one.items()
    }  # fmt: skip
    told, again = (signal(data, START_MS, until).values for data in (one, mixed))
    np.testing.assert_array_equal(told[:, :cut], again[:, :cut])
    assert not np.array_equal(told[:, cut:], again[:, cut:], equal_nan=True)


def test_a_fearful_market_is_told_as_fearful() -> None:
    """If this fails, the index stands upside down or leaves 0 … 100."""
    ms = START_MS + np.arange(HOURS) * H
    rng = np.random.default_rng(0)
    steps = rng.normal(0.001, 0.002, HOURS)
    steps[-24 * 10 :] = rng.normal(-0.01, 0.03, 240)
    (data,) = (market(1)[BTC],)
    crash = {BTC: replace(data, close=Track(ms, 100 * np.exp(steps.cumsum())))}
    index = fear_and_greed(crash, START_MS, START_MS + HOURS * H).values[0]
    assert ((index[24:] >= 0) & (index[24:] <= 100)).all()
    assert index[-1] < 25 < 60 < index[-24 * 30]


def samples_of(tables: dict[str, pl.DataFrame]) -> Samples:
    """Every settlement of the small tables."""
    series = funded(tables)
    return collect(series, START_MS, START_MS + 900 * H, Sampling(1.0, 0.1, 0.1, 0.0))


def test_a_signal_is_read_as_the_product_reads_it() -> None:
    """If this fails, the experiment measures another column than a `signals` table would give the model."""
    tables = recording(900)
    rng = np.random.default_rng(5)
    values = rng.normal(size=900)
    ts = pl.Series("ts", START_MS + np.arange(900) * H).cast(pl.Datetime("ms", "UTC"))
    tables["signals"] = pl.DataFrame({"ts": ts}).with_columns(
        venue=pl.lit(None, pl.String), symbol=pl.lit(None, pl.String), name=pl.lit("sentiment"),
        value=pl.Series(values),
    )  # fmt: skip
    served = samples_of(tables)
    column = served.tabular[:, served.names.index("sentiment")]
    # the product's window begins at the first sample's grid, ours 60 days before the data
    told = Signal(START_MS, values.astype(np.float32).astype(np.float64)[None]).at(served)
    assert np.isfinite(column).sum() > 50
    np.testing.assert_allclose(column, told, atol=1e-3)


def test_a_column_knows_what_it_claims() -> None:
    """If this fails, the table of what a column must know to be noticed is of other strengths than it says."""
    rng = np.random.default_rng(0)
    missed = rng.standard_t(2, 50_000)
    missed[:20_000] = 0.0
    scores = normal_scores(missed, rng)
    assert abs(scores.mean()) < 1e-6
    assert scores.std() == pytest.approx(1.0, abs=0.01)
    for share in (0.0, 0.1, 0.5):
        told = knowing(scores, share, rng)
        assert np.corrcoef(told, scores)[0, 1] == pytest.approx(share, abs=0.02)
        assert told.std() == pytest.approx(1.0, abs=0.02)


def test_a_day_has_one_innovation() -> None:
    """If this fails, rows of one day are told different things by what is called one number a day."""
    served = samples_of(recording(900))
    scores = np.random.default_rng(1).normal(size=len(served))
    told = daily_innovation(served, scores)
    days = served.origin_ms // (24 * H)
    assert all(len(set(told[days == day])) == 1 for day in np.unique(days))
