"""What the tasks about models do off the event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from hedged.app import App
from hedged.buffer.ring import BarWindow

T = TypeVar("T")


async def off_loop(function: Callable[..., T], *args: object) -> T:
    """Do something in a thread."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


async def copied(app: App) -> BarWindow:
    """Return the window apart from the buffer, which goes on; between two cycles."""
    async with app.cycle.desk.busy:
        return copy_of(app.cycle.buffer.window())


def copy_of(window: BarWindow) -> BarWindow:
    """Return it apart from the buffer."""
    return replace(window, times_ms=window.times_ms.copy(), values=window.values.copy())
