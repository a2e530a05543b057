"""One life: the daemon on its virtual clock, from its first model to the end of the stretch, and what it left."""

import asyncio
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hedged.backtest.runner import RunResult, Window, equity_usd, own_quantities
from hedged.backtest.summary import summarise
from hedged.backtest.virtual_time import run_virtually
from hedged.backtest.world import World
from hedged.config import Config
from hedged.daemon import run_daemon
from hedged.directories import make_private_directory
from hedged.domain.clock import SECOND_MS, LoopClock, iso
from hedged.domain.errors import DataError
from hedged.domain.lasting import Lasting
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.store import JournalStore
from hedged.forecast.models.durable import write_whole
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.models.trainings import Trainings
from hedged.rehearsal.kept import Kept
from hedged.rehearsal.observer import Observer
from hedged.wiring.models.learnable import recipe_of
from hedged.wiring.models.life import ModelLife
from hedged.wiring.models.orders import data_end_ms, ordered, settle

TOLD = "life.json"
FIRST = "the first model of a rehearsal"
OnProgress = Callable[[str, float], None]
MONEY = (
    "unhedged_funding_usd",
    "hedged_funding_usd",
    "fees_usd",
    "spread_usd",
    "net_saving_usd",
    "turnover_usd",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What all lives of a rehearsal share. `trained`: where trainings are kept; `key`: names data and settings, so
    that a finished life of others is not taken for this one.
    """

    world: World
    window: Window
    out: Path
    trained: Path
    data_hash: str
    key: str
    on_progress: OnProgress


def lived(stage: Stage, name: str, config: Config) -> dict[str, Any]:
    """Live one life, or read what was told of it when it is over already."""
    folder = stage.out / "lives" / name
    told = folder / TOLD
    if told.is_file():
        found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        if found["key"] == stage.key:
            return found
    shutil.rmtree(folder, ignore_errors=True)
    state = folder / "state"
    folder.mkdir(parents=True)
    make_private_directory(state)
    config = config.model_copy(update={"state_dir": state})
    window = stage.window
    if config.hedge.forecaster == "ensemble":
        _first_model(stage, config)
    observers = _live(stage, name, config)
    found = {
        "key": stage.key, "name": name, "from": iso(window.from_ms), "to": iso(window.to_ms),
        **observers.told(),
        "registry": [
            {"ts": one.ts, "act": str(one.act), "model": one.model, "by": one.by, "why": one.why}
            for one in ModelRegistry.of(state).read().events
        ],
        "trainings": [asdict(one) for one in Trainings.of(state).ended()],
        "money": _money(stage, config),
    }  # fmt: skip
    write_whole(told, json.dumps(found, allow_nan=False).encode())
    return found


def _first_model(stage: Stage, config: Config) -> None:
    """Train what serves first, on what was known before the beginning. Raises DataError where there is too little."""
    from_ms, state = stage.window.from_ms, config.state_dir
    registry, trainings = ModelRegistry.of(state), Trainings.of(state)
    order = ordered(config, registry, recipe_of(config), from_ms, "rehearsal", FIRST).begun(from_ms)
    trainings.place(order)
    kept = Kept(stage.trained, stage.data_hash, lambda: data_end_ms(from_ms), stage.on_progress)
    ending = kept(trainings, order, config.models.hours, lambda _stage, _share: None, threading.Event())
    if ending.outcome is not None:
        raise DataError(f"the first model was not trained: {ending.outcome}: {ending.why}")
    training = settle(trainings, order.ended(from_ms, "added", ""), config, from_ms)
    if not training.model:
        raise DataError(f"the first model is not good enough to begin with: {training.text}")
    registry.promote(training.model, Author(from_ms, "rehearsal", FIRST))


def _live(stage: Stage, name: str, config: Config) -> Observer:
    window, made = stage.window, list[Observer]()
    length_ms = window.to_ms - window.from_ms

    async def life() -> None:
        loop, clock = asyncio.get_running_loop(), LoopClock(window.from_ms)

        def watching(models: ModelLife) -> Lasting:
            # from a thread: there the clock itself finds no loop
            models.retraining.launch = Kept(
                stage.trained, stage.data_hash, lambda: window.from_ms + round(loop.time() * 1_000),
                stage.on_progress,
            )  # fmt: skip
            made.append(
                Observer(
                    models, clock, float(config.cycle.interval_s),
                    lambda now_ms: stage.on_progress(name, (now_ms - window.from_ms) / length_ms),
                )
            )  # fmt: skip
            return made[0]

        sources = stage.world.venues([INJECTIVE, *config.hedge.venues])
        await run_daemon(config, clock, sources, window.to_ms, watching=watching)
        if (
            clock.now_ms() < window.to_ms - SECOND_MS
        ):  # it was asked to end, as a daemon is: half a life is none
            raise KeyboardInterrupt

    run_virtually(life)
    return made[0]


def _money(stage: Stage, config: Config) -> dict[str, float]:
    """Add up what the journal holds, as a backtest does."""
    window, world = stage.window, stage.world
    book = own_quantities(config, lambda symbol: world.price(SeriesKey(INJECTIVE, symbol), window.from_ms))
    store = JournalStore(str(config.state_dir / JOURNAL_FILE), durable=False)
    try:
        result = RunResult(
            config=config, window=window, fills=store.fills(), payments=store.funding(),
            decisions=store.decisions(), book=store.book(), model_hash="", feature_hash="",
            equity_usd=equity_usd(config, book),
        )  # fmt: skip
    finally:
        store.close()
    source = world.venues([INJECTIVE])[INJECTIVE]
    prints = asyncio.run(source.settlements(window.from_ms, window.to_ms - 1))
    summary = summarise(result, world, prints, "rehearsal")
    return {name: round(float(summary[name]), 2) for name in MONEY} | {"fills": float(len(result.fills))}
