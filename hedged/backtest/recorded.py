"""`hedged backtest`: the daemon over recorded data."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hedged.adapters.replay.proxy import Proxy, ProxyRule
from hedged.backtest.measured import measure
from hedged.backtest.outputs import write_outputs
from hedged.backtest.provenance import provenance
from hedged.backtest.runner import Window, own_quantities, run_window
from hedged.backtest.summary import summarise
from hedged.backtest.world import World, recorded_world
from hedged.config import Config
from hedged.cycle import CycleReport
from hedged.directories import make_directory
from hedged.domain.clock import iso
from hedged.domain.errors import ConfigError, DataError
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.forecast.registry import make_forecaster

RECORDED_STALE_AFTER_S = 7_200  # recorded candles are hourly: a mark is up to an hour old by nature


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What the command line says beyond the configuration."""

    data: Path
    symbols: Sequence[str]
    window: Window
    out: Path
    proxy: Proxy | None
    proxy_rule: ProxyRule = "chain"


def run_backtest(
    config: Config,
    options: BacktestOptions,
    on_cycle: Callable[[CycleReport], None] = lambda _: None,
) -> tuple[dict[str, Any], Path]:
    """Run, write every file, return the summary and the report's path. Raises DataError or ConfigError."""
    config, world = load_world(config, options)
    sources = world.venues([INJECTIVE, *config.hedge.venues])
    start_ms = options.window.from_ms
    book = own_quantities(config, lambda s: world.price(SeriesKey(INJECTIVE, s), start_ms))
    make_forecaster(
        config.hedge.forecaster, config.hedge.model, crowded_share=config.strategies.crowded_share
    )  # all that can be wrong is found before the work
    make_directory(options.out)
    result = run_window(config, sources, book, options.window, on_cycle)
    prints = window_settlements(world, options.window)
    measured = measure(result, world, prints, under_other_rule(config, options, world))
    made = provenance(config, world.series)
    summary = summarise(result, world, prints, "backtest", measured, provenance=made)
    return summary, write_outputs(result, summary, options.out, measured)


def load_world(config: Config, options: BacktestOptions) -> tuple[Config, World]:
    """Load the data and fit the configuration to them: marks may be as old as the recorded candles."""
    window = options.window
    if window.from_ms >= window.to_ms:
        raise ConfigError(
            f"the window is empty: --from {iso(window.from_ms)} is not before --to {iso(window.to_ms)}"
        )
    if not config.book.positions:
        raise ConfigError("the book is empty: name your positions, e.g. --position ETH=100000")
    unheld = sorted(set(config.book.positions) - set(options.symbols))
    if unheld:
        raise ConfigError(f"there is a --position but no --symbol for {', '.join(unheld)}")
    stale = max(config.cycle.stale_after_s, RECORDED_STALE_AFTER_S)
    config = config.model_copy(update={"cycle": config.cycle.model_copy(update={"stale_after_s": stale})})
    beside = config.strategies.beside_the_book
    world = _world(config, options, options.proxy, options.proxy_rule)
    for symbol in sorted({*options.symbols} - ({*beside} - {*config.book.positions})):
        prints = world.series[SeriesKey(INJECTIVE, symbol)].funding_ts
        if not ((prints > window.from_ms) & (prints < window.to_ms)).any():
            raise DataError(
                f"no funding of {symbol} between {iso(window.from_ms)} and {iso(window.to_ms)}; "
                f"recorded are {iso(int(prints[0]))} to {iso(int(prints[-1]))}"
            )
    return config, world


def _world(config: Config, options: BacktestOptions, proxy: Proxy | None, rule: ProxyRule) -> World:
    symbols = list(dict.fromkeys([*options.symbols, *config.strategies.beside_the_book]))
    venues, from_ms = config.hedge.venues, options.window.from_ms
    return recorded_world(options.data, symbols, venues, proxy, rule, config, from_ms)


def under_other_rule(
    config: Config, options: BacktestOptions, world: World
) -> tuple[World, Sequence[Settlement]] | None:
    """Return world and prints of the same window under the other proxy rule; None where nothing stands in."""
    if world.proxy is None:
        return None
    rule: ProxyRule = "level" if world.proxy.rule == "chain" else "chain"
    other = _world(config, options, replace(world.proxy, rule=rule), rule)
    return other, window_settlements(other, options.window)


def window_settlements(world: World, window: Window) -> Sequence[Settlement]:
    """Return Injective's prints strictly inside the window, whatever was held."""
    source = world.venues([INJECTIVE])[INJECTIVE]
    return asyncio.run(source.settlements(window.from_ms, window.to_ms - 1))
