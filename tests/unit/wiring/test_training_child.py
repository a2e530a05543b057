"""The process that trains is bounded, knows no secret, says little, and dies with whoever started it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hedged.control.lease import started
from hedged.forecast.models.trainings import Order, Trainings
from hedged.secret import Secret
from hedged.wiring.models import child
from hedged.wiring.models.child import Ending, train_in_child

PLANTED = "planted-secret-5f0c9a71d2"


@pytest.fixture
def trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    monkeypatch.setattr(child, "MODULE", "tests.support.training_fakes")
    monkeypatch.setattr(child, "LOOK_S", 0.05)
    return Trainings.of(tmp_path)


def ordered(trainings: Trainings, what: str, memory_mb: int = 512) -> Order:
    order = Order(Path("data"), 0, "tiny", 0, 1, memory_mb, 5, 1, "a test", what)
    trainings.place(order)
    return order


def ran(trainings: Trainings, what: str, hours: float = 1.0) -> tuple[Ending, list[tuple[str, float]]]:
    said = list[tuple[str, float]]()
    stop = threading.Event()
    order = ordered(trainings, what)
    return train_in_child(trainings, order, hours, lambda *told: said.append(told), stop), said


def test_a_hungry_one_is_ended(trainings: Trainings) -> None:
    """If this fails, a training takes the memory that the daemon needs."""
    ending, said = ran(trainings, "hungry")
    assert ending.outcome == "memory"
    assert "models.memory_mb allows 512" in ending.why
    assert ending.peak_mb > 512
    assert said == [("begun", 0.1)]


def test_what_is_asked_for_at_once_is_refused(trainings: Trainings) -> None:
    """If this fails, one large allocation passes between two looks."""
    ending, _ = ran(trainings, "greedy")
    assert (ending.outcome, "MemoryError" in ending.why) == ("failed", True)


def test_one_that_takes_too_long_is_ended(trainings: Trainings) -> None:
    """If this fails, a training that hangs holds up all later ones."""
    ending, _ = ran(trainings, "hangs", hours=0.2 / 3_600)
    assert ending.outcome == "late"


def test_it_knows_no_secret_and_yields(trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a process that needs no key has one in its environment or log, or it competes with cycles."""
    Secret(PLANTED)
    monkeypatch.setenv("HEDGED_PLANTED", PLANTED)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PLANTED}@proxy")
    monkeypatch.setenv("LANG", PLANTED)  # one that is passed on: hidden in the log all the same
    held = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(held, True)
    ending, _ = ran(trainings, "tells")
    os.close(held)
    assert ending.outcome is None
    log = trainings.directory / "training.log"
    told = log.read_text()
    assert PLANTED not in told
    assert "HEDGED_PLANTED" not in told
    assert "HTTPS_PROXY" not in told
    assert "OMP_NUM_THREADS=1" in told
    assert f"nice {max(5, os.nice(0))} leads True" in told
    assert "descriptors ['0', '1', '2', '3']" in told
    assert "\n1000\n" in told, "the kernel ends it before the daemon"
    assert log.stat().st_mode & 0o077 == 0


def test_its_log_is_bounded(trainings: Trainings) -> None:
    """If this fails, a library that repeats a warning fills the disk that the journal needs."""
    ending, _ = ran(trainings, "talks")
    assert (ending.outcome, "exit code 3: twelve bytes" in ending.why) == ("failed", True)
    size = (trainings.directory / "training.log").stat().st_size
    assert child.MOST_LOG <= size <= child.MOST_LOG + 100
    ran(trainings, "talks")
    assert (trainings.directory / "training.log.1").stat().st_size == size


def test_it_does_not_outlive_whoever_started_it(trainings: Trainings, tmp_path: Path) -> None:
    """If this fails, a killed daemon leaves a training behind, and the next one starts a second beside it."""
    ordered(trainings, "hangs")
    text = (
        "import threading, pathlib\n"
        "from hedged.forecast.models.trainings import Trainings\n"
        "from hedged.wiring.models import child\n"
        "child.MODULE = 'tests.support.training_fakes'\n"
        f"t = Trainings(pathlib.Path({str(trainings.directory)!r}))\n"
        "told = lambda *_: print('begun', flush=True)\n"
        "work = lambda: child.train_in_child(t, t.order(), 1.0, told, threading.Event())\n"
        "threading.Thread(target=work).start()\n"
    )
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "begun\n"
        (trainer,) = Path(f"/proc/{daemon.pid}/task/{_thread(daemon.pid)}/children").read_text().split()
        daemon.send_signal(signal.SIGKILL)
    for _ in range(600):
        if started(int(trainer)) is None:
            return
        time.sleep(0.05)
    raise AssertionError("the training lives")


def _thread(pid: int) -> str:
    """The thread that has a child."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return next(task.name for task in tasks if (task / "children").read_text().split())
