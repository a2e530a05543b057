"""One task, as a worker runs it: a backtest on one fold and book, boiled down to a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hedged.adapters.replay.proxy import Proxy
from hedged.backtest import measured
from hedged.backtest.batch.supported import USE_DAEMON, check_supported
from hedged.backtest.batch_run import run_on_laws
from hedged.backtest.laws.build import Asked
from hedged.backtest.laws.run import forecaster_of
from hedged.backtest.measured import own_of
from hedged.backtest.metrics.course import Days, as_paid, course_of, held_symbols
from hedged.backtest.recorded import BacktestOptions, load_world, the_model, window_settlements
from hedged.backtest.runner import RunResult, own_quantities, run_window
from hedged.backtest.summary import summarise
from hedged.backtest.walk_forward import model_told
from hedged.backtest.world import World
from hedged.config import Config, parse_config
from hedged.directories import make_directory
from hedged.domain.clock import DAY_MS, perf_s
from hedged.domain.errors import ConfigError
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.forecast.artefact import load
from hedged.forecast.reign import Reign
from hedged.sweep.identity import prove
from hedged.sweep.plan import Task
from hedged.telemetry.logs import configure_logs

Row = dict[str, Any]
"""key, status (ok, failed, lost), seconds; if ok what `measure` returns, else error."""


def run_task(task: Task) -> Row:
    """Run a task. What goes wrong with it is a row too, never the end; Unfit, the worker's own fault, is raised."""
    prove(task.grounds)
    _quiet()
    started = perf_s()
    try:
        found = {"status": "ok", **measure(task)}
    except Exception as error:  # the sweep is the supervisor: one bad configuration must not end the others
        found = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
    return {"key": task.key, "seconds": round(perf_s() - started, 3), **found}


def measure(task: Task) -> Row:
    """Return what a run of the task amounted to.

    `daily`: net saving in USD by day; `stand_in`: for Injective's funding, in words; `knows_days`: so many days of the
    window the model had been trained on; `gaps`: what the data lack; `by_daemon`: see `Played`.
    """
    played = play(task)
    result, world = played.result, played.world
    prints = window_settlements(world, result.window)
    against = measured.measure(result, world, prints) if task.baselines else None
    summary = summarise(result, world, prints, "sweep", against)
    course = course_of(
        result, own_of(result), as_paid(prints, result), Days.of(result.window), held_symbols(result)
    )
    return {
        "metrics": numbers(summary),
        "notional_usd": sum(abs(one["position_usd"]) for one in summary["per_symbol"].values()),
        "daily": [round(float(usd), 6) for usd in course.net_usd.sum(axis=0)],
        "stand_in": f"{summary['proxy']}, rule {summary['proxy_rule']}" if summary["proxy"] else None,
        "knows_days": max((one["knows_days"] for one in played.models), default=0),
        "gaps": [_gap(one) for one in summary["data_gaps"]],
        "by_daemon": played.by_daemon,
    }


@dataclass(frozen=True, slots=True)
class Played:
    """A run of a task. `models`: as a summary tells of them; `by_daemon`: why the batch engine, which was asked for,
    did not play it; None: it did, or was not asked for.
    """

    result: RunResult
    world: World
    models: Sequence[Mapping[str, Any]]
    by_daemon: str | None = None


def play(task: Task) -> Played:
    """Run the backtest of a task: the one place that says by which engine."""
    stand_in = Proxy(task.proxy, task.proxy_rule) if task.proxy else None
    options = BacktestOptions(
        Path(task.grounds.data[0]), task.symbols, task.window, Path(), stand_in, task.proxy_rule
    )
    config, world = load_world(parse_config(dict(task.config)), options)
    start_ms = task.window.from_ms
    book = own_quantities(config, lambda s: world.price(SeriesKey(INJECTIVE, s), start_ms))
    models, reigns = (
        the_model(config, task.window),
        [Reign(one[0], load(Path(one[2]))) for one in task.reigns],
    )
    if reigns:
        ends = [to_ms for _, to_ms, _ in task.reigns]
        models = [model_told(one.artefact, one.from_ms, to) for one, to in zip(reigns, ends, strict=True)]
    why = None if task.engine == "daemon" else _refused(config)
    if task.engine == "batch" and why is None:
        result = run_on_laws(
            config, world, book, task.window, reigns, _laws(task), every_ms=DAY_MS, threads=1
        )
    else:
        forecaster = forecaster_of(Asked(world, config, tuple(book), task.window), reigns)
        sources = world.venues([INJECTIVE, *config.hedge.venues])
        result = run_window(config, sources, book, task.window, forecaster=forecaster)
    return Played(result, world, models, why)


def _laws(task: Task) -> Path | None:
    """Return where forecasts are shared; None where this machine has no such place: then each run makes its own."""
    try:
        return make_directory(Path(task.laws)) if task.laws else None
    except ConfigError:
        return None


def _refused(config: Config) -> str | None:
    """Return why the batch engine does not play a configuration."""
    try:
        check_supported(config)
    except ConfigError as error:
        return str(error).removesuffix(USE_DAEMON).rstrip(",:; ")
    return None


def numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the run's own numbers by dotted path: those at the top, and the value of each of `metrics`."""
    top = {name: value for name, value in summary.items() if _is_number(value)}
    named = {
        f"metrics.{name}.value": one["value"]
        for name, one in summary.get("metrics", {}).items()
        if _is_number(one.get("value"))
    }
    return {name: float(value) for name, value in {**top, **named}.items()}


def _gap(one: Mapping[str, str]) -> str:
    where = f"{one['table']} of {one['venue']}:{one['symbol']}"
    return f"{where} from {one['from'][:16]} to {one['to'][:16]} ({one['detail']})"


@cache
def _quiet() -> None:
    """Let this process log errors alone: a daemon that is played tells of each of its decisions."""
    configure_logs(lambda: 0, "error", "console")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
