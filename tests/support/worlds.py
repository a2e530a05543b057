"""Small worlds for simulation tests: simulated tables, as a data directory or in memory."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from hedged.adapters.replay.series import series_of
from hedged.app import App, Parts
from hedged.backtest.runner import RunResult, Window, own_quantities, paper_venues, run_window
from hedged.backtest.world import World
from hedged.config import Config, parse_config
from hedged.domain.clock import DAY_MS, HOUR_MS, Clock
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.execution.journal.thread import Journal
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import make_forecaster
from hedged.sandbox.market_simulator import simulate
from hedged.sandbox.markets import VENUES, simulated_markets

START_MS = 1_767_225_600_000  # 2026-01-01
HISTORY_DAYS = 12
NORMAL_MS = START_MS + 30 * HOUR_MS
"""Till then the exchanges of `diverging_world` disagree."""
SEED = 725  # a world in which hedges of every kind are opened within days


def config(**sections: object) -> Config:
    """A book that gets hedged in this world, on a short history; the statistical forecaster, which is quick."""
    hedge = {"forecaster": "ewma"} | dict(sections.pop("hedge", {}))  # type: ignore[call-overload]
    raw: dict[str, object] = {
        "book": {"positions": {"INJ": {"usd": 80_000}, "BTC": {"usd": 150_000}}},
        "cycle": {"history_days": HISTORY_DAYS},
        "hedge": hedge,
    }
    return parse_config(raw | sections)


def tables(days: int, seed: int = SEED) -> dict[str, pl.DataFrame]:
    """Simulated tables with their history before START_MS. The dict is the caller's."""
    return dict(_tables(days, seed))


@cache
def _tables(days: int, seed: int) -> dict[str, pl.DataFrame]:
    return simulate(seed, START_MS - HISTORY_DAYS * DAY_MS, HISTORY_DAYS + days)


def dear(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The same tables with three times the funding on Injective: both coins are relocated at once."""
    rate = pl.col("funding_rate")
    here = pl.when(pl.col("venue") == INJECTIVE).then(3 * rate).otherwise(rate)
    return frames | {"funding": frames["funding"].with_columns(here.alias("funding_rate"))}


def crashed(frames: dict[str, pl.DataFrame], factor: float, at_ms: int) -> dict[str, pl.DataFrame]:
    """All prices everywhere are another from an instant on; the bar of the crash reaches from the old to the new."""
    ts, prices = pl.col("ts").dt.epoch("ms"), ("open", "high", "low", "close")
    there = {c: pl.when(ts >= at_ms).then(pl.col(c) * factor).otherwise(pl.col(c)) for c in prices}
    there["high"] = pl.when(ts == at_ms).then(pl.col("high")).otherwise(there["high"])
    mark = pl.when(ts >= at_ms).then(pl.col("mark_price") * factor).otherwise(pl.col("mark_price"))
    return frames | {
        "ohlcv": frames["ohlcv"].with_columns(**there),
        "funding": frames["funding"].with_columns(mark_price=mark),
    }


def app_on(
    settings: Config, sources: Mapping[str, Any], world: World, clock: Clock, journal: Journal,
    forecaster: Forecaster | str = "ewma",
) -> App:  # fmt: skip
    """The whole daemon but its process, on paper accounts of 100,000 USD; not prepared yet."""
    equity_usd = Decimal(100_000)
    book = own_quantities(settings, lambda symbol: world.price(SeriesKey(INJECTIVE, symbol), START_MS))
    trading = paper_venues(settings, sources, clock, book, equity_usd, clock.now_ms())
    thinks = make_forecaster(forecaster, None) if isinstance(forecaster, str) else forecaster
    symbols = (*book, *settings.strategies.beside_the_book)
    return App(Parts(settings, clock, sources, trading, journal, thinks, symbols, equity_usd))


def world_of(frames: dict[str, pl.DataFrame]) -> World:
    return World(series_of(frames), simulated_markets(), None)


def diverging_world(days: int) -> World:
    """BTC's prices once more as IMX, on the exchanges alone; funding there disagrees until NORMAL_MS.

    Its premium and running estimate are not told: they would contradict the funding.
    """
    frames = tables(days)
    for name, frame in frames.items():
        if name not in ("estimates", "premium") and {"venue", "symbol"} <= set(frame.columns):
            copy = frame.filter((pl.col("symbol") == "BTC") & (pl.col("venue") != INJECTIVE))
            copy = copy.with_columns(pl.lit("IMX").alias("symbol"))
            if name == "funding":
                apart = pl.col("ts").dt.epoch("ms") <= NORMAL_MS
                rate = pl.when(pl.col("venue") == "binance").then(-0.0020).otherwise(0.0005)
                rate = pl.when(apart).then(rate).otherwise(0.0001) / 8 * pl.col("interval_hours")
                copy = copy.with_columns(rate.cast(frame.schema["funding_rate"]).alias("funding_rate"))
            frames[name] = pl.concat([frame, copy.select(frame.columns)])
    world = world_of(frames)
    imx = {
        (key := SeriesKey(venue, "IMX")): replace(world.markets[SeriesKey(venue, "BTC")], key=key)
        for venue in ("binance", "bybit")
    }
    return World(world.series, dict(world.markets) | imx, None)


def run(world: World, settings: Config, days: float, **hooks: object) -> RunResult:
    """Run the daemon from START_MS over a world."""
    window = Window(START_MS, START_MS + int(days * DAY_MS))
    book = own_quantities(
        settings,
        lambda symbol: world.price(SeriesKey(INJECTIVE, symbol), START_MS),
    )
    return run_window(settings, world.venues(VENUES), book, window, **hooks)  # type: ignore[arg-type]


def write_directory(frames: dict[str, pl.DataFrame], directory: Path) -> Path:
    """Write tables as a data directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_parquet(directory / f"{name}.parquet")
    return directory
