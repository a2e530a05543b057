"""The daemon acts on contests of models: who is promoted, who retires, and how a promotion is taken back."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny
from worlds import START_MS, config

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import STAND_IN
from hedged.domain.market import SeriesKey
from hedged.forecast.models.history import SHIPPED, Act, State
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.models.standings import read_contests
from hedged.forecast.paired import Paired
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.contests import Contests
from hedged.wiring.models.shadows import DAEMON, on_probation, runners

ME = Author(START_MS, "a test", "to see")


class Book:
    """Every model has a loss of its own, scattered a little from day to day, from START_MS until `now_ms`."""

    def __init__(self, losses: Mapping[str, float]) -> None:
        self.losses, self.now_ms = dict(losses), START_MS

    def paired(
        self, name: str, other: str, *, venue: str | None = None, symbol: str | None = None, since_ms: int = 0
    ) -> Paired:
        origin = np.arange(START_MS, self.now_ms - DAY_MS, 8 * HOUR_MS)
        origin = origin[origin >= since_ms] if {name, other} <= set(self.losses) else origin[:0]
        scatter = 1 + 0.01 * np.random.default_rng(3).standard_normal(10_000)
        here = scatter[((origin - START_MS) // DAY_MS).astype(int)]
        n = np.full(len(origin), 5)
        return Paired(
            origin,
            origin + DAY_MS,
            self.losses[name] * here,
            np.full(len(origin), self.losses[other]),
            n,
            n,
            n,
        )


class Life:
    """A registry, a book and the contests of a daemon that serves the champion."""

    def __init__(self, path: Path, losses: Mapping[str, float] | None = None, **models: Any) -> None:
        self.registry, self.book = ModelRegistry.of(path / "state"), Book({SHIPPED: 1.0, **(losses or {})})
        self.metrics, self.path = Metrics(), path
        self.settings = config(state_dir=str(path / "state"), hedge={"forecaster": "ensemble"}, models=models)
        self.serves: str | None = None
        self.benched: str | None = None
        self.contests = self.begin()

    def begin(self) -> Contests:
        """Start the daemon's part anew."""
        return Contests(
            self.settings, SimpleNamespace(now_ms=lambda: self.book.now_ms), self.metrics,  # type: ignore[arg-type]
            lambda: self.book, lambda: [SeriesKey("injective", "INJ")],
            self.served,  # type: ignore[arg-type]
        )  # fmt: skip

    def served(self) -> SimpleNamespace:
        """Who serves, and who gave way to it."""
        gone = SimpleNamespace(model=self.benched) if self.benched else None
        return SimpleNamespace(model=self.serves or self.registry.read().champion, benched=gone)

    def added(self, seed: int, loss: float) -> str:
        model = self.registry.add(
            tiny(self.path / f"made-{seed}", seed).path, Author(self.book.now_ms, "a test", "to see")
        ).hash
        self.book.losses[model] = loss
        return model

    def day(self, day: int) -> None:
        self.book.now_ms = START_MS + day * DAY_MS
        asyncio.run(self.contests.look())

    def days(self, first: int, last: int) -> None:
        for day in range(first, last + 1):
            self.day(day)

    def ended(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value("hedged_model_promotions_total", {"outcome": outcome})


def test_a_better_challenger_is_promoted_an_equal_one_is_not(tmp_path: Path) -> None:
    """If this fails, a better model waits for ever, an equal one takes over, or the history does not say why."""
    life = Life(tmp_path)
    equal, better, worse = life.added(1, 1.0), life.added(2, 0.95), life.added(3, 1.05)
    life.days(0, 15)
    assert life.registry.read().champion == SHIPPED, "not before shadow_days of outcomes"
    ratio = life.metrics.registry.get_sample_value("hedged_challenger_ratio", {"model": better})
    assert ratio == pytest.approx(0.95, abs=0.01)
    life.contests = life.begin()  # a restart: the same evidence
    life.days(16, 24)
    history = life.registry.read()
    assert history.champion == better
    promoted = history.of(better)[-1]
    assert (promoted.act, promoted.by) == (Act.PROMOTED, DAEMON)
    assert "days of outcomes, loss 0.94" in promoted.why
    assert "confidence of 9" in promoted.why
    assert history.state(worse) is State.RETIRED
    assert "worse with a confidence" in history.of(worse)[-1].why
    assert history.state(equal) is not State.CHAMPION
    assert (life.ended("promoted"), life.ended("rolled back")) == (1, 0)
    told = {one.model: one for one in read_contests(life.registry.directory)}
    assert told[SHIPPED].champion == better
    assert SHIPPED in {one.model for one in life.contests.standings if one.days}


def test_a_contest_that_is_not_decided_is_given_up(tmp_path: Path) -> None:
    """If this fails, one challenger runs beside the daemon for ever."""
    life = Life(tmp_path)
    equal = life.added(1, 1.0)
    for day in (20, 60, 119, 124):
        life.day(day)
    history = life.registry.read()
    assert (history.champion, history.state(equal)) == (SHIPPED, State.RETIRED)
    assert "not decided within 120 days" in history.of(equal)[-1].why


def test_a_promotion_that_was_a_mistake_is_rolled_back(tmp_path: Path) -> None:
    """If this fails, a model that turned out worse serves until a person looks, or is judged by what crowned it."""
    life = Life(tmp_path)
    better = life.added(1, 0.95)
    life.days(0, 24)
    assert life.registry.read().champion == better
    life.book.losses[better] = 1.10
    promoted = (life.book.now_ms - START_MS) // DAY_MS
    life.days(promoted, promoted + 8)
    assert life.registry.read().champion == better, "what was before the promotion speaks no more"
    life.days(promoted + 9, promoted + 25)
    history = life.registry.read()
    assert history.champion == SHIPPED
    assert history.state(better) is State.RETIRED
    back = history.events[-1]
    assert (back.act, back.by) == (Act.ROLLED_BACK, DAEMON)
    assert "days of outcomes" in back.why
    assert life.ended("rolled back") == 1
    assert on_probation(history, life.book.now_ms) is None, "no back and forth"


def test_where_it_may_not_promote_it_says_that_it_would(tmp_path: Path) -> None:
    """If this fails, `models.promote: false` is not obeyed, or nobody learns of a better model."""
    life = Life(tmp_path, promote=False)
    better = life.added(1, 0.95)
    life.days(0, 24)
    assert life.registry.read().champion == SHIPPED
    assert life.contests.would_promote == better


def test_who_follows_a_champion_that_gave_way_is_better_than_the_ewma_too(tmp_path: Path) -> None:
    """If this fails, a model takes over from the EWMA that is only better than the one which drifted."""
    life = Life(tmp_path, {SHIPPED: 1.4, STAND_IN: 1.0})
    life.serves, life.benched = STAND_IN, SHIPPED
    little = life.added(1, 1.2)
    life.days(0, 24)
    history = life.registry.read()
    assert (history.champion, history.state(little)) == (SHIPPED, State.CHALLENGER)
    (told,) = life.contests.standings
    assert "beside the EWMA, which serves" in told.why
    life.book.losses[little] = 0.9
    life.days(25, 30)
    history = life.registry.read()
    assert history.champion == little
    assert "beside the EWMA, which serves" in history.of(little)[-1].why


def test_nothing_is_decided_while_another_one_serves(tmp_path: Path) -> None:
    """If this fails, a champion that was never heard loses its place by the losses of its stand-in."""
    life = Life(tmp_path)
    life.added(1, 0.95)
    life.serves = "0" * 16
    life.days(0, 24)
    assert life.registry.read().champion == SHIPPED


def test_an_operator_is_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a promotion by hand is undone by a verdict on the champion before it."""
    life = Life(tmp_path)
    better, theirs = life.added(1, 0.95), life.added(2, 1.0)
    promote = ModelRegistry.promote

    def late(self: ModelRegistry, model: str, author: Author, over: str | None = None) -> Any:
        if over is not None:
            promote(self, theirs, ME)
        return promote(self, model, author, over)

    monkeypatch.setattr(ModelRegistry, "promote", late)
    life.days(0, 19)
    assert life.registry.read().champion == theirs
    assert life.ended("promoted") == 0
    assert life.registry.read().state(better) is State.CHALLENGER


def test_who_runs_in_shadow(tmp_path: Path) -> None:
    """If this fails, a contest is broken off by every newer model, or the one before has no chance to come back."""
    life = Life(tmp_path)
    models = [life.added(seed, 1.0) for seed in (1, 2, 3)]
    history, now_ms = life.registry.read(), START_MS
    assert runners(history, 1, [], now_ms) == (models[2],)
    assert runners(history, 1, [models[0]], now_ms) == (models[0],)
    assert runners(history, 2, [models[0]], now_ms) == (models[0], models[2])
    assert runners(history, 0, models, now_ms) == ()
    by_hand = life.registry.promote(models[1], ME)
    assert runners(by_hand, 1, [], now_ms) == (models[2],), "a person's promotion is a person's to take back"
    crowned = life.registry.promote(models[2], Author(START_MS, DAEMON, "better"))
    assert runners(crowned, 1, [], now_ms) == (models[0], models[1])
    assert runners(crowned, 1, [], now_ms + 31 * DAY_MS) == (models[0],)


def test_a_running_contest_is_not_broken_off_by_newer_models(tmp_path: Path) -> None:
    """If this fails, weekly trainings in a storm retire every challenger days before its contest is decided."""
    life = Life(tmp_path)
    first, second = life.added(1, 1.001), life.added(2, 1.002)
    life.days(0, 3)
    waiting = life.registry.add(tiny(tmp_path / "made-3", 3).path, ME).hash
    life.registry.add(tiny(tmp_path / "made-4", 4).path, ME)
    history = life.registry.read()
    assert history.state(waiting) is State.RETIRED
    assert {first, second} <= set(history.challengers)
    newest = life.added(5, 1.0)
    history = life.registry.read()
    assert first in history.challengers
    assert newest in history.challengers
