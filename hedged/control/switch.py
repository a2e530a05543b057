"""The kill switch of a running daemon: every way it is turned ends in the journal, and what it asks for is done.

Turned by the command line (which writes to the journal), a file, signals and HTTP. Followed four times a second, by a
task that waits for no venue; what must be done at venues is another task's.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from hedged.config import Config
from hedged.control.hand import Hand
from hedged.control.kill_file import FILE, Asked, read_kill_file
from hedged.domain.clock import Clock, iso
from hedged.domain.errors import NoJournal, Rejected
from hedged.execution.desk import Desk
from hedged.execution.journal.latch import BY_DAEMON, Latch
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.risk.kill import KillLevel
from hedged.telemetry.metrics import Metrics

EVERY_S = 0.25
MOST_WAITING = 16

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Switch:
    """`latch`: the turn that is in force; `hand`: what acts on it, once the daemon is prepared; `owed`: what is latched
    in memory alone, until the journal can be written again.
    """

    config: Config
    journal: Journal
    clock: Clock
    metrics: Metrics
    every_s: float = EVERY_S
    latch: Latch = field(default_factory=Latch)
    hand: Hand | None = None
    owed: Asked | None = None
    _owed_by: str = ""
    _waiting: deque[tuple[Asked, str]] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _acting: asyncio.Event = field(default_factory=asyncio.Event)

    def signalled(self, level: KillLevel, name: str) -> None:
        """Take a signal; it never loosens what is latched already."""
        self._waiting.append((Asked(level, f"signal {name}"), "signal"))
        self._woken.set()

    async def turn(self, level: KillLevel, reason: str, source: str) -> Latch:
        """Latch a level, journalled first, so that it outlives a restart."""
        now_ms, account = self.clock.now_ms(), self.config.account
        try:
            await self.journal(JournalStore.set_kill, now_ms, int(level), reason, account, source)
        except NoJournal as error:
            if self.owed is None:
                log.error("kill_not_journalled_yet", latch=level.label, reason=reason, why=str(error))
            self.owed, self._owed_by = Asked(level, reason), source
            self.latch = replace(
                self.latch, ts_ms=now_ms, level=level, reason=reason, account=account, source=source
            )
            self._obey()
            return self.latch
        self.owed = None
        await self.follow()
        return self.latch

    async def resume(self, source: str) -> Latch:
        """Clear the latch. Raises Rejected while the reason still stands."""
        if why := self.stands():
            raise Rejected(why)
        return await self.turn(KillLevel.NONE, "resumed by the operator", source)

    def stands(self) -> str:
        """Say why the latch cannot be cleared; empty where it can."""
        return standing(self.config)

    async def run(self) -> None:
        """Follow the switch until cancelled."""
        while True:
            await self.look()
            try:
                async with asyncio.timeout(self.every_s):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    async def look(self) -> None:
        """Take what was asked for since the last look, then follow the journal, unless it cannot be read now."""
        try:
            if self.owed is not None:
                await self._latch(self.owed, self._owed_by)
            await self._take()
        except NoJournal:
            pass  # told by the journal; what is latched stays

    async def _take(self) -> None:
        if self._waiting:
            # what is latched may have been cleared before the signal, while nobody looked
            with suppress(NoJournal):
                await self.follow()
        while self._waiting:
            asked, source = self._waiting.popleft()
            if asked.level > self.latch.level:
                await self._latch(asked, source)
            else:
                log.warning("signal_ignored", signal=asked.reason, latched=self.latch.level.label)
        await self._look_at_file()
        await self.follow()

    async def _look_at_file(self) -> None:
        """Latch what the file asks for: where it says something new, or nothing is latched though it exists."""
        asked = await asyncio.get_running_loop().run_in_executor(None, read_kill_file, self.config.state_dir)
        if asked is None:
            return
        told = await self.journal(JournalStore.latch, "file")
        if (told.level, told.reason) != (asked.level, asked.reason) or self.latch.level is KillLevel.NONE:
            await self._latch(asked, "file")

    async def _latch(self, asked: Asked, source: str) -> None:
        await self.turn(asked.level, asked.reason, source)

    async def follow(self) -> None:
        """Take over the turn that is in force; the command line writes to the journal too."""
        if self.owed is not None:
            self._obey()
            return
        before, self.latch = self.latch, await self.journal(JournalStore.latch)
        self._obey()
        if self.latch.turn == before.turn:
            return
        if before.turn or self.latch.level:
            log.warning(
                "kill_latch_changed", latch=self.latch.level.label, reason=self.latch.reason,
                source=self.latch.source, account=self.latch.account,
            )  # fmt: skip
        self.metrics.kill_left.set(0)
        if self.hand is not None:
            self.hand.rest()
        self._acting.set()

    def _obey(self) -> None:
        """Let the desk know what is in force; it may be another desk by now."""
        self.metrics.kill.set(self.latch.level)
        self.metrics.halted.set(self.latch.level is not KillLevel.NONE and self.latch.source == BY_DAEMON)
        if self._desk is not None:
            self._desk.kill = self.latch.level

    async def act(self) -> None:
        """Do what the latch asks for, round after round, until cancelled."""
        while True:
            hand = self.hand
            if hand is None or hand.settled or self.latch.level not in (KillLevel.CANCEL, KillLevel.FLATTEN):
                self._acting.clear()
                await self._acting.wait()
                continue
            try:
                done = await hand.act(self.latch.level)
            except NoJournal as error:  # no journal, no send
                done, hand.left = False, (str(error),)
            self.metrics.kill_left.set(len(hand.left))
            if done:
                log.warning("kill_done", latch=self.latch.level.label, note=kept_note(self.latch.level))
                continue
            self._acting.clear()
            try:
                async with asyncio.timeout(hand.wait_s):
                    await self._acting.wait()
            except TimeoutError:
                pass

    def prepared(self, hand: Hand) -> None:
        """Act on the latch from now on."""
        self.hand = hand
        hand.desk.kill = self.latch.level
        self._acting.set()

    @property
    def _desk(self) -> Desk | None:
        return self.hand.desk if self.hand else None

    @property
    def text(self) -> str:
        """The latch in words, for page and answers."""
        return latch_text(self.latch, self.hand)


def standing(config: Config) -> str:
    """Say why a latch cannot be cleared now; empty where it can."""
    if read_kill_file(config.state_dir) is not None:
        return f"{config.state_dir / FILE} still exists, and would latch again at once: remove it first"
    return ""


def latch_text(latch: Latch, hand: Hand | None = None) -> str:
    """Write a latch: since when, by whom, why, and what is left to do."""
    if latch.level is KillLevel.NONE:
        return ""
    text = f"{latch.level.label} since {iso(latch.ts_ms)} by {latch.source or 'hand'}: {latch.reason}"
    if latch.account:
        text += f" (account {latch.account})"
    if hand is not None and latch.level in (KillLevel.CANCEL, KillLevel.FLATTEN):
        text += "; done" if hand.settled else f"; left: {'; '.join(hand.left) or 'at work'}"
    return text


def kept_note(level: KillLevel) -> str:
    """Say what a level leaves as it is."""
    if level is KillLevel.FLATTEN:
        return "hedge legs are closed; what was cut on Injective is not given back; the latch stays"
    return "nothing of ours rests; hedges are held; the latch stays"
