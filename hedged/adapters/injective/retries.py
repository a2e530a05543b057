"""Asking again at a start: public nodes answer 503 as a matter of routine, and a daemon must outlive one of those."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from hedged.adapters.injective.health import FAILURES_TO_ROTATE
from hedged.domain.errors import Retryable

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retries:
    """At most so many tries; the waits between them start at `first_s` and double up to `longest_s`."""

    tries: int = 5
    first_s: float = 1.0
    longest_s: float = 15.0

    @classmethod
    def through(cls, nodes: int) -> "Retries":
        """Try as often as it takes to have left every node but the last: for a command that somebody waits for."""
        return cls(tries=FAILURES_TO_ROTATE * nodes + 1, first_s=0.2, longest_s=1.0)


async def patiently(what: str, ask: Callable[[], Awaitable[T]], retries: Retries | None = None) -> T:
    """Return what `ask` returns, asked again while it raises Retryable. Raises the last one when the tries are used up.

    Every other error is raised at once: no waiting cures it.
    """
    retries = retries or Retries()
    for attempt in range(1, retries.tries):
        try:
            return await ask()
        except Retryable as error:
            wait_s = min(retries.first_s * 2 ** (attempt - 1), retries.longest_s)
            log.warning(
                "start_retried",
                what=what,
                attempt=attempt,
                of=retries.tries,
                again_in_s=wait_s,
                why=str(error),
            )
            await asyncio.sleep(wait_s)
    try:
        return await ask()
    except Retryable as error:
        log.error("start_given_up", what=what, tries=retries.tries, why=str(error))
        raise Retryable(f"{what}, asked {retries.tries} times: {error}") from None
