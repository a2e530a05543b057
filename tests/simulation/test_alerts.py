"""What the operator is told of a daemon that runs, is stopped out of a hedge, killed, resumed and ended."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shocks import SHOCK_MS, Shocked
from worlds import START_MS, app_on, config, dear, tables, world_of

from hedged.alerts.book import Message, Phase
from hedged.alerts.post import Addresses, Post
from hedged.alerts.teller import Teller
from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config
from hedged.control.hand import Hand
from hedged.control.switch import Switch
from hedged.domain.alert import Kind
from hedged.domain.clock import MINUTE_MS, SECOND_MS, LoopClock
from hedged.execution.journal.thread import Journal
from hedged.process import Process
from hedged.risk.kill import KillLevel
from hedged.sandbox.markets import VENUES
from hedged.serve import watch

Told = list[tuple[int, Message]]
KILL_MS, RESUME_MS, END_MS = (START_MS + minutes * MINUTE_MS for minutes in (18, 20, 31))


@dataclass(slots=True)
class Noting(Post):
    """A post that delivers to a list."""

    told: Told = field(default_factory=list)

    def put(self, message: Message, config: Config) -> None:
        assert config.mode == "paper"
        self.told.append((self.clock.now_ms(), message))


def live(settings: Config, from_ms: int = START_MS, until_ms: int = END_MS, *, killed: bool = False) -> Told:
    """Run a daemon with its switch on virtual time, its prices hit at SHOCK_MS; return what it told, and when.

    `killed`: right before its end.
    """
    path = settings.state_dir / "journal.sqlite"
    world = world_of(dear(tables(1)))
    sources: dict[str, Any] = {name: Shocked(source) for name, source in world.venues(VENUES).items()}
    told: Told = []

    async def main() -> None:
        clock, journal = LoopClock(from_ms), Journal.open(path, durable=False)
        app = app_on(settings, sources, world, clock, journal)
        process = Process(settings, app.metrics.registry)
        switch = Switch(settings, journal, clock, app.metrics, every_s=2.0)
        teller = Teller(lambda: process.config, Addresses(), clock, app.metrics, process)
        teller.book.wanted = lambda _: True
        teller.post = Noting(clock, app.metrics, process.well, told=told)
        process.teller = teller
        process.runs(app)
        process.switched(switch)
        await app.prepare()
        switch.prepared(Hand(lambda: app.cycle.desk, app.cycle.poller, app.parts.trading))

        async def until(at_ms: int) -> None:
            await asyncio.sleep((min(at_ms, until_ms) - clock.now_ms()) / SECOND_MS)

        async def operate() -> None:
            await until(KILL_MS)
            if until_ms > KILL_MS:
                await switch.turn(KillLevel.PAUSE, "a drill", "http")
                await until(RESUME_MS)
                await switch.resume("cli")
                await until(END_MS)
            if killed:
                await switch.turn(KillLevel.PAUSE, "the end", "signal")
            app.stop()

        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(one) for one in (watch(app, guarding=True), switch.run(), teller.run())
            ]
            group.create_task(operate())
            await app.run()
            for task in beside:
                task.cancel()
        assert process.alerts() == teller.book.active()
        await teller.leave(None, None, None)
        journal.close()

    run_virtually(main)
    return told


def test_a_day_of_trouble_is_told_in_order_once_each_and_in_words(tmp_path: Path) -> None:
    """If this fails, the operator is not told what his daemon did, or is told it twice, or after the event."""
    told = live(config(state_dir=str(tmp_path)))
    story = [(m.alert.kind, m.phase, m.alert.subject) for _, m in told if m.alert.subject != "BTC"]
    assert story == [
        (Kind.OPENED, Phase.EVENT, "INJ"),
        (Kind.DAEMON, Phase.EVENT, "start"),
        (Kind.STOP, Phase.RAISED, "INJ"),
        (Kind.HALTED, Phase.RAISED, "losses"),
        (Kind.CLOSED, Phase.EVENT, "INJ"),
        (Kind.KILL, Phase.RAISED, "latch"),
        (Kind.KILL, Phase.CLEARED, "latch"),
        (Kind.DAEMON, Phase.EVENT, "stop"),
    ]
    at = {(m.alert.kind, m.phase): (ms, m.alert.text) for ms, m in told}
    assert "Hedge of INJ opened: bought" in at[Kind.OPENED, Phase.EVENT][1]
    assert "USD expected over 24 h" in at[Kind.OPENED, Phase.EVENT][1]
    stopped_ms, stopped = at[Kind.STOP, Phase.RAISED]
    assert SHOCK_MS < stopped_ms < SHOCK_MS + 15 * SECOND_MS
    assert stopped.startswith("Hedge of INJ ")
    assert "has lost" in stopped
    killed_ms, killed = at[Kind.KILL, Phase.RAISED]
    assert KILL_MS <= killed_ms < KILL_MS + 6 * SECOND_MS
    assert killed == (
        "Kill latch pause, set by the page or the API: a drill. Nothing is sent, stops neither. `hedged resume` "
        "clears it."
    )
    resumed_ms, resumed = at[Kind.KILL, Phase.CLEARED]
    assert RESUME_MS <= resumed_ms < RESUME_MS + 6 * SECOND_MS
    assert resumed.startswith("Resumed by the command line")
    assert at[Kind.DAEMON, Phase.EVENT][1] == "Stopped: it was asked to. No hedge is held."
    assert all("\n" not in text and len(text) <= 400 for _, text in at.values())


def test_the_next_life_does_not_tell_again_what_still_stands(tmp_path: Path) -> None:
    """If this fails, every restart of a daemon in trouble tells all of it again."""
    settings, end_ms = config(state_dir=str(tmp_path)), SHOCK_MS + MINUTE_MS
    first = [m.alert.key for _, m in live(settings, until_ms=end_ms, killed=True) if m.phase is Phase.RAISED]
    assert (Kind.STOP, "INJ") in first
    assert first[-1] == (Kind.KILL, "latch"), "what came right before the end is told too"
    again = [m.alert.key for _, m in live(settings, end_ms + MINUTE_MS, end_ms + 8 * MINUTE_MS)]
    assert set(again) == {(Kind.DAEMON, "start"), (Kind.DAEMON, "stop")}
