"""A daemon that is killed again and again while it trains and while models take over from each other.

The real `hedged run` on simulated markets. After every kill the registry, the orders of trainings and the journal are
read from outside, as a new life will find them.
"""

import asyncio
import json
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from crash_lives import Life
from tiny_models import twin

from hedged.execution.journal.file import JOURNAL_FILE
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.models.history import SHIPPED as SHIPPED_NAME
from hedged.forecast.models.history import Act
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.models.trainings import Asked, Trainings

BREEDER = """
import os, sys
sys.path.insert(0, sys.argv[3])
import hedged.cli, hedged.daemon, hedged.forecast.ensemble, hedged.adapters.simulated
import hedged.wiring.models.child as child, hedged.wiring.models.follower as follower
import hedged.wiring.models.retraining as retraining
follower.EVERY_S, retraining.EVERY_S = 0.1, 0.1
support = sys.argv[3]
if sys.argv[4] == "quick":
    plain = child.environment
    child.MODULE = "model_crash_trainer"
    def environment(threads, home):
        told = plain(threads, home)
        return told | {"PYTHONPATH": told["PYTHONPATH"] + os.pathsep + support}
    child.environment = environment
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
config = sys.argv[1]
print("ready", flush=True)
for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        os.dup2(log, 1), os.dup2(log, 2)
        sys.argv = ["hedged", "run", "--config", config]
        try:
            hedged.cli.main()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""Imports once, then forks a `hedged run` for every line it reads; looks at registry and orders ten times a second."""

BY = "a crash test"
PATIENCE_S = 90.0


@dataclass
class ModelStage:
    """`heirs`: two models that speak, promoted in turn; `champions`: whoever was promoted."""

    state: Path
    log: Path
    process: asyncio.subprocess.Process
    heirs: list[str]
    champions: set[str] = field(default_factory=lambda: {SHIPPED_NAME})
    orders: set[int] = field(default_factory=set)
    deaths: Counter[str] = field(default_factory=Counter)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry.of(self.state)

    @property
    def trainings(self) -> Trainings:
        return Trainings.of(self.state)

    def rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.state / JOURNAL_FILE)) as db:
            return db.execute(sql).fetchall()

    async def bear(self) -> Life:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        return Life(await self._number(), asyncio.create_task(self._number()))

    async def _number(self) -> int:
        assert self.process.stdout is not None
        return int(await self.process.stdout.readline())

    def author(self) -> Author:
        return Author(round(time.time() * 1_000), BY, "to be killed")

    def promote(self, n: int) -> None:
        """Make the other heir champion; the daemon swaps within a tenth of a second."""
        model = self.heirs[n % 2]
        if self.registry.read().champion != model:
            self.registry.promote(model, self.author())
        self.champions.add(model)

    def ask(self) -> None:
        self.trainings.ask(Asked(round(time.time() * 1_000), BY, "to be killed"))


@asynccontextmanager
async def model_stage(root: Path, data: Path, *, quick: bool) -> AsyncIterator[ModelStage]:
    """`quick`: the stand-in for the trainer; else the real one, by the tiny recipe on `data`."""
    state, config, log = root / "state", root / "config.yaml", root / "log"
    state.mkdir(mode=0o700)
    told = {
        "state_dir": str(state),
        "book": {"positions": {"INJ": {"quantity": "4000"}}},
        "telemetry": {"port": 0, "log_format": "json"},
        "cycle": {"interval_s": 30, "bar_s": 3_600, "history_days": 7},
        "models": {"data": str(data), "recipe": "tiny", "nice": 1, "memory_mb": 2_048, "challengers": 0},
    }
    config.write_text(yaml.safe_dump(told))
    author = Author(round(time.time() * 1_000), BY, "an heir")
    heirs = [
        ModelRegistry.of(state).add(twin(root / f"twin-{n}", width=1.2 + n / 10).path, author).hash
        for n in (0, 1)
    ]
    support, pipe = str(Path(__file__).parent), asyncio.subprocess.PIPE
    command = (sys.executable, "-c", BREEDER, str(config), str(log), support, "quick" if quick else "real")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield ModelStage(state, log, process, heirs)
    finally:
        process.kill()
        await process.wait()


def check(stage: ModelStage) -> None:
    """What holds whenever the daemon dies. Raises AssertionError or ConfigError."""
    history = stage.registry.read()
    for model in history.kept:
        assert stage.registry.open(model).hash == model
    promoted = {one.model for one in history.events if one.act is Act.PROMOTED} | {SHIPPED_NAME}
    assert history.champion in promoted
    assert history.champion in stage.champions
    at_hand, ended = stage.trainings.order(), stage.trainings.ended()
    found = {one.ordered_ms for one in ended} | ({at_hand.ordered_ms} if at_hand else set())
    assert stage.orders <= found, f"orders that vanished: {stage.orders - found}"
    stage.orders |= found
    for one in ended:
        if one.outcome == "added":
            assert one.model in history.models, "a model that was made is not in the registry"
    if (stage.state / JOURNAL_FILE).exists():
        assert stage.rows("PRAGMA integrity_check") == [("ok",)]
        check_decisions(stage)


def check_decisions(stage: ModelStage) -> None:
    """Every decision carries the hash of a model that was champion, or of the stand-in."""
    known = {load(SHIPPED).hash, EwmaForecaster().model_hash, *stage.heirs}
    for (body,) in stage.rows("SELECT body FROM decisions"):
        told = json.loads(body)
        assert told.get("model_hash"), "a decision without the hash of its model"
        assert told.get("feature_hash")
        model = told["model_hash"].split("+")[0]
        assert model in known, f"decided by {model}, which nobody promoted"


async def live_and_die(stage: ModelStage, n: int, rng: np.random.Generator) -> None:
    """One life: it trains or goes on training, and another model takes over; it is killed at a moment by chance."""
    during = ("training", "swap", "whenever")[n % 3]
    stage.ask()
    if during == "swap":
        stage.promote(n)
    life = await stage.bear()
    begun_s = time.monotonic()
    size = stage.log.stat().st_size if stage.log.exists() else 0
    wanted = {"training": '"training_started"', "swap": '"prepared"', "whenever": '"http_listening"'}[during]
    await said(stage, life, wanted, size)
    if during == "swap":  # it serves: now the other one is to take over
        stage.promote(n + 1)
    await asyncio.sleep(float(rng.uniform(0.0, 1.2)))
    life.send(signal.SIGKILL)
    await life.ended()
    stage.deaths[during] += 1
    assert time.monotonic() - begun_s < PATIENCE_S * 2
    check(stage)


async def said(stage: ModelStage, life: Life, what: str, since: int) -> None:
    """Wait until a life says something."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with stage.log.open() as log:
                log.seek(since)
                if what in log.read():
                    return
            assert life.returncode is None, stage.log.read_text()[-2_000:]
            await asyncio.sleep(0.02)


async def calm_life(stage: ModelStage) -> None:
    """Let the daemon come to itself: the order at hand ends in a model, and the champion serves."""
    stage.ask()
    before = len(stage.trainings.ended())
    size, life = stage.log.stat().st_size, await stage.bear()
    await said(stage, life, '"event": "prepared"', size)
    async with asyncio.timeout(PATIENCE_S):
        while len(stage.trainings.ended()) == before or not _serves(stage):
            assert life.returncode is None, stage.log.read_text()[-2_000:]
            await asyncio.sleep(0.05)
    life.send(signal.SIGTERM)
    assert await life.ended() == 0, stage.log.read_text()[-2_000:]
    assert stage.trainings.order() is None
    assert stage.trainings.ended()[-1].outcome in ("added", "rejected"), stage.trainings.ended()[-1]
    check(stage)


def _serves(stage: ModelStage) -> bool:
    running, champion = stage.registry.running(), stage.registry.read().champion
    return running is not None and running.model == champion == running.champion and not running.refused


async def crash(stage: ModelStage, rounds: int, seed: int) -> None:
    """Kill it so many times, at moments that follow from the seed; let it come to itself now and then."""
    rng = np.random.default_rng(seed)
    for n in range(rounds):
        await live_and_die(stage, n, rng)
        if n % 25 == 24:
            await calm_life(stage)
    await calm_life(stage)


def report(stage: ModelStage) -> list[str]:
    """Say how the lives ended, and what became of the orders."""
    ended = stage.trainings.ended()
    attempts = sum(one.attempts for one in ended)
    outcomes = Counter(one.outcome for one in ended)
    decisions = stage.rows("SELECT count(*) FROM decisions")[0][0]
    return [
        f"killed: {dict(stage.deaths)}",
        f"orders: {len(ended)} in {attempts} attempts: {dict(outcomes)}; none vanished",
        f"decisions: {decisions}, each with the hash of its model; champion: {stage.registry.read().champion}",
    ]
