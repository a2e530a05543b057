"""What settled, hour by hour, at the own venue and at hedge venues: arrays on one axis of hours known of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.prices import prices_at
from hedged.adapters.replay.proxy import Proxy, ProxyRule, stand_in
from hedged.adapters.replay.series import SeriesData, series_of
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.errors import DataError
from hedged.domain.market import INJECTIVE, SeriesKey

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STAND_IN = "hyperliquid"
LEAD_H = 30 * 24
"""Hours before the window from which the first decisions know prices and rates, as many as `features.moments` reads."""
MAX_GAP_H = 24
"""Across a longer hole nothing is held: what is there is closed before it, and a new stretch begins after it."""


@dataclass(frozen=True, slots=True)
class HedgeHistory:
    """One symbol. The own venue comes first in `keys`; `series` are theirs, the own one as the proxy rule makes it, and
    `told_by` is whose forecasts stand for each (the stand-in for Injective).

    `ts_ms` (hours,): ends of the hours in which every venue's funding is known, ascending. `paid` (venues, hours): what
    longs paid for the hour's settlement, fraction of notional; 0 where nothing settles in that hour. `level` (venues,
    hours): the last settled rate per hour. `log_price` (venues, hours), NaN unknown. `stretches`: first and one behind
    the last place of each stretch of the window without a long hole; the hours before them only teach. `left_out_h`:
    hours of the window that are not on the axis.

    `price_ratio` (venues, hours): where positions are constant in coins, by what their USD at the own venue's first
    price are to be multiplied to be those of the hour; `paid` is then a fraction of the notional at that first price.
    None: positions are constant in USD.
    """

    keys: tuple[SeriesKey, ...]
    told_by: tuple[SeriesKey, ...]
    series: Mapping[SeriesKey, SeriesData]
    ts_ms: Ints
    paid: Floats
    level: Floats
    log_price: Floats
    stretches: tuple[tuple[int, int], ...]
    left_out_h: int
    price_ratio: Floats | None = None

    @property
    def ratio(self) -> Floats:
        """What USD of a position have become by each hour. (hours, venues)."""
        return np.ones_like(self.paid.T) if self.price_ratio is None else self.price_ratio.T

    @property
    def walked(self) -> NDArray[np.bool_]:
        """Which hours belong to the window. (hours,)."""
        inside = np.zeros(len(self.ts_ms), bool)
        for first, end in self.stretches:
            inside[first:end] = True
        return inside

    @property
    def decided_ms(self) -> Ints:
        """When the decision after each hour falls: a minute later, as some prints come a few ms late. (hours,)."""
        return self.ts_ms + MINUTE_MS


def load_history(
    directory: Path,
    symbol: str,
    own: str,
    venues: Sequence[str],
    rule: ProxyRule | None,
    from_ms: int,
    to_ms: int,
) -> HedgeHistory:
    """Read a data directory. `rule`: how Hyperliquid stands in, where the own venue is Injective.

    Raises DataError where a venue has nothing of the symbol or no hour of the window is known of all.
    """
    tables = load_tables(directory, [symbol])
    raw = series_of(tables)
    series = dict(raw)
    if rule is not None:
        series |= {
            k: v
            for k, v in series_of(stand_in(tables, Proxy(STAND_IN, rule))).items()
            if k.venue == INJECTIVE
        }
    keys = tuple(SeriesKey(venue, symbol) for venue in (own, *venues))
    told_by = tuple(SeriesKey(STAND_IN, symbol) if rule and k.venue == INJECTIVE else k for k in keys)
    missing = [key for key in keys if key not in series or not len(series[key].funding_ts)]
    if missing:
        raise DataError(f"{directory} has no funding of {', '.join(map(str, missing))}")
    return history_of(
        {**{k: series[k] for k in keys}, **{k: raw[k] for k in told_by}}, keys, told_by, from_ms, to_ms
    )


def history_of(
    series: Mapping[SeriesKey, SeriesData],
    keys: tuple[SeriesKey, ...],
    told_by: tuple[SeriesKey, ...],
    from_ms: int,
    to_ms: int,
) -> HedgeHistory:
    """Lay series on the hours of [from_ms, to_ms), and of LEAD_H before, at which every one of `keys` is known."""
    begin = -(-from_ms // HOUR_MS)
    hours = np.arange(begin - LEAD_H, -(-to_ms // HOUR_MS), dtype=np.int64)
    laid = [paid_by_hour(series[key], hours) for key in keys]
    paid, level = (np.stack(parts) for parts in zip(*laid, strict=True))
    known = ~np.isnan(paid).any(axis=0) & ~np.isnan(level).any(axis=0)
    if not known[LEAD_H:].any():
        raise DataError(f"no hour of the window is known of all of {', '.join(map(str, keys))}")
    kept = hours[known]
    ts_ms = kept * HOUR_MS
    with np.errstate(divide="ignore"):
        prices = np.stack([np.log(prices_at(series, key, ts_ms).price) for key in keys])
    first = int(np.searchsorted(kept, begin))
    cuts = np.flatnonzero(np.diff(kept[first:]) > MAX_GAP_H) + first + 1
    edges = [first, *cuts.tolist(), len(kept)]
    return HedgeHistory(
        keys, told_by, series, ts_ms, paid[:, known], level[:, known], prices,
        tuple(pairwise(edges)), int((~known[LEAD_H:]).sum()),
    )  # fmt: skip


def paid_by_hour(data: SeriesData, hours: Ints) -> tuple[Floats, Floats]:
    """Return what was paid in each hour (0: no settlement in it, NaN: unknown) and the last settled rate per hour.

    hours: ends of hours, since the epoch, consecutive. An hour is known where the interval of a print covers it. A
    print counts in the hour that it is nearest to: some come a few ms late.
    """
    at = (data.funding_ts + HOUR_MS // 2) // HOUR_MS
    paid, level = np.full(len(hours), np.nan), np.full(len(hours), np.nan)
    if not len(at) or not len(hours):
        return paid, level
    following = np.searchsorted(at, hours, side="left")
    there = np.minimum(following, len(at) - 1)
    covered = (following < len(at)) & (hours > at[there] - data.funding_hours[there])
    paid[covered] = 0.0
    settles = covered & (at[there] == hours)
    paid[settles] = data.funding_rate[there[settles]]
    last = np.searchsorted(at, hours, side="right") - 1
    level[last >= 0] = (data.funding_rate / data.funding_hours)[last[last >= 0]]
    return paid, level
