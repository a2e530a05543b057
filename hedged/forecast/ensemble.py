"""The forecaster that serves: features → members → calibrated law → joint scenarios, without torch.

It remembers what its members said at every eighth hour of the last weeks, so that each day it learns anew from the
outcomes that have settled since: the members' weights, the bands' width, the probabilities' map, and the ranks of the
residuals that join the series. At a cold start this memory is made from the window it is given.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import ConfigError
from hedged.domain.forecast import LEVELS, Drivers, ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.nowcast_memory import NowcastMemory
from hedged.features.points import Points
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.features.samples import Samples, measured, samples_at
from hedged.features.scale import settled_now
from hedged.features.tabular import LOOKBACK_H
from hedged.features.targets import HORIZONS, targets_of
from hedged.forecast.adapt import Adaptation, prior_of
from hedged.forecast.artefact import Artefact
from hedged.forecast.attribution import attributed
from hedged.forecast.joint import MEMORY_DAYS, N_SCENARIOS, Misses, draws_of, ranks_of, remembered, together
from hedged.forecast.members import Members, Opinions
from hedged.forecast.spans import spans_of
from hedged.forecast.walk import Issued, Waiting, calibrated, issue, opinions_on

HORIZON_OF = {24: "m24h", 120: "m120h"}
FIRST_DAYS = 7
"""Days at a window's start from which nothing is remembered: s is not known yet."""
MEDIAN = len(LEVELS) // 2


@dataclass(frozen=True, slots=True)
class _Said:
    """What the members said at some hours; of the samples all but the inputs, which are asked once and weigh most."""

    samples: Samples
    opinions: Opinions


@dataclass(frozen=True, slots=True)
class _Law:
    """The forecast of one hour, rates per hour, of every series that has one: `quantiles` (series, horizons, levels),
    `p_up` (series, horizons), joint `draws` (series, horizons, N_SCENARIOS), `interval_h` (series,); `drivers` of each
    horizon, of the series on Injective.
    """

    keys: tuple[SeriesKey, ...] = ()
    quantiles: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, len(HORIZONS), len(LEVELS))))
    p_up: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, len(HORIZONS))))
    draws: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, len(HORIZONS), N_SCENARIOS)))
    interval_h: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    drivers: tuple[dict[SeriesKey, Drivers], ...] = tuple({} for _ in HORIZONS)


class EnsembleForecaster:
    """The trained ensemble behind the `Forecaster` port. Horizons: 24 and 120 hours."""

    def __init__(self, artefact: Artefact, threads: int | None = None) -> None:
        self.model_hash = artefact.hash
        self.feature_hash = FEATURE_HASH
        self._card = artefact.card
        self._members = Members(artefact, threads)
        self._forget(())

    def _forget(self, keys: tuple[SeriesKey, ...]) -> None:
        self._keys = keys
        self._said: list[_Said] = []
        self._nowcasts = NowcastMemory()
        self._heard_ms = 0  # hours up to here are in the memory
        self._day = -1
        self._adaptation = Adaptation(prior_of(self._card.prior), len(keys), width=self._card.width)
        self._errors = np.empty((0, len(keys), len(HORIZONS)))
        self._ranks: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        self._hour_ms = -1
        self._law = _Law()

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`.

        Raises ConfigError for a horizon that the model was not trained for.
        """
        if horizon_h not in HORIZON_OF:
            raise ConfigError(f"the ensemble forecasts 24 or 120 hours, not {horizon_h}: set hedge.horizon_h")
        hour_ms = int(grid.times_ms[-1]) if len(grid.times_ms) else -1
        if grid.keys != self._keys or hour_ms < self._hour_ms:
            self._forget(grid.keys)
        if hour_ms != self._hour_ms and hour_ms >= 0:
            self._remember(grid)
            if hour_ms // DAY_MS != self._day:
                self._learn(grid)
                self._day = hour_ms // DAY_MS
            self._law = self._say(grid)
            self._hour_ms = hour_ms
        return self._set(now_ms, horizon_h)

    def _remember(self, grid: HourlyGrid) -> None:
        """Ask the members about the remembered hours that are new in the grid."""
        from_ms = max(self._heard_ms, int(grid.times_ms[0]) + FIRST_DAYS * DAY_MS - 1)
        from_ms = max(from_ms, int(grid.times_ms[-1]) - MEMORY_DAYS * DAY_MS)
        wanted = (grid.times_ms > from_ms) & remembered(grid.times_ms)
        rows, cols = np.nonzero(settled_now(grid) & wanted)
        order = np.argsort(cols, kind="stable")
        self._heard_ms = int(grid.times_ms[-1])
        if (said := self._ask(grid, Points(rows[order], cols[order]))) is not None:
            none = slice(0)
            kept = replace(
                said.samples, tabular=said.samples.tabular[:, none], sequence=said.samples.sequence[:, none]
            )
            self._said.append(_Said(kept, said.opinions))
        oldest_ms = self._heard_ms - MEMORY_DAYS * DAY_MS
        self._said = [
            said if said.samples.origin_ms[0] > oldest_ms else _since(said, oldest_ms)
            for said in self._said
            if said.samples.origin_ms[-1] > oldest_ms
        ]

    def _ask(self, grid: HourlyGrid, at: Points) -> _Said | None:
        """Ask the members about those points that can be forecast; None where there is none."""
        if not len(at):
            return None
        at, scale = measured(grid, at)
        if not len(at):
            return None
        index = {key: i for i, key in enumerate(grid.keys)}
        samples = samples_at(grid, at, {}, index, 0, scale, self._nowcasts.nowcast)
        return _Said(samples, self._opinions(samples))

    def _opinions(self, samples: Samples) -> Opinions:
        return opinions_on(self._members, samples, *self._card.vocabulary.encode(samples.keys))

    def _learn(self, grid: HourlyGrid) -> None:
        """Go through the memory day by day and learn from all that has settled by now."""
        n = len(grid.keys)
        self._adaptation = Adaptation(prior_of(self._card.prior), n, width=self._card.width)
        waiting = Waiting()
        series = [_prints(grid, row) for row in range(n)]
        told: list[Issued] = []
        last_day = max((int(said.samples.origin_ms[-1]) // DAY_MS for said in self._said), default=0)
        begun = -1
        for said in self._said:
            samples = _with_targets(said.samples, series)
            days = samples.origin_ms // DAY_MS
            for day in np.unique(days):
                rows = np.flatnonzero(days == day)
                if (
                    day > begun
                ):  # a cold start hears many days at once, a running daemon one hour after another
                    begun = int(day)
                    waiting.teach(self._adaptation, begun * DAY_MS)
                    # of past days only laws are read here, not probabilities
                    self._adaptation.end_of_day(fit_maps=begun == last_day)
                opinions = Opinions(said.opinions.quantiles[:, rows])
                told.append(issue(self._adaptation, samples.pick(rows), opinions, waiting))
        now_ms = int(grid.times_ms[-1])
        waiting.teach(self._adaptation, now_ms)
        self._errors = _misses(told, n).settled(now_ms) if told else np.empty((0, n, len(HORIZONS)))
        self._ranks = None

    def _say(self, grid: HourlyGrid) -> _Law:
        last = len(grid.times_ms) - 1
        everyone = Points(np.arange(len(grid.keys)), np.full(len(grid.keys), min(last, LOOKBACK_H)))
        said = self._ask(grid.last(LOOKBACK_H + 1), everyone)
        if said is None:
            return _Law()
        issued, _, _ = calibrated(self._adaptation, said.samples, said.opinions)
        rates, p_up = issued.quantiles, issued.p_up
        known = np.isfinite(rates).all(axis=(1, 2)) & np.isfinite(p_up).all(axis=1)  # never a silent number
        here = said.samples.series[known]
        draws = draws_of(rates[known], self._ranks_of(here))
        shown = np.flatnonzero(
            known & np.array([grid.keys[i].venue == INJECTIVE for i in said.samples.series])
        )
        return _Law(
            tuple(grid.keys[i] for i in here), rates[known], p_up[known], draws, said.samples.interval_h[known],
            attributed(said.samples.pick(shown), self._rates),
        )  # fmt: skip

    def _rates(self, samples: Samples) -> NDArray[np.float64]:
        """Return the quantiles (n, horizons, levels) that would be issued for samples, rates per hour."""
        return calibrated(self._adaptation, samples, self._opinions(samples))[0].quantiles

    def _ranks_of(self, series: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the joint ranks of these series, which stay for the day."""
        if self._ranks is None or not np.array_equal(self._ranks[0], series):
            self._ranks = (series, ranks_of(together(self._errors[:, series])))
        return self._ranks[1]

    def _set(self, now_ms: int, horizon_h: int) -> ForecastSet:
        h = HORIZONS.index(HORIZON_OF[horizon_h])
        law = self._law
        quantiles, scenarios = law.quantiles[:, h], law.draws[:, h].T
        marginals = {
            key: RateForecast(
                key, now_ms, horizon_h, float(scenarios[:, i].mean()), quantiles[i], float(law.p_up[i, h])
            )
            for i, key in enumerate(law.keys)
        }
        coming = {key: law.quantiles[i, 0] for i, key in enumerate(law.keys)}
        return ForecastSet(
            now_ms, horizon_h, law.keys, marginals, scenarios, self.model_hash, self.feature_hash, coming=coming,
            spans=spans_of(law.draws, law.interval_h), drivers=law.drivers[h],
        )  # fmt: skip


def _prints(grid: HourlyGrid, row: int) -> SeriesData:
    """Return the settlements that a grid shows of one series."""
    seen = np.flatnonzero(settled_now(grid)[row])
    ts = grid.times_ms[seen] - (grid.since_h[row, seen] * HOUR_MS).astype(np.int64)
    hours = grid.interval_h[row, seen]
    return SeriesData(grid.keys[row], ts, grid.level[row, seen] * hours, hours, np.full(len(seen), np.nan))


def _with_targets(samples: Samples, series: list[SeriesData]) -> Samples:
    """Fill in the outcomes that have settled."""
    for one in np.unique(samples.series):
        mine = samples.series == one
        found = targets_of(series[one], samples.origin_ms[mine], 2**62)
        samples.target[mine], samples.target_ms[mine] = found.rate, found.ts_ms
        samples.target_interval_h[mine] = found.interval_h
    return samples


def _since(said: _Said, oldest_ms: int) -> _Said:
    """Keep what was said after an instant."""
    rows = np.flatnonzero(said.samples.origin_ms > oldest_ms)
    return _Said(said.samples.pick(rows), Opinions(said.opinions.quantiles[:, rows]))


def _misses(told: list[Issued], n_series: int) -> Misses:
    """Lay out what the medians missed."""
    error = np.concatenate([one.samples.target - one.quantiles[:, :, MEDIAN] for one in told])
    origin_ms, series, known_ms = (
        np.concatenate([getattr(one.samples, name) for one in told])
        for name in ("origin_ms", "series", "target_ms")
    )
    return Misses.of(origin_ms, series, error, known_ms, n_series)
