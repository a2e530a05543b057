"""Tabular features of what others settled: the same coin on other venues, the venue, the whole market."""

import numpy as np

from hedged.features.points import Rolling, group_mean, others_mean
from hedged.features.scale import Scale
from hedged.features.tabular_shared import Named, Shared

NAMED_VENUES = ("binance", "bybit", "okx", "hyperliquid", "deribit")


def cross(shared: Shared, scale: Scale) -> Named:
    """Return the same coin on other venues: what they settled, how freshly, and how they moved."""
    grid, at = shared.now
    level, last, s = shared.level_now, scale.last, scale.s
    mean, others = others_mean(level, shared.symbol)
    yield "others", at.take(others)
    yield "others_mean", (at.take(mean) - last) / s
    yield "others_mean_8h_ago", (at.take(mean, 8) - last) / s
    fresh = np.where(grid.since_h < 1.0, level, np.nan)
    yield "others_fresh", (at.take(others_mean(fresh, shared.symbol)[0]) - last) / s
    yield "others_ewm", (at.take(others_mean(shared.ewm[3], shared.symbol)[0]) - last) / s
    yield "others_surprise", at.take(others_mean(shared.surprise, shared.symbol)[0])
    week, at_week = shared.near
    hourly = np.where(week.interval_h <= 1.0, shared.level, np.nan)
    rolled = Rolling(others_mean(hourly, shared.symbol)[0])
    for hours in (1, 4, 8, 24):
        yield f"hourly_{hours}h", (rolled.mean(at_week, hours) - last) / s
    since = np.nan_to_num(at.take(grid.since_h), nan=0.0).astype(np.int64)
    yield "hourly_accrued", (rolled.mean(at_week, since) - last) / s
    for venue in NAMED_VENUES:
        here = np.array([key.venue == venue for key in grid.keys])
        theirs = group_mean(np.where(here[:, None], level, np.nan), shared.symbol)
        theirs[here] = np.nan
        yield f"at_{venue}", (at.take(theirs) - last) / s


def market(shared: Shared, scale: Scale) -> Named:
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
