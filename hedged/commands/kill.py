"""The commands `hedged kill` and `hedged resume`: the latch that outlives restarts."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hedged.commands.shared import ConfigPath, console

if TYPE_CHECKING:
    from hedged.risk.gate import KillLevel


class Level(StrEnum):
    """What a kill still lets through."""

    REDUCE_ONLY = "reduce-only"
    PAUSE = "pause"


def kill(
    reason: Annotated[str, typer.Option(help="Why: shown wherever the latch is shown.")],
    level: Annotated[
        Level, typer.Option(help="reduce-only: only orders that reduce a hedge leg; pause: no order at all.")
    ] = Level.REDUCE_ONLY,
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Latch the kill switch, also while the daemon runs (it follows within seconds) or hangs. Outlives restarts."""
    from hedged.risk.gate import KillLevel

    _latch(config, KillLevel[level.name], reason)
    console.print(f"latched: {level}. `hedged resume` clears it.")


def resume(
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Clear the kill latch: the daemon may open hedges again from its next cycle on. Closes or opens nothing itself."""
    from hedged.risk.gate import KillLevel

    _latch(config, KillLevel.NONE, "resumed by the operator")
    console.print("the kill latch is cleared: new hedges are possible from the next cycle on")


def _latch(path: Path, level: "KillLevel", reason: str) -> None:
    """Write the latch into the journal, which a running daemon reads every few seconds."""
    from hedged.config import load_config
    from hedged.daemon import JOURNAL_FILE
    from hedged.directories import make_directory
    from hedged.execution.store import JournalStore

    config = load_config(path)
    directory = config.state_dir
    make_directory(directory)
    store = JournalStore(str(directory / JOURNAL_FILE), durable=True)
    store.set_kill(config.clock.make().now_ms(), int(level), reason)
    store.close()
