"""What a check found, and how checks are run: one that fails, in whatever way, hides no other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hedged.domain.errors import HedgedError, Retryable
from hedged.secret import redact

WITHIN_S = 60.0
"""What has not answered by then does not answer."""


class Grade(StrEnum):
    """How bad it is: a note asks for nothing, a warning for a look, a failure keeps the daemon from its work."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `about`: what it is of, in a word; `todo`: what to do, empty where the text says it."""

    about: str
    grade: Grade
    text: str
    todo: str = ""


Found = Sequence[Finding]
Check = Callable[[], Awaitable[Found]]


def ok(about: str, text: str) -> Finding:
    """Make a finding that is as it should be."""
    return Finding(about, Grade.OK, text)


def note(about: str, text: str, todo: str = "") -> Finding:
    """Make one to know of."""
    return Finding(about, Grade.NOTE, text, todo)


def warn(about: str, text: str, todo: str = "") -> Finding:
    """Make one to look at."""
    return Finding(about, Grade.WARN, text, todo)


def fail(about: str, text: str, todo: str = "") -> Finding:
    """Make one that has to be mended."""
    return Finding(about, Grade.FAIL, text, todo)


def attempt(about: str, look: Callable[[], Found]) -> Found:
    """Return what a check finds; that it fails is a finding too."""
    try:
        return look()
    except Exception as error:
        return [_of_error(about, error)]


async def attempt_within(about: str, look: Check, within_s: float = WITHIN_S) -> Found:
    """Return what a check finds that asks others."""
    try:
        async with asyncio.timeout(within_s):
            return await look()
    except TimeoutError:
        return [fail(about, f"no answer within {within_s:.0f} s", "is the network up, and the venue?")]
    except Exception as error:
        return [_of_error(about, error)]


def _of_error(about: str, error: Exception) -> Finding:
    text = redact(" ".join(str(error).split()))
    if isinstance(error, Retryable):
        return fail(about, text, "is the network up, and the venue? Try again")
    if isinstance(error, HedgedError):
        return fail(about, text)
    return fail(about, f"the check itself failed: {type(error).__name__}: {text}", "report this")
