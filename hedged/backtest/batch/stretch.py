"""Bars ahead while nothing is traded: what the stops, the margin and the limits on losses would see, all at once.

While quantities stand still every value is a sum over prices and prints, so the bars after a trade are valued together.
The first bar at which anything could be triggered, or cannot be valued, is left to the daemon's own functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from hedged.backtest.batch.bars import Floats, Instants
from hedged.backtest.batch.desk import BatchDesk
from hedged.backtest.batch.legs import Flags
from hedged.backtest.batch.seen import Seen
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.risk.pnl import REMEMBERED_DAYS, HedgePnl
from hedged.risk.stop import Episode, offset, value

NEARLY = 0.98
"""Share of a limit on losses from which on bars are decided one by one."""
AHEAD = 96
FAR = 0.05
"""Distance from liquidation, at the worst prices of a bar, below which bars are decided one by one."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars from `first` on, as many as `alert` has: something may be triggered; `collateral` (venues, bars);
    `price_usd`, `funding_usd` (bars,): of all hedges since then. `held`: rows of what is held, `coins` signed.
    """

    first: int
    alert: Flags
    collateral: Floats
    price_usd: Floats
    funding_usd: Floats
    held: Instants
    coins: Floats


def ahead(
    desk: BatchDesk, seen: Seen, row: Mapping[SeriesKey, int], paid: Floats, swung: Floats, first: int
) -> Stretch:
    """Look ahead from bar `first`. `paid`, `swung`: (series, bars), Σ rate × price of the settlements since the bar
    before, and how far the price was from its mark within the bar, as a share of it.
    """
    held = {key: q for key, q in desk.account.attributed.items() if q}
    rows = np.array([row[key] for key in held], dtype=np.int64)
    here = np.array([row[SeriesKey(INJECTIVE, key.symbol)] for key in held], dtype=np.int64)
    coins = np.array([float(q) for q in held.values()])
    bars = slice(first, min(first + AHEAD, len(seen.times_ms)))
    marks, near = seen.mark[rows, bars], seen.mark[here, bars]
    flows = -coins[:, None] * np.cumsum(paid[rows, bars], axis=1)
    alert = _unvalued(desk, seen, rows, here, bars).any(axis=0)
    alert |= _stops(desk, list(held), coins, marks, near, flows)
    collateral, thin = _collateral(desk, list(held), coins, marks, flows, swung[rows, bars])
    base = np.array([_distance(desk.gate_facts.pnl, key) for key in held])
    price_usd = (coins[:, None] * (marks - near - base[:, None])).sum(axis=0)
    funding_usd = flows.sum(axis=0)
    alert |= thin | _losses(desk, seen.times_ms[bars], price_usd, funding_usd)
    return Stretch(first, alert, collateral, price_usd, funding_usd, rows, coins)


def passed(desk: BatchDesk, seen: Seen, row: Mapping[SeriesKey, int], stretch: Stretch, bars: int) -> None:
    """Take over the values of the last of so many bars that passed: stops and PnL go on from there."""
    if not bars or not len(stretch.held):
        return
    last, now_ms = stretch.first + bars - 1, int(seen.times_ms[stretch.first + bars - 1])
    held, owned = {key: q for key, q in desk.account.attributed.items() if q}, desk.account.own
    for symbol in sorted({key.symbol for key in held}):
        mine = {key.venue: float(q) for key, q in held.items() if key.symbol == symbol}
        marks = {venue: float(seen.mark[row[SeriesKey(venue, symbol)], last]) for venue in (INJECTIVE, *mine)}
        own = float(owned.get(symbol, Decimal(0)))
        desk.stops.episodes[symbol] = value(desk.stops.episodes[symbol], own, mine, marks, now_ms)
    desk.gate_facts.pnl = _marked(desk.gate_facts.pnl, seen, row, stretch, bars, list(held))


def _marked(
    pnl: HedgePnl,
    seen: Seen,
    row: Mapping[SeriesKey, int],
    stretch: Stretch,
    bars: int,
    held: list[SeriesKey],
) -> HedgePnl:
    """Return the PnL at the last of the bars; the funding is added when it is told."""
    last = stretch.first + bars - 1
    prices, highs, before_usd = dict(pnl.prices), dict(pnl.highs), pnl.before_usd
    for key in held:
        here = seen.mark[row[SeriesKey(INJECTIVE, key.symbol)], last]
        prices[_name(key)] = float(seen.mark[row[key], last]) - float(here)
    days = seen.times_ms[stretch.first : last + 1] // DAY_MS
    total = pnl.total_usd + stretch.price_usd[:bars] + stretch.funding_usd[:bars]
    for day in np.unique(days).tolist():
        at = np.flatnonzero(days == day)
        if str(day) not in highs:
            price_usd = stretch.price_usd[at[0] - 1] if at[0] else 0.0
            before_usd = pnl.total_usd + float(price_usd) + float(stretch.funding_usd[at[0]])
        highs[str(day)] = max(highs.get(str(day), before_usd), float(total[at].max()))
    newest = int(days[-1])
    highs = {day: high for day, high in highs.items() if newest - int(day) < REMEMBERED_DAYS}
    gained = float(stretch.price_usd[bars - 1])
    return replace(pnl, price_usd=pnl.price_usd + gained, prices=prices, highs=highs, before_usd=before_usd)


def _name(key: SeriesKey) -> str:
    return f"{key} − {INJECTIVE}"


def _distance(pnl: HedgePnl, key: SeriesKey) -> float:
    return pnl.prices.get(_name(key), float("nan"))


def _unvalued(desk: BatchDesk, seen: Seen, rows: Instants, here: Instants, bars: slice) -> Flags:
    """Tell which positions cannot be valued at one instant: a price in doubt, stale, or older than the other one."""
    stale_ms = desk.config.cycle.stale_after_s * SECOND_MS
    known_ms, near_ms = seen.mark_ms[rows, bars], seen.mark_ms[here, bars]
    bad = seen.doubted[rows, bars] | seen.doubted[here, bars] | (known_ms != near_ms)
    bad |= np.isnan(seen.mark[rows, bars]) | np.isnan(seen.mark[here, bars])
    out: Flags = bad | (seen.times_ms[bars] - known_ms > stale_ms)
    return out


def _stops(
    desk: BatchDesk, held: list[SeriesKey], coins: Floats, marks: Floats, near: Floats, flows: Floats
) -> Flags:
    alert, owned = np.zeros(marks.shape[1], dtype=bool), desk.account.own
    for symbol in {key.symbol for key in held}:
        mine = [i for i, key in enumerate(held) if key.symbol == symbol]
        episode = desk.stops.episodes.get(symbol, Episode())
        at = {held[i].venue: float(coins[i]) for i in mine}
        if not {INJECTIVE, *at} <= set(episode.marks) or episode.unwinding:
            return np.ones_like(alert)
        far = [i for i in mine if held[i].venue != INJECTIVE]
        legs = sum(
            (coins[i] * (marks[i] - episode.marks[held[i].venue]) for i in far), np.zeros(marks.shape[1])
        )
        own = float(owned.get(symbol, Decimal(0)))
        exposed = at.get(INJECTIVE, 0.0) + offset(own, at)
        basis = episode.basis_pnl_usd + legs + exposed * (near[mine[0]] - episode.marks[INJECTIVE])
        received = episode.received_usd + sum((flows[i] for i in far), np.zeros(marks.shape[1]))
        saved = episode.saved_usd + sum((flows[i] for i in mine if i not in far), np.zeros(marks.shape[1]))
        allowance = max(0.0, episode.expected_usd) + np.maximum(0.0, saved)
        alert |= episode.costs_usd - basis - received > allowance - 1e-6
        if desk.config.risk.leg_stop:
            alert |= episode.costs_usd - episode.legs_pnl_usd - legs - received > allowance - 1e-6
    return alert


def _collateral(
    desk: BatchDesk, held: list[SeriesKey], coins: Floats, marks: Floats, flows: Floats, swung: Floats
) -> tuple[Floats, Flags]:
    """Return each venue's collateral, and where a leg is too near its liquidation, within the bar too.

    `swung`: the widest that a price was from its mark within the bar, as a share of it.
    """
    account, n = desk.account, marks.shape[1]
    thin, out = np.zeros(n, dtype=bool), []
    limit = float(desk.config.risk.margin_stop) * (1 + 1e-9)
    for venue in sorted(desk.config.hedge.venues):
        ledger = account.venues[venue].ledger
        usd = np.full(n, float(ledger.cash_usd))
        maintenance, reach, worst = np.zeros(n), np.zeros(n), np.zeros(n)
        for i, key in enumerate(held):
            if key.venue == venue:
                usd = usd + flows[i] + coins[i] * (marks[i] - float(ledger.holdings[key.symbol].entry_price))
                size, ratio = abs(coins[i]) * marks[i], float(desk.markets[key].maintenance_margin_ratio)
                maintenance, reach = maintenance + size * ratio, reach + size * (1 + ratio)
                worst = worst + size * swung[i]
        thin |= (reach > 0) & (usd - maintenance - worst * (1 + FAR) < max(limit, FAR) * reach)
        out.append(usd)
    return np.array(out).reshape(len(out), n), thin


def _losses(desk: BatchDesk, times_ms: Instants, price_usd: Floats, funding_usd: Floats) -> Flags:
    """Tell where a limit on losses is nearly reached."""
    pnl, limits = desk.gate_facts.pnl, desk.gate_facts.limits
    total = pnl.total_usd + price_usd + funding_usd
    high = np.maximum.accumulate(np.maximum(total, max(pnl.highs.values(), default=pnl.total_usd)))
    days = times_ms // DAY_MS
    began = np.searchsorted(days, days)  # first bar of each bar's day
    before = pnl.total_usd + np.where(began > 0, price_usd[began - 1], 0.0) + funding_usd[began]
    if len(days) and str(int(days[0])) in pnl.highs:
        before = np.where(began > 0, before, pnl.before_usd)
    share = NEARLY * float(desk.gate_facts.equity_usd)
    out: Flags = before - total > share * float(limits.max_daily_loss)
    return out | (high - total > share * float(limits.max_drawdown))
