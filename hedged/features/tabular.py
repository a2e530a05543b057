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
from hedged.features.scale import PIN_TOLERANCE, PINS, Scale, fresh_level, last_change, settled_now

HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # in prints
NAMED_VENUES = ("binance", "bybit", "okx", "hyperliquid", "deribit")
LOOKBACK_H = 60 * 24
"""Hours that features may look back; windows given to the model hold at least these."""

Named = Iterator[tuple[str, Array]]


def tabular(
    grid: HourlyGrid, points: Points, scale: Scale, nowcaster: Nowcaster = nowcast
) -> tuple[list[str], NDArray[np.float32]]:
    """Compute every feature at the points → names, float32 (n, features)."""
    shared = _Shared(grid, nowcaster)
    names: list[str] = []
    columns: list[Array] = []
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for family in FAMILIES:
            for name, column in family(grid, points, scale, shared):
                names.append(name)
                columns.append(np.where(np.isfinite(column), column, np.nan))
    return names, np.stack(columns, axis=1).astype(np.float32)


class _Shared:
    """Arrays (series, hours) that several families read."""

    def __init__(self, grid: HourlyGrid, nowcaster: Nowcaster) -> None:
        self.nowcaster = nowcaster
        self.level = fresh_level(grid)
        self.settled = settled_now(grid)
        self.ewm = ewm_of_prints(grid.level, self.settled, HALF_LIVES)
        self.rolling_level = Rolling(grid.level)
        self.symbol = codes([key.symbol for key in grid.keys])
        self.venue = codes([key.venue for key in grid.keys])
        with np.errstate(invalid="ignore", divide="ignore"):
            self.log_mark = np.log(np.where(grid.mark > 0, grid.mark, np.nan))
        # the usual change of each series at each hour, for comparisons across series
        change = np.abs(last_change(grid))
        everywhere = Points(
            np.repeat(np.arange(len(grid.keys)), len(grid.times_ms)),
            np.tile(np.arange(len(grid.times_ms)), len(grid.keys)),
        )
        s = Rolling(change).mean(everywhere, 720).reshape(change.shape) if change.size else change
        self.s = np.maximum(s, 1e-7)
        self.surprise = np.clip((self.level - self.ewm[4]) / self.s, -20, 20)
        self.change = np.clip(last_change(grid) / self.s, -20, 20)


def _own(grid: HourlyGrid, at: Points, scale: Scale, shared: _Shared) -> Named:
    """Return the series' own past."""
    last, s = scale.last, scale.s
    interval = at.take(grid.interval_h)
    step = np.nan_to_num(np.maximum(interval, 1.0), nan=1.0).astype(np.int64)
    for k in range(1, 9):
        yield f"lag{k}", (at.take(grid.level, k * step) - last) / s
    for hours in (24, 168):
        yield f"lag{hours}h", (at.take(grid.level, hours) - last) / s
    for i, half_life in enumerate(HALF_LIVES):
        yield f"ewm{half_life:g}", (at.take(shared.ewm[i]) - last) / s
    for hours in (24, 72, 168, 720):
        yield f"mean{hours}h", (shared.rolling_level.mean(at, hours) - last) / s
    yield "seasonal", (_same_hour(grid, at, step) - last) / s
    square = Rolling(grid.level**2)
    for hours in (24, 168):
        variance = square.mean(at, hours) - shared.rolling_level.mean(at, hours) ** 2
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
    at_rest = np.min([np.abs(grid.level - pin) for pin in PINS], axis=0) < PIN_TOLERANCE
    rolled = Rolling(np.where(shared.settled, at_rest, np.nan))
    yield "pin_24h", rolled.mean(at, 24)
    yield "pin_168h", rolled.mean(at, 168)
    yield "interval", np.log2(interval)
    yield "phase", at.take(grid.since_h) / interval
    yield "estimate", np.clip((at.take(grid.field(Field.FUNDING_ESTIMATE)) - last) / s, -50, 50)


def _same_hour(grid: HourlyGrid, at: Points, step: NDArray[np.int64]) -> Array:
    """Return the mean rate of the last seven days at the hour of day of the coming settlement. (n,)."""
    ahead = np.minimum(step, 24)
    days = np.stack([at.take(grid.level, 24 * d - ahead) for d in range(1, 8)])
    known = ~np.isnan(days)
    total: Array = np.where(known, days, 0.0).sum(axis=0) / known.sum(axis=0)
    return total


def _clock(grid: HourlyGrid, at: Points, scale: Scale, shared: _Shared) -> Named:
    """Return where the hour stands in the day and the week."""
    hour = (grid.times_ms[at.cols] // HOUR_MS).astype(float)
    yield "hour_sin", np.sin(2 * np.pi * hour / 24)
    yield "hour_cos", np.cos(2 * np.pi * hour / 24)
    yield "hour_of_8", hour % 8
    yield "weekday", np.floor(hour / 24 + 3) % 7


def _cross(grid: HourlyGrid, at: Points, scale: Scale, shared: _Shared) -> Named:
    """Return the same coin on other venues: what they settled, how freshly, and how they moved."""
    last, s = scale.last, scale.s
    mean, others = others_mean(shared.level, shared.symbol)
    yield "others", at.take(others)
    yield "others_mean", (at.take(mean) - last) / s
    yield "others_mean_8h_ago", (at.take(mean, 8) - last) / s
    fresh = np.where(grid.since_h < 1.0, shared.level, np.nan)
    yield "others_fresh", (at.take(others_mean(fresh, shared.symbol)[0]) - last) / s
    smooth = others_mean(shared.ewm[3], shared.symbol)[0]
    yield "others_ewm", (at.take(smooth) - last) / s
    yield "others_surprise", at.take(others_mean(shared.surprise, shared.symbol)[0])
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


def _market(grid: HourlyGrid, at: Points, scale: Scale, shared: _Shared) -> Named:
    """Return the whole market: how far all coins stand from their habit, here and elsewhere."""
    yield "surprise", at.take(shared.surprise)
    yield "venue_surprise", at.take(group_mean(shared.surprise, shared.venue))
    yield "venue_change", at.take(group_mean(shared.change, shared.venue))
    everyone = np.zeros(len(grid.keys), dtype=np.int64)
    hourly = grid.interval_h <= 1.0
    for name, which in (("hourly", hourly), ("slow", ~hourly)):
        mean = group_mean(np.where(which, shared.surprise, np.nan), everyone)
        yield f"{name}_surprise", at.take(mean)
        yield f"{name}_surprise_8h_ago", at.take(mean, 8)
    excess = np.clip(shared.level / 1.25e-5, -20, 20)
    yield "market_level", at.take(group_mean(excess, everyone))
    for coin in ("BTC", "ETH"):
        these = np.array([key.symbol == coin for key in grid.keys])
        mean = group_mean(np.where(these[:, None], shared.surprise, np.nan), everyone)
        yield f"{coin.lower()}_surprise", at.take(mean)


def _price(grid: HourlyGrid, at: Points, scale: Scale, shared: _Shared) -> Named:
    """Return price moves, the premium, and the price against the same coin elsewhere."""
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


def _activity(grid: HourlyGrid, at: Points, scale: Scale, shared: _Shared) -> Named:
    """Return volume, open interest, depth, positioning and liquidations against their own past."""
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


def _nowcast(grid: HourlyGrid, at: Points, scale: Scale, shared: _Shared) -> Named:
    """Return what the running interval shows of the settlement that ends it."""
    return nowcast_features(shared.nowcaster(grid, at), scale)


FAMILIES: tuple[Callable[[HourlyGrid, Points, Scale, _Shared], Named], ...] = (
    _own, _clock, _cross, _market, _price, _activity, _nowcast,
)  # fmt: skip
