"""`hedged backtest`: the daemon over recorded data."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hedged.adapters.replay.proxy import Proxy, ProxyRule
from hedged.backtest.batch.supported import check_supported
from hedged.backtest.batch_run import Progress, run_on_laws
from hedged.backtest.measured import measure
from hedged.backtest.outputs import write_outputs
from hedged.backtest.provenance import provenance
from hedged.backtest.regimes import by_regime, regimes_of
from hedged.backtest.runner import Window, own_quantities, run_window
from hedged.backtest.summary import summarise
from hedged.backtest.walk_forward import Trained, WalkForward, model_told, models_told, trained_models
from hedged.backtest.world import World, recorded_world
from hedged.config import Config
from hedged.cycle import CycleReport
from hedged.directories import make_directory
from hedged.domain.clock import iso
from hedged.domain.errors import ConfigError, DataError
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import make_forecaster

RECORDED_STALE_AFTER_S = 7_200  # recorded candles are hourly: a mark is up to an hour old by nature


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What the command line says beyond the configuration. `laws`: where the batch engine keeps forecasts; None: in
    the run's own directory.
    """

    data: Path
    symbols: Sequence[str]
    window: Window
    out: Path
    proxy: Proxy | None
    proxy_rule: ProxyRule = "chain"
    walk_forward: WalkForward | None = None
    engine: Literal["daemon", "batch"] = "daemon"
    laws: Path | None = None


def run_backtest(
    config: Config,
    options: BacktestOptions,
    on_cycle: Callable[[CycleReport], None] = lambda _: None,
    on_progress: Progress = lambda _stage, _share: None,
) -> tuple[dict[str, Any], Path]:
    """Run, write every file, return the summary and the report's path. `on_cycle` is told of the daemon's cycles,
    `on_progress` of the batch engine's forecasts and bars.

    Raises DataError or ConfigError.
    """
    config, world = load_world(config, options)
    sources = world.venues([INJECTIVE, *config.hedge.venues])
    start_ms = options.window.from_ms
    book = own_quantities(config, lambda s: world.price(SeriesKey(INJECTIVE, s), start_ms))
    if options.engine == "batch":
        check_supported(config)
    forecaster: Forecaster = make_forecaster(
        config.hedge.forecaster, config.hedge.model, crowded_share=config.strategies.crowded_share
    )  # all that can be wrong is found before the work
    make_directory(options.out)
    models = models_of(config, options)
    if models:
        # its library takes a while to import, and the daemon reads this module too
        from hedged.forecast.succession import Succession

        forecaster = Succession([one.reign for one in models], config.strategies.crowded_share)
    if options.engine == "batch":
        reigns, folder = [one.reign for one in models], options.laws or options.out / "laws"
        result = run_on_laws(config, world, book, options.window, reigns, folder, on_progress)
    else:
        result = run_window(config, sources, book, options.window, on_cycle, forecaster=forecaster)
    prints = window_settlements(world, options.window)
    measured = measure(result, world, prints, under_other_rule(config, options, world))
    regimes = regimes_of(world.series, sorted(book), options.window)
    summary = summarise(
        result, world, prints, "backtest", measured,
        provenance=provenance(config, world.series, models[-1].reign.artefact if models else None),
        models=models_told(models) if models else the_model(config, options.window),
        regimes=[one.to_json() for one in regimes], by_regime=by_regime(measured.daily(), regimes),
    )  # fmt: skip
    return summary, write_outputs(result, summary, options.out, measured)


def models_of(config: Config, options: BacktestOptions) -> list[Trained]:
    """Return the models of a walk-forward run, trained where they are lacking; none for any other run.

    Raises ConfigError for a forecaster that is not trained.
    """
    if options.walk_forward is None:
        return []
    if config.hedge.forecaster != "ensemble":
        raise ConfigError(
            f"--walk-forward trains the ensemble; {config.hedge.forecaster} learns nothing beforehand"
        )
    if config.hedge.model is not None:
        raise ConfigError("--walk-forward trains its own models: leave out --model (hedge.model)")
    return trained_models(options.data, options.window, options.walk_forward)


def the_model(config: Config, window: Window) -> list[dict[str, Any]]:
    """Return what a summary says of the one model of a run; nothing of a forecaster that is not trained."""
    if config.hedge.forecaster != "ensemble":
        return []
    return [model_told(load(config.hedge.model or SHIPPED), window.from_ms, window.to_ms)]


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
