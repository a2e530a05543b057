"""The command line. Heavy modules are imported inside the commands, so that `--help` is quick."""

import os
import sys
import traceback
from types import TracebackType

import typer
from rich.markup import escape

from hedged.commands import (
    alert_test,
    backtest,
    backup,
    check,
    config,
    download,
    evaluate_hedge,
    explain,
    kill,
    model,
    model_registry,
    model_training,
    rehearse,
    report,
    resume,
    run,
    sandbox,
    simulate,
    status,
    sweep,
)  # fmt: skip
from hedged.commands.shared import Terminal, console
from hedged.domain.errors import HedgedError
from hedged.secret import redact

app = typer.Typer(
    name="hedged",
    help="Lowers what you pay in perpetual funding on Injective. Start with `hedged demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
errors = Terminal(stderr=True)

COMMANDS = (
    backtest.demo, backtest.backtest, report.report, run.run, check.check, status.status, explain.explain,
    download.download, model.forecast, model.train, model.evaluate, evaluate_hedge.evaluate_hedge, sweep.sweep,
    sandbox.sandbox, simulate.simulate, kill.kill, resume.resume, resume.reload,
    alert_test.alert_test, backup.backup,
)  # fmt: skip
"""In the order in which `hedged --help` lists them."""
for command in COMMANDS:
    app.command()(command)
app.add_typer(config.app, name="config")
model_registry.app.command()(model_training.retrain)
model_registry.app.command()(model_training.training)
model_registry.app.command()(model_training.retire)
model_registry.app.command()(rehearse.rehearse)
app.add_typer(model_registry.app, name="model")


@app.command()
def version() -> None:
    """Print the version."""
    from hedged import __version__

    console.print(__version__)


def main() -> None:
    """Entry point: errors made for the operator become one line and exit code 2."""
    # the matrices of a plan are small: a second thread of BLAS only spins, and makes it wait on a busy machine
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        _main()
    except Exception:
        sys.excepthook = _traceback  # typer has put its own there meanwhile
        raise


def _main() -> None:
    try:
        app()
    except HedgedError as error:
        _say(error)
        sys.exit(2)
    except BaseExceptionGroup as group:  # raised out of the daemon's TaskGroup
        ours, others = group.split(HedgedError)
        if ours is None or others is not None:
            raise
        for leaf in _leaves(ours):
            _say(leaf)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)


def _say(error: BaseException) -> None:
    """Print an error as one line, without what is secret."""
    text = escape(redact(str(error)))
    errors.print(f"[bold red]error:[/bold red] {text}", highlight=False, soft_wrap=True)


def _leaves(group: BaseExceptionGroup[HedgedError]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback that shows no secret: an SDK's error may quote one."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
