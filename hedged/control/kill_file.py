"""The kill switch as a file: `KILL` in the state directory. That it exists latches; nothing else is needed for it.

What it says is read from a plain file alone: through a link somebody could have the daemon show what only it may read,
and a pipe would have it wait for ever.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hedged.domain.wording import printable
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
        with open(path, encoding="utf-8", errors="replace", opener=_at_once) as file:
            plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            text = " ".join(printable(file.read(LONGEST)).split()) if plain else ""
    except FileNotFoundError:
        return None
    except OSError as error:
        return Asked(KillLevel.REDUCE_ONLY, f"{path} exists and cannot be read: {error.strerror}")
    if not plain:
        return Asked(KillLevel.REDUCE_ONLY, f"{path} exists and is no plain file")
    word, _, rest = text.partition(" ")
    level = LEVELS.get(word.lower().replace("_", "-"))
    if level is None:
        return Asked(KillLevel.REDUCE_ONLY, text or f"{path} exists")
    return Asked(level, rest or f"{path} exists")


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
