"""The command `hedged backup`: a copy of the journal, also while the daemon writes it."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from hedged.commands.shared import ConfigPath, console
from hedged.domain.errors import ConfigError


def backup(
    to: Annotated[Path, typer.Argument(help="File to write; - writes to standard output.")],
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Copy the journal as of this instant, whole or not at all, also while the daemon runs."""
    import sqlite3

    from hedged.config import load_config
    from hedged.execution.journal.backups import FOLDER, back_up_file
    from hedged.execution.journal.file import JOURNAL_FILE

    path = load_config(config).state_dir / JOURNAL_FILE
    if not path.exists():
        raise ConfigError(f"there is no journal at {path}: nothing has run with this configuration yet")
    out = str(to) == "-"
    target = path.parent / FOLDER / ".handed-out.sqlite" if out else to
    try:
        back_up_file(path, target)
        if out:
            with target.open("rb") as copy:
                shutil.copyfileobj(copy, sys.stdout.buffer)
            target.unlink()
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"the journal {path} was not copied to {to}: {error}") from None
    if not out:
        console.print(f"journal copied to {to}", soft_wrap=True, highlight=False)
