"""The best that hedging could have saved: never missed, never more than there was."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import SETTINGS

from hedged.domain.market import INJECTIVE
from hedged.strategy.foresight import STEPS, best_past
from hedged.strategy.state import LegCosts

FREE = {INJECTIVE: LegCosts(0.0, 0.0), "binance": LegCosts(0.0, 0.0)}
CHEAP = {INJECTIVE: LegCosts(2e-5, 1e-9), "binance": LegCosts(1e-5, 2e-9)}
CUT_ONLY = replace(SETTINGS, delta_band=0.4)


@given(st.integers(0, 2**31), st.sampled_from([1e5, -1e5]))
def test_no_path_of_a_cut_earns_more(seed: int, own_usd: float) -> None:
    """If this fails, the yardstick of one's book is not the best there was."""
    paid = np.random.default_rng(seed).normal(0, 1e-4, 4)
    found = best_past(own_usd, {INJECTIVE: paid}, CHEAP, CUT_ONLY)
    side, unit, cost = np.sign(own_usd), 0.4 * 1e5 / STEPS, CHEAP[INJECTIVE]

    def net(path: tuple[int, ...]) -> float:
        earned = sum(side * rate * step * unit for rate, step in zip(paid, path, strict=True))
        moves = [abs(b - a) * unit for a, b in pairwise((0, *path, 0))]
        return float(earned - sum(cost.per_usd * x + cost.impact_per_usd2 * x**2 for x in moves))

    assert found.saved_usd == pytest.approx(max(map(net, product(range(STEPS + 1), repeat=4))), abs=1e-9)
    assert found.funding_usd == pytest.approx(-own_usd * paid.sum())


def test_relocation_earns_the_difference_and_pays_for_its_margin() -> None:
    """If this fails, moving part of the position counts the wrong venue's funding or ties up nothing."""
    paid = {INJECTIVE: np.full(100, 5e-5), "binance": np.full(100, 1e-5)}
    settings = replace(SETTINGS, delta_band=0.0)
    capital = settings.capital_rate_per_year / (365 * 24) / settings.max_leverage
    found = best_past(1e5, paid, FREE, settings)
    assert found.saved_usd == pytest.approx(0.4 * 1e5 * 100 * (4e-5 - capital))
    assert best_past(1e5, paid, FREE, replace(settings, allow_own_cut=False)).saved_usd == 0.0


def test_an_hour_that_is_not_known_saves_nothing() -> None:
    """If this fails, a hole in the data is hedged as if it were known."""
    paid = np.full(48, 5e-5)
    paid[10:20] = np.nan
    found = best_past(1e5, {INJECTIVE: paid}, FREE, CUT_ONLY)
    assert found.hours == 38
    assert found.saved_usd == pytest.approx(0.4 * 1e5 * 38 * 5e-5)


def test_what_costs_more_than_it_brings_is_left() -> None:
    """If this fails, the yardstick is below doing nothing."""
    dear = {INJECTIVE: LegCosts(0.01, 0.0)}
    assert best_past(1e5, {INJECTIVE: np.full(24, 5e-5)}, dear, CUT_ONLY).saved_usd == 0.0
