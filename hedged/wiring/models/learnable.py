"""Whether this daemon could train, and on what: told before a process is started for nothing."""

from importlib.util import find_spec
from pathlib import Path

import polars as pl

from hedged.buffer.directory import parts_of, scan_part
from hedged.config import Config
from hedged.domain.clock import DAY_MS
from hedged.forecast.models.trainings import Recipe
from hedged.wiring.models.serving import from_registry

LIBRARIES = ("torch", "lightgbm", "onnxscript")
"""Serving goes without them."""
FULL_MB = 3_800
"""Of six years of 281 series the full recipe used 3.4 GB, the small one 2.2 (docs/benchmarks.md, docs/container.md)."""
LEAST_DAYS: dict[Recipe, int] = {"full": 120, "small": 120, "tiny": 40}
"""The hold-out, and as much before it as yields any sample at all."""


def recipe_of(config: Config) -> Recipe:
    """Return what is trained."""
    told = config.models
    if told.recipe != "auto":
        return told.recipe
    return "full" if told.memory_mb >= FULL_MB else "small"


def directory_of(config: Config) -> Path | None:
    """Return the data directory to learn from; None: there is none."""
    return config.models.data or config.recorder.directory(config.data.source, config.state_dir)


def unable(config: Config, to_ms: int) -> str:
    """Say why no model can be trained on what was known before `to_ms`, and what to do; empty where one can."""
    if not from_registry(config):
        return "the configuration says who forecasts (hedge.model, hedge.forecaster): no model of ours would serve"
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        return f"training needs {', '.join(missing)}: pip install 'hedged[train]', or the image `train`"
    directory = directory_of(config)
    if directory is None:
        return "there is nothing to learn from: name models.data, or let the recorder run"
    first_ms = first_settlement_ms(directory)
    days, least = 0 if first_ms is None else max(0, to_ms - first_ms) // DAY_MS, LEAST_DAYS[recipe_of(config)]
    if days < least:
        more = f"`hedged download --out {directory}` adds history"
        return f"{directory} goes back {days} days, {least} are the least: {more}"
    return ""


def first_settlement_ms(directory: Path) -> int | None:
    """Return the first settlement in a data directory; None where there is none that can be read."""
    found = []
    try:
        for path in parts_of(directory, "funding"):
            first = scan_part(path).select(pl.col("ts").min().dt.epoch("ms")).collect().item()
            found += [] if first is None else [int(first)]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None
    return min(found, default=None)
