"""Many seeds, on several processors."""

import importlib.util
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hedged.domain.errors import ConfigError
from hedged.simulate.run import play
from hedged.simulate.world import Mode

USUAL_HOURS = 4.0


@dataclass(frozen=True, slots=True)
class Played:
    """What is kept of a seed: not its history, which the seed gives again."""

    seed: int
    mode: Mode
    counts: Counter[str]
    broken: tuple[tuple[str, str], ...]
    options: str = ""

    @property
    def reproduction(self) -> str:
        """The command that plays it again and prints what happened."""
        return f"hedged simulate --seeds {self.seed}..{self.seed} --mode {self.mode}{self.options} --trace"


def play_all(
    seeds: Iterable[int],
    modes: Iterable[Mode],
    hours: float,
    jobs: int,
    plant: str = "",
    *,
    every_fault: bool = False,
) -> Iterator[Played]:
    """Play every seed in every mode, in order. `plant`: see `plant_of`."""
    tasks = [(seed, mode) for seed in seeds for mode in modes]
    one = partial(_one, hours=hours, plant=plant, every_fault=every_fault)
    if jobs == 1:
        yield from map(one, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(one, tasks, chunksize=4)


def _one(task: tuple[int, Mode], hours: float, plant: str, *, every_fault: bool) -> Played:
    seed, mode = task
    options = (f" --hours {hours:g}" if hours != USUAL_HOURS else "") + (
        " --every-fault" if every_fault else ""
    )
    with plant_of(plant):
        outcome = play(seed, mode, hours, every_fault=every_fault)
    return Played(seed, mode, outcome.counts, tuple(outcome.broken), options)


def plant_of(plant: str) -> AbstractContextManager[Any]:
    """Return the bug of `FILE:NAME` as a context in which the daemon has it: what the file's `planted(NAME)` makes.

    Raises ConfigError for a file without one.
    """
    if not plant:
        return nullcontext()
    path, _, name = plant.rpartition(":")
    spec = importlib.util.spec_from_file_location("planted_bugs", Path(path)) if path else None
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise ConfigError(f"--plant {plant!r}: expected FILE:NAME, e.g. tests/support/planted.py:blind_retry")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if name not in module.PLANTS:
        raise ConfigError(f"--plant: {path} has {', '.join(sorted(module.PLANTS))}")
    context: AbstractContextManager[Any] = module.planted(name)
    return context
