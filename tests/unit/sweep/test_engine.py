"""Which engine plays a sweep's runs, what they share, and models that are trained as folds go on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import sweeping
from worlds import HISTORY_DAYS, START_MS, tables, write_directory

from hedged.domain.clock import DAY_MS, iso
from hedged.domain.errors import ConfigError
from hedged.forecast.artefact import SHIPPED, Artefact, load
from hedged.sweep.file import parse_sweep
from hedged.sweep.plan import Plan, make_plan
from hedged.sweep.run import run_sweep
from hedged.sweep.store import opened
from hedged.sweep.task import measure
from hedged.sweep.walk_forward import check_walks, trained

HOURLY = {"cycle.interval_s": 3_600, "cycle.bar_s": 3_600, "cycle.history_days": HISTORY_DAYS}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_directory(tables(2), tmp_path_factory.mktemp("world") / "data")


def plan_of(data: Path, laws: Path, **changes: object) -> Plan:
    raw = {
        "data": str(data), "from": "2026-01-01", "to": "2026-01-03", "positions": {"INJ": 80_000},
        "models": ["ewma"], "parameters": {"hedge.cap": [0.2, 0.4]}, "set": HOURLY, "folds": {"count": 2},
    }  # fmt: skip
    return make_plan(parse_sweep(raw | changes, "test"), laws)


def test_both_engines_give_the_same_row_and_trials_share_forecasts(data: Path, tmp_path: Path) -> None:
    """If this fails, a sweep by the batch engine finds other figures, or every trial forecasts anew."""
    plan = plan_of(data, tmp_path / "laws")
    first, other = (trial.tasks[0, "INJ"] for trial in plan.grid())
    row = measure(first)
    assert row["metrics"]["turnover_usd"] > 0
    assert row == measure(replace(first, engine="daemon"))
    (kept,) = (tmp_path / "laws").glob("*-float64")
    made_ns = kept.stat().st_mtime_ns
    assert measure(other)["metrics"] != row["metrics"]
    assert [one.stat().st_mtime_ns for one in (tmp_path / "laws").glob("*-float64")] == [made_ns]


def test_what_the_batch_engine_does_not_play_the_daemon_plays_and_says_so(data: Path, tmp_path: Path) -> None:
    """If this fails, a configuration is refused for its engine, or a reader does not learn who played it."""
    plan = plan_of(data, tmp_path / "laws", set=HOURLY | {"cycle.bar_s": 900})
    row = measure(plan.default().tasks[0, "INJ"])
    assert "cycle.interval_s 3600 and cycle.bar_s 900 must be equal" in row["by_daemon"]
    assert not (tmp_path / "laws").exists()

    class Refusing(sweeping.Played):
        def run(self, tasks):  # type: ignore[no-untyped-def]
            yield from ({**one, "by_daemon": row["by_daemon"]} for one in super().run(tasks))

    with opened(tmp_path / "out") as rows:
        run_sweep(sweeping.plan(tmp_path), rows, Refusing(), tmp_path / "out")
    assert list(json.loads((tmp_path / "out" / "sweep.json").read_text())["by_daemon"].values()) == [48]
    assert "48 runs were played by the daemon itself" in (tmp_path / "out" / "sweep.html").read_text()


def test_models_are_trained_once_for_each_boundary_and_are_part_of_a_run(data: Path, tmp_path: Path) -> None:
    """If this fails, each trial trains anew, or a fold is played with a model that knew it."""
    asked: list[int] = []

    def trainer(to_ms: int, out: Path) -> Artefact:
        asked.append(to_ms)
        out.mkdir(parents=True)
        for file in SHIPPED.iterdir():
            (out / file.name).write_bytes(file.read_bytes())
        card = json.loads((SHIPPED / "card.json").read_text())
        (out / "card.json").write_text(json.dumps(card | {"trained_to": iso(to_ms)}))
        return load(out)

    bare = plan_of(data, tmp_path / "laws", models=["ewma", "walk-forward 1 small"])
    check_walks(bare.models, bare.folds)
    plan = trained(bare, tmp_path / "models", lambda small, _: trainer, lambda _stage, _share: None)
    assert asked == [START_MS, START_MS + DAY_MS]
    trial = plan.trial(3, "walk-forward 1 small", {"hedge.cap": 0.4})
    first, second = (trial.tasks[fold, "INJ"] for fold in (0, 1))
    assert [one[:2] for one in second.reigns] == [(START_MS + DAY_MS, START_MS + 2 * DAY_MS)]
    assert first.reigns[0][2] in dict(plan.grounds.models)  # every worker proves to have it
    assert first.key != bare.trial(3, "ensemble", {"hedge.cap": 0.4}).tasks[0, "INJ"].key
    assert measure(first)["knows_days"] == 0
    for wrong in ("walk-forward ", "walk-forward weekly", "walk-forward 30 tiny"):
        with pytest.raises(ConfigError):
            check_walks([wrong], bare.folds)
