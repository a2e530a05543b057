"""Measures settings on a data directory: every symbol, side and proxy rule by every strategy."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from hedged.adapters.replay.proxy import ProxyRule
from hedged.domain.errors import DataError
from hedged.evaluation.hedging.history import HedgeHistory, load_history
from hedged.evaluation.hedging.laws import FORECASTERS, foreseen, told_by_files, told_by_rule
from hedged.evaluation.hedging.perfect import foresee
from hedged.evaluation.hedging.result import IN_STEP, PERFECT, Outcome, outcome
from hedged.evaluation.hedging.scenarios import Scenarios
from hedged.evaluation.hedging.setting import Setting
from hedged.evaluation.hedging.walk import Planned, Walked, account, constant, on_sign, walk

SIDES = {"long": 1, "short": -1}
MODEL = "hedged"
ORACLE = "oracle"
"""The planner told what really comes over its horizon: what it then misses of perfect foresight is its own doing."""
PLANNED = (MODEL, *FORECASTERS, ORACLE)
SIMPLE = ("constant", "sign")


@dataclass(frozen=True, slots=True)
class Task:
    """One symbol under one proxy rule (None: the own venue is recorded): all sides and strategies of it."""

    data: Path
    symbol: str
    rule: ProxyRule | None
    setting: Setting
    from_ms: int
    to_ms: int
    sides: tuple[str, ...]
    forecasts: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What tasks found, and in words what could not be measured."""

    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def measure(
    tasks: Sequence[Task],
    jobs: int = 1,
    on_progress: Callable[[str, float], None] = lambda _text, _share: None,
) -> Measured:
    """Run all tasks, in `jobs` processes; outcomes come in the tasks' order.

    Raises DataError when none could be measured.
    """
    found: dict[int, Measured] = {}
    on_progress("walking", 0.0)
    if jobs == 1:
        for i, task in enumerate(tasks):
            found[i] = run(task)
            on_progress("walking", (i + 1) / len(tasks))
    else:
        # a fork would carry along the locks of libraries that run threads
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            futures = {pool.submit(run, task): i for i, task in enumerate(tasks)}
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                on_progress("walking", len(found) / len(tasks))
    done = Measured()
    for i in range(len(tasks)):
        done.outcomes.extend(found[i].outcomes)
        done.notes.extend(found[i].notes)
    if not done.outcomes:
        raise DataError("nothing could be measured: " + "; ".join(done.notes))
    done.notes.extend(_notes(done.outcomes))
    return done


def _notes(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Say what a reader must know of hours that are missing and decisions that were not taken."""
    left_out = {one.symbol: one.left_out_h for one in outcomes if one.left_out_h}
    if left_out:
        told = ", ".join(f"{symbol} {hours:,}" for symbol, hours in left_out.items())
        yield f"hours left out, in which a venue's funding is not recorded: {told}"
    for name in (MODEL, *FORECASTERS):
        without: dict[str, int] = {}
        for one in outcomes:
            if one.strategy == name and one.unplanned:
                without[one.symbol] = without.get(one.symbol, 0) + one.unplanned
        if without:
            told = ", ".join(f"{symbol} {n:,}" for symbol, n in without.items())
            yield f"decisions of {name} without a forecast or a solution, at which nothing was changed: {told}"


def run(task: Task) -> Measured:
    """Measure one symbol; one that the data do not hold is noted."""
    setting, rule = task.setting, task.rule or "recorded"
    try:
        history = load_history(
            task.data, task.symbol, setting.own, setting.venues, task.rule, task.from_ms, task.to_ms
        )
    except DataError as missing:
        return Measured(notes=[f"{task.symbol} ({rule}): {missing}"])
    done = Measured()
    told = dict(_scenarios(history, task, done.notes))
    for side in task.sides:
        for name, walked in _walks(history, setting, SIDES[side], told):
            done.outcomes.append(outcome(history, setting, task.symbol, rule, SIDES[side], name, walked))
    return done


def _scenarios(history: HedgeHistory, task: Task, notes: list[str]) -> Iterator[tuple[str, Scenarios]]:
    horizon = task.setting.horizon
    for name in PLANNED:
        if name == MODEL and not task.forecasts:
            continue
        if name == MODEL:
            told = told_by_files(task.forecasts, history, horizon)
            missing = [str(k) for k, (at_ms, _) in zip(history.told_by, told, strict=True) if not len(at_ms)]
            if missing:
                notes.append(f"{task.symbol}: the forecasts hold nothing of {', '.join(missing)}")
                continue
        else:
            told = foreseen(history, horizon) if name == ORACLE else told_by_rule(name, history, horizon)
        yield name, Scenarios(history, told, horizon)


def _walks(
    history: HedgeHistory, setting: Setting, side: int, told: dict[str, Scenarios]
) -> Iterator[tuple[str, Walked]]:
    for name, scenarios in told.items():
        planned = Planned(history, setting, side, scenarios)
        held = walk(history, setting, planned)
        yield name, account(history, setting, side, held, planned.unplanned)
    for name in SIMPLE:
        decision = constant(setting) if name == "constant" else on_sign(history, setting, side)
        yield name, account(history, setting, side, walk(history, setting, decision))
    yield PERFECT, account(history, setting, side, foresee(history, setting, side))
    if setting.every_h > 1:
        yield IN_STEP, account(history, setting, side, foresee(history, setting, side, in_step=True))
    if len(setting.kinds) > 1:
        for kind in setting.kinds:
            yield (
                f"{PERFECT} {kind}",
                account(history, setting, side, foresee(history, setting, side, (kind,))),
            )
