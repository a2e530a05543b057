"""The command `hedged run`: the daemon, live, on paper, or over recorded days."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hedged.commands.model import day_ms
from hedged.commands.shared import ConfigPath
from hedged.domain.errors import ConfigError


def run(
    config: ConfigPath = Path("config.yaml"),
    replay: Annotated[
        Path | None, typer.Option(help="Rehearse: a data directory to run over, as fast as it goes.")
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", help="With --replay: first day, YYYY-MM-DD.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="With --replay: last day, exclusive.")] = None,
) -> None:
    """Run the daemon until SIGTERM: paper by default, a page and metrics over HTTP."""
    from hedged.memory import frugal

    frugal()  # first: whatever is imported may start threads
    from hedged.config import load_config
    from hedged.daemon import run_daemon

    loaded = load_config(config)
    if replay is None:
        asyncio.run(run_daemon(loaded, path=config))
        return
    if from_ is None or to is None:
        raise ConfigError("--replay needs --from and --to")
    from hedged.backtest.recorded import BacktestOptions
    from hedged.backtest.runner import Window
    from hedged.replay import replay_daemon

    window = Window(day_ms(from_, "--from"), day_ms(to, "--to"))
    replay_daemon(
        loaded, BacktestOptions(replay, sorted(loaded.book.positions), window, loaded.state_dir, None)
    )
