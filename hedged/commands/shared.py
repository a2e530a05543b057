"""What several commands share: the option that names the configuration, the proxy rules, the console, the quiet log."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

ConfigPath = Annotated[
    Path,
    typer.Option("--config", envvar="HEDGED_CONFIG", help="Configuration file (see config.example.yaml)."),
]
"""The option by which every command finds its configuration."""

console = Console()


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
