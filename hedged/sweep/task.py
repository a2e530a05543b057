"""One task, as a worker runs it: a backtest on one fold and book, boiled down to a row."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hedged.adapters.replay.proxy import Proxy
from hedged.backtest import measured
from hedged.backtest.measured import own_of
from hedged.backtest.metrics.course import Days, as_paid, course_of, held_symbols
from hedged.backtest.recorded import BacktestOptions, load_world, the_model, window_settlements
from hedged.backtest.runner import RunResult, own_quantities, run_window
from hedged.backtest.summary import summarise
from hedged.backtest.world import World
from hedged.config import parse_config
from hedged.domain.clock import perf_s
from hedged.domain.market import INJECTIVE, SeriesKey
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
    window the model had been trained on; `gaps`: what the data lack.
    """
    result, world = play(task)
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
        "knows_days": max((one["knows_days"] for one in the_model(result.config, result.window)), default=0),
        "gaps": [_gap(one) for one in summary["data_gaps"]],
    }


def play(task: Task) -> tuple[RunResult, World]:
    """Run the backtest of a task: the one place that says by which engine."""
    stand_in = Proxy(task.proxy, task.proxy_rule) if task.proxy else None
    options = BacktestOptions(
        Path(task.grounds.data[0]), task.symbols, task.window, Path(), stand_in, task.proxy_rule
    )
    config, world = load_world(parse_config(dict(task.config)), options)
    start_ms = task.window.from_ms
    book = own_quantities(config, lambda s: world.price(SeriesKey(INJECTIVE, s), start_ms))
    return run_window(config, world.venues([INJECTIVE, *config.hedge.venues]), book, task.window), world


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
