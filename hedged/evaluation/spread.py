"""The difference of one coin's rate between two venues, which relocation lives on: how good is its law?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from hedged.evaluation.losses import BP, coverage, pinball
from hedged.evaluation.prints import Floats, Ints
from hedged.evaluation.spread_laws import LAWS, Pair, laws_of, pair_of
from hedged.evaluation.truth import STEP_HORIZONS, Truth
from hedged.features.targets import HORIZONS
from hedged.forecast.joint import remembered

MIN_COMMON = 100
"""Origins that a pair needs to be scored."""
SCORED = ("m24h", "m120h", *STEP_HORIZONS)


@dataclass(frozen=True, slots=True)
class Score:
    """Mean pinball loss, bp per hour, and the share of outcomes in the 80 % band."""

    pinball_bp: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Scores of rate(first) − rate(second) per hour at `rows` common origins, by law."""

    symbol: str
    first: str
    second: str
    horizon: str
    rows: int
    laws: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class Pooled:
    """All pairs of one horizon: their number, all their origins, and by law the geometric mean over pairs of the joint
    law's pinball ÷ this one's, and the mean coverage over pairs.
    """

    horizon: str
    pairs: int
    rows: int
    ratio: Mapping[str, float]
    coverage: Mapping[str, float]


def spreads(truth: Truth, ewma: pl.DataFrame, from_ms: int = 0) -> list[Spread]:
    """Score every pair of venues of a coin, at 0, 8 and 16 UTC; single settlements where both settle at once.

    `ewma`: that baseline's answers, columns `row` and `q50`. Origins before `from_ms` teach and are not scored.
    """
    simple = ewma.select("row", ewma=pl.col("q50").cast(pl.Float64))
    rows = truth.rows.join(simple, on="row", how="left", maintain_order="left")
    rows = rows.filter(pl.Series(remembered(rows["origin_ts"].dt.epoch("ms").to_numpy())))
    found = []
    for symbol, coin in _parts(rows, "symbol"):
        venues = dict(_parts(coin, "venue"))
        for first, second in combinations(venues, 2):
            pair = pair_of(venues[first], venues[second])
            said = list(laws_of(pair, from_ms))
            if said:
                at, law = (np.concatenate(parts) for parts in zip(*said, strict=True))
                found += [
                    Spread(symbol, first, second, horizon, n, scores)
                    for horizon in SCORED
                    for n, scores in _scored(pair, at, law, HORIZONS.index(horizon))
                ]
    return found


def _parts(rows: pl.DataFrame, column: str) -> list[tuple[str, pl.DataFrame]]:
    parts = rows.partition_by(column, as_dict=True)
    return [(str(name), parts[name,]) for (name,) in sorted(parts)]


def _scored(pair: Pair, at: Ints, law: Floats, h: int) -> Iterator[tuple[int, dict[str, Score]]]:
    """Yield the number of origins and the score of each law at one horizon, if there are enough of them."""
    y = pair.y[at, 0, h] - pair.y[at, 1, h]
    law = law[:, :, h]
    usable = np.isfinite(y) & np.isfinite(law).all(axis=(1, 2))
    usable &= pair.known_ms[at, 0, h] == pair.known_ms[at, 1, h]
    if usable.sum() >= MIN_COMMON:
        yield int(usable.sum()), {name: _score(law[usable, i], y[usable]) for i, name in enumerate(LAWS)}


def _score(law: Floats, y: Floats) -> Score:
    inside, _ = coverage(law[:, 1], law[:, -2], y)
    return Score(float(pinball(law, y).mean()) / BP, float(inside.mean()))


def pooled(found: Sequence[Spread]) -> list[Pooled]:
    """Take all pairs of a horizon together, in the order of SCORED; horizons without any are left out."""
    out = []
    for horizon in SCORED:
        pairs = [one.laws for one in found if one.horizon == horizon]
        if pairs:
            rows = sum(one.rows for one in found if one.horizon == horizon)
            ratio = {law: _geometric([_ratio(one, law) for one in pairs]) for law in LAWS}
            covered = {law: float(np.mean([one[law].coverage for one in pairs])) for law in LAWS}
            out.append(Pooled(horizon, len(pairs), rows, ratio, covered))
    return out


def _ratio(laws: Mapping[str, Score], law: str) -> float:
    theirs = laws[law].pinball_bp
    return laws["joint"].pinball_bp / theirs if theirs > 0 else math.nan


def _geometric(ratios: Sequence[float]) -> float:
    """Return the geometric mean; NaN where a loss is zero or none is known."""
    return float(np.exp(np.mean(np.log(ratios)))) if all(ratio > 0 for ratio in ratios) else math.nan
