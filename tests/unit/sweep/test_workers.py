"""Processes of this machine as workers: one that dies costs its own task alone."""

import dataclasses
import multiprocessing

import pytest
import sweeping

from hedged.domain.errors import ConfigError
from hedged.sweep.cluster import cluster
from hedged.sweep.identity import Grounds
from hedged.sweep.workers import local


def tasks(plan):
    return [task for trial in plan.grid() for task in trial.tasks.values() if task.window == plan.folds[0]]


def test_a_task_that_kills_its_worker_is_given_up_and_the_others_are_done(tmp_path, monkeypatch):
    """If this fails, one run that is out of memory ends the sweep, or is lost without a word."""
    monkeypatch.setattr("hedged.sweep.workers.TRIES", 2)
    plan = sweeping.plan(tmp_path, parameters={"hedge.cap": [0.2, 0.3]}, positions={"BTC": 100_000})
    all_of_them = tasks(plan)
    with local(2) as workers:
        rows = list(dataclasses.replace(workers, work=sweeping.dying_row).run(all_of_them))
    assert sorted(row["key"] for row in rows) == sorted(task.key for task in all_of_them)
    lost = [row for row in rows if row["status"] == "lost"]
    assert len(lost) == 1
    assert "died 2 times" in lost[0]["error"]
    assert not multiprocessing.active_children()


def test_a_worker_on_other_data_or_code_is_refused(tmp_path):
    """If this fails, one machine's old version mixes its results into the others'."""
    (task, *_) = tasks(sweeping.plan(tmp_path))
    code, data, models = task.grounds.code, task.grounds.data, task.grounds.models
    with local(1) as workers:
        for grounds, message in (
            (Grounds("0" * 16, data, models), "another version of hedged"),
            (Grounds(code, (data[0], "0" * 16), models), "are others than where the sweep is led from"),
            (Grounds(code, ("/nowhere", data[1]), models), "share the data directory"),
            (Grounds(code, data, (("/nowhere", "0"),)), "missing or another one"),
        ):
            with pytest.raises(ConfigError, match=message):
                list(workers.run([dataclasses.replace(task, grounds=grounds)]))


@pytest.mark.parametrize(
    "address", ["tcp://198.41.0.4:8786", "tcp://cluster.example.com:8786", "198.41.0.4:8786", "ws://a.b:1"]
)
def test_a_cluster_beyond_ones_own_network_is_asked_for_over_tls_alone(address: str) -> None:
    """If this fails, tasks and answers are pickled over an open line, and anybody on it runs code here."""
    with pytest.raises(ConfigError, match="tls://"), cluster(address, None):  # type: ignore[arg-type]
        raise AssertionError
