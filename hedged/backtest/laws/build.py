"""Forecasts of a whole window, made by a forecaster that is asked hour by hour: what every quicker way must equal."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from hedged.adapters.replay.series import SeriesData, Track
from hedged.backtest.laws.grids import Chunk, chunks_of, followed
from hedged.backtest.laws.table import LawTable
from hedged.backtest.laws.writer import LawWriter
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.config import Config
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import ForecastSet
from hedged.domain.market import SeriesKey
from hedged.forecast.port import Forecaster

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What laws are made of: the world as recorded, the configuration, the coins that are looked at, the window."""

    world: World
    config: Config
    symbols: Sequence[str]
    window: Window

    @property
    def keys(self) -> tuple[SeriesKey, ...]:
        """The series that the daemon follows."""
        return followed(self.world, self.config, self.symbols)

    @property
    def hours(self) -> int:
        """How many laws there are."""
        return (self.window.to_ms - 1) // HOUR_MS - self.window.from_ms // HOUR_MS + 1

    def key(self, model_hash: str) -> str:
        """Identify laws by everything that they depend on: model, data, what is read of them, window."""
        config, window = self.config, self.window
        parts = {
            "model": model_hash, "data": data_fingerprint(self.world.series),
            "keys": self.keys, "window": (window.from_ms, window.to_ms), "horizon_h": config.hedge.horizon_h,
            "history_days": config.cycle.history_days, "bar_s": config.cycle.bar_s,
            "crowded_share": config.strategies.crowded_share, "quality": config.quality.model_dump(mode="json"),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def precomputed(
    forecaster: Forecaster,
    asked: Asked,
    directory: Path | None = None,
    dtype: DTypeLike = np.float32,
    on_progress: Progress = lambda _: None,
) -> LawTable:
    """Return the laws of a window by any forecaster, asked hour by hour as the daemon asks it.

    `directory`: keeps them; where it holds these very laws already, they are read. `forecaster`: one that nobody has
    asked yet. There is a law for every whole hour: a print that was received between two of them is heard at the next,
    while a daemon asks again at the bar that tells it. Recordings without times of receipt hold no such print.
    """
    horizon_h = asked.config.hedge.horizon_h
    return kept_or_made(
        forecaster, lambda chunk: said_of(forecaster, chunk, horizon_h), asked, directory, dtype, on_progress
    )


def kept_or_made(
    forecaster: Forecaster,
    told_of: Callable[[Chunk], Iterable[ForecastSet]],
    asked: Asked,
    directory: Path | None,
    dtype: DTypeLike,
    on_progress: Progress,
) -> LawTable:
    """Read the laws that a directory holds, else make them chunk by chunk. `forecaster`: whose laws they are."""
    key = asked.key(forecaster.model_hash)
    if directory is not None and (kept := LawTable.load(directory, key)) is not None:
        return kept
    done = 0
    with LawWriter(asked.keys, asked.hours, directory, dtype) as writer:
        for chunk in chunks_of(asked.world, asked.keys, asked.config, asked.window):
            for told in told_of(chunk):
                writer.put(done, told.made_at_ms, told)
                done += 1
            on_progress(done / asked.hours)
        return writer.done(forecaster.model_hash, forecaster.feature_hash, asked.config.hedge.horizon_h, key)


def said_of(forecaster: Forecaster, chunk: Chunk, horizon_h: int) -> Iterable[ForecastSet]:
    """Ask a forecaster at every hour of a chunk."""
    for hour, hour_ms in enumerate(chunk.hours_ms.tolist()):
        yield forecaster.forecast(chunk.at(hour), hour_ms, horizon_h)


def data_fingerprint(series: Mapping[SeriesKey, SeriesData]) -> str:
    """Hash everything that is known of some series."""
    digest = hashlib.sha256()
    for key, data in sorted(series.items()):
        digest.update(repr(tuple(key)).encode())
        for name in data.__dataclass_fields__:
            value = getattr(data, name)
            for array in value if isinstance(value, Track) else (value,):
                if isinstance(array, np.ndarray):
                    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
