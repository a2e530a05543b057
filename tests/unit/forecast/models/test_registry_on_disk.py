"""The registry on disk: what it holds, what it refuses, and what a kill at any moment leaves of it."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny

from hedged.domain.errors import ConfigError, Rejected
from hedged.forecast.artefact import SHIPPED as SHIPPED_PATH
from hedged.forecast.artefact import load
from hedged.forecast.models.history import MOST_CHALLENGERS, NEWEST, SHIPPED, Act, State
from hedged.forecast.models.registry import Author, ModelRegistry, Running

ME = Author(1_767_225_600_000, "a test", "to see")


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry.of(tmp_path / "state")


def added(registry: ModelRegistry, tmp_path: Path, seed: int) -> str:
    return registry.add(tiny(tmp_path / f"made-{seed}", seed).path, ME).hash


def on_disk(registry: ModelRegistry) -> set[str]:
    return {one.name for one in (registry.directory / "artefacts").iterdir()}


def test_the_shipped_model_is_the_first_champion(registry: ModelRegistry) -> None:
    """If this fails, a daemon that nobody gave a model has none."""
    history = registry.read()
    assert (history.champion, history.before, history.challengers) == (SHIPPED, None, ())
    assert registry.open(history.champion).hash == load(SHIPPED_PATH).hash
    assert not registry.directory.exists(), "reading writes nothing"


def test_a_model_with_its_lineage_is_taken_in_and_found(registry: ModelRegistry, tmp_path: Path) -> None:
    """If this fails, nobody can tell what a model was made of, of whom it descends, and who let it serve."""
    made = tiny(
        tmp_path / "made", 1, metrics=load(SHIPPED_PATH).card.metrics | {"config": {"seed": 1, "effort": 2}}
    )
    model = registry.add(made.path, ME).hash
    shutil.rmtree(made.path)
    registry.promote(model, ME)
    history = registry.read()
    lineage = history.lineages[model]
    assert (lineage.parent, lineage.data_hash, lineage.trained_to) == (
        SHIPPED, made.card.data_hash, made.card.trained_to,
    )  # fmt: skip
    assert len(lineage.recipe) == 8
    assert lineage.hold_out["slow m24h"].mae < lineage.hold_out["slow m24h"].ewma_mae
    told = [(one.act, one.by, one.why, one.ts) for one in history.of(model)]
    assert told == [(act, "a test", "to see", "2026-01-01T00:00:00Z") for act in (Act.ADDED, Act.PROMOTED)]
    assert registry.open(registry.find(history, model[:4])).hash == model
    assert registry.find(history, "champion") == model
    assert registry.find(history, "before") == SHIPPED


def test_old_models_go_and_what_runs_stays(registry: ModelRegistry, tmp_path: Path) -> None:
    """If this fails, a year of retraining fills the disk, or the running model is deleted under the daemon."""
    first = added(registry, tmp_path, 0)
    registry.promote(first, ME)
    registry.tell(Running(first, first, first, "", "2026-01-01T00:00:00Z"))
    for seed in range(1, 12):
        registry.promote(added(registry, tmp_path, seed), ME)
    history = registry.read()
    assert on_disk(registry) == set(history.kept)
    assert first in history.kept
    assert {history.champion, history.before} <= set(history.kept)
    assert len(history.kept) == 3 + NEWEST
    assert len(history.models) == 13
    assert [one.act for one in history.of(history.models[2])] == [Act.ADDED, Act.PROMOTED, Act.REMOVED]


def test_challengers_are_few(registry: ModelRegistry, tmp_path: Path) -> None:
    """If this fails, models that nobody promotes pile up for ever."""
    models = [added(registry, tmp_path, seed) for seed in range(MOST_CHALLENGERS + 2)]
    history = registry.read()
    assert history.challengers == tuple(models[2:])
    assert history.state(models[0]) is State.RETIRED
    registry.retire(models[2], ME)
    assert registry.read().challengers == tuple(models[3:])


def test_a_damaged_or_foreign_artefact_is_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    """If this fails, weights that nobody tested are let in or let serve."""
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "card.json").write_text(json.dumps({"format": 2, "feature_hash": "0" * 16}))
    with pytest.raises(ConfigError, match="feature schema 0000000000000000"):
        registry.add(foreign, ME)
    with pytest.raises(ConfigError, match="is not a model"):
        registry.add(tmp_path / "nowhere", ME)
    with pytest.raises(Rejected, match="is the model that ships"):
        registry.add(SHIPPED_PATH, ME)
    one, two = (added(registry, tmp_path, seed) for seed in (1, 2))
    (registry.path(one) / "cascade.json").write_bytes(b"{ }")
    with pytest.raises(ConfigError, match="damaged or exchanged"):
        registry.promote(one, ME)
    shutil.rmtree(registry.path(one))
    shutil.copytree(registry.path(two), registry.path(one))
    with pytest.raises(ConfigError, match="it was exchanged"):
        registry.promote(one, ME)
    assert registry.read().champion == SHIPPED


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is damaged"),
        (b'{"format": 1, "events": [', "is damaged"),
        (b'{"format": 9, "events": []}', "has format 9"),
        (b"[" * 100_000, "is damaged"),
        (
            b'{"format": 1, "events": [{"ts": "t", "act": "promoted", "model": "../../etc", "by": "", "why": ""}]}',
            "is damaged",
        ),
        (
            b'{"format": 1, "events": [{"ts":"","act":"retired", "model": "0123456789abcdef", "by":"","why":""}]}',
            "tells what cannot have happened",
        ),
    ],
)
def test_a_damaged_registry_is_refused_with_what_to_do(
    registry: ModelRegistry, content: bytes, says: str
) -> None:
    """If this fails, a registry that was tampered with or cut short is believed, or a refusal does not teach."""
    registry.directory.mkdir(parents=True, mode=0o700)
    (registry.directory / "registry.json").write_bytes(content)
    with pytest.raises(ConfigError, match=f"{says}.*restore it, or move it away"):
        registry.read()


def test_names_that_fit_none_or_several_are_refused(registry: ModelRegistry) -> None:
    """If this fails, a slip promotes another model than was meant."""
    with pytest.raises(Rejected, match="there are: shipped"):
        registry.find(registry.read(), "abcd")
    with pytest.raises(Rejected, match="nothing served before"):
        registry.find(registry.read(), "before")
    with pytest.raises(Rejected, match="first champion"):
        registry.rollback(ME)


STEPS = ("fsync", "replace", "mkdir", "unlink", "rmdir")


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do it in a process that is killed with -9 just before its so manieth change of the disk; tell whether it was."""
    pid = os.fork()
    if pid == 0:
        try:
            _die_at(step)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def _die_at(step: int) -> None:
    left = [step]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


@pytest.mark.parametrize("what", ["add", "promote", "rollback", "retire"])
def test_a_kill_at_any_moment_leaves_it_before_or_after(what: str, tmp_path: Path) -> None:
    """If this fails, a crash while a model is exchanged leaves a daemon without one, or a history with a hole."""
    registry = ModelRegistry.of(tmp_path / "state")
    for seed in range(NEWEST + 2):  # enough for the change to let one go
        registry.promote(added(registry, tmp_path, seed), ME)
    newest = added(registry, tmp_path, 100)
    extra = tiny(tmp_path / "extra", 200)
    work: Callable[[], object] = {
        "add": lambda: registry.add(extra.path, ME),
        "promote": lambda: registry.promote(newest, ME),
        "rollback": lambda: registry.rollback(ME),
        "retire": lambda: registry.retire(newest, ME),
    }[what]
    kept = tmp_path / "kept"
    shutil.copytree(registry.directory, kept)
    before, step, ends = registry.read(), 0, set()
    while killed_at(step, work):
        after = registry.read()
        assert after.events[: len(before.events)] == before.events
        for model in after.kept:
            assert registry.open(model).hash == model
        reached = {"add": extra.hash in after.kept, "retire": newest in after.retired}
        ends.add(reached.get(what, after.champion))
        registry.retire(added(registry, tmp_path, 300 + step), ME)  # the next change works, and clears up
        assert on_disk(registry) == set(registry.read().kept)
        shutil.rmtree(registry.directory)
        shutil.copytree(kept, registry.directory)
        step += 1
    assert step >= 4
    assert len(registry.read().events) > len(before.events), "not killed, it is done"
    assert len(ends) == 2, "killed early nothing has happened, killed late all has"
