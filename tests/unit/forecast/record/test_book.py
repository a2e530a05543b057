"""The book of scores: judged when it is known and not before, under the name of who forecast, compared pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from score_sheets import ETH, INJ, RATE, START_MS, drawn, grid_to, told

from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import STAND_IN
from hedged.forecast.record.book import EVERY_MS, KEPT_MS, MOST, ScoreBook
from hedged.forecast.record.sheet import GRACE_MS


def now_ms(hours: int) -> int:
    return START_MS + hours * HOUR_MS


def book_of(said: float = 1e-6, ewma: float = 2e-6) -> ScoreBook:
    """Return a book with one sheet, of hour 48: the mean that comes is RATE."""
    book = ScoreBook()
    assert book.take(grid_to(48), 24, {"m": told(RATE + said), STAND_IN: told(RATE + ewma)})
    return book


def test_half_of_the_ewmas_error_is_half_of_its_loss_in_units_of_the_usual_change() -> None:
    """If this fails, drift and contests are measured on another scale than the one that is documented."""
    book = book_of()
    assert book.judge(grid_to(71), now_ms(71)) == []
    assert len(book.paired("m", STAND_IN)) == 0, "judged before the horizon was over"
    assert [one.origin_ms for one in book.judge(grid_to(72), now_ms(72) + 5)] == [now_ms(48)]
    pair = book.paired("m", STAND_IN)
    assert pair.ratio == pytest.approx(0.5)
    assert pair.loss.tolist() == pytest.approx([1e-6 * 0.5 / 2e-6]), (
        "s is the change of 2e-6 from hour to hour"
    )
    assert (pair.origin_ms.tolist(), pair.known_ms.tolist()) == ([now_ms(48)], [now_ms(72) + 5])
    assert (pair.of.tolist(), pair.right.tolist(), pair.called.tolist()) == ([2], [2], [2])
    assert book.judge(grid_to(73), now_ms(73)) == [], "nothing is judged twice"


def test_a_grid_from_after_now_judges_nothing_early() -> None:
    """If this fails, an outcome counts before it could be known, and drift is found by looking ahead."""
    book = book_of()
    assert book.judge(grid_to(100), now_ms(71)) == []
    assert book.awaited_ms(now_ms(72) - 1) is None
    assert book.awaited_ms(now_ms(72)) == now_ms(48)


def test_what_is_not_known_is_waited_for_and_then_left_out() -> None:
    """If this fails, a settlement told late is lost, or a missing one counts as zero and a model seems to drift."""
    book, late = book_of(), grid_to(73)
    late.paid[0, 60] = np.nan
    book.judge(late, now_ms(73))
    assert len(book.paired("m", STAND_IN)) == 0, (
        "a row must not change later: the other series is still waited for"
    )
    book.judge(grid_to(74), now_ms(74))
    pair = book.paired("m", STAND_IN)
    assert (pair.of.tolist(), pair.known_ms.tolist()) == ([2], [now_ms(74)])
    assert book.paired("m", STAND_IN, venue="binance").known_ms.tolist() == [now_ms(73)]

    book = book_of()
    end = 72 + GRACE_MS // HOUR_MS + 1
    gone = grid_to(end)
    gone.paid[0, 60] = np.nan
    book.judge(gone, now_ms(end))
    assert book.paired("m", STAND_IN).of.tolist() == [1]
    assert len(book.paired("m", STAND_IN, venue="injective")) == 0
    assert book.awaited_ms(now_ms(end)) is None


def test_the_stand_in_is_not_compared_with_itself() -> None:
    """If this fails, young series draw the ratio towards 1 and hide that the model has grown old."""
    book = ScoreBook()
    mine = told(RATE, made_by={INJ: "ensemble", ETH: STAND_IN})
    book.take(grid_to(48), 24, {"m": mine, STAND_IN: told(RATE + 1e-6)})
    book.judge(grid_to(72), now_ms(72))
    assert book.paired("m", STAND_IN).of.tolist() == [1]
    assert book.paired(STAND_IN, "m", symbol="ETH").of.tolist() == []


def test_names_are_kept_when_another_model_takes_over() -> None:
    """If this fails, a contest has nothing to compare, or a model is blamed for what its predecessor did."""
    book = book_of()
    book.take(grid_to(56), 24, {"new": told(RATE), "m": told(RATE), STAND_IN: told(RATE + 1e-6)})
    book.judge(grid_to(80), now_ms(80))
    assert book.names() == (STAND_IN, "m", "new")
    assert len(book.paired("m", STAND_IN)) == 2
    assert len(book.paired("new", STAND_IN)) == len(book.paired("new", "m")) == 1
    assert len(book.paired("m", STAND_IN, since_ms=now_ms(56))) == 1
    assert len(book.paired("other", STAND_IN)) == 0


def test_the_book_is_bounded_by_days_and_by_count() -> None:
    """If this fails, a daemon that runs for a year holds a year of forecasts, or forgets those of this week."""
    rng = np.random.default_rng(1)
    assert len(ScoreBook(drawn(MOST + 5, rng, ("m",), (INJ,))).sheets) == MOST
    book = ScoreBook(drawn(MOST, rng, ("m",), (INJ,)))
    after = grid_to(MOST * 8)
    book.take(after, 24, {"m": told(RATE)})
    last_ms = int(after.times_ms[-1])
    assert len(book.sheets) == KEPT_MS // EVERY_MS
    assert last_ms - KEPT_MS < book.since_ms <= last_ms - KEPT_MS + EVERY_MS


def test_forecasts_are_taken_a_few_times_a_day() -> None:
    """If this fails, the daemon asks every model at every look, or never again after a clock was set back."""
    book = ScoreBook()
    assert book.due(START_MS)
    assert book.take(grid_to(0), 24, {}) is None
    book = book_of()
    assert not book.due(now_ms(48))
    assert book.due((now_ms(48) // EVERY_MS + 1) * EVERY_MS)
    assert book.take(grid_to(48), 24, {"m": told(RATE)}) is None, "an hour is taken once"


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_a_pair_turned_round_is_the_same_pair(seed: int, n: int) -> None:
    """If this fails, who is better depends on who is asked first."""
    book = ScoreBook(drawn(n, np.random.default_rng(seed), ("a", "b")))
    one, two = book.paired("a", "b"), book.paired("b", "a")
    assert one.loss.tolist() == two.other.tolist()
    assert one.other.tolist() == two.loss.tolist()
    assert (one.loss > 0).all()
    assert (one.right <= one.called).all()
    assert (one.called <= one.of).all()
    assert (np.diff(one.origin_ms) > 0).all()
