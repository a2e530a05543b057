"""What must not wait for what can: a mark on the work of a task, and of the tasks that it starts.

Whoever has a limit to keep (an exchange's rate of requests) lets it through first, and may go into debt for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_URGENT: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def at_once() -> Iterator[None]:
    """Mark what is done within: a kill, a cancellation, an order that reduces."""
    before = _URGENT.set(True)
    try:
        yield
    finally:
        _URGENT.reset(before)


def is_urgent() -> bool:
    """Tell whether this is done within `at_once`."""
    return _URGENT.get()
