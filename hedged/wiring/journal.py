"""The journal's life in a daemon: opened when that is possible, copied once a day, kept from growing without end."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from hedged.config import Config
from hedged.domain.clock import DAY_MS, Clock
from hedged.domain.errors import NoJournal
from hedged.execution.journal.claim import claim_journal
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

AGAIN_S = 2.0
UPKEEP_S = 60.0
DECISIONS_KEPT_MS = 90 * DAY_MS
"""Decisions that led to no order are dropped after that."""

log = structlog.get_logger(__name__)


async def open_journal(
    config: Config, path: Path, say: Callable[[str], None], wait: Callable[[float], Awaitable[bool]]
) -> Journal | None:
    """Open the journal and claim it for this configuration. While it cannot be written `say` why, and `wait`.

    None when waiting was ended. Raises Fatal for a journal that is damaged, newer than the program, or another's.
    """
    told = False
    while True:
        try:
            journal = await claimed_journal(config, path)
        except NoJournal as error:
            say(str(error))
            if not told:
                log.error("journal_failing", why=str(error))
            told = True
            if not await wait(AGAIN_S):
                return None
        else:
            say("")
            return journal


async def claimed_journal(config: Config, path: Path) -> Journal:
    """Open the journal and claim it for this configuration. Raises NoJournal, or Fatal for one of another."""
    journal = Journal.open(path)
    try:
        book = f"{config.book.address}/{config.book.subaccount}"
        await claim_journal(journal, config.mode, config.account, book)
    except BaseException:
        journal.close()
        raise
    return journal


class JournalUpkeep:
    """Runs beside the cycles. A failure here costs a copy, never an order."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._failing = False

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(UPKEEP_S)
            await self.once()

    async def once(self) -> None:
        """Make the copy of the day if it is missing, and drop a few old decisions."""
        now_ms = self._clock.now_ms()
        try:
            made = await self._journal.back_up(now_ms)
            await self._journal(JournalStore.prune, now_ms - DECISIONS_KEPT_MS)
        except NoJournal:
            return  # told by the journal
        except (sqlite3.Error, OSError) as error:
            if not self._failing:
                log.warning("journal_not_backed_up", why=str(error))
            self._failing = True
            return
        if made or self._failing:
            log.info("journal_backed_up")
        self._failing = False
