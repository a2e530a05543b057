"""`hedged report`: the report of a finished run, made anew from its files."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from hedged.commands.shared import console, quiet_logs


def report(
    directory: Annotated[
        Path, typer.Argument(help="Where `hedged demo` or `hedged backtest` put its files.")
    ],
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Make report.html anew from a run's files, as after an upgrade. Computes nothing of the run again."""
    from hedged.backtest.report import remake_report

    quiet_logs()
    page = remake_report(directory)
    console.print(f"report: {page}", soft_wrap=True, highlight=False)
    if open_ and not webbrowser.open(page.resolve().as_uri()):
        console.print("no browser could be started: open the file yourself")
