"""Waiting for the daemon: what its sign of life says, and what silence means."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedged.backtest.virtual_time import run_virtually
from hedged.commands.following import FOLLOW_S, Followed, follow
from hedged.commands.kill import latch
from hedged.config import Config, parse_config
from hedged.control.lease import Lease, Sign
from hedged.domain.errors import Rejected
from hedged.risk.gate import KillLevel


class Told:
    """A daemon that is this process, and says what a test wants."""

    def __init__(self, folder: Path) -> None:
        self.config: Config = parse_config({"state_dir": str(folder)})
        self.lease = Lease.take(self.config)
        self.said: list[str] = []

    def beat(self, **what: object) -> None:
        self.lease.beat(1, **what)  # type: ignore[arg-type]

    def elsewhere(self, **what: object) -> None:
        """Give a sign of life under a number that is nobody's here: another container's."""
        self.lease.sign = replace(self.lease.sign, started=1)
        self.beat(**what)

    def follow(self, turn: int | None, level: KillLevel, within_s: float = 60) -> Followed:
        return run_virtually(lambda: follow(self.config, turn, level, within_s, self.said.append))


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path)
    yield made
    made.lease.release()


def test_a_daemon_that_follows_is_enough_for_a_pause_and_not_for_a_flatten(told: Told) -> None:
    """If this fails, `hedged kill --level flatten` says done while legs are held."""
    told.beat(doing="running", followed=7, left=("binance:INJ: -4 coins: no answer",))
    assert told.follow(7, KillLevel.PAUSE) == Followed(done=True)
    assert told.follow(7, KillLevel.FLATTEN, 5) == Followed(done=False, working=True)
    assert told.said[-2:] == [
        f"the daemon (pid {os.getpid()}) follows: flatten; left: binance:INJ: -4 coins: no answer",
        "it is not done yet; the daemon goes on with it",
    ]
    told.beat(doing="running", followed=7, settled=True)
    assert told.follow(7, KillLevel.FLATTEN) == Followed(done=True)


def test_what_was_done_for_an_earlier_turn_is_not_taken_for_this_one(told: Told) -> None:
    """If this fails, a second flatten ends with the success of the first."""
    told.beat(doing="running", followed=6, settled=True)
    assert told.follow(7, KillLevel.FLATTEN) == Followed(done=False), "it is ended, and done in its place"
    assert "lives and does not follow" in told.said[-1]
    assert told.follow(7, KillLevel.PAUSE) == Followed(done=False)
    assert told.follow(None, KillLevel.FLATTEN) == Followed(done=False)
    assert FOLLOW_S < 60


def test_a_daemon_that_starts_sends_nothing_and_can_close_nothing(told: Told) -> None:
    """If this fails, a flatten waits for a start of minutes, or a pause ends it."""
    told.beat(doing="starting")
    assert told.follow(1, KillLevel.PAUSE) == Followed(done=True)
    assert told.follow(1, KillLevel.FLATTEN) == Followed(done=False)


def test_a_daemon_whose_process_cannot_be_seen_but_beats_is_alive(told: Told) -> None:
    """If this fails, a daemon in another container passes for none."""
    told.elsewhere(doing="running", followed=1)
    assert told.follow(1, KillLevel.REDUCE_ONLY) == Followed(done=True)
    assert "follows: reduce-only" in told.said[-1]


def test_nobody_there_is_said_and_a_latch_is_enough_only_for_what_forbids(tmp_path: Path) -> None:
    """If this fails, a flatten with no daemon reports success."""
    config, said = parse_config({"state_dir": str(tmp_path)}), list[str]()
    for level, done in ((KillLevel.PAUSE, True), (KillLevel.CANCEL, False), (KillLevel.FLATTEN, False)):
        assert asyncio.run(follow(config, 1, level, 5, said.append)) == Followed(done)
    assert all(text.startswith("no daemon runs on") for text in said)


def test_silence_is_a_hang(told: Told) -> None:
    """If this fails, the daemon that hangs is waited for."""
    told.beat(doing="running", followed=9, settled=True)
    sign: Sign = told.lease.sign
    told.config = told.config.model_copy(
        update={"control": told.config.control.model_copy(update={"silent_after_s": -1.0})}
    )
    assert told.follow(1, KillLevel.FLATTEN) == Followed(done=False)
    assert told.said[-1].startswith(f"the daemon (pid {sign.pid}) has given no sign of life for")


def test_a_confirmation_holds_for_what_was_shown(tmp_path: Path) -> None:
    """If this fails, an operator who resumes a pause clears the halt that came while he was reading."""
    config = parse_config({"state_dir": str(tmp_path)})
    first = latch(config, KillLevel.PAUSE, "wait")
    assert first == 1
    assert latch(config, KillLevel.REDUCE_ONLY, "the ledger does not agree") == 2
    with pytest.raises(Rejected, match="turned meanwhile"):
        latch(config, KillLevel.NONE, "resumed", only_after=first)
    assert latch(config, KillLevel.NONE, "resumed", only_after=2) == 3
