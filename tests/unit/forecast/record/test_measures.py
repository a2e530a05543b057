"""Measures of live forecasts: the same as those of `hedged evaluate`, None where too few, and worse where they are."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_sheets import ETH, INJ, RATE, drawn

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import LEVELS, QUANTILE_COLUMNS, STAND_IN
from hedged.domain.market import SeriesKey
from hedged.evaluation import losses as evaluated
from hedged.evaluation.metrics import metrics, relative
from hedged.evaluation.prints import TIE
from hedged.evaluation.truth import Truth
from hedged.forecast.record import losses
from hedged.forecast.record.measures import LEAST, LEAST_ECE, WINDOW_MS, Measure, Measures, measured, reckoned
from hedged.forecast.record.sheet import Law, Sheet

KEYS = (INJ, SeriesKey("injective", "BTC"), ETH)


def truth(sheets: list[Sheet]) -> pl.DataFrame:
    """Lay sheets out as `hedged evaluate` reads them, one venue class for each venue."""
    rows = [
        {
            "venue": key.venue, "symbol": key.symbol, "origin_ts": one.origin_ms, "horizon": "m24h",
            "venue_class": key.venue, "y": one.outcome[at], "last": one.last[at], "s": one.s[at],
            "interval_h": 1.0, "unit_h": 1.0, "fold": 0,
        }
        for at, key in enumerate(KEYS) for one in sheets
    ]  # fmt: skip
    frame = pl.DataFrame(rows).with_columns(pl.col("origin_ts").cast(pl.Datetime("ms", "UTC")))
    return evaluated.context(Truth(frame.with_row_index("row"), {}))


def scored(sheets: list[Sheet], name: str) -> pl.DataFrame:
    """Score one forecaster as `hedged evaluate` does."""
    shared = truth(sheets)
    laws = [one.laws[name] for one in sheets]
    rows = [
        {
            **dict(zip(QUANTILE_COLUMNS, law.quantiles[at], strict=True)), "p_up": law.p_up[at],
            "venue": key.venue, "symbol": key.symbol, "origin_ts": one.origin_ms, "horizon": "m24h",
        }
        for at, key in enumerate(KEYS) for one, law in zip(sheets, laws, strict=True)
    ]  # fmt: skip
    forecasts = pl.DataFrame(rows).with_columns(pl.col("origin_ts").cast(pl.Datetime("ms", "UTC")))
    return evaluated.losses(shared, forecasts)


def test_the_measures_are_those_of_evaluation() -> None:
    """If this fails, a live figure cannot be held beside that of the model's card: both are called the same."""
    assert losses.TIE == TIE
    sheets = drawn(120, np.random.default_rng(3), ("m", STAND_IN), KEYS)
    mine, theirs = scored(sheets, "m"), scored(sheets, STAND_IN)
    found, told = measured(sheets, "m"), metrics(mine)
    for venue, one in found.venues.items():
        row = told.filter(pl.col("symbol").is_null(), venue_class=venue).row(0, named=True)
        assert [one.direction.value, one.coverage.value, one.ece.value] == pytest.approx(
            [row["direction"], row["coverage"], row["ece"]]
        )
        assert one.coverage.of == row["rows"]
    for key, one in found.series.items():
        row = told.filter(venue=key.venue, symbol=key.symbol).row(0, named=True)
        assert [one.direction.value, one.coverage.value, one.ece.value] == pytest.approx(
            [row["direction"], row["coverage"], row["ece"]]
        )
    both = mine.with_columns(base=theirs["abs_error"], base_pinball=theirs["pinball"])
    for venue, one in found.venues.items():
        here = both.filter(venue_class=venue)
        if venue == "binance":  # one series: the mean over series is its own
            assert one.mae_ratio.value == pytest.approx(relative(here, "abs_error", "base")["ratio"].item())
            assert one.pinball_ratio.value == pytest.approx(
                relative(here, "pinball", "base_pinball")["ratio"].item()
            )
        errors = [here.select((pl.col(name) / pl.col("s")).sum()).item() for name in ("abs_error", "base")]
        assert one.mae_ratio.value == pytest.approx(errors[0] / errors[1])


def test_the_ewma_is_not_compared_with_itself() -> None:
    """If this fails, a ratio of 1 is told of the yardstick, and taken for that of a model."""
    found = measured(drawn(60, np.random.default_rng(3), ("m", STAND_IN)), STAND_IN).whole
    assert found.mae_ratio == found.pinball_ratio == Measure()
    assert found.coverage.value is not None


def test_too_few_say_nothing_and_unknown_is_not_zero() -> None:
    """If this fails, a figure made of a handful is believed, or what is not known counts as an error of zero."""
    rng = np.random.default_rng(5)
    few = measured(drawn(LEAST - 1, rng, ("m", STAND_IN), (INJ,)), "m").whole
    assert (few.pinball_ratio.value, few.pinball_ratio.of) == (None, LEAST - 1)
    assert few.direction.value is few.coverage.value is few.ece.value is None
    enough = measured(drawn(LEAST, rng, ("m", STAND_IN), (INJ,)), "m").whole
    assert enough.pinball_ratio.value is not None
    assert enough.ece == Measure(None, LEAST)
    sheets = drawn(LEAST_ECE, rng, ("m", STAND_IN), (INJ, ETH))
    whole = measured(sheets, "m").series[INJ]
    for one in sheets:
        one.outcome[1] = np.nan
    again = measured(sheets, "m")
    assert again.series == {INJ: whole}
    assert again.venues == {"injective": whole}
    assert measured(sheets, "nobody").series == {}
    assert measured([], "m").whole == Measures()


def test_only_the_last_weeks_are_told() -> None:
    """If this fails, a model that has grown old lives on what it did long ago."""
    sheets = drawn(30 * 3, np.random.default_rng(6), ("m", STAND_IN), (INJ,))
    told = reckoned(sheets, "m", sheets[-1].origin_ms)
    assert told.measured.keys() == {"m", STAND_IN}
    assert told.measured["m"].whole.coverage.of == WINDOW_MS // DAY_MS * 3


def test_calls_count_where_there_is_one_and_the_rate_moved() -> None:
    """If this fails, resting markets or a forecaster without an opinion move the share of calls that were right."""
    (sheet,) = drawn(1, np.random.default_rng(0), ("m",), (INJ,))
    law = sheet.laws["m"]
    n = 2 * LEAST
    up, half = np.full(n, 0.8), np.full(n, 0.5)
    last, y = np.full(n, RATE), np.where(np.arange(n) % 4 == 0, RATE, RATE + 1e-6)
    hit = losses.called(up) * losses.moved(last, y)
    assert ((hit > 0).sum(), (hit != 0).sum()) == (n * 3 // 4, n * 3 // 4)
    assert (losses.called(half) == 0).all()
    assert np.isnan(losses.moved(np.array([np.nan]), y[:1])).all()
    assert law.told.all()


@given(
    st.lists(st.floats(-1, 1), min_size=len(LEVELS), max_size=len(LEVELS)),
    st.floats(-1, 1), st.floats(0.1, 10),
)  # fmt: skip
def test_pinball_is_least_at_the_outcome_and_scales(law: list[float], rate: float, scale: float) -> None:
    """If this fails, the loss rewards a law that is further from what came, or depends on the unit."""
    quantiles, y = np.sort(np.array([law])), np.array([rate])
    loss = losses.pinball(quantiles, y)
    assert loss == pytest.approx(evaluated.pinball(quantiles, y))
    assert loss[0] >= losses.pinball(np.full((1, len(LEVELS)), rate), y)[0] == 0
    assert losses.pinball(scale * quantiles, scale * y) == pytest.approx(scale * loss)
    inside, _ = evaluated.coverage(quantiles[:, 1], quantiles[:, -2], y)
    assert losses.inside(quantiles, y).tolist() == inside.tolist()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_wider_errors_are_worse_and_measures_stay_in_their_bounds(seed: int) -> None:
    """If this fails, a worse forecaster looks better, or a share leaves [0, 1]."""
    ratios = []
    for away in (0.5, 1.0, 3.0):
        sheets = drawn(LEAST_ECE, np.random.default_rng(seed), ("m", STAND_IN), (INJ,))
        off = np.full((1, len(LEVELS)), away * 1e-6)
        laws = [{**one.laws, "m": Law(one.outcome[:, None] + off, one.laws["m"].p_up)} for one in sheets]
        found = measured(
            [Sheet(one.origin_ms, 24, one.keys, one.last, one.s, one.outcome, one.known_ms, law, closed=True)
             for one, law in zip(sheets, laws, strict=True)],
            "m",
        ).whole  # fmt: skip
        ratios.append((found.mae_ratio.value, found.pinball_ratio.value))
        assert all(0 <= (share.value or 0) <= 1 for share in (found.direction, found.coverage, found.ece))
    assert all(one < two for one, two in pairwise(ratios))
