"""`hedged model …`: what is listed, shown and compared, who is let serve, and what a refusal teaches."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from commands import hedged
from tiny_models import tiny, twin

from hedged.commands import model_registry
from hedged.config import parse_config
from hedged.control.lease import Sign, boot_id, started, uptime_s
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.models.registry import Author, ModelRegistry, Running

Asks = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that speaks, with other bands than the shipped one's and another end of its training."""
    return twin(tmp_path_factory.mktemp("models") / "twin", width=1.5, trained_to="2026-02-01T00:00:00Z").path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    (tmp_path / "config.yaml").write_text(f"state_dir: {directory}\n")
    return directory


@pytest.fixture
def ask(state: Path, monkeypatch: pytest.MonkeyPatch) -> Asks:
    """Types `hedged model …` and returns the JSON that it prints; of a refusal the line, where that is expected."""
    monkeypatch.setenv("HEDGED_CONFIG", str(state.parent / "config.yaml"))

    def asked(*arguments: str, refused: bool = False, code: int = 0) -> Any:
        if refused:
            done = hedged("model", *arguments)
            assert done.returncode == 2, done.stdout
            return done.stderr
        done = hedged("model", *arguments, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    return asked


def test_a_model_is_added_promoted_and_taken_back(ask: Asks, made: Path, state: Path) -> None:
    """If this fails, an operator cannot exchange the model by command, or cannot see what was done."""
    only = ask("list")
    assert [(one["model"], one["state"]) for one in only["models"]] == [("shipped", "champion")]
    assert not list(state.iterdir()), "looking writes nothing"
    model = ask("add", str(made), "--why", "wider bands")["model"]
    assert model == load(made).hash
    assert ask("show", model[:5])["state"] == "challenger"
    done = ask("promote", model[:5], "--why", "it is better")
    assert (done["champion"], done["runs"], done["configured"]) == (model, None, "")
    row = ask("show", "champion")
    assert (row["model"], row["lineage"]["parent"], row["sound"]) == (model, "shipped", True)
    assert [(one["act"], one["why"]) for one in row["events"]] == [
        ("added", "wider bands"), ("promoted", "it is better"),
    ]  # fmt: skip
    assert row["events"][1]["by"].startswith("command line (")
    assert ask("rollback")["champion"] == "shipped"
    assert {one["model"]: one["state"] for one in ask("list")["models"]} == {
        "shipped": "champion", model: "retired",
    }  # fmt: skip


def test_cards_are_compared(ask: Asks, made: Path) -> None:
    """If this fails, a model is promoted without anybody seeing what is other about it."""
    found = ask("diff", "shipped", str(made))
    shipped = load(SHIPPED)
    assert found["facts"]["hash"] == [shipped.hash, load(made).hash]
    assert found["facts"]["band width"] == [1.0, 1.5]
    assert found["facts"]["features"][0] == found["facts"]["features"][1]
    assert not found["same_hold_out"]
    assert all(found["same_files"].values())
    cell = found["hold_out"]["slow m24h"]
    assert cell["mae"] == [shipped.card.metrics["hold_out"]["slow m24h"]["ensemble"]["mae"]] * 2


def test_tables_say_the_same(ask: Asks, made: Path) -> None:
    """If this fails, a person at the terminal sees nothing of what JSON tells."""
    model = ask("add", str(made))["model"]
    listed, shown, compared = (
        hedged("model", *words).stdout for words in (("list",), ("show", model), ("diff", "champion", model))
    )
    assert model[:8] in listed
    assert "no daemon here goes by the registry now" in listed
    assert "slow m24h" in shown
    assert "trained by hand" in shown
    assert "no contest" in compared
    assert "differs" in compared


def test_refusals_teach(ask: Asks, made: Path, tmp_path: Path) -> None:
    """If this fails, a wrong or damaged model gets in, or the operator is left with a bare no."""
    assert "first champion" in ask("rollback", refused=True)
    assert "there are: shipped" in ask("promote", "abcdef", refused=True)
    assert "is the model that ships" in ask("add", str(SHIPPED), refused=True)
    assert "lacks networks.onnx" in ask("add", str(tiny(tmp_path / "mute").path), refused=True)
    assert "is not a model" in ask("add", str(tmp_path), refused=True)
    broken = twin(tmp_path / "broken", width=1.25).path
    (broken / "networks.onnx").unlink()
    (broken / "networks.onnx").write_bytes(b"no graph")
    assert "damaged or exchanged" in ask("add", str(broken), refused=True)
    ask("add", str(made))
    assert "in the registry already" in ask("add", str(made), refused=True)
    assert "is the champion already" in ask("promote", "shipped", refused=True)


def test_the_configuration_wins_and_that_is_said(ask: Asks, made: Path, state: Path) -> None:
    """If this fails, a model is promoted and nobody says that the configuration has another one serve."""
    config = state.parent / "config.yaml"
    config.write_text(f"{config.read_text()}hedge: {{model: {made}}}\n")
    done = ask("promote", ask("add", str(made))["model"])
    assert done["configured"] == f"hedge.model: {made}"
    assert "the configuration wins" in hedged("model", "list").stdout


@pytest.mark.parametrize(
    ("refused", "says", "code"),
    [
        ("", "the daemon forecasts by it: model h", 0),
        ("it is deaf", "refuses it and goes on with shipped: it is deaf", 1),
    ],
)
def test_a_running_daemon_is_heard(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, says: str, code: int
) -> None:
    """If this fails, the operator is told that a model serves which the daemon has refused."""
    registry = ModelRegistry.of(state)
    model = registry.add(tiny(tmp_path / "tiny").path, Author(0, "a test", "to see")).hash
    registry.promote(model, Author(0, "a test", "to see"))
    pid = os.getpid()
    sign = Sign(pid, started(pid) or 0, boot_id(), "here", "main", "daemon", "c", 0, uptime_s())
    (state / "lease.json").write_text(json.dumps(asdict(sign)))
    late = Running("shipped", "h", "shipped", "", "2026-01-01T00:00:00Z")
    registry.tell(late)

    def follows(_: float) -> None:
        serves = "shipped" if refused else model
        registry.tell(replace(late, model=serves, champion=model, refused=refused))

    monkeypatch.setattr(model_registry.time, "sleep", follows)
    config = parse_config({"state_dir": str(state)})
    with model_registry.console.capture() as told:
        try:
            ended = 0
            model_registry.done(config, registry, model, False, "done")
        except model_registry.typer.Exit as end:
            ended = end.exit_code
    assert says in told.get()
    assert ended == code


def test_a_challenger_is_retired_and_trainings_are_told(ask: Asks, made: Path, state: Path) -> None:
    """If this fails, a challenger cannot be taken back, or nobody sees why no model was trained."""
    registry = ModelRegistry.of(state)
    model = registry.add(made, Author(0, "a test", "to see")).hash
    ask("retire", model[:6], "--why", "too large")
    assert registry.read().challengers == ()
    assert registry.read().of(model)[-1].why == "too large"
    told = ask("training")
    assert (told["order"], told["at_work"], told["trainings"]) == (None, False, [])
    assert "name models.data" in told["unable"]
    assert "name models.data" in ask("retrain", refused=True)
