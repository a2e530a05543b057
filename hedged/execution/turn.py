"""Whose turn it is at the desk: one at a time. Who must not wait may ask the one at work to yield.

It yields where it only asks, waits or thinks: there its work may be ended at any await, as a deadline may end it. It
never does where an order is being sent or cancelled, nor where something is being written down.

Where it only thinks it may lend the turn: the stops are looked at meanwhile, however long a model takes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hedged.execution.scopes import Cut, Scopes


class Yielded(Exception):
    """Somebody who must not wait wants the desk: nothing was decided, and nothing is lost."""


class Turn:
    """A lock, first come first served. Who must not wait yields it to nobody."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0  # of those who must not wait
        self._urgent = False  # whether one of them is at work
        self._lent = False
        self._guest = asyncio.Lock()
        self._scopes = Scopes()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    def locked(self) -> bool:
        """Whether somebody is at work, and has not lent the turn."""
        return self._lock.locked() and (not self._lent or self._guest.locked())

    @property
    def wanted(self) -> bool:
        """Whether who is at work should yield as soon as it can."""
        return self._waiting > 0 and not self._urgent

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[None]:
        """Take the turn, and have whoever is at work yield it, unless it must not wait either."""
        self._waiting += 1
        if self.wanted:
            self._scopes.cut()
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        self._urgent = True
        try:
            yield
        finally:
            self._urgent = False
            self._lock.release()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Lend the turn while whoever holds it only thinks. What it knew of accounts before may be past afterwards."""
        self._lent = True
        try:
            yield
        finally:
            self._lent = False
            async with self._guest:  # a guest who is at work goes first
                pass

    @asynccontextmanager
    async def as_guest(self) -> AsyncIterator[None]:
        """Take the turn, or borrow it where it is lent."""
        async with self._guest if self._lent else self:
            yield

    @asynccontextmanager
    async def yielding(self) -> AsyncIterator[None]:
        """Do what may be ended at any await, for whoever holds the turn. Raises Yielded where it was."""
        if self.wanted:
            raise Yielded
        try:
            async with self._scopes.open():
                yield
        except Cut:
            raise Yielded from None
