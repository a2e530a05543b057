"""Which policies are trained, on what, and by which seeds; each with its learning curve beside it on disk."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from stable_baselines3 import PPO

from experiments.reinforcement.course import Course
from experiments.reinforcement.learning import Point, Recipe, train
from experiments.reinforcement.playing import net_usd, played
from experiments.reinforcement.rule import Rule, tuned
from experiments.reinforcement.worlds import Market, recorded, school
from hedged.config import Config
from hedged.domain.clock import DAY_MS
from hedged.evaluation.hedging.perfect import best_path
from hedged.evaluation.hedging.scenarios import Scenarios
from hedged.evaluation.hedging.setting import RULES, Setting, preset
from hedged.evaluation.hedging.walk import Planned, account, walk

WORLDS = tuple(range(100, 116))
CHECKED_WORLDS = tuple(range(900, 904))
DAYS = 360
SEEDS = (0, 1, 2)
MAJORS = ("BTC", "ETH", "SOL", "DOGE", "BNB")
TUNED_MS = (19_539 * DAY_MS, 19_905 * DAY_MS)
"""2023-07-01 … 2024-07-01: the recorded year on which policies and the rule may go on learning."""
TUNING = Recipe(steps=200_000, rate=2e-4)
KEPT_FROM = "varied"
"""The lesson whose policies go on learning on recorded funding, as lesson TUNED."""
TUNED = "tuned"


FORECASTER = "ewma"
"""Whose forecasts are learnt with."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One kind of training. `varied`: worlds with spreads and costs of their own draw, else the simulator as it is."""

    name: str
    varied: bool

    def worlds(self, setting: Setting, seeds: Sequence[int], draw: int) -> list[tuple[Market, Course]]:
        """Lay the courses of some worlds out, each with its market."""
        rng = np.random.default_rng(draw) if self.varied else None
        return list(school(seeds, DAYS, setting, FORECASTER, rng))


LESSONS = (Lesson("varied", True), Lesson("plain", False))


def hedged_setting() -> Setting:
    """Return the setting of the experiment: relocation to Binance, a decision every 8 h, at the configured costs."""
    return preset("relocation", Config())


def teach(
    lesson: Lesson,
    out: Path,
    data: Path | None,
    recipe: Recipe,
    say: Callable[[str], None] = lambda _text: None,
) -> None:
    """Train a lesson's policies, one a seed, and its rule; write them to `out`.

    With `data`, a data directory, the policies and the rule of lesson KEPT_FROM also go on learning on a recorded year.
    What is there already is not trained again.
    """
    setting = hedged_setting()
    courses = [course for _, course in lesson.worlds(setting, WORLDS, 0)]
    markets = lesson.worlds(setting, CHECKED_WORLDS, 1)
    checked = [course for _, course in markets]
    say(f"{lesson.name}: {len(courses)} courses to learn from, {len(checked)} to check on")
    write_rule(out / f"{lesson.name}-rule.json", tuned(courses[::2]), checked)
    (out / f"{lesson.name}-planner.json").write_text(json.dumps({"checked_usd": planned_usd(markets)}))
    later = list(_recorded_year(data, setting)) if data and lesson.name == KEPT_FROM else []
    if later:
        write_rule(out / f"{TUNED}-rule.json", tuned(later), checked)
    for seed in SEEDS:
        target = out / f"{lesson.name}-{seed}.zip"
        if not target.exists():
            _write(target, *train(courses, checked, recipe, seed), checked)
        say(f"{target.name} is trained")
        further = out / f"{TUNED}-{seed}.zip"
        if later and not further.exists():
            begun = PPO.load(target, device="cpu")
            _write(further, *train(later, checked, replace(TUNING, looks=2), seed, begun), checked)
            say(f"{further.name} is trained")


def _recorded_year(data: Path, setting: Setting) -> Iterator[Course]:
    for market in recorded(data, MAJORS, RULES, setting, TUNED_MS, FORECASTER):
        yield from market.courses(setting)


def planned_usd(markets: Sequence[tuple[Market, Course]]) -> float:
    """Return what the planner earns in markets, on the same forecasts."""
    total = 0.0
    for market, course in markets:
        history, setting = market.history, course.setting
        scenarios = Scenarios(history, market.told, setting.horizon)
        held = walk(history, setting, Planned(history, setting, course.side, scenarios))
        total += float(account(history, setting, course.side, held).net_usd.sum())
    return total


def best_usd(courses: Sequence[Course]) -> float:
    """Return what perfect foresight earns on courses, acting at their decisions only."""
    total = 0.0
    for course in courses:
        path = np.zeros(len(course.place), np.int64)
        for first, end in course.stretches:
            earned = (course.saved - course.charged)[first:end]
            path[first:end] = best_path(earned, course.change, closes=course.setting.closes)
        total += net_usd(course, path)
    return total


def write_rule(target: Path, rule: Rule, checked: Sequence[Course]) -> None:
    """Write a rule with what it earns on checked courses."""
    earned = sum(net_usd(*pair) for pair in zip(checked, played(rule, checked), strict=True))
    target.write_text(
        json.dumps(asdict(rule) | {"checked_usd": earned, "checked_best_usd": best_usd(checked)})
    )


def read_rule(path: Path) -> Rule:
    """Read a rule that `write_rule` wrote."""
    found = json.loads(path.read_text())
    return Rule(**{name: found[name] for name in ("enter", "leave", "column", "states")})


def _write(target: Path, model: PPO, curve: Sequence[Point], checked: Sequence[Course]) -> None:
    model.save(target)
    told = {"curve": [asdict(point) for point in curve], "checked_best_usd": best_usd(checked)}
    target.with_suffix(".json").write_text(json.dumps(told))
