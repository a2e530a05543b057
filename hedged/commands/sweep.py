"""`hedged sweep`: which configuration is better, and whether that is more than luck."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hedged.commands.model import bar, trainer_of
from hedged.commands.shared import EngineName, ProxyRuleName, console, quiet_logs
from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from hedged.sweep.plan import Plan
    from hedged.sweep.run import OnTask
    from hedged.sweep.workers import Workers


FileArgument = Annotated[
    Path | None,
    typer.Argument(help="Sweep file (YAML); --example prints one. Options come on top of it."),
]
DataOption = Annotated[Path | None, typer.Option(help="Data directory: Parquet tables of market history.")]
FromOption = Annotated[str | None, typer.Option("--from", help="First day, UTC, inclusive: YYYY-MM-DD.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Last day, exclusive.")]
PositionOption = Annotated[
    list[str] | None, typer.Option(help="Own position on Injective in USD, signed: ETH=100000; repeat.")
]
BooksOption = Annotated[
    str | None, typer.Option(help="each: a run for each position alone (default); together; both.")
]
GridOption = Annotated[
    list[str] | None,
    typer.Option(help="Setting and its values: hedge.cap=0.2,0.4; repeat. Every combination is tried."),
]
RangeOption = Annotated[
    list[str] | None,
    typer.Option("--range", help="Setting and its bounds: hedge.cap=0.1..0.4; repeat. Needs --trials."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Setting for all trials: cycle.interval_s=3600; repeat.")
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Forecaster, model directory or 'walk-forward quarterly'; repeat. The first is the default's."
    ),
]
EngineOption = Annotated[
    EngineName | None, typer.Option(help="batch (default): the quick one, for what it can play; daemon.")
]
FoldsOption = Annotated[int | None, typer.Option(help="How many folds the window is cut into. Default: 3.")]
FoldDaysOption = Annotated[int | None, typer.Option(help="Days of each. Default: the window ÷ folds.")]
TrialsOption = Annotated[
    int | None, typer.Option(help="Optuna draws so many trials, instead of trying every combination.")
]
SeedOption = Annotated[int | None, typer.Option(help="Of Optuna and of the bootstrap. Default: 0.")]
ObjectiveOption = Annotated[
    str | None, typer.Option(help="Number of summary.json to maximise. Default: net_saving_usd.")
]
ProxyRuleOption = Annotated[ProxyRuleName | None, typer.Option(help="chain (default) or level.")]
ConfigOption = Annotated[Path | None, typer.Option(help="Base configuration. Default: the defaults.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Processes on this machine.")]
ClusterOption = Annotated[
    str | None, typer.Option(help="Dask scheduler to run on instead: tcp://HOST:8786 (docs/sweep.md).")
]
RetryFailedOption = Annotated[bool, typer.Option("--retry-failed", help="Run again what failed before.")]
ExampleOption = Annotated[bool, typer.Option("--example", help="Print a commented sweep file and end.")]
OutOption = Annotated[
    Path, typer.Option(help="Where results and the report go, and what a later start goes on from.")
]


def sweep(
    file: FileArgument = None,
    data: DataOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    position: PositionOption = None,
    books: BooksOption = None,
    grid: GridOption = None,
    range_: RangeOption = None,
    set_: SetOption = None,
    model: ModelOption = None,
    folds: FoldsOption = None,
    fold_days: FoldDaysOption = None,
    trials: TrialsOption = None,
    seed: SeedOption = None,
    objective: ObjectiveOption = None,
    proxy_rule: ProxyRuleOption = None,
    engine: EngineOption = None,
    config: ConfigOption = None,
    jobs: JobsOption = 1,
    cluster: ClusterOption = None,
    retry_failed: RetryFailedOption = False,
    example: ExampleOption = False,
    out: OutOption = Path("out/sweep"),
) -> None:
    """Search configurations and models, and say whether the best is more than luck.

    Each combination is a trial, run by the backtest on every walk-forward fold and book. What is best on earlier folds
    is scored on the next; the report corrects for the number of trials and says whether to change anything.

    hedged sweep --data DIR --from 2025-07-01 --to 2025-10-01 --position ETH=100000 --model ewma
    --grid hedge.cap=0.2,0.4 --grid hedge.horizon_h=24,120 --jobs 2

    Stop it with Ctrl-C and start it again: it goes on where it was. It can run on other machines too: docs/sweep.md.
    """
    from hedged.sweep.file import example as example_text
    from hedged.sweep.file import parse_sweep, read_sweep
    from hedged.sweep.plan import make_plan
    from hedged.sweep.walk_forward import check_walks

    if example:
        typer.echo(example_text(), nl=False)
        return
    quiet_logs()
    raw = read_sweep(file) if file else {}
    given: dict[str, Any] = {
        "data": str(data) if data else None, "from": from_, "to": to, "books": books, "models": model,
        "trials": trials, "seed": seed, "proxy_rule": proxy_rule and proxy_rule.value,
        "engine": engine and engine.value,
        "config": str(config) if config else None, "positions": dict(map(_position, position or ())),
        "set": dict(_pair(text, "--set") for text in set_ or ()),
        "parameters": dict([*(_values(text) for text in grid or ()), *(_bounds(text) for text in range_ or ())]),
        "folds": {name: value for name, value in (("count", folds), ("length_d", fold_days)) if value is not None},
        "objective": {"metric": objective} if objective else {},
    }  # fmt: skip
    asked = parse_sweep(_on_top(raw, given), str(file) if file else "options")
    plan = make_plan(asked, out / "laws")
    check_walks(plan.models, plan.folds)
    _run(plan, out, jobs, cluster, retry_failed)


def _run(plan: "Plan", out: Path, jobs: int, address: str | None, retry: bool) -> None:
    from hedged.sweep.run import run_sweep
    from hedged.sweep.store import opened
    from hedged.sweep.verdict import verdict

    with opened(out, retry=retry) as rows:
        try:
            plan = _trained_first(plan, out / "models")
            with _workers(plan, jobs, address) as workers, _bar() as on_task:
                found, page = run_sweep(plan, rows, workers, out, on_task)
        except KeyboardInterrupt:
            console.print(f"stopped; what is finished lies in {out}: start the same sweep again to go on")
            raise
    console.print(f"[bold]{verdict(found)}[/bold]", highlight=False)
    failed = len(found.trials) - found.usable
    if failed:
        console.print(f"{failed} of {len(found.trials)} trials failed; the report says why", highlight=False)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def _trained_first(plan: "Plan", folder: Path) -> "Plan":
    """Train the models of walk-forward trials under a progress bar of their own; the runs then find them."""
    from hedged.sweep.plan import walks
    from hedged.sweep.walk_forward import trained

    if not any(map(walks, plan.models)):
        return plan
    with bar() as on_progress:
        data = plan.sweep.data
        return trained(plan, folder, lambda small, told: trainer_of(data, small, 0, told), on_progress)


def _workers(plan: "Plan", jobs: int, address: str | None) -> "AbstractContextManager[Workers]":
    if address is not None:
        from hedged.sweep.cluster import cluster

        return cluster(address, plan.grounds)
    from hedged.sweep.workers import local

    return local(jobs)


@contextmanager
def _bar() -> "Iterator[OnTask]":
    """Show how many runs are done, the time left and the best trial so far."""
    columns = (
        TextColumn("[bold]runs"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[best]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        task = progress.add_task("runs", total=None, best="")

        def on_task(done: int, total: int, best: str) -> None:
            progress.update(task, completed=done, total=total, best=best)

        yield on_task


def _on_top(raw: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Put options on top of a file: single values replace, mappings are joined."""
    whole = dict(raw)
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(whole.get(name), dict):
            whole[name] = {**whole[name], **value}
        elif value not in (None, {}):
            whole[name] = value
    return whole


def _pair(text: str, option: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError(f"{option} {text!r}: expected SETTING=VALUE, e.g. hedge.cap=0.4")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"{option} {text!r}: {value!r} is no value") from None


def _position(text: str) -> tuple[str, Any]:
    symbol, _, usd = text.partition("=")
    if not symbol or not usd:
        raise ConfigError(f"--position {text!r}: expected SYMBOL=USD, e.g. ETH=100000")
    return symbol, usd


def _values(text: str) -> tuple[str, Any]:
    name, _, values = text.partition("=")
    return name, [_pair(f"{name}={value.strip()}", "--grid")[1] for value in values.split(",")]


def _bounds(text: str) -> tuple[str, Any]:
    name, _, bounds = text.partition("=")
    low, dots, high = bounds.partition("..")
    if not (name and low and dots and high):
        raise ConfigError(f"--range {text!r}: expected SETTING=LOW..HIGH, e.g. hedge.cap=0.1..0.4")
    return name, {"low": low, "high": high}
