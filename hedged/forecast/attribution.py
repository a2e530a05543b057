"""What moved a forecast: how much each group of inputs adds to it, as against a market where nothing has happened.

Groups are put in one after another, from neutral inputs (`features/groups.py`) to those that are told, once in their
order and once in the reverse; a group's part is the mean of what it changed in both walks. Two opposite walks are the
least antithetic sample of Shapley's value (Lundberg & Lee 2017; Mitchell et al. 2022, "Sampling permutations for
Shapley value estimation") and give it exactly where groups act alone or in pairs. Parts and what the model says of
neutral inputs add up to the forecast without remainder.

What it is not: a cause in the market. Groups tell of the same events (a premium is other venues' funding in the
making), and what they share is split between them; neutral inputs are states that a market seldom is in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import Drivers, mean_of
from hedged.domain.market import SeriesKey
from hedged.features.groups import GROUPS, Inputs, Neutral
from hedged.features.samples import Samples
from hedged.features.targets import HORIZONS

Ask = Callable[[NDArray[np.int64], Inputs], NDArray[np.float64]]
"""Returns the forecasts (m, horizons) of points (m,) by inputs of these points."""


@dataclass(frozen=True, slots=True)
class Attributed:
    """Of n points: `idle` (n, horizons) forecasts by neutral inputs, `parts` (n, horizons, groups), 0 for a group that
    says nothing; `speaks` (n, groups). idle + the sum of the parts = the forecast.
    """

    idle: NDArray[np.float64]
    parts: NDArray[np.float64]
    speaks: NDArray[np.bool_]


def attribute(names: Sequence[str], told: Inputs, ask: Ask) -> Attributed:
    """Attribute the forecasts of n points, all asked about at once. `names`: of the tabular features."""
    neutral = Neutral(names, told)
    speaks = neutral.speaks
    points, masks, steps = _walks(speaks)
    said = ask(points, neutral.mixed(points, masks))
    idle = said[[step[0] for step, _ in steps]]
    parts = np.zeros((*idle.shape, len(GROUPS)))
    for n, (there, back) in enumerate(steps):
        order = np.flatnonzero(speaks[n])
        for rows, groups in ((there, order), (back, order[::-1])):
            parts[n][:, groups] += np.diff(said[rows], axis=0).T / 2
    return Attributed(idle, parts, speaks)


def attributed(
    samples: Samples, rates: Callable[[Samples], NDArray[np.float64]]
) -> tuple[dict[SeriesKey, Drivers], ...]:
    """Say for each horizon what moved the expected rate of each sample's series.

    `rates`: the quantiles (n, horizons, levels) that are issued for samples, per hour.
    """
    if not len(samples):
        return tuple({} for _ in HORIZONS)

    def ask(points: NDArray[np.int64], inputs: Inputs) -> NDArray[np.float64]:
        changed = replace(
            samples.pick(points), tabular=inputs.tabular, sequence=inputs.sequence.astype(np.float16)
        )
        return mean_of(rates(changed))

    told = Inputs(samples.tabular, samples.sequence.astype(np.float32))
    found = attribute(samples.names, told, ask)
    return tuple(_drivers(samples, found, h) for h in range(len(HORIZONS)))


def _drivers(samples: Samples, found: Attributed, h: int) -> dict[SeriesKey, Drivers]:
    names = np.array(list(GROUPS))
    out = {}
    for n, series in enumerate(samples.series):
        last, speaks = float(samples.last[n]), found.speaks[n]
        moved = {
            str(name): float(part)
            for name, part in zip(names[speaks], found.parts[n, h][speaks], strict=True)
        }
        out[samples.keys[series]] = Drivers("", last, float(found.idle[n, h]) - last, moved)
    return out


def _walks(
    speaks: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.bool_], list[tuple[list[int], list[int]]]]:
    """Lay out both walks of each point → points (m,), masks (m, groups), rows of the walks; their ends are shared."""
    points: list[int] = []
    masks: list[NDArray[np.bool_]] = []
    steps: list[tuple[list[int], list[int]]] = []

    def row(n: int, on: Sequence[int]) -> int:
        mask = np.zeros(speaks.shape[1], np.bool_)
        mask[list(on)] = True
        points.append(n)
        masks.append(mask)
        return len(points) - 1

    for n, mine in enumerate(speaks):
        order = [int(g) for g in np.flatnonzero(mine)]
        first, last = row(n, ()), row(n, order) if order else 0
        ways = []
        for way in (order, order[::-1]):
            between = [row(n, way[:k]) for k in range(1, len(way))]
            ways.append([first, *between, last] if order else [first])
        steps.append((ways[0], ways[1]))
    return np.array(points, dtype=np.int64), np.array(masks).reshape(-1, speaks.shape[1]), steps
