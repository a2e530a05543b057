"""A sweep on a Dask cluster of real processes: a scheduler and two workers, one of them killed half-way."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import sweeping

from hedged.domain.errors import ConfigError
from hedged.sweep.cluster import cluster
from hedged.sweep.run import run_sweep
from hedged.sweep.store import opened

SUPPORT = Path(sweeping.__file__).parent
DEADLINE_S = 60


@pytest.fixture
def dask(tmp_path, monkeypatch):
    """Starts `dask ...` processes; all of them are gone afterwards. Nothing is reported home."""
    path = os.pathsep.join([str(SUPPORT), str(Path.cwd())])
    env = os.environ | {"PYTHONPATH": path, "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false"}
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments]
        with (tmp_path / f"dask-{len(started)}.log").open("wb") as log:
            started.append(subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def address(dask, tmp_path):
    """A scheduler on loopback, at a port of its own."""
    file = tmp_path / "scheduler.json"
    dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    until(lambda: file.exists() and "tcp://" in file.read_text())
    return next(part for part in file.read_text().split('"') if part.startswith("tcp://"))


def until(said):
    ends = time.monotonic() + DEADLINE_S
    while not said():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.filterwarnings(
    "default"
)  # of tornado and distributed, about sockets of a worker that was killed
def test_one_worker_killed_half_way_costs_nothing(dask, address, tmp_path):
    """If this fails, a machine that goes down takes results with it, or they are counted twice."""
    worker = ("worker", address, "--host", "127.0.0.1", "--no-nanny", "--nthreads", "1", "--no-dashboard")
    first, _ = dask(*worker), dask(*worker)
    plan = sweeping.plan(
        tmp_path, parameters={"hedge.cap": [0.1, 0.2, 0.3]}, folds={"count": 2, "length_d": 20}
    )
    done = []

    def on_task(count, total, _best):
        done.append((count, total))
        if count == 6:
            first.send_signal(signal.SIGKILL)

    with opened(tmp_path / "out") as rows, cluster(address, plan.grounds) as workers:
        until(lambda: workers.slots() == 4)
        slow = dataclasses.replace(workers, work=sweeping.slow_row)
        found, _ = run_sweep(plan, rows, slow, tmp_path / "out", on_task)
    first.wait()
    lines = (tmp_path / "out" / "rows.jsonl").read_text().splitlines()
    wanted = {task.key for trial in found.trials for task in trial.tasks.values()}
    assert len(lines) == len(wanted) == done[-1][0] == done[-1][1] == 16
    ran = [line.split() for line in (tmp_path / "ran.txt").read_text().splitlines()]
    assert {key for _, key in ran} == wanted
    by_worker = Counter(pid for pid, _ in ran)
    assert 0 < by_worker[str(first.pid)] < 16  # it had worked, and had not done it all
    assert found.usable == 4


def test_nobody_there_is_said_at_once(tmp_path, monkeypatch):
    """If this fails, a wrong address ends in a traceback."""
    monkeypatch.setattr("hedged.sweep.cluster.CONNECT_S", 0.5)
    with pytest.raises(ConfigError, match="no scheduler answers there"), cluster("tcp://127.0.0.1:9", None):
        pass
