"""How good a forecaster's laws were, of a venue and of each of its markets.

Per series and per row the definitions are those of `hedged.evaluation.metrics`. Losses are in units of s, so that no
series outweighs the others; a venue's ratio is that of the sums, because three weeks are too few rows of one series for
a mean of its own logarithm.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import LEVELS, STAND_IN
from hedged.domain.market import SeriesKey
from hedged.forecast.record.losses import Floats, called, distance, inside, moved, pinball
from hedged.forecast.record.settled import Tally
from hedged.forecast.record.sheet import Sheet

WINDOW_MS = 21 * DAY_MS
"""Three weeks of outcomes: at three forecasts a day, 63 of each market."""
BINS = 10
LEAST = 20
"""Forecasts, or calls, of which a measure must be made."""
LEAST_ECE = 50


class Measure(NamedTuple):
    """A figure and of how many forecasts it is made; None where they are too few."""

    value: float | None = None
    of: int = 0


UNKNOWN = Measure()


@dataclass(frozen=True, slots=True)
class Measures:
    """How good a forecaster was.

    Of laws over the horizon: mae_ratio and pinball_ratio, its errors |q50 − y| / s and its pinball loss ÷ the EWMA's of
    the same outcomes; direction, the share of calls that were right, of those where the rate moved; coverage of the
    80 % band; ece of p_up. Of coming settlements: settled_ratio, |q50 − rate| ÷ |last − rate|; settled_direction and
    settled_coverage.
    """

    mae_ratio: Measure = UNKNOWN
    pinball_ratio: Measure = UNKNOWN
    direction: Measure = UNKNOWN
    coverage: Measure = UNKNOWN
    ece: Measure = UNKNOWN
    settled_ratio: Measure = UNKNOWN
    settled_direction: Measure = UNKNOWN
    settled_coverage: Measure = UNKNOWN


@dataclass(frozen=True, slots=True)
class Measured:
    """The same of every venue, of every market, and of all."""

    venues: Mapping[str, Measures]
    series: Mapping[SeriesKey, Measures]
    whole: Measures


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How all that forecast of late did. `serving`: whose forecasts count now."""

    serving: str
    measured: Mapping[str, Measured]


def reckoned(sheets: Iterable[Sheet], serving: str, now_ms: int) -> Reckoning:
    """Measure every forecaster on the hours of the last three weeks."""
    late = [one for one in sheets if one.origin_ms > now_ms - WINDOW_MS]
    names = dict.fromkeys(name for one in late for name in (*one.laws, *one.settled))
    return Reckoning(serving, {name: measured(late, name) for name in names})


class _Rows(NamedTuple):
    """One row per judged forecast. All (n,); `at`: number of its series; the EWMA's are NaN where it said nothing."""

    at: Floats
    error: Floats
    loss: Floats
    base_error: Floats
    base_loss: Floats
    hit: Floats
    inside: Floats
    p_up: Floats
    up: Floats


def measured(sheets: Iterable[Sheet], name: str) -> Measured:
    """Measure one forecaster on what is known by now."""
    held = [one for one in sheets if name in one.laws or name in one.settled]
    keys = sorted({key for one in held for key in one.keys})
    number = {key: at for at, key in enumerate(keys)}
    rows, sums = _rows(held, name, number), _sums(held, name, number)
    series = {key: found for key, at in number.items() if (found := _of(rows, sums, [at])) != Measures()}
    venues: dict[str, list[int]] = {}
    for key in series:
        venues.setdefault(key.venue, []).append(number[key])
    by_venue = {venue: _of(rows, sums, of) for venue, of in venues.items()}
    return Measured(by_venue, series, _of(rows, sums, [number[key] for key in series]))


def _rows(sheets: Sequence[Sheet], name: str, number: Mapping[SeriesKey, int]) -> _Rows:
    """Score what sheets say of a forecaster, where the outcome and s are known."""
    held = [one for one in sheets if name in one.laws]
    if not held:
        return _Rows(*(np.empty(0) for _ in _Rows._fields))
    nothing = {len(one.keys): np.full((len(one.keys), len(LEVELS)), np.nan) for one in held}

    def laws_of(other: str) -> Floats:
        found = [one.laws[other].quantiles if other in one.laws else nothing[len(one.keys)] for one in held]
        return np.concatenate(found)

    y, s, last = (np.concatenate([getattr(one, what) for one in held]) for what in ("outcome", "s", "last"))
    p_up = np.concatenate([one.laws[name].p_up for one in held])
    at = np.array([number[key] for one in held for key in one.keys], np.float64)
    here = ~np.isnan(p_up) & ~np.isnan(y) & ~np.isnan(s)
    laws, theirs = laws_of(name)[here], laws_of(STAND_IN if name != STAND_IN else "")[here]
    at, y, s, last, p_up = (column[here] for column in (at, y, s, last, p_up))
    direction = moved(last, y)
    return _Rows(
        at, distance(laws, y) / s, pinball(laws, y) / s, distance(theirs, y) / s, pinball(theirs, y) / s,
        called(p_up) * direction, inside(laws, y), p_up, (direction + 1) / 2,
    )  # fmt: skip


def _sums(sheets: Sequence[Sheet], name: str, number: Mapping[SeriesKey, int]) -> Floats:
    """Return the sums over coming settlements, (series, len(Tally))."""
    sums = np.zeros((len(number), len(Tally)))
    for one in sheets:
        if name in one.settled:
            np.add.at(sums, [number[key] for key in one.keys], one.settled[name])
    return sums


def _of(rows: _Rows, sums: Floats, series: Sequence[int]) -> Measures:
    """Measure some series together."""
    here = np.isin(rows.at, series)
    part = _Rows(*(column[here] for column in rows))
    both = ~np.isnan(part.base_loss)
    of, held, calls, right, error, base = sums[list(series)].sum(axis=0)
    hit = part.hit[np.nan_to_num(part.hit) != 0]
    return Measures(
        _ratio(part.error[both].sum(), part.base_error[both].sum(), int(both.sum())),
        _ratio(part.loss[both].sum(), part.base_loss[both].sum(), int(both.sum())),
        _share(float((hit > 0).sum()), len(hit)),
        _share(float(part.inside.sum()), len(part.at)),
        _calibration(part.p_up, part.up),
        _ratio(error, base, int(of)),
        _share(right, int(calls)),
        _share(held, int(of)),
    )


def _ratio(loss: float, base: float, of: int) -> Measure:
    return Measure(float(loss / base) if of >= LEAST and base > 0 else None, of)


def _share(count: float, of: int) -> Measure:
    return Measure(float(count / of) if of >= LEAST else None, of)


def _calibration(p_up: Floats, up: Floats) -> Measure:
    """Return the expected calibration error: the mean over forecasts of |mean p_up − mean outcome| of their bin.

    Ten bins of equal width; an unchanged rate is an outcome of ½. Source: Naeini et al. 2015.
    """
    known = ~np.isnan(up)
    p_up, up = p_up[known], up[known]
    bins = np.minimum((p_up * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, p_up - up, BINS)
    of = len(p_up)
    return Measure(float(np.abs(gaps).sum() / of) if of >= LEAST_ECE else None, of)
