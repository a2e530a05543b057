"""What was told, kept in `state_dir` from one life to the next, so that a restart repeats nothing.

A file of its own: it must be there when the journal is not, and losing it costs no more than a message told twice.
"""

import json
import os
from pathlib import Path
from typing import Any

import structlog

from hedged.secret import redact

FILE = "alerts.json"
LARGEST_BYTES = 2_000_000

log = structlog.get_logger(__name__)


def read(state_dir: Path) -> dict[str, Any]:
    """Return what is kept; empty where there is nothing, or nothing that can be read."""
    path = state_dir / FILE
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError("it is too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("alerts_told_before_unknown", file=str(path), why=str(error))
        return {}
    return found


def write(state_dir: Path, state: dict[str, Any]) -> None:
    """Replace what is kept, as a whole or not at all. Raises OSError."""
    path = state_dir / FILE
    beside = path.with_suffix(".new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(redact(json.dumps(state, separators=(",", ":"))))
    beside.replace(path)
