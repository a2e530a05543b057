"""Which hours of history are samples: every origin with its features, its sequence and the rates that followed it.

An origin is an hour at which a series settled, or (a share of them) an hour in between, since the daemon forecasts at
any hour. Nothing that was settled or known at or after `until_ms` enters, neither as input nor as target.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hedged.adapters.replay.series import SeriesData
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.features.history import Chunk, chunks
from hedged.features.points import Points
from hedged.features.samples import Pile, Samples, samples_at, usable
from hedged.features.scale import settled_now


@dataclass(frozen=True, slots=True)
class Sampling:
    """Shares of the origins that are kept, drawn at random by `seed`; 1 keeps all.

    `slow`: settlements of series with intervals above one hour; `hourly`: of hourly series; `hourly_alone`: of hourly
    series whose coin no other venue tells; `between`: hours between two settlements of a slow series.
    """

    slow: float = 1.0
    hourly: float = 0.40
    hourly_alone: float = 0.20
    between: float = 0.12
    seed: int = 0


FIRST_MS = 1_577_836_800_000
"""2020-01-01, where training begins: before it venues' rules and data were others."""
ALL_SETTLEMENTS = Sampling(1.0, 1.0, 1.0, 0.0)


def collect(
    series: Mapping[SeriesKey, SeriesData],
    from_ms: int,
    until_ms: int,
    sampling: Sampling,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Samples:
    """Collect the samples with from_ms < origin < until_ms. Raises DataError where there are none."""
    pile = Pile()
    collect_into(pile, series, from_ms, until_ms, sampling, on_progress)
    if not len(pile):
        raise DataError("no series has history enough in the window to learn from")
    return pile.samples(tuple(sorted(series)))


def collect_into(
    pile: Pile,
    series: Mapping[SeriesKey, SeriesData],
    from_ms: int,
    until_ms: int,
    sampling: Sampling,
    on_progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Put the samples with from_ms < origin < until_ms on a pile."""
    for part in collected(series, from_ms, until_ms, sampling):
        pile.add(part)
        on_progress((int(part.origin_ms[-1]) - from_ms) / (until_ms - from_ms))


def collected(
    series: Mapping[SeriesKey, SeriesData],
    from_ms: int,
    until_ms: int,
    sampling: Sampling,
    targets_until_ms: int | None = None,
) -> Iterator[Samples]:
    """Walk through the samples with from_ms < origin < until_ms, chunk by chunk of time, each sorted by origin.

    Targets are those settled before `targets_until_ms` (default: `until_ms`).
    """
    targets_until_ms = until_ms if targets_until_ms is None else targets_until_ms
    keys = tuple(sorted(series))
    index = {key: i for i, key in enumerate(keys)}
    rng = np.random.default_rng(sampling.seed)
    for chunk in chunks(series, from_ms, until_ms - 1):
        at = _origins(chunk, sampling, rng)
        if len(at):
            order = np.argsort(at.cols, kind="stable")
            at = Points(at.rows[order], at.cols[order])
            yield samples_at(chunk.grid, at, series, index, targets_until_ms)


def _origins(chunk: Chunk, sampling: Sampling, rng: np.random.Generator) -> Points:
    grid = chunk.grid
    settled = settled_now(grid)
    with np.errstate(invalid="ignore"):
        hourly = grid.interval_h <= 1.0
    symbols = [key.symbol for key in grid.keys]
    alone = np.array([symbols.count(symbol) == 1 for symbol in symbols])[:, None]
    share = np.where(hourly, np.where(alone, sampling.hourly_alone, sampling.hourly), sampling.slow)
    share = np.where(settled, share, np.where(hourly, 0.0, sampling.between))
    share[:, (grid.times_ms <= chunk.from_ms) | np.isnan(grid.level).all(axis=0)] = 0.0
    rows, cols = np.nonzero(rng.random(share.shape) < share)
    return usable(grid, Points(rows, cols))
