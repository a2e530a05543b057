"""What the members are asked: every series now, and each remembered hour once, when it is over."""

from dataclasses import replace

import numpy as np
from rates import tables
from small_tables import ms

from hedged.adapters.replay.series import series_of
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.features.history import grid_at
from hedged.features.resample import HourlyGrid
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.forecast.questions import Questions

END_H = 24 * 40  # a remembered hour, in which every venue settles
PROMPT = series_of(tables())
LATE = {
    key: replace(data, funding_known=data.funding_ts + 2 * MINUTE_MS)
    for key, data in series_of(tables()).items()
}


def grid(series: object, end_h: int) -> HourlyGrid:
    times_ms = np.arange(ms(END_H - 24 * 20), ms(end_h) + 1, HOUR_MS)
    return grid_at(series, sorted(series), times_ms)  # type: ignore[arg-type, call-overload]


def test_an_hour_whose_prints_are_told_late_is_remembered() -> None:
    """If this fails, a daemon on real venues, which tell a settlement seconds late, forgets all it said in 90 days."""
    questions = Questions()
    cold = questions.of(grid(LATE, END_H)).past
    assert cold is not None
    assert cold.origin_ms.max() == ms(END_H - 8)
    over = questions.of(grid(LATE, END_H + 1)).past
    assert over is not None
    assert set(over.origin_ms) == {ms(END_H)}
    assert len(over) == len(LATE)
    assert questions.of(grid(LATE, END_H + 2)).past is None


def test_what_is_remembered_of_an_hour_is_what_was_asked_then() -> None:
    """If this fails, the memory holds other opinions than those that were told."""
    questions = Questions()
    questions.of(grid(PROMPT, END_H - 1))
    now = questions.of(grid(PROMPT, END_H)).now
    over = questions.of(grid(PROMPT, END_H + 1)).past
    assert now is not None
    assert over is not None
    np.testing.assert_array_equal(over.tabular, now.tabular)
    np.testing.assert_array_equal(over.sequence, now.sequence)


def test_a_print_told_within_the_hour_is_heard() -> None:
    """If this fails, a live forecast stands for an hour on rates that are known to be over."""
    forecaster = EnsembleForecaster(load(SHIPPED), threads=1)
    before = forecaster.forecast(grid(LATE, END_H), ms(END_H), 24)
    after = forecaster.forecast(grid(PROMPT, END_H), ms(END_H) + 15 * MINUTE_MS, 24)
    assert not np.array_equal(before.scenarios, after.scenarios)
    again = forecaster.forecast(grid(PROMPT, END_H), ms(END_H) + 30 * MINUTE_MS, 24)
    np.testing.assert_array_equal(again.scenarios, after.scenarios)
