"""What training reads: all samples in one table, behind them a share in which Hyperliquid stands in for Injective."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.adapters.replay.proxy import Proxy, stand_in
from hedged.adapters.replay.series import SeriesData, funded
from hedged.adapters.replay.tables import load_tables
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.features.samples import Pile, Samples
from hedged.features.sampling import collect_into
from hedged.forecast.vocabulary import Vocabulary, vocabulary_of
from hedged.training.config import TrainConfig
from hedged.training.fit import TensorData
from hedged.training.stage import Progress


@dataclass(frozen=True, slots=True)
class Table:
    """`data`: what members are fitted on; `own`: its first rows as samples, those without the stand-in's.

    `origin_ms` (n,) and `known_ms` (n,), when the last target of a row had settled. `data_hash`: of `own`.
    """

    data: TensorData
    own: Samples
    vocabulary: Vocabulary
    origin_ms: NDArray[np.int64]
    known_ms: NDArray[np.int64]
    data_hash: str


def table_of(data: Path, to_ms: int, config: TrainConfig, on_progress: Progress) -> Table:
    """Collect what was known before `to_ms`. Raises DataError where that is nothing.

    All samples lie in one set of arrays from the beginning: a second copy of them would need twice the memory.
    """
    series, stand_ins = _series(data, to_ms, config.without)
    pile = Pile()
    collect_into(
        pile, series, config.first_ms(to_ms), to_ms, config.sampling, lambda f: on_progress("samples", f)
    )
    if not len(pile):
        raise DataError("no series has history enough in the window to learn from")
    own, keys = len(pile), tuple(sorted(series))
    series.clear()
    collect_into(
        pile,
        stand_ins,
        config.first_ms(to_ms),
        to_ms,
        config.stand_in,
        lambda f: on_progress("stand-in samples", f),
    )
    parts = [(keys, slice(own))]
    if len(pile) > own:
        parts.append((tuple(sorted(stand_ins)), slice(own, None)))
    return _of(pile, parts)


def _series(
    data: Path, to_ms: int, without: tuple[str, ...]
) -> tuple[dict[SeriesKey, SeriesData], dict[SeriesKey, SeriesData]]:
    """Return every series, and those of a market in which Hyperliquid stands in for Injective; let go of the tables."""
    tables = {name: _leave_out(table, without) for name, table in load_tables(data, None).items()}
    series = settled_by(funded(tables), to_ms)
    if not any(key.venue == "hyperliquid" for key in series):
        return series, {}
    return series, settled_by(funded(stand_in(tables, Proxy("hyperliquid", "chain"))), to_ms)


def settled_by(series: dict[SeriesKey, SeriesData], to_ms: int) -> dict[SeriesKey, SeriesData]:
    """Keep the series of which a settlement was known before an instant: that others would come was not known."""
    return {key: found for key, found in series.items() if (found.told_ms < to_ms).any()}


def _of(pile: Pile, parts: list[tuple[tuple[SeriesKey, ...], slice]]) -> Table:
    """Read a pile whose parts are samples of these series each."""
    samples = [pile.samples(keys, rows) for keys, rows in parts]
    vocabulary = vocabulary_of(key for keys, _ in parts for key in keys)
    of_part = [TensorData.of(part, vocabulary) for part in samples]
    venue, coin, y = (
        np.concatenate([getattr(part, name) for part in of_part]) for name in ("venue", "coin", "y")
    )
    whole = pile.samples(parts[0][0])
    data = TensorData(whole.tabular, whole.sequence, venue, coin, y)
    own = samples[0]
    return Table(data, own, vocabulary, whole.origin_ms, whole.target_ms.max(axis=1), _hash(own))


def _leave_out(table: pl.DataFrame, symbols: tuple[str, ...]) -> pl.DataFrame:
    return table.filter(~pl.col("symbol").is_in(symbols)) if symbols and "symbol" in table.columns else table


def _hash(samples: Samples) -> str:
    digest = hashlib.sha256()
    for array in (samples.tabular, samples.target, samples.origin_ms):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
