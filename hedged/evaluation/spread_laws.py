"""The laws of the difference between two venues, as they would have been told then.

Its law follows from the forecasts themselves: the draws that the daemon would have made (`hedged.forecast.joint`), from
marginals and from the ranks of what had been missed before the origin's day (UTC) began. It stands beside the same
marginals joined otherwise, and beside the spread of simple forecasts with the band of their own past errors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import LEVELS
from hedged.evaluation.prints import Floats, Ints
from hedged.evaluation.truth import QUANTILES
from hedged.features.targets import HORIZONS
from hedged.forecast.joint import Misses, draws_of, ranks_of, together

MIN_PAST = 60
"""Past hours that the ranks of a pair need, twenty days, before anything is said."""
LAWS = ("joint", "independent", "comonotone", "ewma", "persistence")
"""Joint draws; the same marginals as if one told nothing, or everything, of the other; simple forecasts' spreads."""
POINTS = ("ewma", "last")
"""The simple forecasts behind the last two laws, columns of the rows."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two series at common origins (n,), ascending; rates per hour.

    `quantiles` (n, 2, horizons, levels); `y` what came, `known_ms` when, `points` by name: (n, 2, horizons). NaN where
    there is no forecast, or it cannot be judged.
    """

    origin_ms: Ints
    quantiles: Floats
    y: Floats
    known_ms: Ints
    points: Mapping[str, Floats]


def pair_of(first: pl.DataFrame, second: pl.DataFrame) -> Pair:
    """Lay out the common origins of two series."""
    common = first.select("origin_ts").unique().join(second, on="origin_ts", how="semi").sort("origin_ts")
    origin_ms = common["origin_ts"].dt.epoch("ms").to_numpy()
    shape = (len(origin_ms), 2, len(HORIZONS))
    names = (*QUANTILES, "y", *POINTS)
    cube, known_ms = np.full((*shape, len(names)), np.nan), np.zeros(shape, np.int64)
    for side, part in enumerate((first, second)):
        part = part.join(common, on="origin_ts", how="semi", maintain_order="left")
        at = np.searchsorted(origin_ms, part["origin_ts"].dt.epoch("ms").to_numpy())
        h = part["horizon"].replace_strict(HORIZONS, range(len(HORIZONS)), return_dtype=pl.Int64).to_numpy()
        cube[at, side, h] = part.select(names).to_numpy() / part["unit_h"].to_numpy()[:, None]
        known_ms[at, side, h] = part["target_ts"].dt.epoch("ms").to_numpy()
    n = len(QUANTILES)
    points = {name: cube[..., n + 1 + i] for i, name in enumerate(POINTS)}
    return Pair(origin_ms, cube[..., :n], cube[..., n], known_ms, points)


def laws_of(pair: Pair, from_ms: int = 0) -> Iterator[tuple[Ints, Floats]]:
    """Yield, day by day from `from_ms` on, origins (n,) and the quantiles of their spread (n, LAWS, horizons, levels).

    A day has none while fewer than MIN_PAST hours are known.
    """
    medians = {"joint": pair.quantiles[..., len(LEVELS) // 2], **pair.points}
    told = {name: Misses(pair.origin_ms, pair.y - said, pair.known_ms) for name, said in medians.items()}
    days = pair.origin_ms // DAY_MS
    for day in np.unique(days[pair.origin_ms >= from_ms]):
        at = np.flatnonzero((days == day) & (pair.origin_ms >= from_ms))
        past = together(told["joint"].settled(int(day) * DAY_MS))
        if len(past) < MIN_PAST:
            continue
        rng = np.random.default_rng(int(day))
        draws = draws_of(pair.quantiles[at], ranks_of(past))  # (n, 2, horizons, draws)
        first, second = draws[:, 0], draws[:, 1]
        joined = (first - second, first - rng.permuted(second, axis=-1), np.sort(first) - np.sort(second))
        simple = [
            _difference(point[at]) + _band(told[name].settled(int(day) * DAY_MS))
            for name, point in pair.points.items()
        ]
        yield (
            at,
            np.stack([*(np.moveaxis(np.quantile(d, LEVELS, axis=-1), 0, -1) for d in joined), *simple], 1),
        )


def _difference(both: Floats) -> Floats:
    """Return first − second with a place for the levels: (n, 2, horizons) → (n, horizons, 1)."""
    return (both[:, 0] - both[:, 1])[..., None]


def _band(errors: Floats) -> Floats:
    """Return quantiles of the spread's own past errors: (hours, 2, horizons) → (horizons, levels)."""
    spread = errors[:, 0] - errors[:, 1]
    own = [spread[~np.isnan(spread[:, h]), h] for h in range(spread.shape[1])]
    return np.stack([np.quantile(e, LEVELS) if len(e) else np.full(len(LEVELS), np.nan) for e in own])
