"""The record of the forecasts: honest bands are never accused, broken ones soon are, and a restart forgets nothing."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fakes import HERE, THERE
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from hedged.domain.bars import Field, Observation, blank_observation
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS, ForecastSet
from hedged.domain.market import SeriesKey
from hedged.risk.forecast_record import LAST, OLDEST_MS, TAIL, ForecastRecord, Misses

START_MS = 1_767_225_600_000
LAW = 1e-5 + 1e-6 * (LEVELS - 0.5) * 10
"""The 80 % band is 1e-5 ± 4e-6."""
WITHIN, OUTSIDE = 1e-5 + 3.9e-6, 1e-5 + 4.2e-6


def told(now_ms: int, model: str = "m", law: np.ndarray = LAW) -> ForecastSet:
    return ForecastSet(
        now_ms, 24, (HERE,), {}, np.empty((1, 1)), model, "f", coming=dict.fromkeys((HERE, THERE), law)
    )


def settled(key: SeriesKey, now_ms: int, rate: float) -> Observation:
    """A market as it shows a settlement of a minute ago."""
    one = blank_observation(key, now_ms)
    one.values[[Field.FUNDING_SETTLED, Field.SETTLED_INTERVAL_H, Field.SETTLED_AGO_S]] = rate, 1.0, 60.0
    return one


def watch(record: ForecastRecord, rates: list[float], from_hour: int = 0, model: str = "m") -> int:
    """Let hourly settlements of one market pass; return the time of the last."""
    now_ms = START_MS
    for hour, rate in enumerate(rates, start=from_hour):
        now_ms = START_MS + hour * HOUR_MS
        record.look(now_ms, [settled(HERE, now_ms, rate)], told(now_ms, model))
    return now_ms


@given(st.integers(0, LAST), st.integers(1, LAST), st.floats(0.2, 1))
def test_the_tail_is_the_binomial_laws(missed: int, of: int, share: float) -> None:
    """If this fails, 'statistical confidence' is a figure of speech."""
    missed = min(missed, of)
    tail = binom.sf(missed - 1, of, share)
    if abs(tail - TAIL) > 1e-9:
        assert Misses(missed, of).surely_above(share) is bool(tail < TAIL)


@given(st.integers(0, LAST), st.integers(0, LAST), st.floats(0.2, 1), st.floats(0.2, 1))
def test_more_misses_and_a_stricter_limit_never_acquit(a: int, b: int, share: float, other: float) -> None:
    """If this fails, a model that misses more is trusted more."""
    fewer, more = sorted((a, b))
    strict, lax = sorted((share, other))
    if Misses(fewer, LAST).surely_above(lax):
        assert Misses(more, LAST).surely_above(lax)
        assert Misses(fewer, LAST).surely_above(strict)
    assert not Misses(LAST, LAST).surely_above(1.0), "1 switches it off"


def test_honest_bands_are_hardly_ever_accused() -> None:
    """If this fails, a model that does what it says keeps a market closed."""
    accused = min(k for k in range(LAST + 1) if Misses(k, LAST).surely_above(0.4))
    assert accused == 18
    assert binom.sf(accused - 1, LAST, 0.2) < 1e-7
    assert next(k for k in range(1, LAST) if Misses(k, k).surely_above(0.4)) == 8


def test_the_last_settlements_are_counted_by_market() -> None:
    """If this fails, one market pays for another's misses, or an old bad week is held against a good day."""
    record = ForecastRecord()
    now_ms = watch(record, [WITHIN, *[OUTSIDE] * 5, *[WITHIN] * 2])
    assert record.misses(now_ms) == {HERE: Misses(5, 7)}
    now_ms = watch(record, [WITHIN] * 40, from_hour=8)
    assert record.misses(now_ms) == {HERE: Misses(0, LAST)}
    assert record.misses(now_ms + OLDEST_MS) == {}


def test_what_lies_on_the_band_is_within() -> None:
    """If this fails, a rate that rests at its usual number counts as a miss by the last digit of a float32."""
    resting = np.full(len(LEVELS), 1.25e-5)
    record = ForecastRecord()
    for hour in range(10):
        now_ms = START_MS + hour * HOUR_MS
        record.look(now_ms, [settled(HERE, now_ms, float(np.float32(1.25e-5)))], told(now_ms, law=resting))
    assert record.misses(START_MS + DAY_MS) == {HERE: Misses(0, 9)}


def test_a_law_that_is_no_number_is_no_forecast() -> None:
    """If this fails, silence of the model counts as a hit."""
    record = ForecastRecord()
    for hour in range(5):
        now_ms = START_MS + hour * HOUR_MS
        record.look(now_ms, [settled(HERE, now_ms, WITHIN)], told(now_ms, law=np.full(len(LEVELS), np.nan)))
    assert record.misses(START_MS + DAY_MS) == {}


def test_another_model_begins_anew() -> None:
    """If this fails, a model that was replaced because it missed keeps its successor from trading."""
    record = ForecastRecord()
    now_ms = watch(record, [OUTSIDE] * 10)
    assert record.misses(now_ms)[HERE] == Misses(9, 9)
    now_ms = watch(record, [WITHIN] * 3, from_hour=10, model="new")
    assert record.misses(now_ms)[HERE] == Misses(0, 2)


@pytest.mark.parametrize("misses", [0, 5])
def test_a_restart_goes_on_with_the_record(misses: int) -> None:
    """If this fails, stopping and starting a daemon acquits a model that misses."""
    record = ForecastRecord()
    now_ms = watch(record, [WITHIN, *[OUTSIDE] * misses, WITHIN])
    again = ForecastRecord.from_json(json.loads(json.dumps(record.to_json())))
    assert again.misses(now_ms) == record.misses(now_ms)
    assert not again.look(now_ms, [], told(now_ms)), "the same model, nothing new"
    assert ForecastRecord.from_json({}).misses(now_ms) == {}


@pytest.mark.parametrize(("width", "least", "most"), [(1.0, 0.0, 0.02), (0.05, 0.4, 1.0)])
def test_on_recorded_settlements_it_speaks_of_broken_bands_alone(
    shared_data: Path, width: float, least: float, most: float
) -> None:
    """If this fails, misses that come in clusters, as they do, close markets whose bands are honest.

    The bands are those of the last 200 changes of the rate, which know no later one, at `width` of their size: cruder
    than any forecaster's, as they do not widen in a storm. Rates that rest do not leave even a narrow band.
    """
    funding = pl.read_parquet(
        shared_data / "funding.parquet", columns=["venue", "symbol", "ts", "funding_rate"]
    )
    spoke = total = 0
    for venue, symbol in [
        ("binance", "BTC"),
        ("bybit", "ETH"),
        ("hyperliquid", "BTC"),
        ("hyperliquid", "SOL"),
    ]:
        rates = (
            funding.filter((pl.col("venue") == venue) & (pl.col("symbol") == symbol))
            .sort("ts")["funding_rate"]
            .to_numpy()[-5_000:]
        )
        change = np.diff(rates)
        past = np.lib.stride_tricks.sliding_window_view(change, 200)[:-1]
        low, high = width * np.quantile(past, [0.1, 0.9], axis=1)
        missed = (change[200:] < low - 1e-7) | (change[200:] > high + 1e-7)
        counts = np.convolve(missed, np.ones(LAST, int), "valid")
        spoke += sum(Misses(int(k), LAST).surely_above(0.4) for k in counts)
        total += len(counts)
    assert total > 10_000
    assert least <= spoke / total <= most
