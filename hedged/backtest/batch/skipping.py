"""Bars at which nothing can change are passed over; the others are cycles like any.

A bar is passed over when no leg of any coin pays more than it costs and nothing is held, or when stops, margin and
limits on losses are silent (`stretch`) and the planner's programme leaves everything as it is (`quick`).
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hedged.backtest.batch.bars import Floats, Instants
from hedged.backtest.batch.cycle import BatchCycle
from hedged.backtest.batch.kinked import Minimiser
from hedged.backtest.batch.law_arrays import Drawn, LawArrays
from hedged.backtest.batch.legs import OPPOSITE, Flags, LegTable
from hedged.backtest.batch.movements import Movements
from hedged.backtest.batch.quick import Bar, changes
from hedged.backtest.batch.record import Record
from hedged.backtest.batch.seen import Seen
from hedged.backtest.batch.settled import settled
from hedged.backtest.batch.source import Prints
from hedged.backtest.batch.stated import BarsAhead
from hedged.backtest.batch.stretch import NEARLY, Stretch, ahead, passed
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.risk.forecast_record import HIGH, LOW

FEW, MANY = 6, 24
"""Bars ahead that are looked at together: few after a trade, ever more while nothing happens."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Of one chunk, by series and bar: `means` and `usual` with one more row of nothing, `shut`: nothing may be opened;
    `usable`, `open_`, `may_pay` (legs, bars): the prices and forecasts of a leg are known, it may be opened besides,
    and may pay; `hours` (bars,): rows of the laws; `paid`, `swung`: see `ahead`;
    `gone`: a price on Injective is not fresh, so its market may be closed.
    """

    seen: Seen
    movements: Movements
    means: Floats
    usual: Floats
    shut: Flags
    usable: Flags
    open_: Flags
    may_pay: Flags
    any_pays: Flags
    hours: Instants
    paid: Floats
    swung: Floats
    gone: Flags


class Skipping:
    """Plays chunk after chunk. `told` counts bars: `idle`, `sure` (held, and left as it is: told for
    many at once), `same` (told by the programme of the bar), `cycles`."""

    def __init__(self, cycle: BatchCycle, laws: LawArrays, every_ms: int, told: dict[str, int]) -> None:
        desk, config = cycle.desk, cycle.config
        self._cycle, self._every_ms, self._told = cycle, every_ms, told
        self._drawn = Drawn(laws, cycle.keys)
        self._laws_ms = laws.hours_ms
        self._steps = Minimiser(), Minimiser()
        self._table = LegTable.of(config, dict(desk.markets), dict(desk.account.own), cycle.equity)
        self._record = Record(cycle.keys, config.risk.max_miss_share)
        desk.gate_facts.record = self._record  # type: ignore[assignment]
        venues, row, symbols = sorted(config.hedge.venues), cycle.row, self._table.coins
        last = len(venues)
        self._venue_of = np.array(
            [venues.index(k.venue) if k.venue in venues else last for k in cycle.keys] + [last]
        )
        self._here_of = np.array(
            [row.get(SeriesKey(INJECTIVE, k.symbol), i) for i, k in enumerate(cycle.keys)]
        )
        self._number = {symbol: i for i, symbol in enumerate(symbols)}
        self._coin_of = np.array([self._number.get(key.symbol, 0) for key in cycle.keys])
        measured = [key.symbol for key in cycle.keys if key.venue == INJECTIVE]
        self._coin_sigma = np.array([measured.index(symbol) for symbol in symbols])
        self._coin_pairs = np.ix_(self._coin_sigma, self._coin_sigma)
        told |= dict.fromkeys(("idle", "sure", "same", "cycles"), 0)

    def play(self, seen: Seen, movements: Movements, on_bar: Callable[[int], None]) -> None:
        """Play the bars of a chunk."""
        chunk, times = self._chunk(seen, movements), seen.times_ms.tolist()
        due = {i for i, ms in enumerate(times) if ms % self._every_ms < self._cycle.bar_ms} | {0}
        bar = 0
        while bar < len(times):
            traded = self._run(chunk, bar, whole=bar in due)
            following = bar + 1 if traded and self._unsettled(times[bar]) else self._pass(chunk, bar + 1, due)
            for at_ms in times[bar:following]:
                on_bar(at_ms)
            bar = following

    def _run(self, chunk: _Chunk, bar: int, *, whole: bool) -> bool:
        """Run the cycle of a bar, of the coins that may change or of all; return whether anything was traded."""
        self._told["cycles"] += 1
        self._record.at = bar
        cycle, desk = self._cycle, self._cycle.desk
        if whole or not chunk.movements.sound[chunk.movements.hour_of[bar]]:
            return cycle.run(bar, chunk.seen, chunk.movements)
        coins = {self._table.coins[i] for i in self._table.coin[chunk.may_pay[:, bar]].tolist()}
        coins |= {key.symbol for key, q in desk.account.attributed.items() if q}
        lost, limits = desk.gate_facts.pnl.losses, desk.gate_facts.limits
        near = NEARLY * float(min(limits.max_daily_loss, limits.max_drawdown)) * float(cycle.equity)
        unsure = [k for i, k in enumerate(cycle.keys) if k.symbol in coins and chunk.shut[i, bar]]
        quiet = max(lost.day_usd, lost.drawdown_usd) < near
        return cycle.run(bar, chunk.seen, chunk.movements, coins, unsure if quiet else None)

    def _unsettled(self, now_ms: int) -> bool:
        """Tell whether a market settled while orders were on their way: the next cycle books that."""
        until_ms = self._cycle.desk.orders.clock.ms
        told = (prints.ts_ms for prints in self._prints().values())
        return any(bisect_right(ts_ms, now_ms) != bisect_right(ts_ms, until_ms) for ts_ms in told)

    def _prints(self) -> dict[SeriesKey, Prints]:
        sources = self._cycle.desk.account.sources.values()
        return {key: prints for source in sources for key, prints in source.prints.items()}

    def _pass(self, chunk: _Chunk, bar: int, due: set[int]) -> int:
        """Return the next bar, from `bar` on, that must be a cycle."""
        desk, first = self._cycle.desk, bar
        if bar >= len(chunk.seen.times_ms):
            return bar
        stretch = ahead(desk, chunk.seen, self._cycle.row, chunk.paid, chunk.swung, first)
        held = np.zeros(len(self._cycle.keys) + 1)
        held[stretch.held] = stretch.coins
        busy = np.zeros(len(self._table.coins), dtype=bool)
        busy[self._coin_of[stretch.held]] = True
        sure, until, together = np.zeros((2, len(chunk.seen.times_ms)), dtype=bool), bar, FEW
        while bar - first < len(stretch.alert) and bar not in due:
            if stretch.alert[bar - first] or chunk.gone[bar]:
                break
            if bar >= until and len(stretch.held):
                until = min(
                    bar + together,
                    first + len(stretch.alert),
                    min((d for d in due if d > bar), default=bar + together),
                )
                together = min(2 * together, MANY)
                sure[:, bar:until] = self._settled(chunk, np.arange(bar, until), stretch, held, busy)
            if sure[0, bar]:
                self._told["sure"] += 1
            elif sure[1, bar] or self._changes(chunk, bar, stretch, held, busy):
                break
            bar += 1
        passed(desk, chunk.seen, self._cycle.row, stretch, bar - first)
        return bar

    def _settled(self, chunk: _Chunk, bars: Instants, stretch: Stretch, held: Floats, busy: Flags) -> Flags:
        """Tell at which bars ahead the plan surely leaves what is held as it is, and at which surely not: (2, bars)."""
        table, movements = self._table, chunk.movements
        times_ms, hours = chunk.seen.times_ms[bars], movements.hour_of[bars]
        paused = np.stack([self._paused(ms) for ms in times_ms.tolist()])
        usable, pays = chunk.usable[:, bars].T, chunk.may_pay[:, bars].T
        coins = pays @ (table.coin[:, None] == np.arange(len(table.coins)))
        coins = busy | (coins & ~paused)
        lying = held[table.far] != 0
        sure: Flags = np.asarray(movements.sound[hours] & ~(lying & ~usable).any(axis=1), dtype=bool)
        bars, sure_at, out = bars[sure], np.flatnonzero(sure), np.zeros((2, len(bars)), dtype=bool)
        if not len(bars):
            return out
        in_ = (coins[:, table.coin] & usable)[sure]
        near = (table.kind != OPPOSITE) & np.isin(table.coin, np.flatnonzero(held[table.here] != 0))
        legs = np.flatnonzero(in_.any(axis=0) & (lying | near | (pays[sure] & in_).any(axis=0)))
        series = np.zeros(len(held), dtype=bool)
        series[table.earn[legs]] = series[table.pay[legs]] = True
        series[-1] = False
        hours, empty = hours[sure], np.zeros((len(bars), 1))
        ahead = BarsAhead(
            np.nan_to_num(chunk.seen.mark[table.here][:, bars].T, nan=1.0),
            movements.sigma[self._coin_sigma][:, hours].T,
            movements.correlation[hours][:, self._coin_sigma[:, None], self._coin_sigma],
            chunk.usual[:, bars].T, chunk.means[:, bars].T,
            np.concatenate((movements.basis[:, hours].T, empty), axis=1), held,
            stretch.collateral[:, bars - stretch.first].T, self._venue_of, paused[sure],
            chunk.open_[:, bars].T, in_, self._drawn.draws_of(chunk.hours[bars], np.flatnonzero(series)),
            np.cumsum(series) - 1,
        )  # fmt: skip
        out[:, sure_at] = settled(table, ahead, legs, self._steps)
        return out

    def _changes(self, chunk: _Chunk, bar: int, stretch: Stretch, held: Floats, busy: Flags) -> bool:
        """Tell whether a bar must be a cycle for what its plan may change."""
        if not len(stretch.held) and not chunk.any_pays[bar]:
            self._told["idle"] += 1
            return False
        table, movements = self._table, chunk.movements
        paused = self._paused(int(chunk.seen.times_ms[bar]))
        usable = chunk.usable[:, bar]
        coins = busy.copy()
        coins[table.coin[chunk.may_pay[:, bar]]] = True
        coins &= busy | ~paused
        if not coins.any():
            self._told["idle"] += 1
            return False
        hour = movements.hour_of[bar]
        lying = held[table.far] != 0
        if not movements.sound[hour] or (lying & ~usable).any():
            return True
        legs = np.flatnonzero(coins[table.coin] & usable)
        series = np.zeros(len(held), dtype=bool)
        series[table.earn[legs]] = series[table.pay[legs]] = True
        series[-1] = False
        rows = np.cumsum(series) - 1
        seen = Bar(
            chunk.seen.mark[table.here, bar], movements.sigma[self._coin_sigma, hour],
            movements.correlation[hour][self._coin_pairs], chunk.usual[:, bar], chunk.means[:, bar],
            np.append(movements.basis[:, hour], 0.0), held, stretch.collateral[:, bar - stretch.first],
            self._venue_of, paused, chunk.open_[:, bar],
        )  # fmt: skip
        draws = self._drawn.draws(int(chunk.hours[bar]), np.flatnonzero(series))
        if changes(table, seen, legs, draws, rows):
            return True
        self._told["same"] += 1
        return False

    def _paused(self, now_ms: int) -> Flags:
        """Tell which coins hold nothing and rest after a stop: whatever is planned for them is not done."""
        episodes = self._cycle.desk.stops.episodes
        paused = np.zeros(len(self._table.coins), dtype=bool)
        for symbol, episode in episodes.items():
            if now_ms < episode.stopped_until_ms and symbol in self._number:
                paused[self._number[symbol]] = True
        return paused

    def _chunk(self, seen: Seen, movements: Movements) -> _Chunk:
        table, times_ms, config = self._table, seen.times_ms, self._cycle.config
        hours = self._drawn.hours_of(times_ms)
        means = self._drawn.means(np.maximum(hours, 0))
        means[:, hours < 0] = np.nan
        forecast = ~np.isnan(means)
        bad = self._record.then(seen, *self._drawn.band(np.maximum(hours, 0), LOW, HIGH))
        old = times_ms - self._laws_ms[np.maximum(hours, 0)] > config.risk.max_forecast_age_s * SECOND_MS
        doubted = np.zeros_like(bad)
        if seen.doubts:
            for bar, ms in enumerate(times_ms.tolist()):
                for key in seen.doubts.get(ms, ()):
                    doubted[self._cycle.row[key], bar] = True
        speaks = bad | doubted | ~forecast
        shut = speaks | speaks[self._here_of] | old
        fresh = times_ms - seen.mark_ms <= config.cycle.stale_after_s * SECOND_MS
        usable = forecast & fresh & ~np.isnan(seen.mark)
        means, usual, usable, closed = (
            np.concatenate((x, np.full((1, len(times_ms)), fill, dtype=x.dtype)))
            for x, fill in ((means, 0), (movements.usual, 0), (usable, 1), (shut, 0))
        )
        sigma = movements.sigma[self._coin_sigma][:, movements.hour_of]
        near = table.here[table.coin]
        usable = usable[table.earn] & usable[table.pay] & usable[near]
        open_ = usable & ~closed[table.far]
        open_ &= (table.kind == OPPOSITE)[:, None] | ~closed[near]
        may_pay = table.may_pay(means, usual, sigma) & open_
        gone: Flags = np.asarray(~fresh[table.here].all(axis=0), dtype=bool)
        return _Chunk(
            seen,
            movements,
            means,
            usual,
            shut,
            usable,
            open_,
            may_pay,
            may_pay.any(axis=0),
            hours,
            self._paid(times_ms),
            self._swung(seen),
            gone,
        )

    def _paid(self, times_ms: Instants) -> Floats:
        """Return by series and bar the sum of rate × price of the settlements since the bar before."""
        out = np.zeros((len(self._cycle.keys), len(times_ms)))
        prints = self._prints()
        for i, key in enumerate(self._cycle.keys):
            told = prints[key]
            usd = np.array(told.rate) * np.array(told.price)
            at = np.searchsorted(times_ms, told.ts_ms, side="left")
            inside = (at < len(times_ms)) & (np.array(told.ts_ms) > times_ms[0] - self._cycle.bar_ms)
            np.add.at(out[i], at[inside], usd[inside])
        return out

    def _swung(self, seen: Seen) -> Floats:
        """Return how far the price was from its mark within each bar, as a share of it: (series, bars)."""
        out, times_ms = np.zeros(seen.mark.shape), seen.times_ms
        for i, key in enumerate(self._cycle.keys):
            data = self._cycle.desk.account.world.series[key]
            closes_ms = data.close.known_ms
            low, high = np.searchsorted(
                closes_ms, (times_ms[0] - self._cycle.bar_ms, times_ms[-1]), side="right"
            )
            at = np.searchsorted(times_ms, closes_ms[low:high], side="left")
            for extreme in (data.low[low:high], data.high[low:high]):
                np.maximum.at(out[i], at, np.nan_to_num(np.abs(extreme / seen.mark[i, at] - 1)))
        return out
