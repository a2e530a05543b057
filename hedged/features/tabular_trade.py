"""Tabular features of trading: prices and premium, volume, open interest, depth, positions, and what is told daily."""

import numpy as np

from hedged.domain.bars import Field
from hedged.features.points import Array, Points, Rolling, group_mean, others_mean
from hedged.features.resample import HourlyGrid
from hedged.features.scale import Scale
from hedged.features.tabular_shared import Named, Shared


def price(shared: Shared, scale: Scale) -> Named:
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


def activity(shared: Shared, scale: Scale) -> Named:
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


def moods(shared: Shared, scale: Scale) -> Named:
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
