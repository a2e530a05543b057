"""The kill switch as a file: `KILL` in the state directory. That it exists latches; nothing else is needed for it."""

from dataclasses import dataclass
from pathlib import Path

from hedged.risk.kill import KillLevel

FILE = "KILL"
LONGEST = 300
"""Characters of the file that are read."""
LEVELS = {level.label: level for level in KillLevel if level is not KillLevel.NONE}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks of the switch."""

    level: KillLevel
    reason: str


def read_kill_file(directory: Path) -> Asked | None:
    """Return what the file asks for: `LEVEL REASON`; None where there is none.

    Without a level that is known, an empty file too, it is reduce-only: whoever put it there wants less, not more. A
    file that exists and cannot be read counts as an empty one.
    """
    path = directory / FILE
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = " ".join(file.read(LONGEST).split())
    except FileNotFoundError:
        return None
    except OSError as error:
        return Asked(KillLevel.REDUCE_ONLY, f"{path} exists and cannot be read: {error.strerror}")
    word, _, rest = text.partition(" ")
    level = LEVELS.get(word.lower().replace("_", "-"))
    if level is None:
        return Asked(KillLevel.REDUCE_ONLY, text or f"{path} exists")
    return Asked(level, rest or f"{path} exists")
