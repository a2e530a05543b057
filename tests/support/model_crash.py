"""A daemon that is killed again and again in the midst of its model's life: the real `hedged run` on simulated markets.

Each life begins eight hours after the one before. What is to be decided in it (a promotion, a demotion) is planted,
and it kills itself with -9 where it was told to (`model_deaths`), or is killed from outside at any moment.
"""

import asyncio
import json
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from crash_lives import Life
from model_deaths import Plan
from tiny_models import twin

from hedged.adapters.simulated import EPOCH_MS
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.forecast.models.history import History
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.models.trainings import Asked, Trainings
from hedged.forecast.record.sheet import Sheet

BREEDER = """
import json, os, sys
sys.path.insert(0, sys.argv[3])
import hedged.cli, hedged.daemon, hedged.forecast.ensemble, hedged.adapters.simulated
import model_deaths
config = sys.argv[1]
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        os.dup2(log, 1), os.dup2(log, 2)
        sys.argv = ["hedged", "run", "--config", config]
        try:
            model_deaths.arm(model_deaths.Plan(**json.loads(line)))
            hedged.cli.main()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""Imports once, then forks a `hedged run` for every plan that it reads."""

REGISTRY = "hedged.forecast.models.registry:ModelRegistry."
TRAININGS = "hedged.forecast.models.trainings:Trainings."
FOLLOWER = "hedged.wiring.models.follower:"
BY = "a crash test"
BEGINS_MS = EPOCH_MS + 10 * DAY_MS
"""Simulated markets begin in 2025, and every life makes them anew: so late is the first one."""
APART_MS = 8 * HOUR_MS
"""From one life to the next, so that each has forecasts to score, and outcomes of earlier ones."""


class Place(Enum):
    """Where a life ends: the function, what is counted in it, most of that, what is planted, what is to be trained."""

    ORDERED = (TRAININGS + "place", "disk", 5, "", 0.02)
    TRAINS = ("hedged.wiring.models.retraining:_At.told", "calls", 1, "", 0.2)
    TAKEN_IN = ("hedged.wiring.models.retraining:settle", "disk", 45, "", 0.02)
    PROMOTED = (REGISTRY + "promote", "disk", 5, "promote", None)
    LOADED = (FOLLOWER + "speaking", "calls", 30_000, "promote", None)
    HEARD = (FOLLOWER + "ModelFollower._heir", "calls", 100_000, "promote", None)
    EXCHANGED = ("hedged.app:App.exchange", "calls", 60, "promote", None)
    TOLD = (REGISTRY + "tell", "disk", 5, "promote", None)
    ROLLED_BACK = (REGISTRY + "rollback", "disk", 5, "rollback", None)
    RETIRED = (REGISTRY + "retire", "disk", 5, "retire", None)
    DEMOTED = (REGISTRY + "demote", "disk", 5, "demote", None)
    RESTORED = (REGISTRY + "restore", "disk", 5, "restore", None)
    OPENED = ("hedged.daemon:open_served", "calls", 30_000, "", None)
    SHADOWED = ("hedged.wiring.models.shadows:Shadows._begin", "calls", 100_000, "", None)
    SCORED = ("hedged.wiring.models.scoring:save_sheets", "calls", 60, "", None)
    DRIFTED = ("hedged.execution.journal.store:JournalStore.save_state", "calls", 30, "", None)
    ANYTIME = ("", "", 1, "", 0.1)


@dataclass(frozen=True)
class Death:
    """One life's end, and whether it came where it was meant to."""

    place: Place
    plan: Plan
    came: bool
    lived_s: float


@dataclass
class ModelStage:
    """The state directory, what was seen of it after the last life, and how the lives ended."""

    state: Path
    log: Path
    process: asyncio.subprocess.Process
    deaths: list[Death] = field(default_factory=list)
    number: int = 0
    since_ms: int = field(default_factory=lambda: round(time.time() * 1_000))
    before: History = field(default_factory=History)
    orders: set[int] = field(default_factory=set)
    sheets: dict[int, Sheet] = field(default_factory=dict)
    decided_ms: int = 0
    decisions: int = 0
    calm: int = 0
    wish_ms: int | None = None
    log_from: int = 0

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry.of(self.state)

    @property
    def trainings(self) -> Trainings:
        return Trainings.of(self.state)

    @property
    def shift_ms(self) -> int:
        """What the clock of the life that comes is ahead of ours."""
        return BEGINS_MS - self.since_ms + self.number * APART_MS

    def now_ms(self) -> int:
        """Its time."""
        return round(time.time() * 1_000) + self.shift_ms

    def author(self) -> Author:
        return Author(self.now_ms(), BY, "to see")

    def rows(self, sql: str) -> list[Any]:
        if not (self.state / JOURNAL_FILE).exists():
            return []
        with closing(sqlite3.connect(self.state / JOURNAL_FILE)) as db:
            return db.execute(sql).fetchall()

    def said(self) -> str:
        """What the latest life has printed."""
        return self.log.read_bytes()[self.log_from :].decode(errors="replace")

    async def bear(self, plan: Plan) -> Life:
        assert self.process.stdin is not None
        self.log_from = self.log.stat().st_size if self.log.exists() else 0
        self.process.stdin.write(json.dumps(asdict(plan)).encode() + b"\n")
        return Life(await self._number(), asyncio.create_task(self._number()))

    async def _number(self) -> int:
        assert self.process.stdout is not None
        return int(await self.process.stdout.readline())


@asynccontextmanager
async def model_stage(root: Path) -> AsyncIterator[ModelStage]:
    """A state directory without models, and what breeds daemons on it."""
    state, config, log = root / "state", root / "config.yaml", root / "log"
    told = {
        "state_dir": str(state),
        "book": {"positions": {"INJ": {"quantity": "4000"}}},
        "hedge": {"venues": ["binance"]},
        "telemetry": {"port": 0, "log_format": "json"},
        "cycle": {"interval_s": 30, "bar_s": 3_600, "history_days": 7},
        "models": {"data": str(root), "recipe": "tiny", "nice": 0, "memory_mb": 2_048, "slow_s": 600},
    }
    config.write_text(yaml.safe_dump(told))
    command = (sys.executable, "-c", BREEDER, str(config), str(log), str(Path(__file__).parent))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield ModelStage(state, log, process)
    finally:
        process.kill()
        await process.wait()


def prepare(stage: ModelStage, place: Place) -> None:
    """Do what has to be done before a life can come to where it is to end: as an operator, while none lives."""
    registry, wants, pace = stage.registry, place.value[3], place.value[4]
    challenged = wants in ("promote", "retire", "rollback") or place is Place.SHADOWED
    if challenged and not registry.read().challengers:
        add(stage)
    if wants == "rollback":
        # a champion of the daemon's, which is on probation
        registry.promote(registry.read().challengers[-1], Author(stage.now_ms(), "daemon", "planted"))
    if wants == "demote" and registry.read().demoted is not None:
        registry.restore(registry.read().champion, stage.author())
    if wants == "restore" and registry.read().demoted is None:
        registry.demote(registry.read().champion, stage.author())
    directory = stage.trainings.directory
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / "pace").write_text(str(pace or 0.0))
    if pace is not None:
        stage.trainings.ask(Asked(stage.now_ms(), BY, "to be killed"))
    wish = stage.trainings.asked()
    stage.wish_ms = wish.at_ms if wish else None


def add(stage: ModelStage) -> None:
    """Have an operator add a model."""
    made = twin(stage.state.parent / f"twin-{stage.number}", seed=stage.number)
    stage.registry.add(made.path, stage.author())


def planned(stage: ModelStage, place: Place, rng: np.random.Generator) -> Plan:
    """Draw where exactly a life ends."""
    within, steps, most, wants, _ = place.value
    after = int(rng.integers(most)) if steps == "disk" else int(np.exp(rng.uniform(0, np.log(most))))
    times = int(rng.integers(1, 7)) if place is Place.TRAINS else 1
    if place is Place.TOLD or (place is Place.ORDERED and stage.trainings.order() is None):
        times = int(rng.integers(1, 3))
    about = "model_drift" if place is Place.DRIFTED else ""
    return Plan(stage.shift_ms, within, times, steps, after, about, wants)


async def live_and_die(stage: ModelStage, place: Place, rng: np.random.Generator, patience_s: float) -> Death:
    """Run one life until it kills itself, or is killed when its time is up."""
    stage.number += 1
    prepare(stage, place)
    plan = planned(stage, place, rng)
    stage.before = stage.registry.read()
    began_s = time.monotonic()
    life = await stage.bear(plan)
    limit_s = float(rng.uniform(0.2, 3.0)) if place is Place.ANYTIME else patience_s
    try:
        code = await asyncio.wait_for(asyncio.shield(life.ended()), limit_s)
        came = True
    except TimeoutError:
        life.send(signal.SIGKILL)
        code, came = await life.ended(), place is Place.ANYTIME
    death = Death(place, plan, came, time.monotonic() - began_s)
    assert code == -signal.SIGKILL, f"it ended by itself with {code}: {stage.said()[-2_000:]}"
    stage.deaths.append(death)
    return death
