"""The difference of one coin's rate between two venues: only joint draws say how sure that is."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.evaluation.losses import BP, coverage, pinball
from hedged.evaluation.prints import Floats, by_series
from hedged.evaluation.truth import KEY, Truth

MIN_COMMON = 100


@dataclass(frozen=True, slots=True)
class Spread:
    """Scores of rate(first) − rate(second) at common origins, bp per hour; `independent_bp`: the pinball loss had the
    draws of the two been joined at random. `coverage`: of the 80 % band.
    """

    symbol: str
    first: str
    second: str
    horizon: str
    rows: int
    pinball_bp: float
    independent_bp: float
    coverage: float


def spreads(
    truth: Truth, forecasts: pl.DataFrame, draws: NDArray[np.floating] | None, rng: np.random.Generator
) -> list[Spread]:
    """Score every pair of venues of a coin. `draws` (rows of `forecasts`, n_draws) are in each row's own unit, and draw
    k of two rows with the same origin belong together; None: nothing is scored.
    """
    if draws is None:
        return []
    if len(draws) != len(forecasts):
        raise ValueError(f"{len(draws)} rows of draws for {len(forecasts)} forecasts")
    numbered = forecasts.select(KEY).with_row_index("draw")
    rows = truth.rows.join(numbered, on=KEY, how="inner", maintain_order="left")
    place, unit = rows["draw"].to_numpy(), rows["unit_h"].to_numpy()
    y = rows["y"].to_numpy() / unit
    found = []
    for (horizon,), part in sorted(rows.with_row_index("at").group_by("horizon")):
        of_series = {key: part[mine] for key, mine in by_series(part)}
        for one, other in combinations(sorted(of_series, key=lambda k: (k.symbol, k.venue)), 2):
            if one.symbol != other.symbol:
                continue
            both = of_series[one].join(of_series[other], on="origin_ts", how="inner", suffix="_other")
            if len(both) >= MIN_COMMON:
                a, b = both["at"].to_numpy(), both["at_other"].to_numpy()
                sides = tuple(draws[place[side]] / unit[side, None] for side in (a, b))
                found.append(_spread(one, other, str(horizon), y[a] - y[b], sides, rng))
    return found


def _spread(
    one: SeriesKey,
    other: SeriesKey,
    horizon: str,
    y: Floats,
    sides: tuple[Floats, ...],
    rng: np.random.Generator,
) -> Spread:
    joint = _quantiles(sides[0] - sides[1])
    apart = _quantiles(sides[0] - rng.permuted(sides[1], axis=1))
    return Spread(
        symbol=one.symbol,
        first=one.venue,
        second=other.venue,
        horizon=horizon,
        rows=len(y),
        pinball_bp=float(pinball(joint, y).mean()) / BP,
        independent_bp=float(pinball(apart, y).mean()) / BP,
        coverage=float(coverage(joint[:, 1], joint[:, -2], y)[0].mean()),
    )


def _quantiles(draws: Floats) -> Floats:
    levels: Floats = np.quantile(draws, LEVELS, axis=1).T
    return levels
