"""The commands `hedged resume` and `hedged reload`: clear the latch, and take over a changed configuration."""

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedged.commands.shared import ConfigPath, console, quiet_logs
from hedged.domain.errors import Fatal, Rejected

if TYPE_CHECKING:
    from hedged.config import Config

RELOAD_S = 30.0
"""A reload waits for the running cycle."""


def resume(
    config: ConfigPath = Path("config.yaml"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Clear the kill latch, after saying what that will and will not do. Closes or opens nothing itself."""
    from hedged.commands.following import follow
    from hedged.commands.kill import latch
    from hedged.config import load_config
    from hedged.control.summary import resume_summary
    from hedged.control.switch import standing
    from hedged.directories import make_private_directory
    from hedged.execution.journal.file import JOURNAL_FILE
    from hedged.execution.journal.store import JournalStore
    from hedged.risk.gate import KillLevel

    quiet_logs()
    loaded = load_config(config)
    make_private_directory(loaded.state_dir)
    store = JournalStore(str(loaded.state_dir / JOURNAL_FILE), durable=True)
    try:
        shown = store.latch().turn
        lines = resume_summary(store, loaded, loaded.clock.make().now_ms())
    finally:
        store.close()
    for line in lines:
        console.print(f"- {line}", highlight=False, markup=False, soft_wrap=True)
    if why := standing(loaded):
        raise Rejected(why)
    if not yes and not typer.confirm("Clear the latch?"):
        console.print("nothing was changed")
        raise typer.Exit(1)
    turn = latch(loaded, KillLevel.NONE, "resumed by the operator", only_after=shown)
    if turn is None:
        raise Fatal("the latch is not cleared")
    console.print("the kill latch is cleared: new hedges are possible from the next cycle on")
    asyncio.run(
        follow(
            loaded,
            turn,
            KillLevel.NONE,
            10.0,
            lambda text: console.print(text, highlight=False, markup=False),
        )
    )


def reload(config: ConfigPath = Path("config.yaml")) -> None:
    """Let the running daemon read its configuration anew: taken over between two cycles, or refused, as a whole.

    What changes is shown. Exit code 1: refused.
    """
    from hedged.config import load_config

    loaded = load_config(config)
    outcome = asyncio.run(_reload(loaded))
    if outcome == "refused":
        raise typer.Exit(1)


async def _reload(config: "Config") -> str:
    """Signal the daemon and wait for what it says; return the outcome."""
    from hedged.control.lease import read_sign

    sign = read_sign(config.state_dir)
    if sign is None or not sign.alive or sign.role != "daemon":
        raise Fatal(f"no daemon runs on {config.state_dir}")
    if sign.doing == "starting":
        raise Fatal(
            "the daemon is still starting, with the configuration it has read: wait until it is ready"
        )
    before = _told(config)
    os.kill(sign.pid, signal.SIGHUP)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + RELOAD_S
    while (told := _told(config)) == before:
        if loop.time() > until_s:
            raise Fatal(f"the daemon (pid {sign.pid}) has not answered within {RELOAD_S:.0f} s: see its log")
        await asyncio.sleep(0.1)
    outcome = str(told["outcome"])
    for line in told["changes"]:
        console.print(f"- {line}", highlight=False, markup=False, soft_wrap=True)
    why = f": {told['why']}" if told["why"] else ""
    console.print(f"{outcome}{why}; config {told['config']}", highlight=False, markup=False, soft_wrap=True)
    return outcome


def _told(config: "Config") -> dict[str, Any]:
    """Read what became of the last reload."""
    from hedged.control.reload import STATE
    from hedged.execution.journal.file import JOURNAL_FILE
    from hedged.execution.journal.store import JournalStore

    store = JournalStore(str(config.state_dir / JOURNAL_FILE), durable=True)
    try:
        return store.load_state(STATE)
    finally:
        store.close()
