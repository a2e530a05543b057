"""The real daemon trains beside its cycles; its process and it are killed, and nothing of that is lost."""

import json
import os
import signal
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from rates import HOURS, tables
from rehearsal import STARTUP_S, Running, running
from small_tables import ms

from hedged.control.lease import started
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.forecast.models.registry import ModelRegistry
from hedged.forecast.models.trainings import Asked, Order, Trainings
from hedged.wiring.models.child import train_in_child
from hedged.wiring.models.orders import data_end_ms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]
WITHIN_S = 240.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weeks of three venues that end yesterday."""
    path, shift = tmp_path_factory.mktemp("data"), data_end_ms(now_ms()) - ms(HOURS) // DAY_MS * DAY_MS
    for name, frame in tables().items():
        kinds = frame.schema.items()
        times = [column for column, kind in kinds if isinstance(kind, pl.Datetime)]
        moved = frame.with_columns(pl.col(column) + timedelta(milliseconds=shift) for column in times)
        moved.write_parquet(path / f"{name}.parquet")
    return path


def now_ms() -> int:
    return round(time.time() * SECOND_MS)


def configured(root: Path, data: Path) -> Path:
    path = root / "config.yaml"
    told = {
        "state_dir": str(root / "state"),
        "book": {"positions": {"INJ": {"quantity": "4000"}}},
        "telemetry": {"port": 0, "log_format": "json"},
        "cycle": {"interval_s": 30, "history_days": 10},
        "models": {"data": str(data), "recipe": "tiny", "nice": 5},
    }
    path.write_text(yaml.safe_dump(told))
    return path


def undisturbed(order: Order, root: Path) -> str:
    """Return the model that an order leads to when nobody disturbs it."""
    trainings = Trainings.of(root)
    trainings.place(order)
    ending = train_in_child(trainings, order, 1.0, lambda _stage, _share: None, threading.Event())
    result = trainings.result(order)
    assert result is not None, ending
    return result.model


def trainer_of(daemon: Running) -> int:
    for task in Path(f"/proc/{daemon.process.pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"hedged.training.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    raise AssertionError("no process trains")


def test_a_training_survives_its_process_and_the_daemon(data: Path, tmp_path: Path) -> None:
    """If this fails, kill -9 loses a training, leaves its process behind or makes another model; or cycles wait."""
    config = configured(tmp_path, data)
    trainings = Trainings.of(tmp_path / "state")
    with ThreadPoolExecutor(1) as beside, running("-m", "hedged", "run", "--config", str(config)) as daemon:
        daemon.wait_for('"training_started"', STARTUP_S)
        order = trainings.order()
        assert order is not None
        alone = beside.submit(undisturbed, order, tmp_path / "alone")
        daemon.wait_for('"event": "training".*"share": 0.[2-9]', WITHIN_S)
        os.kill(trainer_of(daemon), signal.SIGKILL)
        daemon.wait_for('"training_broke_off".*SIGKILL', STARTUP_S)
        since = len(daemon.lines)
        trainings.ask(Asked(now_ms(), "a test", "go on"))
        daemon.wait_for('"event": "training".*"share": 0.[5-9]', WITHIN_S, since)
        trainer = trainer_of(daemon)
        url = json.loads(daemon.wait_for('"http_listening"', 1.0))["url"]
        with urllib.request.urlopen(f"{url}metrics", timeout=60) as page:
            assert "hedged_training_running 1.0" in page.read().decode(), "the daemon answers beside it"
        daemon.end(signal.SIGKILL)
        expected = alone.result()
    with running("-m", "hedged", "run", "--config", str(config)) as daemon:
        daemon.wait_for('"http_listening"', STARTUP_S)
        assert started(trainer) is None, "a zombie is none, which stays where the first process reaps nobody"
        trainings.ask(Asked(now_ms(), "a test", "go on"))
        daemon.wait_for('"training_ended".*"outcome": "added"', WITHIN_S)
        daemon.end()
    (training,) = trainings.ended()
    assert (training.model, training.to_ms, training.attempts) == (expected, order.to_ms, 3)
    (model,) = ModelRegistry.of(tmp_path / "state").read().challengers
    assert model == expected
