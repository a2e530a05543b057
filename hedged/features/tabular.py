"""The tabular features of a forecast: what is known of a series, its venue, its coin and the market at one hour.

Rates are differences from the series' last settled rate in units of s (`scale.py`), unless their name says otherwise.
Every feature reads the past only; unknown is NaN, which trees take as it is and networks see as 0 beside a mask.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.features.nowcast import Nowcaster, nowcast, nowcast_features
from hedged.features.points import Array, Points, Rolling, codes, ewm_of_prints, group_mean, others_mean
from hedged.features.resample import HourlyGrid
from hedged.features.scale import (
    MIN_SCALE,
    PIN_TOLERANCE,
    PINS,
    WINDOW_H,
    Scale,
    fresh_level,
    last_change,
    lately,
    settled_now,
)

HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # in prints
NAMED_VENUES = ("binance", "bybit", "okx", "hyperliquid", "deribit")
LOOKBACK_H = 60 * 24
"""Hours that features may look back; windows given to the model hold at least these."""

FAR_H, NEAR_H, NOW_H = WINDOW_H + 24, 8 * 24, 8
"""Hours that features look back: a month, the week before each hour of the last day, and what stood 8 hours ago."""

Named = Iterator[tuple[str, Array]]


def tabular(
    grid: HourlyGrid, points: Points, scale: Scale, nowcaster: Nowcaster = nowcast
) -> tuple[list[str], NDArray[np.float32]]:
    """Compute every feature at the points → names, float32 (n, features)."""
    shared = _Shared(grid, points)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        named = [pair for family in FAMILIES for pair in family(shared, scale)]
    named += nowcast_features(nowcaster(grid, points), scale)
    columns = np.stack([np.asarray(column, np.float64) for _, column in named], axis=1)
    return [name for name, _ in named], np.where(np.isfinite(columns), columns, np.nan).astype(np.float32)


class _Shared:
    """What several families read: ends of the grid with the points in them, and arrays (series, hours) of these ends.

    `far` holds a month, `near` a week, `now` the last eight hours: what a feature does not read is not computed.
    """

    def __init__(self, grid: HourlyGrid, points: Points) -> None:
        self.far, self.near, self.now = (lately(grid, points, hours) for hours in (FAR_H, NEAR_H, NOW_H))
        self.symbol = codes([key.symbol for key in grid.keys])
        self.venue = codes([key.venue for key in grid.keys])
        near, now = self.near[0], self.now[0]
        self.level = fresh_level(near)
        self.settled = settled_now(near)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.log_mark = np.log(np.where(near.mark > 0, near.mark, np.nan))
        hours = len(now.times_ms)
        self.ewm = ewm_of_prints(grid.level, settled_now(grid), HALF_LIVES, hours)
        self.level_now = fresh_level(now)
        # the usual change of each series at each hour, for comparisons across series
        change = last_change(self.far[0])
        cols = np.arange(change.shape[1] - hours, change.shape[1])
        everywhere = Points(np.repeat(np.arange(len(grid.keys)), hours), np.tile(cols, len(grid.keys)))
        s = np.maximum(Rolling(np.abs(change)).mean(everywhere, WINDOW_H).reshape(-1, hours), MIN_SCALE)
        self.surprise = np.clip((self.level_now - self.ewm[4]) / s, -20, 20)
        self.change = np.clip(change[:, cols] / s, -20, 20)


def _own(shared: _Shared, scale: Scale) -> Named:
    """Return the series' own past."""
    grid, at = shared.far
    near, now = shared.near[1], shared.now[1]
    last, s = scale.last, scale.s
    interval = at.take(grid.interval_h)
    step = np.nan_to_num(np.maximum(interval, 1.0), nan=1.0).astype(np.int64)
    for k in range(1, 9):
        yield f"lag{k}", (at.take(grid.level, k * step) - last) / s
    for hours in (24, 168):
        yield f"lag{hours}h", (at.take(grid.level, hours) - last) / s
    for i, half_life in enumerate(HALF_LIVES):
        yield f"ewm{half_life:g}", (now.take(shared.ewm[i]) - last) / s
    level = Rolling(grid.level)
    for hours in (24, 72, 168, 720):
        yield f"mean{hours}h", (level.mean(at, hours) - last) / s
    yield "seasonal", (_same_hour(grid, at, step) - last) / s
    square = Rolling(grid.level**2)
    for hours in (24, 168):
        variance = square.mean(at, hours) - level.mean(at, hours) ** 2
        yield f"sd{hours}h", np.sqrt(np.maximum(variance, 0.0)) / s
    change = Rolling(np.abs(last_change(grid)))
    yield "s_log", np.log(s / 1e-6)
    yield "s_24h", np.log((change.mean(at, 24) + 1e-8) / s)
    yield "s_168h", np.log((change.mean(at, 168) + 1e-8) / s)
    yield "level", np.arcsinh(last / s)
    yield "level_abs", np.arcsinh(last / 1.25e-5)
    yield "pin_share", scale.pin_share
    yield "pin_distance", np.clip((scale.pin - last) / s, -50, 50)
    yield "at_pin", np.where(np.isnan(scale.pin), np.nan, np.abs(last - scale.pin) < PIN_TOLERANCE)
    at_rest = np.min([np.abs(shared.near[0].level - pin) for pin in PINS], axis=0) < PIN_TOLERANCE
    rolled = Rolling(np.where(shared.settled, at_rest, np.nan))
    yield "pin_24h", rolled.mean(near, 24)
    yield "pin_168h", rolled.mean(near, 168)
    yield "interval", np.log2(interval)
    yield "phase", at.take(grid.since_h) / interval
    yield "estimate", np.clip((now.take(shared.now[0].field(Field.FUNDING_ESTIMATE)) - last) / s, -50, 50)


def _same_hour(grid: HourlyGrid, at: Points, step: NDArray[np.int64]) -> Array:
    """Return the mean rate of the last seven days at the hour of day of the coming settlement. (n,)."""
    ahead = np.minimum(step, 24)
    days = np.stack([at.take(grid.level, 24 * d - ahead) for d in range(1, 8)])
    known = ~np.isnan(days)
    total: Array = np.where(known, days, 0.0).sum(axis=0) / known.sum(axis=0)
    return total


def _clock(shared: _Shared, scale: Scale) -> Named:
    """Return where the hour stands in the day and the week."""
    grid, at = shared.near
    hour = (grid.times_ms[at.cols] // HOUR_MS).astype(float)
    yield "hour_sin", np.sin(2 * np.pi * hour / 24)
    yield "hour_cos", np.cos(2 * np.pi * hour / 24)
    yield "hour_of_8", hour % 8
    yield "weekday", np.floor(hour / 24 + 3) % 7


def _cross(shared: _Shared, scale: Scale) -> Named:
    """Return the same coin on other venues: what they settled, how freshly, and how they moved."""
    grid, at = shared.near
    last, s = scale.last, scale.s
    mean, others = others_mean(shared.level, shared.symbol)
    yield "others", at.take(others)
    yield "others_mean", (at.take(mean) - last) / s
    yield "others_mean_8h_ago", (at.take(mean, 8) - last) / s
    fresh = np.where(grid.since_h < 1.0, shared.level, np.nan)
    yield "others_fresh", (at.take(others_mean(fresh, shared.symbol)[0]) - last) / s
    smooth = others_mean(shared.ewm[3], shared.symbol)[0]
    now = shared.now[1]
    yield "others_ewm", (now.take(smooth) - last) / s
    yield "others_surprise", now.take(others_mean(shared.surprise, shared.symbol)[0])
    hourly = np.where(grid.interval_h <= 1.0, shared.level, np.nan)
    hourly_mean = others_mean(hourly, shared.symbol)[0]
    rolled = Rolling(hourly_mean)
    for hours in (1, 4, 8, 24):
        yield f"hourly_{hours}h", (rolled.mean(at, hours) - last) / s
    since = np.nan_to_num(at.take(grid.since_h), nan=0.0).astype(np.int64)
    yield "hourly_accrued", (rolled.mean(at, since) - last) / s
    for venue in NAMED_VENUES:
        here = np.array([key.venue == venue for key in grid.keys])
        theirs = group_mean(np.where(here[:, None], shared.level, np.nan), shared.symbol)
        theirs[here] = np.nan
        yield f"at_{venue}", (at.take(theirs) - last) / s


def _market(shared: _Shared, scale: Scale) -> Named:
    """Return the whole market: how far all coins stand from their habit, here and elsewhere."""
    grid, at = shared.now
    yield "surprise", at.take(shared.surprise)
    yield "venue_surprise", at.take(group_mean(shared.surprise, shared.venue))
    yield "venue_change", at.take(group_mean(shared.change, shared.venue))
    everyone = np.zeros(len(grid.keys), dtype=np.int64)
    hourly = grid.interval_h <= 1.0
    for name, which in (("hourly", hourly), ("slow", ~hourly)):
        mean = group_mean(np.where(which, shared.surprise, np.nan), everyone)
        yield f"{name}_surprise", at.take(mean)
        yield f"{name}_surprise_8h_ago", at.take(mean, 8)
    excess = np.clip(shared.level_now / 1.25e-5, -20, 20)
    yield "market_level", at.take(group_mean(excess, everyone))
    for coin in ("BTC", "ETH"):
        these = np.array([key.symbol == coin for key in grid.keys])
        mean = group_mean(np.where(these[:, None], shared.surprise, np.nan), everyone)
        yield f"{coin.lower()}_surprise", at.take(mean)


def _price(shared: _Shared, scale: Scale) -> Named:
    """Return price moves, the premium, and the price against the same coin elsewhere."""
    grid, at = shared.near
    log_mark = shared.log_mark
    now = at.take(log_mark)
    for hours in (1, 4, 8, 24, 72, 168):
        yield f"return_{hours}h", now - at.take(log_mark, hours)
    moves = np.concatenate((np.full((len(grid.keys), 1), np.nan), np.diff(log_mark, axis=1)), axis=1)
    square = Rolling(moves**2)
    for hours in (24, 168):
        yield f"volatility_{hours}h", np.sqrt(square.mean(at, hours))
    btc = [i for i, key in enumerate(grid.keys) if key.symbol == "BTC"]
    of_btc = (
        group_mean(log_mark[btc], np.zeros(len(btc), np.int64))[:1]
        if btc
        else np.full((1, log_mark.shape[1]), np.nan)
    )
    leader = Points(np.zeros_like(at.rows), at.cols)
    for hours in (1, 8, 24):
        yield f"btc_return_{hours}h", leader.take(of_btc) - leader.take(of_btc, hours)
    elsewhere = others_mean(log_mark, shared.symbol)[0]
    gap = log_mark - elsewhere
    gap[gap == 0.0] = np.nan  # the very same source
    usual = Rolling(gap)
    yield "gap", np.clip((at.take(gap) - usual.mean(at, 168)) / 8 / scale.s, -50, 50)
    yield "gap_8h", np.clip((usual.mean(at, 8) - usual.mean(at, 168)) / 8 / scale.s, -50, 50)
    premium = grid.field(Field.PREMIUM)
    basis = grid.field(Field.BASIS)
    for name, x in (
        ("premium", premium),
        ("basis", basis),
        ("others_premium", others_mean(premium, shared.symbol)[0]),
        ("others_basis", others_mean(basis, shared.symbol)[0]),
    ):
        rolled = Rolling(x)
        for hours in (1, 8, 24):
            yield f"{name}_{hours}h", np.clip((rolled.mean(at, hours) / 8 - scale.last) / scale.s, -100, 100)


def _activity(shared: _Shared, scale: Scale) -> Named:
    """Return volume, open interest, depth, positioning and liquidations against their own past."""
    grid, at = shared.near
    volume = Rolling(grid.field(Field.VOLUME))
    for hours in (8, 24):
        yield f"volume_{hours}h", np.log(volume.mean(at, hours) / volume.mean(at, 168))
    interest = grid.field(Field.OPEN_INTEREST)
    log_interest = np.log(np.where(interest > 0, interest, np.nan))
    for hours in (1, 8, 24, 168):
        yield f"oi_{hours}h", at.take(log_interest) - at.take(log_interest, hours)
    elsewhere = others_mean(log_interest - _lagged(log_interest, 24), shared.symbol)[0]
    yield "others_oi_24h", at.take(elsewhere)
    depth = Rolling(grid.field(Field.BID_DEPTH_USD) + grid.field(Field.ASK_DEPTH_USD))
    yield "depth", np.log(depth.mean(at, 1) / depth.mean(at, 168))
    yield "imbalance", _imbalance(grid, at)
    yield "long_short", np.log(at.take(grid.field(Field.LONG_SHORT_RATIO)))
    forced = Rolling(grid.field(Field.LIQUIDATIONS_USD))
    yield "liquidations", np.log1p(forced.mean(at, 24)) - np.log1p(forced.mean(at, 168))


def _moods(shared: _Shared, scale: Scale) -> Named:
    """Return what is told daily, against its own last month."""
    grid, at = shared.far
    for name, field in (
        ("wallets", Field.WALLET_CONCENTRATION),
        ("sentiment", Field.SENTIMENT),
        ("macro", Field.MACRO),
    ):
        yield name, _deviation(grid.field(field), at)


def _imbalance(grid: HourlyGrid, at: Points) -> Array:
    bid, ask = at.take(grid.field(Field.BID_DEPTH_USD)), at.take(grid.field(Field.ASK_DEPTH_USD))
    return (bid - ask) / (bid + ask)


def _deviation(x: Array, at: Points) -> Array:
    """Return how far x stands from its mean of 30 days, in its standard deviations."""
    mean, square = Rolling(x), Rolling(x**2)
    centre = mean.mean(at, 720)
    sd = np.sqrt(np.maximum(square.mean(at, 720) - centre**2, 0.0))
    return np.where(sd > 1e-9, np.clip((at.take(x) - centre) / np.maximum(sd, 1e-9), -10, 10), np.nan)


def _lagged(x: Array, hours: int) -> Array:
    out = np.full_like(x, np.nan)
    out[:, hours:] = x[:, :-hours] if hours < x.shape[1] else out[:, hours:]
    return out


FAMILIES: tuple[Callable[[_Shared, Scale], Named], ...] = (
    _own, _clock, _cross, _market, _price, _activity, _moods,
)  # fmt: skip
