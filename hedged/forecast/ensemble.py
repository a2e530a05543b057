"""The forecaster that serves: features → members → calibrated law → joint scenarios, without torch.

It remembers what its members said at every eighth hour of the last weeks, so that each day it learns anew from the
outcomes that have settled since: the members' weights, the bands' width, the probabilities' map, and the ranks of the
residuals that join the series. At a cold start this memory is made from the window it is given.

Who asks the members can be exchanged: a backtest asks about many hours at once, and the rest goes on as ever.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import ConfigError
from hedged.domain.forecast import LEVELS, Drivers, ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.features.samples import Samples
from hedged.features.scale import settled_now
from hedged.features.targets import HORIZONS, targets_of
from hedged.forecast.adapt import Adaptation, prior_of
from hedged.forecast.artefact import Artefact
from hedged.forecast.attribution import attributed
from hedged.forecast.drift.inputs import inputs_of
from hedged.forecast.joint import MEMORY_DAYS, N_SCENARIOS, Misses, draws_of, ranks_of, together
from hedged.forecast.questions import Questions, Said, Told, Voices
from hedged.forecast.spans import spans_of
from hedged.forecast.walk import Issued, Waiting, calibrated, issue

HORIZON_OF = {24: "m24h", 120: "m120h"}
MEDIAN = len(LEVELS) // 2


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
    """The trained ensemble behind the `Forecaster` port. Horizons: 24 and 120 hours.

    Asked from two threads, as one that came back while it was being scored, it answers one after the other.
    """

    def __init__(
        self, artefact: Artefact, threads: int | None = None, told: Callable[[HourlyGrid], Told] | None = None
    ) -> None:
        """`told`: who answers a grid's questions instead of the artefact's members; then no drivers are told."""
        self.model_hash = artefact.hash
        self.feature_hash = FEATURE_HASH
        self._card = artefact.card
        self._voices = Voices(artefact, threads) if told is None else None
        self._told = told or self._ask
        # a backtest, which is told, looks at nobody's inputs
        self.inputs = inputs_of(artefact) if told is None else None
        self._at_work = threading.Lock()
        self._forget(())

    def _forget(self, keys: tuple[SeriesKey, ...]) -> None:
        self._keys = keys
        self._questions = Questions()
        self._said: list[Said] = []
        self._day = -1
        self._adaptation = Adaptation(prior_of(self._card.prior), len(keys), width=self._card.width)
        self._errors = np.empty((0, len(keys), len(HORIZONS)))
        self._ranks: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        if self.inputs is not None:
            self.inputs.forget()
        self._hour_ms = -1
        self._shown = b""  # the last settlements that the law of this hour knows
        self._law = _Law()

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`.

        Raises ConfigError for a horizon that the model was not trained for.
        """
        if horizon_h not in HORIZON_OF:
            raise ConfigError(f"the ensemble forecasts 24 or 120 hours, not {horizon_h}: set hedge.horizon_h")
        with self._at_work:
            self._hear(grid)
            return self._set(now_ms, horizon_h)

    def _hear(self, grid: HourlyGrid) -> None:
        """Make the law of a grid's last hour, where it is not made yet."""
        hour_ms = int(grid.times_ms[-1]) if len(grid.times_ms) else -1
        if grid.keys != self._keys or hour_ms < self._hour_ms:
            self._forget(grid.keys)
        shown = grid.level[:, -1:].tobytes() + grid.since_h[:, -1:].tobytes()
        if hour_ms >= 0 and (hour_ms, shown) != (self._hour_ms, self._shown):
            told = self._told(grid)
            self._remember(hour_ms, told.past)
            if hour_ms // DAY_MS != self._day:
                self._learn(grid)
                self._day = hour_ms // DAY_MS
            self._law = self._say(grid, told.now)
            self._hour_ms, self._shown = hour_ms, shown

    def succeed(self, before: "EnsembleForecaster") -> bool:
        """Go on with the memory of a predecessor, if both have the same members; tell whether it was taken over.
        Of one that is at work it is not: nobody waits here.

        What it said was said without knowing the outcomes, and a model like it errs alike. What this model would say of
        those hours it was trained on would look better than it is. Its own forecasts replace the others as they come.
        """
        if before._card.members != self._card.members:
            return False
        if not before._at_work.acquire(blocking=False):
            return False
        try:
            keys, questions = before._keys, before._questions.twin()
            said = [_twin(one) for one in before._said]
        finally:
            before._at_work.release()
        with self._at_work:
            self._forget(keys)
            self._questions, self._said = questions, said
        return True

    def _ask(self, grid: HourlyGrid) -> Told:
        assert self._voices is not None
        return Told.of(self._questions.of(grid), self._voices.on)

    def _remember(self, hour_ms: int, past: Said | None) -> None:
        """Keep what is new of the remembered hours, without the inputs, which are asked once and weigh most."""
        if past is not None:
            if self.inputs is not None:
                self.inputs.take(past.samples)
            samples, n = past.samples, len(past.samples)
            kept = replace(
                samples, tabular=np.empty((n, 0), np.float32), sequence=np.empty((n, 0, 0), np.float16)
            )
            self._said.append(Said(kept, past.opinions))
        oldest_ms = hour_ms - MEMORY_DAYS * DAY_MS
        self._said = [
            said if said.samples.origin_ms[0] > oldest_ms else _since(said, oldest_ms)
            for said in self._said
            if said.samples.origin_ms[-1] > oldest_ms
        ]

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
                mine = Said(samples, said.opinions).pick(rows)
                told.append(issue(self._adaptation, mine.samples, mine.opinions, waiting))
        now_ms = int(grid.times_ms[-1])
        waiting.teach(self._adaptation, now_ms)
        self._errors = _misses(told, n).settled(now_ms) if told else np.empty((0, n, len(HORIZONS)))
        self._ranks = None

    def _say(self, grid: HourlyGrid, said: Said | None) -> _Law:
        if said is None:
            return _Law()
        issued, _, _ = calibrated(self._adaptation, said.samples, said.opinions)
        rates, p_up = issued.quantiles, issued.p_up
        # never a silent number
        known = np.flatnonzero(np.isfinite(rates).all(axis=(1, 2)) & np.isfinite(p_up).all(axis=1))
        samples = said.samples.pick(known)
        draws = draws_of(rates[known], self._ranks_of(samples.series))
        keys = tuple(grid.keys[i] for i in samples.series)
        return _Law(keys, rates[known], p_up[known], draws, samples.interval_h, self._drivers(samples))

    def _drivers(self, samples: Samples) -> tuple[dict[SeriesKey, Drivers], ...]:
        """Say what moved the forecasts of the series on Injective."""
        if self._voices is None:
            return tuple({} for _ in HORIZONS)
        voices = self._voices

        def rates(asked: Samples) -> NDArray[np.float64]:
            return calibrated(self._adaptation, asked, voices.on(asked))[0].quantiles

        here = np.array([samples.keys[i].venue == INJECTIVE for i in samples.series], dtype=bool)
        return attributed(samples.pick(np.flatnonzero(here)), rates)

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


def _twin(said: Said) -> Said:
    """Return the same with outcomes of its own, which are filled in as they settle."""
    known = {
        name: getattr(said.samples, name).copy() for name in ("target", "target_ms", "target_interval_h")
    }
    return Said(replace(said.samples, **known), said.opinions)


def _since(said: Said, oldest_ms: int) -> Said:
    """Keep what was said after an instant."""
    rows = np.flatnonzero(said.samples.origin_ms > oldest_ms)
    return said.pick(rows)


def _misses(told: list[Issued], n_series: int) -> Misses:
    """Lay out what the medians missed."""
    error = np.concatenate([one.samples.target - one.quantiles[:, :, MEDIAN] for one in told])
    origin_ms, series, known_ms = (
        np.concatenate([getattr(one.samples, name) for one in told])
        for name in ("origin_ms", "series", "target_ms")
    )
    return Misses.of(origin_ms, series, error, known_ms, n_series)
