"""Who holds which history: two ways in which three operators differ.

`venues`: each watches other venues and so other coins, and its features know of no series but its own.
`times`: all watched the same series, each during another sixteen months.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from hedged.adapters.replay.series import SeriesData, funded
from hedged.adapters.replay.tables import load_tables
from hedged.domain.market import SeriesKey
from hedged.features.samples import Samples
from hedged.features.sampling import Sampling, collect
from hedged.forecast.vocabulary import Vocabulary, vocabulary_of
from hedged.training.fit import TensorData

MAJORS = ("BTC", "ETH", "SOL", "BNB", "DOGE")
COLUMNS = ("tabular", "sequence", "venue", "coin", "y")
FITTED = Sampling(slow=1.0, hourly=0.1, hourly_alone=0.1, between=0.05)
HELD = Sampling(slow=1.0, hourly=0.1, hourly_alone=0.1, between=0.0)


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


CUT_MS, END_MS = _ms("2025-07-01"), _ms("2026-01-01")
"""The hold-out: nothing from CUT_MS on was known to any training."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: the series it watches, and the months of which it holds the history."""

    name: str
    venues: tuple[str, ...]
    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int = CUT_MS


@dataclass(frozen=True, slots=True)
class Holding:
    """What an operator learns from and what it will be asked afterwards. `series` are those that it watches."""

    operator: Operator
    fitted: Samples
    held: Samples | None
    series: Mapping[SeriesKey, SeriesData]


def venues(symbols: tuple[str, ...], since: int) -> tuple[Operator, ...]:
    """Return three operators who watch other venues from `since` on."""
    return (
        Operator("binance", ("binance",), symbols, since),
        Operator("bybit+okx", ("bybit", "okx"), symbols, since),
        Operator("hyperliquid", ("hyperliquid",), symbols, since),
    )


def times() -> tuple[Operator, ...]:
    """Return three operators who watched the same series at other times; the last one's history is the newest."""
    watched = ("binance", "bybit", "okx", "hyperliquid", "deribit")
    ends = [_ms(text) for text in ("2021-07-01", "2022-11-01", "2024-03-01", "2025-07-01")]
    return tuple(
        Operator(f"{ends_in} months", watched, MAJORS, ends[i], ends[i + 1])
        for i, ends_in in enumerate(("first 16", "middle 16", "last 16"))
    )


def holdings(data: Path, split: str, *, small: bool = False) -> tuple[list[Holding], Vocabulary]:
    """Collect every operator's samples. The vocabulary (public names of venues and coins) is agreed beforehand.

    In `times` all would be asked the same, so the hold-out is the first operator's alone. `small`: five coins, in
    `venues` of the last months before the hold-out alone.
    """
    tables = load_tables(data, None)
    symbols = MAJORS if small else tuple(sorted(tables["ohlcv"]["symbol"].unique()))
    since = _ms("2025-03-01" if small else "2023-01-01")
    operators = venues(symbols, since) if split == "venues" else times()
    watched = {
        name: table.filter(pl.col("symbol").is_in(symbols)) if "symbol" in table.columns else table
        for name, table in tables.items()
    }
    series = funded(watched)
    found = []
    for number, operator in enumerate(operators):
        own = {
            key: each
            for key, each in series.items()
            if key.venue in operator.venues and key.symbol in operator.symbols
        }
        fitted = collect(own, operator.from_ms, operator.to_ms, FITTED)
        asked = split == "venues" or number == 0
        held = collect(own, CUT_MS, END_MS, HELD) if asked else None
        found.append(Holding(operator, fitted, held, own))
    return found, vocabulary_of({key for holding in found for key in holding.series})


def save_rows(path: Path, data: TensorData) -> None:
    """Write what one node learns from; no other process opens it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial.npz")
    np.savez(unfinished, **{name: getattr(data, name) for name in COLUMNS})
    unfinished.replace(path)


def read_rows(path: Path) -> TensorData:
    """Read them."""
    with np.load(path) as rows:
        return TensorData(**{name: rows[name] for name in COLUMNS})
