"""Inputs by subject: every one has a place, and what is unknown or describes the market is never replaced."""

import numpy as np
import pytest

from hedged.features.groups import GROUPS, Inputs, Neutral
from hedged.features.sequence import CHANNELS, STEPS
from hedged.forecast.artefact import SHIPPED, load

NAMES = load(SHIPPED).card.features
STAYS = {
    "sd24h", "sd168h", "s_log", "s_24h", "s_168h", "pin_share", "pin_24h", "pin_168h", "interval", "phase", "others",
    "volatility_168h", "nowcast_spread", "nowcast_decided",
}  # fmt: skip
"""What describes a market and how well it is known, and belongs to no group."""


@pytest.fixture
def told() -> Inputs:
    rng = np.random.default_rng(3)
    tabular = rng.normal(size=(4, len(NAMES))).astype(np.float32)
    tabular[0, NAMES.index("oi_1h")] = np.nan
    tabular[1] = np.nan
    return Inputs(tabular, rng.normal(size=(4, STEPS, len(CHANNELS))).astype(np.float32))


def test_every_input_of_the_model_has_exactly_one_place() -> None:
    """If this fails, a new feature moves forecasts and no explanation ever names it."""
    of = [name for features, _ in GROUPS.values() for name in features.split()]
    assert len(of) == len(set(of))
    assert set(of) | STAYS == set(NAMES)
    assert not set(of) & STAYS
    channels = [name for _, these in GROUPS.values() for name in these.split()]
    assert len(channels) == len(set(channels))
    assert set(CHANNELS) - set(channels) == {"rate_known", "others_known", "price_known"}


def test_all_groups_told_are_the_inputs_themselves(told: Inputs) -> None:
    """If this fails, the last step of a walk is not the forecast that is explained."""
    neutral, rows = Neutral(NAMES, told), np.arange(4)
    mixed = neutral.mixed(rows, np.ones((4, len(GROUPS)), np.bool_))
    np.testing.assert_array_equal(mixed.tabular, told.tabular)
    np.testing.assert_array_equal(mixed.sequence, told.sequence)


def test_what_is_unknown_or_describes_the_market_stays(told: Inputs) -> None:
    """If this fails, an explanation makes up what nobody knew, or compares with another market."""
    mixed = Neutral(NAMES, told).mixed(np.arange(4), np.zeros((4, len(GROUPS)), np.bool_))
    np.testing.assert_array_equal(np.isnan(mixed.tabular), np.isnan(told.tabular))
    stays = [NAMES.index(name) for name in sorted(STAYS)]
    np.testing.assert_array_equal(mixed.tabular[:, stays], told.tabular[:, stays])
    lag = NAMES.index("lag1")
    assert mixed.tabular[0, lag] == 0 != told.tabular[0, lag]


def test_a_group_of_which_nothing_is_known_says_nothing(told: Inputs) -> None:
    """If this fails, time is spent on, and a part given to, what was not told."""
    silent = Inputs(told.tabular, np.zeros_like(told.sequence))
    assert not Neutral(NAMES, silent).speaks[1].any()
    assert Neutral(NAMES, silent).speaks[2].all()
