"""A sweep from plan to verdict, on rows that cost nothing: resumed, failing, drawn, honest."""

import json
import sys

import numpy as np
import polars as pl
import pytest
import sweeping

from hedged.domain.errors import ConfigError, DataError
from hedged.sweep.cluster import cluster
from hedged.sweep.findings import find
from hedged.sweep.identity import data_hash
from hedged.sweep.run import run_sweep
from hedged.sweep.store import FILE, opened
from hedged.sweep.verdict import verdict


def run(plan, workers, out):
    with opened(out) as rows:
        found, _ = run_sweep(plan, rows, workers, out)
    return found


def text_of(out):
    return (out / "sweep.json").read_text()


def test_an_ended_sweep_goes_on_and_finds_the_same(tmp_path):
    """If this fails, hours of work are lost to Ctrl-C, or are counted twice."""
    plan, whole = sweeping.plan(tmp_path), sweeping.Played()
    run(plan, whole, tmp_path / "whole")
    assert len(whole.ran) == len(set(whole.ran)) == 8 * 3 * 2
    first = sweeping.Played(ends_after=17)
    with pytest.raises(KeyboardInterrupt):
        run(plan, first, tmp_path / "halved")
    with (tmp_path / "halved" / FILE).open("ab") as file:
        file.write(b'{"key": "torn')  # as a kill in the midst of a write leaves it
    second = sweeping.Played()
    run(plan, second, tmp_path / "halved")
    assert sorted(first.ran + second.ran) == sorted(whole.ran)
    assert text_of(tmp_path / "halved") == text_of(tmp_path / "whole")


def test_a_changed_sweep_takes_only_what_is_the_same(tmp_path):
    """If this fails, rows of another configuration, window or data are taken for this one's."""
    run(sweeping.plan(tmp_path), sweeping.Played(), tmp_path / "out")
    more = sweeping.Played()
    run(sweeping.plan(tmp_path, parameters={"hedge.cap": [0.1, "0.40", 0.25]}), more, tmp_path / "out")
    assert len(more.ran) == 1 * 3 * 2  # 0.25 alone is new
    for change in ({"set": {"hedge.delta_band": 0.2}}, {"proxy_rule": "level"}, {"to": "2026-03-01"}):
        anew = sweeping.Played()
        run(sweeping.plan(tmp_path, **change), anew, tmp_path / "out")
        assert len(anew.ran) == 8 * 3 * 2
    (tmp_path / "data" / "x.parquet").write_bytes(b"other data")

    data_hash.cache_clear()
    anew = sweeping.Played()
    run(sweeping.plan(tmp_path), anew, tmp_path / "out")
    assert len(anew.ran) == 8 * 3 * 2


def test_two_sweeps_do_not_share_a_directory(tmp_path):
    """If this fails, two sweeps write into each other's lines."""
    with opened(tmp_path), pytest.raises(ConfigError, match="another sweep"), opened(tmp_path):
        pass


def test_a_failing_trial_is_a_row_with_its_error(tmp_path):
    """If this fails, one bad configuration ends the sweep, or is quietly left out."""
    plan = sweeping.plan(tmp_path)
    fails = sweeping.Played(fails=lambda task: float(task.config["hedge"]["cap"]) == 0.3)
    found = run(plan, fails, tmp_path / "out")
    assert found.usable == 6
    told = json.loads(text_of(tmp_path / "out"))
    wrong = [one for one in told["trials"] if one["error"]]
    assert len(wrong) == 2
    assert all(one["score"] is None and one["p_against_default"] is None for one in wrong)
    table = pl.read_parquet(tmp_path / "out" / "results.parquet")
    assert len(table) == 8 * 3 * 2
    assert table.filter(pl.col("status") == "failed")["error"].n_unique() == 1
    assert "&lt;no &amp; never&gt;" in (tmp_path / "out" / "sweep.html").read_text()
    again, retried = sweeping.Played(), sweeping.Played()
    run(plan, again, tmp_path / "out")
    assert not again.ran
    with opened(tmp_path / "out", retry=True) as rows:
        run_sweep(plan, rows, retried, tmp_path / "out")
    assert len(retried.ran) == 2 * 3 * 2


def test_a_broken_default_ends_the_sweep_at_once(tmp_path):
    """If this fails, everything is run although nothing can be compared."""
    broken = sweeping.Played(fails=lambda _task: True)
    with pytest.raises(DataError, match="the default configuration fails on fold 1 of BTC: ConfigError"):
        run(sweeping.plan(tmp_path), broken, tmp_path / "out")
    assert len(broken.ran) == 6


def test_an_unknown_objective_is_answered(tmp_path):
    """If this fails, a misspelt objective ranks all trials alike."""
    plan = sweeping.plan(tmp_path, objective={"metric": "net_savings_usd"})
    with pytest.raises(ConfigError, match="did you mean 'net_saving_usd'"):
        run(plan, sweeping.Played(), tmp_path / "out")


def test_luck_keeps_the_default_and_a_real_gain_changes_it(tmp_path):
    """If this fails, the verdict is wrong: the one sentence that is read."""
    lucky = run(sweeping.plan(tmp_path), sweeping.Played(), tmp_path / "luck")
    assert verdict(lucky).count("keep the default") == 1
    assert lucky.p_default[0] == 1
    plan = sweeping.plan(tmp_path, set={"hedge.min_change": 0.03}, parameters={"hedge.cap": [0.1, 0.2, 0.9]})
    real = run(plan, sweeping.Played(gain=40), tmp_path / "real")
    assert "ewma cap=0.9 beats the default" in verdict(real)
    assert [one.trial.values["hedge.cap"] for one in real.steps] == [0.9, 0.9]
    assert real.gain[1] > 0
    assert real.deflated > 0.95
    assert real.overfitting < 0.05


def test_a_choice_does_not_know_the_fold_it_is_scored_on(tmp_path):
    """If this fails, out of sample is in sample: look-ahead by selection."""
    plan = sweeping.plan(tmp_path)
    with opened(tmp_path / "out") as rows:
        honest, _ = run_sweep(plan, rows, sweeping.Played(), tmp_path / "out")
        for trial in honest.trials:  # the last fold turns out otherwise
            for (fold, _), task in trial.tasks.items():
                if fold == 2:
                    rows[task.key]["metrics"]["net_saving_usd"] *= -3
        other = find(plan, honest.trials, rows, np.random.default_rng(0))
    assert [one.trial.number for one in honest.steps] == [one.trial.number for one in other.steps]
    assert [one.in_sample for one in honest.steps] == [one.in_sample for one in other.steps]
    assert honest.steps[1].out_of_sample == pytest.approx(other.steps[1].out_of_sample / -3)


def test_smaller_is_better_where_it_is_asked_for(tmp_path):
    """If this fails, minimising finds the worst."""
    plan = sweeping.plan(
        tmp_path, objective={"metric": "turnover_usd", "per": "run", "direction": "minimize"}
    )
    found = run(plan, sweeping.Played(), tmp_path / "out")
    assert found.trials[found.best].values["hedge.cap"] == 0.1
    told = json.loads(text_of(tmp_path / "out"))
    assert told["trials"][found.best]["score"] == pytest.approx(75_000 * 0.1)


def test_drawn_trials_are_the_same_again_and_learn_from_earlier_folds_alone(tmp_path):
    """If this fails, a search cannot be resumed, or has been fitted to the fold that is to judge it."""
    asked = {
        "parameters": {"hedge.cap": {"low": 0.05, "high": 1.0}, "hedge.tail_h": {"low": 0, "high": 200}},
        "trials": 24, "seed": 3,
    }  # fmt: skip
    plan = sweeping.plan(tmp_path, **asked)
    first = sweeping.Played(gain=40, ends_after=40)
    with pytest.raises(KeyboardInterrupt):
        run(plan, first, tmp_path / "out")
    rest = sweeping.Played(gain=40)
    found = run(plan, rest, tmp_path / "out")
    assert not {*first.ran} & {*rest.ran}
    assert len(found.trials) == 25
    assert found.proof_days == sweeping.DAYS
    assert [one.test for one in found.steps] == [2]
    assert all(isinstance(trial.values["hedge.tail_h"], int) for trial in found.trials[1:])
    drawn = [trial.values["hedge.cap"] for trial in found.trials[1:]]
    assert np.mean(drawn[-8:]) > 0.2 + np.mean(drawn[:8])  # it learnt that more is better

    class Otherwise(sweeping.Played):
        def run(self, tasks):
            for one in super().run(tasks):
                if next(t for t in tasks if t.key == one["key"]).window == plan.folds[2]:
                    one["metrics"]["net_saving_usd"] *= -9
                yield one

    other = run(plan, Otherwise(gain=40), tmp_path / "other")
    assert [trial.values for trial in other.trials] == [trial.values for trial in found.trials]


@pytest.mark.parametrize("missing", ["optuna", "distributed"])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, missing):
    """If this fails, who installed the plain package gets a traceback instead of the one command that helps."""
    monkeypatch.setitem(sys.modules, missing, None)
    plan = sweeping.plan(tmp_path, trials=2)
    needs = {
        "optuna": lambda: run(plan, sweeping.Played(), tmp_path / "out"),
        "distributed": lambda: cluster("tcp://127.0.0.1:9", plan.grounds).__enter__(),
    }
    with pytest.raises(ConfigError, match=rf"{missing}: pip install 'hedged\[sweep\]'"):
        needs[missing]()


def test_a_model_that_knew_the_window_is_named(tmp_path):
    """If this fails, a model is praised for days that it was trained on."""

    class Knowing(sweeping.Played):
        def run(self, tasks):
            yield from ({**one, "knows_days": 3.0} for one in super().run(tasks))

    run(sweeping.plan(tmp_path), Knowing(), tmp_path / "out")
    assert json.loads(text_of(tmp_path / "out"))["models_that_knew"] == ["ewma"]
    assert "ewma had been trained on days of this window" in (tmp_path / "out" / "sweep.html").read_text()
