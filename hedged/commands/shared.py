"""What several commands share: the option that names the configuration, the proxy rules, the console, the quiet log."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.errors import MarkupError
from rich.text import Text

from hedged.domain.wording import printable

ConfigPath = Annotated[
    Path,
    typer.Option("--config", envvar="HEDGED_CONFIG", help="Configuration file (see config.example.yaml)."),
]
"""The option by which every command finds its configuration."""


class Terminal(Console):
    """A console for texts that others may have written: venues, chains, files, whoever put a KILL there.

    Their control characters are shown as such, and what only looks like markup is printed as it is.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """Make text of a string. Never raises for what is in it."""
        shown = printable(text)
        try:
            return super().render_str(shown, **how)
        except MarkupError:
            return super().render_str(shown, **how | {"markup": False})


console = Terminal()


class EngineName(StrEnum):
    """Engines of a backtest."""

    DAEMON = "daemon"
    BATCH = "batch"


class ProxyRuleName(StrEnum):
    """How a stand-in venue's rate becomes Injective's."""

    CHAIN = "chain"
    LEVEL = "level"


def quiet_logs(level: str = "error") -> None:
    """Let commands that print for people log errors alone; `critical`: those that print errors themselves nothing."""
    from hedged.telemetry.logs import configure_logs

    configure_logs(lambda: 0, level, "console")
