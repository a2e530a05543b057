"""The forecaster that looks into the running interval: the first settlement nowcast, the later ones by the EWMA's law.

What the first settlement will charge is known best from what makes it: the chain's accumulators (Injective), a venue's
running estimate, other sources of the coin (`hedged.features.nowcast`). The later ones are forecast as if the first had
come as expected. Both laws are added by their shares of the hours, as independent. Where there is no evidence, or
nothing settles within the horizon, the EWMA speaks alone; `explained` says which it was.
"""

from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOUR_MS, HOURS_A_YEAR, MINUTE_MS
from hedged.domain.forecast import LEVELS, Drivers, ForecastSet, RateForecast, Span, quantile_function
from hedged.domain.market import SeriesKey
from hedged.features.nowcast import Evidence
from hedged.features.nowcast_memory import NowcastMemory
from hedged.features.points import Points
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.forecast.coming import First, Reader, continued, points
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.port import parameter_hash

VERSION = 1
RESTS_ON = {
    Evidence.CHAIN: "the chain's accumulators",
    Evidence.ESTIMATE: "the venue's running estimate",
    Evidence.SOURCES: "prices and rates of other venues",
}
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NowcastConfig:
    """Parameters. `window_h`: hours of the grid that the nowcast learns from."""

    ewma: EwmaConfig = field(default_factory=EwmaConfig)
    window_h: int = 60 * 24


class NowcastForecaster:
    """See the module. `reader` tells what a daemon knows beyond the grid: the chain, a rate told within the hour."""

    def __init__(self, config: NowcastConfig | None = None, reader: Reader | None = None) -> None:
        self._config = config or NowcastConfig()
        self._reader = reader
        self._memory = NowcastMemory()
        self._ewma = EwmaForecaster(self._config.ewma)
        parameters = asdict(self._config) | {"reader": reader is not None}
        self.model_hash = parameter_hash("nowcast", VERSION, parameters)
        self.feature_hash = FEATURE_HASH

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`."""
        return self.explained(grid, now_ms, horizon_h)[0]

    def explained(
        self, grid: HourlyGrid, now_ms: int, horizon_h: int
    ) -> tuple[ForecastSet, dict[SeriesKey, Evidence]]:
        """Forecast, and say for every series that is forecast what its first settlement rests on (NONE: EWMA alone)."""
        base = self._ewma.forecast(grid, now_ms, horizon_h)
        ends_ms = now_ms + horizon_h * HOUR_MS
        firsts = {key: first for key, first in self.firsts(grid, now_ms).items() if first.at_ms <= ends_ms}
        rest = self._later(grid, firsts, now_ms, horizon_h)
        marginals, scenarios = dict(base.marginals), base.scenarios.copy()
        evidence = dict.fromkeys(base.keys, Evidence.NONE)
        for column, key in enumerate(base.keys):
            first = firsts.get(key)
            if first is None or (first.hours_after(now_ms, horizon_h) and key not in rest):
                continue
            last = float(grid.level[grid.row[key], -1])
            marginals[key] = _added(first, rest.get(key), base.marginals[key], last)
            scenarios[:, column] = _reordered(scenarios[:, column], marginals[key].quantiles)
            evidence[key] = first.evidence
        shown = {key: f for key, f in firsts.items() if evidence.get(key, Evidence.NONE) is not Evidence.NONE}
        made = replace(
            base, marginals=marginals, scenarios=scenarios, model_hash=self.model_hash,
            coming={key: first.quantiles for key, first in firsts.items()},
            spans=tuple(_with_first(span, base.keys, shown) for span in base.spans),
            drivers={key: _drivers(why, shown.get(key), marginals[key], now_ms) for key, why in base.drivers.items()},
        )  # fmt: skip
        return made, evidence

    def firsts(self, grid: HourlyGrid, now_ms: int) -> dict[SeriesKey, First]:
        """Return the coming settlement of every series of which something is known. The reader comes before all."""
        found = self._from_grid(grid, now_ms)
        if self._reader is not None:
            told = {key: self._reader(key, now_ms) for key in grid.keys}
            found |= {key: first for key, first in told.items() if first is not None and first.at_ms > now_ms}
        return found

    def _from_grid(self, grid: HourlyGrid, now_ms: int) -> dict[SeriesKey, First]:
        grid = grid.last(self._config.window_h)
        if not len(grid.times_ms) or not len(grid.keys):
            return {}
        end = np.full(len(grid.keys), len(grid.times_ms) - 1)
        law = self._memory.nowcast(grid, Points(np.arange(len(grid.keys)), end))
        found = {}
        for row in np.flatnonzero(law.evidence):
            at_ms = int(grid.times_ms[-1]) + round(law.settles_in_h[row] * HOUR_MS)
            if at_ms > now_ms:
                evidence = Evidence(int(law.evidence[row]))
                found[grid.keys[row]] = First(law.rate[row], at_ms, int(law.interval_h[row]), evidence)
        return found

    def _later(
        self, grid: HourlyGrid, firsts: dict[SeriesKey, First], now_ms: int, horizon_h: int
    ) -> dict[SeriesKey, RateForecast]:
        """Forecast what follows the first settlements, as if they had come as expected."""
        groups: dict[tuple[int, int], list[SeriesKey]] = {}
        for key, first in firsts.items():
            hours = first.hours_after(now_ms, horizon_h)
            if hours:
                groups.setdefault((first.at_ms, hours), []).append(key)
        rest: dict[SeriesKey, RateForecast] = {}
        for (at_ms, hours), keys in groups.items():
            came = continued(grid, {key: firsts[key] for key in keys}, at_ms)
            rest |= self._ewma.forecast(came, at_ms, hours).marginals
        return rest


def _added(first: First, rest: RateForecast | None, base: RateForecast, last: float) -> RateForecast:
    """Add the first settlement and the later ones by their shares of the hours of `base`, and put them in its place."""
    horizon_h = int(base.horizon_h)
    values = points(first.quantiles) * (first.hours / horizon_h)
    if rest is not None:
        later = points(rest.quantiles) * (first.hours_after(base.made_at_ms, horizon_h) / horizon_h)
        values = (values[:, None] + later[None, :]).ravel()
    tie = 1e-12  # a market that sits at its interest ties with its own law: half up
    p_up = float(((values > last + tie).mean() + (values >= last - tie).mean()) / 2)
    return replace(base, mean=float(values.mean()), quantiles=np.quantile(values, LEVELS), p_up=p_up)


def _with_first(span: Span, keys: tuple[SeriesKey, ...], firsts: dict[SeriesKey, First]) -> Span:
    """Let the coming settlement stand for a span that it covers whole."""
    scenarios = span.scenarios.copy()
    for column, key in enumerate(keys):
        if key in firsts and firsts[key].hours >= span.hours:
            scenarios[:, column] = _reordered(scenarios[:, column], firsts[key].quantiles)
    return replace(span, scenarios=scenarios)


def _drivers(why: Drivers, first: First | None, forecast: RateForecast, now_ms: int) -> Drivers:
    """Say what the coming settlement adds to what the EWMA says."""
    if first is None:
        return why
    minutes = (first.at_ms - now_ms) / MINUTE_MS
    text = (
        f"the coming settlement, in {minutes:.0f} min, is expected at {first.mean * HOURS_A_YEAR:.1%} a year by "
        f"{RESTS_ON[first.evidence]}; the later ones: {why.text}"
    )
    adds = forecast.mean - why.last - sum(why.moved.values())
    return replace(why, text=text, moved={"premium and nowcast": adds, **why.moved})


def _reordered(draws: Array, quantiles: Array) -> Array:
    """Return draws of another law in the same order of size."""
    rank = np.argsort(np.argsort(draws, kind="stable"), kind="stable")
    return quantile_function(quantiles, (rank + 0.5) / len(draws))
