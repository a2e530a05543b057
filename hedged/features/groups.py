"""Inputs by subject, and what each would be had nothing happened: what an explanation of a forecast is made of.

A group is replaced as a whole by its neutral inputs: its own past as if the rate had always stood where it stands, the
other venues as if they charged the same, price, volume and interest as if they had not moved, the clock as if it were
no hour in particular. What is unknown stays unknown. What describes a market, its interval, its usual change, how often
it rests, belongs to no group and stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.features.sequence import CHANNELS

_OWN = """lag1 lag2 lag3 lag4 lag5 lag6 lag7 lag8 lag24h lag168h ewm1 ewm2 ewm4 ewm8 ewm16 ewm32 ewm64 mean24h mean72h
mean168h mean720h seasonal surprise"""
_PREMIUM = """estimate gap gap_8h premium_1h premium_8h premium_24h basis_1h basis_8h basis_24h nowcast_center
nowcast_low nowcast_high nowcast_premium nowcast_up"""
_OTHERS = """others_mean others_mean_8h_ago others_fresh others_ewm others_surprise hourly_1h hourly_4h hourly_8h
hourly_24h hourly_accrued at_binance at_bybit at_okx at_hyperliquid at_deribit others_premium_1h others_premium_8h
others_premium_24h others_basis_1h others_basis_8h others_basis_24h"""
_MARKET = """venue_surprise venue_change hourly_surprise hourly_surprise_8h_ago slow_surprise slow_surprise_8h_ago
market_level btc_surprise eth_surprise"""
_PRICE = """return_1h return_4h return_8h return_24h return_72h return_168h btc_return_1h btc_return_8h btc_return_24h
volatility_24h"""
_CLOCK = "hour_sin hour_cos hour_of_8 weekday"

GROUPS: Mapping[str, tuple[str, str]] = {
    "its own past rates": (_OWN, "rate"),
    "where it usually rests": ("level level_abs pin_distance at_pin", "at_pin pin_distance"),
    "premium and nowcast": (_PREMIUM, "gap"),
    "other venues' funding": (_OTHERS, "others hourly"),
    "the whole market": (_MARKET, "venue"),
    "price moves": (_PRICE, "return"),
    "volume": ("volume_8h volume_24h", "volume"),
    "open interest": ("oi_1h oi_8h oi_24h oi_168h others_oi_24h", "open_interest"),
    "order book and positioning": ("depth imbalance long_short liquidations", ""),
    "wallets, sentiment, macro": ("wallets sentiment macro", ""),
    "time of day and week": (_CLOCK, "hour_sin hour_cos"),
}
"""By name of a group: its tabular features, its channels of the sequence."""
NEUTRAL = {"hour_of_8": 3.5, "weekday": 3.0, "market_level": 1.0, "nowcast_up": 0.5}
"""Neutral values that are not 0, which is: no different from the last rate, or from what is usual."""
REST = 1.25e-5


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model reads of n points: tabular float32 (n, features), sequence (n, steps, channels)."""

    tabular: NDArray[np.float32]
    sequence: NDArray[np.float32]


class Neutral:
    """The inputs of n points beside their neutral ones."""

    def __init__(self, names: Sequence[str], told: Inputs) -> None:
        """`names`: of the tabular features."""
        self._told = told
        self._feature, self._channel = _places(names)
        self._neutral = Inputs(_tabular(names, told.tabular), _sequence(told.sequence))

    @property
    def speaks(self) -> NDArray[np.bool_]:
        """Tell which groups say anything at all at each point: (n, groups)."""
        n = len(self._told.tabular)
        out = np.zeros((n, len(GROUPS)), np.bool_)
        with np.errstate(invalid="ignore"):
            told, neutral = self._told.tabular, self._neutral.tabular
            differs = (told != neutral) & ~(np.isnan(told) & np.isnan(neutral))
        moving = (self._told.sequence != self._neutral.sequence).any(axis=1)
        for g in range(len(GROUPS)):
            out[:, g] = differs[:, self._feature == g].any(axis=1) | moving[:, self._channel == g].any(axis=1)
        return out

    def mixed(self, points: NDArray[np.int64], told: NDArray[np.bool_]) -> Inputs:
        """Return inputs of which only some groups are as told: points (m,), told (m, groups) → m points."""
        stays = np.ones((len(told), 1), np.bool_)
        keep = np.concatenate((told, stays), axis=1)  # the last column is for what belongs to no group
        feature, channel = keep[:, self._feature], keep[:, self._channel]
        return Inputs(
            np.where(feature, self._told.tabular[points], self._neutral.tabular[points]),
            np.where(channel[:, None], self._told.sequence[points], self._neutral.sequence[points]),
        )


def _places(names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of every feature and channel; −1 for what belongs to none."""
    feature = {name: g for g, (of, _) in enumerate(GROUPS.values()) for name in of.split()}
    channel = {name: g for g, (_, of) in enumerate(GROUPS.values()) for name in of.split()}
    return (
        np.array([feature.get(name, -1) for name in names], dtype=np.int64),
        np.array([channel.get(name, -1) for name in CHANNELS], dtype=np.int64),
    )


def _tabular(names: Sequence[str], told: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return neutral features, unknown where they are unknown."""
    at = {name: i for i, name in enumerate(names)}
    out = np.broadcast_to(np.array([NEUTRAL.get(name, 0.0) for name in names], np.float32), told.shape).copy()
    out[:, at["volatility_24h"]] = told[:, at["volatility_168h"]]  # as much as in the week
    known = ~np.isnan(told[:, at["pin_distance"]])
    s = np.exp(told[:, at["s_log"]]) * 1e-6
    rest = np.sinh(told[:, at["level"]]) + told[:, at["pin_distance"]]  # in s
    for name, resting in (
        ("level", np.arcsinh(rest)),
        ("level_abs", np.arcsinh(rest * s / REST)),
        ("at_pin", 1.0),
    ):
        # a rate that rests nowhere cannot be put to rest
        out[:, at[name]] = np.where(known, resting, told[:, at[name]])
    return np.where(np.isnan(told), np.nan, out).astype(np.float32)


def _sequence(told: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return neutral channels: 0 but for the flag of a rate at rest, of a series that has such a rate."""
    out = np.zeros_like(told)
    rests = (told[:, :, CHANNELS.index("pin_distance")] != 0) | (told[:, :, CHANNELS.index("at_pin")] != 0)
    flag = np.float32(np.log1p(1.0))
    out[:, :, CHANNELS.index("at_pin")] = np.where(rests.any(axis=1, keepdims=True), flag, 0.0)
    return out
