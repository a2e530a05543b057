"""The command `hedged status`: how the daemon does, on one screen and as an exit code."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedged.commands.shared import ConfigPath, quiet_logs

if TYPE_CHECKING:
    from hedged.config import Config
    from hedged.status.document import Status


def status(
    config: ConfigPath = Path("config.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    within: Annotated[float, typer.Option(min=0.1, help="Seconds that the daemon has to answer.")] = 5.0,
) -> None:
    """Show how the running daemon does; where it does not answer, what its lease and journal tell.

    Exit code 0: healthy. 1: degraded, or not ready yet. 2: wrong use. 3: halted: the kill switch is latched, or nothing
    may be opened. 4: not running. 5: it hangs.
    """
    from hedged.commands.status_text import show_left, show_status
    from hedged.config import load_config
    from hedged.control.client import lives
    from hedged.control.state import judge, judge_left, look_left
    from hedged.domain.errors import Retryable

    quiet_logs()
    loaded = load_config(config)
    body: dict[str, Any] = {"document": None, "journal": None}
    try:
        told = read_status(loaded, within)
        verdict = judge(told)
        body["document"] = told.model_dump(mode="json")
    except Retryable as error:
        told, left = None, look_left(loaded)
        verdict = judge_left(left, loaded, str(error))
        body["journal"] = left.to_json()
        if not as_json:
            show_left(left, verdict)
    if as_json:
        head = {"code": int(verdict.state), "state": verdict.state.text, "reasons": list(verdict.reasons)}
        sys.stdout.write(json.dumps(head | body, indent=2, ensure_ascii=False) + "\n")
    elif told is not None:
        show_status(told, verdict, at_home=lives(loaded))
    raise typer.Exit(int(verdict.state))


def read_status(config: "Config", within_s: float) -> "Status":
    """Ask the daemon for its document. Raises Retryable where it does not answer, or is not the one that is meant."""
    from pydantic import ValidationError

    from hedged.control.client import address_of, ask
    from hedged.domain.errors import Retryable
    from hedged.status.document import Status

    answer = ask(config, "GET", "/api/status", within_s=within_s)
    try:
        told = Status.model_validate(answer.body)
    except ValidationError as error:
        fault = ".".join(map(str, error.errors()[0]["loc"]))
        raise Retryable(
            f"it answers as another version of hedged would ({fault}): use the command of its version, or restart it"
        ) from None
    if told.about.account != config.account or told.about.mode != config.mode:
        at = ":".join(map(str, address_of(config)))
        raise Retryable(f"the daemon at {at} is another one, {told.about.mode}, account {told.about.account}")
    return told
