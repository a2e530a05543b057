"""Coming settlements beside their forecast, and sheets as rows: what is scored outlives the process bit by bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import observation
from score_sheets import INJ, RATE, START_MS, drawn

from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.forecast.record.measures import LEAST, measured
from hedged.forecast.record.settled import Settlements, Tally, tallied
from hedged.forecast.record.stored import StoredSheet, restored, stored


def seen(hour: int, rate: float) -> list[Observation]:
    now_ms = START_MS + hour * HOUR_MS
    values = {Field.FUNDING_SETTLED: rate, Field.SETTLED_INTERVAL_H: 1.0, Field.SETTLED_AGO_S: 0.0}
    return [observation(INJ, now_ms, values)]


def law(rate: float) -> dict[object, np.ndarray]:
    return {INJ: rate + (LEVELS - 0.5) * 1e-6}


def test_a_settlement_is_held_against_the_rate_before_it() -> None:
    """If this fails, calls of direction are judged against a rate that was not the last one, or count twice."""
    (sheet,) = drawn(1, np.random.default_rng(0), ("m",), (INJ,))
    settlements, rates = Settlements(), [RATE, RATE + 3e-6, RATE + 3e-6, RATE + 1e-6]
    calls = [RATE + 2e-6, RATE + 9e-6, RATE + 4e-6, RATE]
    for hour, (rate, call) in enumerate(zip(rates, calls, strict=True)):
        found = settlements.look(START_MS + hour * HOUR_MS, seen(hour, rate), "m", law(call))
        assert len(found) == (hour > 0)
        sheet = tallied(sheet, "m", found)
        assert settlements.look(START_MS + hour * HOUR_MS + 1, seen(hour, rate), "m", law(call)) == []
    sums = sheet.settled["m"][0]
    # told +2 came +3; told +9 came +3, unmoved; told +4 (up) came +1 (down)
    assert sums[Tally.OF] == 3
    assert (sums[Tally.CALLED], sums[Tally.RIGHT], sums[Tally.INSIDE]) == (2, 1, 0)
    assert sums[[Tally.ERROR, Tally.BASE]] * sheet.s[0] == pytest.approx(
        [(1 + 6 + 3) * 1e-6, (3 + 0 + 2) * 1e-6]
    )


def test_another_forecaster_begins_anew_and_unknown_is_left_out() -> None:
    """If this fails, a settlement is counted for a model that did not forecast it, or an unknown one for anybody."""
    (sheet,) = drawn(1, np.random.default_rng(0), ("m",), (INJ,))
    settlements = Settlements()
    settlements.look(START_MS, seen(0, RATE), "m", law(RATE))
    assert settlements.look(START_MS + HOUR_MS, seen(1, RATE), "new", law(RATE)) == []
    assert settlements.look(START_MS + 2 * HOUR_MS, seen(2, np.nan), "new", law(np.nan)) == []
    found = settlements.look(START_MS + 3 * HOUR_MS, seen(3, RATE), "new", law(RATE))
    assert found == [], "the forecast of the hour before was none"
    found = settlements.look(START_MS + 4 * HOUR_MS, seen(4, RATE), "new", law(RATE))
    assert len(found) == 1
    sheet.s[0] = np.nan
    assert tallied(sheet, "new", found) is sheet


def test_settlements_are_measured_against_persistence() -> None:
    """If this fails, how the coming settlements were forecast is told on another scale than it is documented."""
    sheets = drawn(2, np.random.default_rng(0), ("m",), (INJ,))
    sums = np.array([[LEAST, 16.0, 10.0, 8.0, 3.0, 6.0]])
    object.__setattr__(sheets[0], "settled", {"m": sums})
    found = measured(sheets, "m").series[INJ]
    assert (found.settled_ratio.value, found.settled_coverage.value) == (0.5, 16 / LEAST)
    assert (found.settled_direction.value, found.settled_direction.of) == (None, 10)
    object.__setattr__(sheets[1], "settled", {"m": sums})
    assert measured(sheets, "m").series[INJ].settled_direction.value == 0.8


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.booleans())
def test_a_row_gives_the_sheet_back(seed: int, names: int, settled: bool) -> None:
    """If this fails, scores change with a restart."""
    (sheet,) = drawn(1, np.random.default_rng(seed), tuple("abc"[:names]))
    sheet.outcome[0] = np.nan
    if settled:
        sheet = tallied(sheet, "a", [])
        object.__setattr__(sheet, "settled", {"a": np.arange(12.0).reshape(2, 6)})
    again = restored(StoredSheet(*stored(sheet)))
    assert stored(again) == stored(sheet)
    assert (again.keys, again.closed, list(again.laws)) == (sheet.keys, sheet.closed, list(sheet.laws))
    assert again.known_ms.tolist() == sheet.known_ms.tolist()


@pytest.mark.parametrize(
    "head", ["", "{}", "[]", '{"keys":[["a"]],"laws":[],"settled":[],"horizon_h":1,"closed":true}']
)
def test_a_row_that_is_none_is_refused(head: str) -> None:
    """If this fails, a damaged row ends the task that scores, and with it the daemon."""
    with pytest.raises(ValueError, match=r"sheet|Expecting|values"):
        restored(StoredSheet(0, head, b"12345678"))
