"""The command `hedged explain`: what was decided, why, and what else there was."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hedged.commands.shared import ConfigPath, console
from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from hedged.execution.journal.decision_log import DecisionLog


def explain(
    last: Annotated[bool, typer.Option("--last", help="The last decision: the default.")] = False,
    at: Annotated[
        str | None,
        typer.Option(help='The decision in force then: "2026-11-20 14:00" (UTC), "2026-11-20", "3h ago".'),
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option(help="Only this market; repeat. Default: all that were decided.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="The --out of a backtest or demo, instead of the daemon's journal.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="A journal; default: the one in the configuration's state_dir.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole record, for machines.")] = False,
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Say why the daemon did what it did, also when it did nothing. Works beside a running daemon, and after it ended.

    For each market: what you hold, what its funding is expected to be and how surely, every hedge there was with what
    it saves, costs and how long it takes to pay, the rule that had the last word, and what drives the forecast.

      hedged explain                                     the last decision
      hedged explain --symbol INJ --at "2026-11-20 14:00"
      hedged explain --at "3h ago" --json
      hedged explain --run out/backtest --at 2025-10-10

    With --run, "ago" counts back from the run's last decision. docs/explain.md reads an example line by line.
    """
    from hedged.commands.explain_text import show_decision
    from hedged.commands.when import when_ms
    from hedged.execution.journal.decision_log import in_force, told

    if last and at is not None:
        raise ConfigError("--last and --at both say which decision: leave one out")
    if run is not None and journal is not None:
        raise ConfigError("--run and --journal both say where to look: leave one out")
    opened, now_ms = _open(run, journal, config)
    with opened as log:
        if now_ms is None:
            now_ms = max(log.times(None, 1), default=0)
        ts_ms = in_force(log, None if at is None else when_ms(at, now_ms))
        symbols = list(dict.fromkeys(name.strip().upper() for name in symbol or []))
        rows = told(log, ts_ms, symbols)
    if as_json:
        console.print(
            json.dumps(rows, indent=2, allow_nan=False), highlight=False, soft_wrap=True, markup=False
        )
        return
    for row in rows:
        show_decision(console, row)


def _open(
    run: Path | None, journal: Path | None, config: Path
) -> "tuple[AbstractContextManager[DecisionLog], int | None]":
    """Open where decisions are read from; with it the present, None where the end of the log stands for it."""
    if run is not None:
        from hedged.backtest.run_log import RunLog

        return nullcontext(RunLog(run)), None
    from hedged.config import load_config
    from hedged.domain.clock import SystemClock
    from hedged.execution.journal.decision_log import JournalLog
    from hedged.execution.journal.file import JOURNAL_FILE

    if journal is not None:
        return JournalLog(journal), SystemClock().now_ms()
    if not config.is_file():
        raise ConfigError(
            f"there is no configuration {config}: name it with --config, a journal with --journal, or what a backtest "
            "wrote with --run"
        )
    loaded = load_config(config)
    return JournalLog(loaded.state_dir / JOURNAL_FILE), loaded.clock.make().now_ms()
