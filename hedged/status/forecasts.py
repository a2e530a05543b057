"""The forecasts: a fan for every market, what settled before it, and how the last ones did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.buffer.ring import BarWindow
from hedged.cycle import CycleReport
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import DAY_MS, MINUTE_MS, SECOND_MS
from hedged.domain.forecast import LEVELS, RateForecast
from hedged.domain.market import SeriesKey
from hedged.risk.forecast_record import Misses
from hedged.status.document import Coming, Forecast
from hedged.status.figures import known, short
from hedged.status.outcomes import HIGH, LOW, MEDIAN, Outcome

SHOWN = (0.1, 0.25, 0.5, 0.75, 0.9)
AT = [int(np.flatnonzero(level == LEVELS)[0]) for level in SHOWN]
PAST_MS = 4 * DAY_MS
MOST_PAST = 96

Column = tuple[float, float, float, float, float, float]
"""A law at one point of a fan: mean, 10 %, 25 %, 50 %, 75 %, 90 %."""


@dataclass(frozen=True, slots=True)
class Past:
    """Bars of the last days, copied: float32 (series, bars). `due_ms`: when each market settles next."""

    keys: tuple[SeriesKey, ...]
    times_ms: NDArray[np.int64]
    settled: NDArray[np.float32]
    ago_s: NDArray[np.float32]
    due_ms: Mapping[SeriesKey, int]

    @classmethod
    def of(cls, window: BarWindow, latest: Iterable[Observation]) -> "Past":
        """Copy what is needed out of the buffer, which goes on."""
        bars = slice(max(0, len(window.times_ms) - PAST_MS // window.bar_ms), None)
        return cls(
            window.keys,
            window.times_ms[bars].copy(),
            window.field(Field.FUNDING_SETTLED)[:, bars].copy(),
            window.field(Field.SETTLED_AGO_S)[:, bars].copy(),
            {seen.key: due for seen in latest if (due := _due_ms(seen)) is not None},
        )

    def prints(self, key: SeriesKey) -> tuple[list[int], list[float]]:
        """Return what settled, each once: instants and rates per hour, oldest first."""
        if key not in self.keys:
            return [], []
        row = self.keys.index(key)
        told = np.isfinite(self.settled[row]) & np.isfinite(self.ago_s[row])
        # float32 cannot hold an epoch second
        ago_ms = self.ago_s[row, told].astype(np.float64) * SECOND_MS
        ts_ms = np.round((self.times_ms[told] - ago_ms) / MINUTE_MS).astype(np.int64) * MINUTE_MS
        at, first = np.unique(ts_ms, return_index=True)
        rates = self.settled[row, told][first]
        return at[-MOST_PAST:].tolist(), [short(rate) for rate in rates[-MOST_PAST:].tolist()]


def _due_ms(seen: Observation) -> int | None:
    left_s = float(seen.values[Field.SETTLES_IN_S])
    return seen.ts_ms + round(left_s * SECOND_MS) if left_s >= 0 else None  # a NaN is not


def forecasts(
    report: CycleReport,
    past: Past,
    outcomes: Mapping[SeriesKey, Outcome],
    misses: Mapping[SeriesKey, Misses],
    forecaster: str,
) -> tuple[Forecast, ...]:
    """Return the fan of every market that is forecast, by symbol. `forecaster`: the one that was asked for."""
    made = report.forecasts
    keys = sorted(made.keys, key=lambda key: (key.symbol, key.venue != "injective", key.venue))
    laws = {
        span.hours: _columns(span.scenarios) for span in made.spans if span.hours != round(made.horizon_h)
    }
    found = []
    for key in keys:
        column = made.keys.index(key)
        fan = {hours: law[column] for hours, law in laws.items()}
        fan[round(made.horizon_h)] = _horizon(made.marginals[key])
        points = sorted((hours, at) for hours, at in fan.items() if np.isfinite(at).all())
        ts_ms, rates = past.prints(key)
        seen, outcome = misses.get(key), outcomes.get(key)
        found.append(
            Forecast(
                venue=key.venue,
                symbol=key.symbol,
                forecaster=made.made_by.get(key, forecaster),
                made_ms=made.made_at_ms,
                hours=tuple(float(hours) for hours, _ in points),
                **{name: tuple(short(at[i]) for _, at in points) for i, name in enumerate(NAMES)},
                p_up=known(made.marginals[key].p_up),
                past_ms=tuple(ts_ms),
                past=tuple(rates),
                coming=_coming(made.coming.get(key), past.due_ms.get(key)),
                last_error=outcome.last if outcome else None,
                mean_error=outcome.mean_error if outcome else None,
                missed=seen.missed if seen else None,
                judged=seen.of if seen else None,
            )
        )
    return tuple(found)


NAMES = ("mean", "p10", "p25", "p50", "p75", "p90")


def _columns(scenarios: NDArray[np.float64]) -> list[Column]:
    """Return the law of each column of draws (n, series)."""
    quantiles = np.quantile(scenarios, SHOWN, axis=0)
    return [tuple(column) for column in np.vstack((scenarios.mean(axis=0), quantiles)).T.tolist()]


def _horizon(told: RateForecast) -> Column:
    p10, p25, p50, p75, p90 = (float(told.quantiles[i]) for i in AT)
    return told.mean, p10, p25, p50, p75, p90


def _coming(law: NDArray[np.float64] | None, at_ms: int | None) -> Coming | None:
    if law is None or not np.isfinite(law[[LOW, MEDIAN, HIGH]]).all():
        return None
    return Coming(at_ms=at_ms, p10=short(law[LOW]), p50=short(law[MEDIAN]), p90=short(law[HIGH]))
