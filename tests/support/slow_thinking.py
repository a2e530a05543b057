"""A model that takes its time."""

import asyncio
from typing import Any

import pytest

from hedged.thinking import Thinking


def think_slowly(monkeypatch: pytest.MonkeyPatch, takes_s: float) -> asyncio.Event:
    """Let every forecast take so long from now on; return what is set when one has begun."""
    begun, of = asyncio.Event(), Thinking.of

    async def slowly(self: Thinking, *work: Any) -> Any:
        begun.set()
        await asyncio.sleep(takes_s)
        return await of(self, *work)

    monkeypatch.setattr(Thinking, "of", slowly)
    return begun
