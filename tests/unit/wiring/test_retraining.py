"""The daemon trains anew: orders are written first, ends are taken in once, nothing is tried in a loop."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from tiny_models import tiny, twin

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import DAY_MS, MINUTE_MS
from hedged.forecast.models.registry import ModelRegistry
from hedged.forecast.models.trainings import Asked, Order, Result, Trainings, write_result
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models import learnable, retraining
from hedged.wiring.models.child import Ending, OnProgress
from hedged.wiring.models.retraining import Retraining

NOW = 1_780_000_000_000


@dataclass
class Time:
    ms: int = NOW
    slice_s: float = 1.0

    def now_ms(self) -> int:
        asyncio.get_running_loop()  # a virtual clock is asked on the loop alone
        return self.ms


@dataclass
class Fake:
    """Stands in for the process: does what it is told, attempt by attempt."""

    acts: list[Callable[[Trainings, Order], Ending]]
    orders: list[Order] = field(default_factory=list)

    def __call__(
        self, trainings: Trainings, order: Order, hours: float, told: OnProgress, stop: threading.Event
    ) -> Ending:
        assert trainings.order() == order, "the order is written down before its process begins"
        self.orders.append(order)
        told("mlp-1", 0.43)
        return self.acts.pop(0)(trainings, order)


def makes(trainings: Trainings, order: Order) -> Ending:
    made = twin(trainings.out, seed=7)
    write_result(trainings.out, Result(order.ordered_ms, "added", "better", made.hash))
    return Ending(None, "", 321.0)


def breaks(trainings: Trainings, order: Order) -> Ending:
    return Ending("memory", "it used 5,000 MB", 5000.0)


class Daemon:
    """A daemon that has something to learn from."""

    def __init__(self, root: Path, *acts: Callable[[Trainings, Order], Ending], **models: Any) -> None:
        data = root / "data"
        data.mkdir(exist_ok=True)
        first = pl.Series("ts", [NOW - 300 * DAY_MS]).cast(pl.Datetime("ms", "UTC"))
        pl.DataFrame({"ts": first}).write_parquet(data / "funding.parquet")
        self.config = Config.model_validate(
            {"state_dir": str(root / "state"), "models": {"data": str(data)} | models}
        )
        self.time, self.fake, self.metrics = Time(), Fake(list(acts)), Metrics()
        self.trainings = Trainings.of(self.config.state_dir)
        self.registry = ModelRegistry.of(self.config.state_dir)
        self.app = SimpleNamespace(
            progress=SimpleNamespace(prepared=True), parts=SimpleNamespace(config=self.config)
        )
        self.again()

    def again(self) -> None:
        """Another life of the daemon."""
        self.task = Retraining(
            self.config, self.time, self.metrics, lambda: cast("App", self.app), launch=self.fake
        )

    def look(self, after_ms: int = 0) -> None:
        self.time.ms += after_ms
        asyncio.run(self.task.look())

    def outcomes(self) -> list[str]:
        return [one.outcome for one in self.trainings.ended()]

    def told(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def test_what_is_due_becomes_a_challenger(tmp_path: Path) -> None:
    """If this fails, nothing is trained, a model is taken in without a reason, or the same is trained twice."""
    daemon = Daemon(tmp_path, makes, makes)
    daemon.look()
    (order,) = daemon.fake.orders
    assert (order.to_ms % DAY_MS, order.to_ms > NOW - DAY_MS, order.recipe) == (0, True, "full")
    (model,) = daemon.registry.read().challengers
    (added,) = daemon.registry.read().of(model)
    assert added.by == "daemon"
    assert added.why.startswith("monthly: the last model is of 20")
    assert added.why.endswith("; better")
    (training,) = daemon.trainings.ended()
    assert (training.outcome, training.model, training.peak_mb) == ("added", model, 321.0)
    assert daemon.trainings.order() is None
    assert not daemon.trainings.out.exists()
    assert daemon.told("hedged_training_total", outcome="added") == 1
    daemon.look(29 * DAY_MS)
    assert len(daemon.fake.orders) == 1
    daemon.look(2 * DAY_MS)
    assert len(daemon.fake.orders) == 2


def test_the_loop_goes_on_beside_a_training(tmp_path: Path) -> None:
    """If this fails, no cycle is run and no stop watched for the hours that a training takes; or it outlives a stop."""
    begun, cycles, stopped = threading.Event(), threading.Event(), threading.Event()

    def waits(
        trainings: Trainings, order: Order, _h: float, told: OnProgress, stop: threading.Event
    ) -> Ending:
        told("mlp-1", 0.43)
        begun.set()
        assert cycles.wait(60), "the loop stands"
        stopped.set() if stop.wait(60) else None
        return Ending("interrupted", "the daemon ended", 1.0)

    daemon = Daemon(tmp_path)
    daemon.task.launch = waits

    async def lives() -> None:
        running = asyncio.create_task(daemon.task.run())
        assert await asyncio.to_thread(begun.wait, 60)
        await asyncio.sleep(0)
        assert daemon.task.text.startswith("training 43 %, mlp-1, since 20")
        assert daemon.told("hedged_training_running") == 1
        cycles.set()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(lives())
    assert stopped.is_set()
    order = daemon.trainings.order()
    assert order is not None
    assert [one.outcome for one in order.attempts] == ["interrupted"]
    assert daemon.told("hedged_training_running") == 0


def test_a_training_that_breaks_off_waits_and_is_told(tmp_path: Path) -> None:
    """If this fails, a training that needs too much memory is started in a loop, or nobody is told that all fail."""
    daemon = Daemon(tmp_path, *[breaks] * 20)
    daemon.look()
    daemon.look(14 * MINUTE_MS)
    assert len(daemon.fake.orders) == 1
    assert not daemon.task.alarming
    for _ in range(20):
        daemon.look(DAY_MS // 2)
    assert daemon.outcomes()[0] == "given up"
    assert len({one.ordered_ms for one in daemon.fake.orders[:6]}) == 1, "it is the same order that goes on"
    assert "it used 5,000 MB" in daemon.task.alarming
    assert (daemon.told("hedged_training_failures") or 0) >= 3


def test_a_restart_goes_on_with_what_a_killed_daemon_left(tmp_path: Path) -> None:
    """If this fails, kill -9 loses a training, or loses a model between its making and the registry."""

    def killed(trainings: Trainings, order: Order) -> Ending:
        raise MemoryError

    daemon = Daemon(tmp_path, killed, makes)
    daemon.look()
    place = daemon.trainings.order()
    assert place is not None
    daemon.trainings.place(
        replace(place, attempts=(replace(place.attempts[-1], ended_ms=None, outcome=None),))
    )
    daemon.again()
    daemon.look()
    assert len(daemon.fake.orders) == 1, "not at once"
    daemon.look(16 * MINUTE_MS)
    assert [one.to_ms for one in daemon.fake.orders] == [place.to_ms] * 2
    assert [one.outcome for one in daemon.fake.orders[1].attempts] == ["lost", None]
    assert daemon.outcomes() == ["added"]
    # killed after the process had written its result: nothing is trained again
    left = replace(place, ordered_ms=place.ordered_ms + 1)
    daemon.trainings.place(left)
    twin(daemon.trainings.out, seed=8)
    write_result(daemon.trainings.out, Result(left.ordered_ms, "added", "better", "0" * 16))
    daemon.again()
    daemon.look()
    daemon.look()
    assert len(daemon.fake.orders) == 2
    assert daemon.outcomes() == ["added", "added"]
    assert len(daemon.registry.read().challengers) == 2


def test_a_model_that_is_no_good_is_kept_nowhere(tmp_path: Path) -> None:
    """If this fails, a model that lost to the average or cannot be opened is offered for promotion."""

    def bad(trainings: Trainings, order: Order) -> Ending:
        write_result(
            trainings.out, Result(order.ordered_ms, "rejected", "it errs more than the EWMA", "a" * 16)
        )
        return Ending(None, "", 1.0)

    def dumb(trainings: Trainings, order: Order) -> Ending:
        made = tiny(trainings.out)
        write_result(trainings.out, Result(order.ordered_ms, "added", "better", made.hash))
        return Ending(None, "", 1.0)

    daemon = Daemon(tmp_path, bad, dumb)
    daemon.look()
    daemon.trainings.ask(Asked(NOW, "me", "again"))
    daemon.look(MINUTE_MS)
    assert daemon.outcomes() == ["rejected", "rejected"]
    assert "cannot serve" in daemon.trainings.ended()[-1].text
    assert daemon.registry.read().models == ("shipped",)
    assert not daemon.trainings.out.exists()
    assert daemon.task.failures == (0, "")


def test_what_cannot_be_trained_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a daemon without torch or history fills its log, or starts processes for nothing."""
    daemon = Daemon(tmp_path, makes)
    monkeypatch.setattr(learnable, "find_spec", lambda name: None if name == "torch" else object())
    said = list[str]()
    monkeypatch.setattr(
        retraining, "log", SimpleNamespace(info=lambda event, **_: said.append(event), warning=None)
    )
    for _ in range(5):
        daemon.look(DAY_MS)
    assert said == ["no_training"]
    assert "hedged[train]" in daemon.task.unable
    monkeypatch.undo()
    nowhere = Config.model_validate({"state_dir": str(tmp_path)})
    assert "name models.data" in learnable.unable(nowhere, NOW)
    another = Config.model_validate({"state_dir": str(tmp_path), "hedge": {"forecaster": "ewma"}})
    assert "says who forecasts" in learnable.unable(another, NOW)
    assert "goes back 20 days, 120 are the least" in learnable.unable(daemon.config, NOW - 280 * DAY_MS)
    assert not learnable.unable(daemon.config, NOW)


def test_an_operator_may_ask_and_retrain_false_leaves_it_to_him(tmp_path: Path) -> None:
    """If this fails, `hedged model retrain` does nothing, or a daemon that was told not to train does."""
    daemon = Daemon(tmp_path, breaks, makes, retrain=False)
    daemon.look()
    assert not daemon.fake.orders
    daemon.trainings.ask(Asked(NOW, "command line (me)", "new venue"))
    daemon.look()
    daemon.look(DAY_MS)
    assert len(daemon.fake.orders) == 1, "it is not gone on with by itself either"
    daemon.trainings.ask(Asked(NOW, "command line (me)", "new venue"))
    daemon.look()
    assert daemon.outcomes() == ["added"]
    assert daemon.trainings.asked() is None
    (training,) = daemon.trainings.ended()
    assert (training.why, training.attempts) == ("new venue", 2)
