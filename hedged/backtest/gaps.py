"""Where the recording falls silent within a run: stated, never filled."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from decimal import Decimal

import numpy as np

from hedged.adapters.replay.prices import PriceSource, prices_at
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.domain.clock import HOUR_MS, iso
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which `table` says nothing of a series. `from_`/`to` ISO UTC."""

    venue: str
    symbol: str
    table: str
    from_: str
    to: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Turn into a plain tree with the key `from`."""
        tree = asdict(self)
        return {"from" if key == "from_" else key: value for key, value in tree.items()}


def find_gaps(world: World, keys: Iterable[SeriesKey], window: Window) -> list[Gap]:
    """List missing funding prints and hours without any price, by series, within the window."""
    gaps: list[Gap] = []
    for key in keys:
        gaps += _funding_gaps(world, key, window) + _price_gaps(world, key, window)
    return gaps


def held_in(gaps: Iterable[Gap], fills: Iterable[Fill]) -> list[Gap]:
    """Return the gaps, those of a hedge market's funding with what was held in it at most: its funding is not known, so
    that the run was paid or charged nothing for it.
    """
    by_market: dict[SeriesKey, list[tuple[str, Decimal]]] = {}
    for fill in fills:
        told = iso(fill.execution.ts_ms), fill.execution.signed_quantity
        by_market.setdefault(fill.key, []).append(told)
    return [_with_held(gap, by_market.get(SeriesKey(gap.venue, gap.symbol), [])) for gap in gaps]


def _with_held(gap: Gap, changes: list[tuple[str, Decimal]]) -> Gap:
    if gap.venue == INJECTIVE or gap.table != "funding":
        return gap
    held = most = sum((coins for at, coins in changes if at <= gap.from_), Decimal(0))
    for at, coins in changes:
        if gap.from_ < at < gap.to:
            held += coins
            most = max(most, held, key=abs)
    return replace(gap, detail=f"{gap.detail}; {most:+f} {gap.symbol} held in it, unpaid") if most else gap


def _funding_gaps(world: World, key: SeriesKey, window: Window) -> list[Gap]:
    data = world.series.get(key)
    if data is None or not len(data.funding_ts):
        return [Gap(*key, "funding", iso(window.from_ms), iso(window.to_ms), "none: not a hedge venue here")]
    before = data.funding_ts[data.funding_ts <= window.from_ms]
    inside = (data.funding_ts > window.from_ms) & (data.funding_ts < window.to_ms)
    times = np.concatenate((before[-1:], data.funding_ts[inside]))
    hours = np.concatenate((data.funding_hours[: len(before)][-1:], data.funding_hours[inside]))
    if not len(times):
        return [Gap(*key, "funding", iso(window.from_ms), iso(window.to_ms), "no funding in the window")]
    gaps = []
    if not len(before):
        first = int(times[0] - hours[0] * HOUR_MS)
        if first > window.from_ms:
            gaps.append(Gap(*key, "funding", iso(window.from_ms), iso(first), "nothing recorded before"))
    for i in range(1, len(times)):
        expected = times[i] - int(hours[i] * HOUR_MS)
        if times[i - 1] < expected:
            missing = (times[i] - times[i - 1]) / (hours[i] * HOUR_MS) - 1
            gaps.append(
                Gap(
                    *key,
                    "funding",
                    iso(int(times[i - 1])),
                    iso(int(times[i])),
                    f"about {missing:.0f} prints missing",
                )
            )
    due = int(times[-1] + hours[-1] * HOUR_MS)
    if due < window.to_ms:
        gaps.append(Gap(*key, "funding", iso(int(times[-1])), iso(window.to_ms), "nothing recorded after"))
    return gaps


def _price_gaps(world: World, key: SeriesKey, window: Window) -> list[Gap]:
    times = np.arange(window.from_ms, window.to_ms, HOUR_MS, dtype=np.int64)
    source = prices_at(world.series, key, times).source
    gaps = []
    for kind, detail in (
        (PriceSource.NONE, "no price"),
        (PriceSource.STALE_CANDLE, "last price older than its bar"),
    ):
        bad = source == kind
        if bad.any():
            at = np.flatnonzero(bad)
            gaps.append(
                Gap(
                    *key,
                    "ohlcv",
                    iso(int(times[at[0]])),
                    iso(int(times[at[-1]]) + HOUR_MS),
                    f"{detail} in {bad.sum()} hours",
                )
            )
    return gaps
