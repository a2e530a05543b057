"""Trainings of a rehearsal: none looks ahead, none is made twice."""

import threading
from pathlib import Path

import pytest
from tiny_models import tiny

from hedged.domain.clock import DAY_MS, iso
from hedged.domain.errors import Fatal
from hedged.forecast.models.trainings import Order, Trainings, write_result
from hedged.forecast.models.trainings import Result as Made
from hedged.rehearsal.kept import Kept
from hedged.wiring.models.child import Ending

NOW_MS = 1_767_225_600_000


class Trainer:
    """Makes a model that is trained to an instant; counts."""

    def __init__(self, trained_to_ms: int = NOW_MS) -> None:
        self.trained_to_ms, self.times = trained_to_ms, 0

    def __call__(self, trainings: Trainings, order: Order, *_: object) -> Ending:
        self.times += 1
        made = tiny(trainings.out, trained_to=iso(self.trained_to_ms))
        write_result(trainings.out, Made(order.ordered_ms, "added", "good", made.hash))
        return Ending(None, "", 1.0)


def order_of(to_ms: int, ordered_ms: int = NOW_MS, rival: str = "") -> Order:
    return Order(Path("data"), to_ms, "tiny", 0, 1, 1_000, 0, ordered_ms, "a test", "to see", rival=rival)


def carried_out(kept: Kept, root: Path, order: Order) -> Ending:
    trainings = Trainings.of(root)
    trainings.place(order)
    ending = kept(trainings, order, 1.0, lambda *_: None, threading.Event())
    result = trainings.result(order)
    assert result is not None
    assert result.outcome == "added"
    return ending


def kept_in(root: Path, trainer: Trainer) -> Kept:
    return Kept(root / "kept", "data", lambda: NOW_MS, lambda *_: None, trainer)


def test_a_training_is_made_once_for_all_lives_and_runs(tmp_path: Path) -> None:
    """If this fails, a rehearsal that was killed trains everything again, or takes another training for its own."""
    trainer = Trainer()
    kept = kept_in(tmp_path, trainer)
    carried_out(kept, tmp_path / "one", order_of(NOW_MS))
    carried_out(kept, tmp_path / "two", order_of(NOW_MS, ordered_ms=NOW_MS + 5))
    assert trainer.times == 1
    carried_out(kept, tmp_path / "three", order_of(NOW_MS - DAY_MS))
    carried_out(kept, tmp_path / "four", order_of(NOW_MS, rival="other"))
    assert trainer.times == 3


def test_nothing_learns_from_what_is_to_come(tmp_path: Path) -> None:
    """If this fails, a rehearsal is won by knowing the future."""
    with pytest.raises(Fatal, match="would learn from what comes"):
        carried_out(kept_in(tmp_path, Trainer()), tmp_path, order_of(NOW_MS + 1))
    with pytest.raises(Fatal, match="has learnt from what comes"):
        carried_out(kept_in(tmp_path, Trainer(NOW_MS + DAY_MS)), tmp_path, order_of(NOW_MS))
