"""How long a leg stood alone and how much was made, read from fills."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from hedged.backtest.metrics.by_fills import maker_share, naked_hours
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Fill, Purpose, Side

CYCLE_MS = 900_000
OWN = {"BTC": Decimal(10)}


def fill(ts_ms: int, venue: str, quantity: int, purpose: Purpose = Purpose.RELOCATE) -> Fill:
    side = Side.BUY if quantity > 0 else Side.SELL
    key = SeriesKey(venue, "BTC")
    execution = Execution(ts_ms, key, str(ts_ms), "c", side, Decimal(abs(quantity)), Decimal(1), Decimal(0))
    return Fill(execution, purpose, Decimal(1))


def hours(*fills: Fill, own: dict[str, Decimal] = OWN) -> float:
    return naked_hours(fills, own, {}, CYCLE_MS, 10 * HOUR_MS)


def test_a_pair_waits_from_its_first_fill_to_its_last() -> None:
    """If this fails, the time in which the book was larger or smaller than wanted is not told."""
    assert hours(fill(1_000, INJECTIVE, -4), fill(37_000, "binance", 4)) == pytest.approx(0.01)
    assert hours(fill(1_000, "binance", 4), fill(37_000, INJECTIVE, -4)) == pytest.approx(0.01)
    assert hours(fill(1_000, INJECTIVE, 4), fill(1_000, "binance", -4), own={"BTC": Decimal(-9)}) == 0


def test_a_far_leg_without_its_cut_is_alone_to_the_end() -> None:
    """If this fails, a leg that was left behind is no longer seen once its cycle is over."""
    assert hours(fill(HOUR_MS, "binance", 4)) == 9
    covered = (fill(0, INJECTIVE, -4, Purpose.OWN_CUT), fill(HOUR_MS, "binance", 4))
    assert hours(*covered) == 0, "a cut that became a relocation"
    stopped = (fill(2 * HOUR_MS, INJECTIVE, 4, Purpose.STOP), fill(3 * HOUR_MS, "binance", -4, Purpose.STOP))
    assert hours(*covered, *stopped) == 1


def test_legs_that_stand_by_themselves_are_not_alone() -> None:
    """If this fails, every cut and every opposite perpetual counts as half of something."""
    assert hours(fill(0, INJECTIVE, -4, Purpose.OWN_CUT)) == 0
    assert hours(fill(0, "binance", -4, Purpose.HEDGE_OPEN)) == 0
    assert (
        hours(fill(0, "binance", 4, Purpose.DIVERGENCE_OPEN), fill(0, "bybit", -4, Purpose.DIVERGENCE_OPEN))
        == 0
    )


def test_what_rested_is_told_apart_from_what_was_taken() -> None:
    """If this fails, a cheap way of trading looks dear, or what was never looked up looks taken."""
    pair = (fill(0, INJECTIVE, -3), fill(0, "binance", 1))
    made = (replace(pair[0], made=True), replace(pair[1], made=False))
    assert maker_share(made).value.tolist() == [0.75]
    assert np.isnan(maker_share(pair).value).all()
    assert np.isnan(maker_share([]).value).all()
