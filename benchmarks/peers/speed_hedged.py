"""`python speed_hedged.py COINS BARS [--engine batch] [--forecaster ensemble] [--bar-s 900]`: through hedged.

The engine is `daemon` (the daemon on a virtual clock) or `batch`. Leg A is Injective, where the trader holds a long
position of every coin; leg B is Binance. At every bar the planner weighs a cut, an opposite perpetual and a relocation
by the forecaster's law; gate, stops, margin on both legs, fills with fees, spread and impact, and the ledger do what
they do in a real run. Before the batch engine plays, the data are judged and the laws made, in phases of their own.
"""

import argparse
import logging
import os
import sys
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `hedged` does, before the first import of numpy
import numpy as np
import polars as pl
import structlog

sys.path.insert(0, str(Path(__file__).parent))
from speed_data import HOUR_S, START_S, legs
from speed_log import Phases

from hedged.backtest.runner import RunResult, Window, run_window
from hedged.backtest.world import World, build_world
from hedged.config import Config, parse_config
from hedged.domain.clock import DAY_MS
from hedged.domain.market import INJECTIVE, SeriesKey

phases = Phases()
phases.end("import")

VENUES = {"A": INJECTIVE, "B": "binance"}
TS = pl.Datetime("ms", "UTC")
COINS_HELD = Decimal(10)


def configuration(symbols: list[str], bar_s: int, forecaster: str) -> Config:
    return parse_config(
        {
            "book": {"positions": {symbol: {"quantity": str(COINS_HELD)} for symbol in symbols}},
            "cycle": {"interval_s": bar_s, "bar_s": bar_s, "stale_after_s": 2 * HOUR_S},
            "hedge": {"forecaster": forecaster, "venues": ["binance"]},
        }
    )


def stamps(seconds: np.ndarray) -> pl.Series:
    return pl.Series(seconds * 1_000, dtype=pl.Int64).cast(TS)


def tables(coins: int, bars: int, bar_s: int) -> dict[str, pl.DataFrame]:
    """Return both legs of every coin as recorded tables."""
    funding, candles = [], []
    for coin in range(coins):
        for leg in legs(coin, bars, bar_s):
            names = {"venue": VENUES[leg.name[-1]], "symbol": leg.name[:-1]}
            funding.append(
                pl.DataFrame({"ts": stamps(leg.prints_s), "funding_rate": leg.rates}).with_columns(
                    **{k: pl.lit(v) for k, v in names.items()},
                    interval_hours=pl.lit(float(leg.hours)),
                    mark_price=pl.lit(None, dtype=pl.Float64),
                )
            )
            candles.append(
                pl.DataFrame(
                    {"ts": stamps(leg.ends_s - bar_s), "close": leg.closes, "volume": leg.volumes}
                ).with_columns(**{k: pl.lit(v) for k, v in names.items()}, bar=pl.lit(f"{bar_s // 60}m"))
            )
    return {"funding": pl.concat(funding), "ohlcv": pl.concat(candles)}


def play(
    engine: str, config: Config, world: World, window: Window, every_ms: int, kept: Path | None
) -> RunResult:
    symbols = sorted(config.book.positions)
    first = {s: world.price(SeriesKey(INJECTIVE, s), window.from_ms) for s in symbols}
    book = {s: (COINS_HELD, price) for s, price in first.items() if price is not None}
    if engine == "daemon":
        return run_window(config, world.venues((INJECTIVE, "binance")), book, window)
    from hedged.backtest.batch.engine import run_batch
    from hedged.backtest.batch.judged import judge_world
    from hedged.backtest.laws.build import Asked, precomputed
    from hedged.backtest.laws.ensemble import ensemble_laws
    from hedged.forecast.registry import make_forecaster

    judgement = judge_world(world, config, symbols, window)
    phases.end("judge")
    asked = Asked(world, config, symbols, window)
    if config.hedge.forecaster == "ensemble":
        laws = ensemble_laws(asked, config.hedge.model, kept)
    else:
        laws = precomputed(make_forecaster(config.hedge.forecaster, config.hedge.model), asked, kept)
    phases.end("laws")
    return run_batch(config, world, book, window, laws, judgement=judgement, every_ms=every_ms)


def main(given: argparse.Namespace) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    coins, bars, bar_s = given.coins, given.bars, given.bar_s
    config = configuration([f"P{coin:02d}" for coin in range(coins)], bar_s, given.forecaster)
    window = Window((START_S + bar_s) * 1_000, (START_S + bars * bar_s) * 1_000 + 1)
    symbols = sorted(config.book.positions)
    world = build_world(tables(coins, bars, bar_s), symbols, ["binance"], None, config, window.from_ms)
    phases.end("load")
    result = play(given.engine, config, world, window, 0 if given.every_bar else DAY_MS, given.laws)
    phases.end("run")
    phases.say(
        f"hedged {given.engine}, {given.forecaster}", version("hedged"), coins=coins, bars=bars, bar_s=bar_s,
        orders=len(result.fills), decisions=len(result.decisions),
        funding_usd=round(float(sum(p.payment_usd for p in result.payments)), 2),
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("coins", type=int)
    parser.add_argument("bars", type=int)
    parser.add_argument("--engine", choices=("daemon", "batch"), default="daemon")
    parser.add_argument("--forecaster", default="ewma")
    parser.add_argument("--bar-s", type=int, default=HOUR_S)
    parser.add_argument("--laws", type=Path, help="where forecasts are kept, to be made once for all runs")
    parser.add_argument(
        "--every-bar", action="store_true", help="plan at every bar, also where nothing can change"
    )
    main(parser.parse_args())
