"""The command `hedged kill`: turns the switch, waits for the daemon to follow, and takes over where it cannot."""

import asyncio
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hedged.commands.shared import ConfigPath, console, quiet_logs
from hedged.domain.errors import Fatal, NoJournal, Rejected

if TYPE_CHECKING:
    from hedged.commands.ahead import Ahead
    from hedged.config import Config
    from hedged.risk.kill import KillLevel

LATCH_WAIT_S = 3.0
"""For the journal to be free: a process that was stopped in the middle of a write holds it."""
GRACE_S, HUNG_GRACE_S = 10.0, 0.3
"""From SIGTERM to SIGKILL: a daemon that lives may end in order; one that hangs hears nothing."""


class Level(StrEnum):
    """What a kill still lets through, and what it does."""

    PAUSE = "pause"
    REDUCE_ONLY = "reduce-only"
    CANCEL = "cancel"
    FLATTEN = "flatten"


def kill(
    reason: Annotated[str, typer.Option(help="Why: shown wherever the latch is shown.")],
    level: Annotated[
        Level,
        typer.Option(
            help="pause: no order at all; reduce-only: only orders that reduce a hedge leg; cancel: resting orders are "
            "cancelled, then none; flatten: cancelled, and hedge legs are closed."
        ),
    ] = Level.REDUCE_ONLY,
    takeover: Annotated[
        bool,
        typer.Option(
            help="Where no daemon runs, or it hangs: end it and cancel or flatten from here, with the configured keys."
        ),
    ] = True,
    within: Annotated[float, typer.Option(min=5, help="Seconds to cancel or flatten in.")] = 120.0,
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Latch the kill switch, also while the daemon hangs. It outlives restarts; `hedged resume` clears it.

    Exit code 1: latched, but not all that was asked for is done.
    """
    from hedged.config import load_config
    from hedged.risk.kill import KillLevel

    quiet_logs()
    loaded = load_config(config)
    done = asyncio.run(_kill(loaded, KillLevel[level.name], reason, takeover=takeover, within_s=within))
    if not done:
        raise typer.Exit(1)


async def _kill(
    config: "Config", level: "KillLevel", reason: str, *, takeover: bool, within_s: float
) -> bool:
    """Latch, see that it is followed, else do it; True when all is done that was asked for."""
    from hedged.commands.ahead import Ahead
    from hedged.commands.following import follow
    from hedged.risk.kill import KillLevel

    turn = latch(config, level, reason)
    if turn is not None:
        console.print(f"latched: {level.label}. `hedged resume` clears it.")
    works = level in (KillLevel.CANCEL, KillLevel.FLATTEN)
    async with AsyncExitStack() as cleanup, asyncio.TaskGroup() as group:
        ahead = Ahead(config, group, cleanup)
        cleanup.callback(ahead.end)
        doubt = ahead.begin if takeover and works else lambda: None
        followed = await follow(config, turn, level, within_s, _say, doubt)
        if turn is None and not works:
            _say(f"nothing is latched: put a file KILL with the level and the reason into {config.state_dir}")
            return False
        if followed.done or followed.working or not works:
            return followed.done
        if not takeover:
            _say("nothing was cancelled or closed: take over without --no-takeover")
            return False
        return await _take_over(config, level, reason, within_s, ahead, latched=turn is not None)


async def _take_over(
    config: "Config", level: "KillLevel", reason: str, within_s: float, ahead: "Ahead", *, latched: bool
) -> bool:
    """End what hangs and do it from here."""
    from hedged.control.hung import end_process
    from hedged.control.lease import read_sign

    ahead.begin()
    sign = read_sign(config.state_dir)
    if sign is not None and sign.alive:
        hangs = sign.silent_s > config.control.silent_after_s
        await end_process(sign, HUNG_GRACE_S if hangs else GRACE_S, _say)
    if not latched and latch(config, level, reason) is None:
        raise Fatal("the journal cannot be written, so nothing is sent: see who holds it, or close by hand")
    reaching = await ahead.ready()
    from hedged.control.takeover import take_over  # it was imported meanwhile

    hand = await take_over(config, config.clock.make(), level, within_s, _say, reaching)
    cuts = [
        f"{key.symbol} {q.normalize():+f}"
        for key, q in sorted(hand.desk.accounts.attributed.items())
        if q and key.venue == "injective"
    ]
    if cuts:
        _say(f"cut of your own positions, and not given back: {', '.join(cuts)}")
    if hand.settled:
        _say(f"{level.label}: done. The latch stays until `hedged resume`.")
        return True
    for text in hand.left:
        console.print(f"[bold red]left: {escape(text)}[/bold red]", highlight=False, soft_wrap=True)
    _say("the latch stays; run this again, or start the daemon, which goes on with it")
    return False


def latch(config: "Config", level: "KillLevel", reason: str, only_after: int | None = None) -> int | None:
    """Write a turn of the switch into the journal, which a running daemon reads all the time; return its number.

    None where the journal is held by a process that does not let it go. Raises Fatal for a journal that is no good, and
    Rejected where the switch was turned since the turn `only_after`.
    """
    import sqlite3

    from hedged.directories import make_private_directory
    from hedged.execution.journal.file import JOURNAL_FILE
    from hedged.execution.journal.store import JournalStore

    make_private_directory(config.state_dir)
    try:
        store = JournalStore(str(config.state_dir / JOURNAL_FILE), durable=True)
    except NoJournal as error:
        _unlatched(error, error.__cause__)
        return None
    try:
        if only_after is not None and store.latch().turn != only_after:
            raise Rejected("the switch was turned meanwhile, for another reason: read what is latched now")
        store.rows(f"PRAGMA busy_timeout = {round(LATCH_WAIT_S * 1_000)}", ())
        store.set_kill(config.clock.make().now_ms(), int(level), reason, config.account, "cli")
        return store.latch().turn
    except sqlite3.OperationalError as error:
        _unlatched(error, error)
        return None
    finally:
        store.close()


def _unlatched(error: Exception, cause: BaseException | None) -> None:
    """Say that the journal is held by another process. Raises Fatal for whatever else keeps it from being written."""
    if "locked" not in str(cause):
        raise Fatal(
            f"nothing is latched: the journal cannot be written: {error}. While that is so the daemon sends "
            "nothing either; free the disk, put a file KILL into state_dir, or close by hand"
        ) from None
    _say(f"the journal cannot be written now: {error}")


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
