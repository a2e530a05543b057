"""The commands `hedged model …`: which models there are, what they differ in, and which one serves."""

import getpass
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedged.commands.shared import ConfigPath, console
from hedged.domain.errors import Rejected

if TYPE_CHECKING:
    from hedged.config import Config
    from hedged.forecast.models.registry import Author, ModelRegistry

FOLLOW_S = 60.0
"""A daemon waits for its running cycle, loads and tries a model within that."""
LOOK_S = 0.2
app = typer.Typer(
    no_args_is_help=True, help="The models: which there are, what they differ in, which one serves."
)
ModelName = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Digits of its hash, or `champion`, `before`, `shipped`."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Why = Annotated[str, typer.Option("--why", help="Why, for the history.")]


@app.command("list")
def list_(config: ConfigPath = Path("config.yaml"), as_json: Json = False) -> None:
    """List all models with state and hold-out: the champion serves, challengers may, the retired did."""
    from dataclasses import asdict

    from hedged.commands.model_registry_text import show_list
    from hedged.forecast.models.standings import read_contests
    from hedged.forecast.models.told import told

    loaded, registry = registry_of(config)
    history = registry.read()
    rows = [told(registry, history, model) for model in history.models]
    runs, contests = _runs(loaded, registry), [asdict(one) for one in read_contests(registry.directory)]
    if as_json:
        print_tree({"models": rows, "runs": runs, "contests": contests, "configured": _configured(loaded)})
        return
    show_list(console, rows, runs, contests)
    _say_configured(loaded)


@app.command()
def show(model: ModelName, config: ConfigPath = Path("config.yaml"), as_json: Json = False) -> None:
    """Show where a model comes from, how good it was on its hold-out, and what happened to it."""
    from hedged.commands.model_registry_text import show_one
    from hedged.forecast.models.told import told

    _, registry = registry_of(config)
    history = registry.read()
    row = told(registry, history, registry.find(history, model))
    if as_json:
        print_tree(row)
    else:
        show_one(console, row)


@app.command()
def add(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Model directory made by `hedged train`.")],
    why: Why = "trained by hand",
    config: ConfigPath = Path("config.yaml"),
    as_json: Json = False,
) -> None:
    """Take a model in as a challenger, after checking that it is whole and can be opened. It does not serve yet."""
    from hedged.forecast.artefact import load
    from hedged.wiring.models.serving import opened

    loaded, registry = registry_of(config)
    opened(load(directory))
    taken = registry.add(directory, author_of(loaded, why))
    done(
        loaded,
        registry,
        taken.hash,
        as_json,
        f"{taken.hash} is a challenger: `hedged model promote {taken.hash}`",
    )


@app.command()
def promote(
    model: ModelName,
    why: Why = "by the operator",
    config: ConfigPath = Path("config.yaml"),
    as_json: Json = False,
) -> None:
    """Make a model the champion; a running daemon takes it over between two cycles, another at its start."""
    from hedged.wiring.models.serving import opened

    loaded, registry = registry_of(config)
    wanted = registry.find(registry.read(), model)
    if registry.read().has(wanted):
        opened(registry.open(wanted))
    history = registry.promote(wanted, author_of(loaded, why))
    text = f"{wanted} is champion; `hedged model rollback` goes back to {history.before}"
    done(loaded, registry, wanted, as_json, text)


@app.command()
def rollback(
    why: Why = "by the operator", config: ConfigPath = Path("config.yaml"), as_json: Json = False
) -> None:
    """Make the champion before this one serve again; a running daemon takes it over between two cycles."""
    loaded, registry = registry_of(config)
    old = registry.read().champion
    history = registry.rollback(author_of(loaded, why))
    text = f"{history.champion} is champion again; {old} is retired"
    done(loaded, registry, history.champion, as_json, text)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A model, as for `show`, or a model directory.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    config: ConfigPath = Path("config.yaml"),
    as_json: Json = False,
) -> None:
    """Compare the cards of two models: training, data, features, members, hold-out by venue class and horizon."""
    from hedged.commands.model_registry_text import show_diff
    from hedged.forecast.models.comparison import compared

    _, registry = registry_of(config)
    found = compared(*(_opened(registry, one) for one in (a, b)))
    if as_json:
        print_tree(found)
    else:
        show_diff(console, a, b, found)


def _opened(registry: "ModelRegistry", name: str) -> Any:
    from hedged.forecast.artefact import load

    if Path(name).is_dir():
        return load(Path(name))
    history = registry.read()
    model = registry.find(history, name)
    if not history.has(model):
        raise Rejected(f"{model} is no longer kept: `hedged model show {model}` says what is known of it")
    return registry.open(model)


def registry_of(path: Path) -> "tuple[Config, ModelRegistry]":
    """Read a configuration; return it and its registry."""
    from hedged.config import load_config
    from hedged.forecast.models.registry import ModelRegistry

    loaded = load_config(path)
    return loaded, ModelRegistry.of(loaded.state_dir)


def author_of(config: "Config", why: str) -> "Author":
    """Return who changes the registry: whoever typed the command."""
    from hedged.directories import make_private_directory
    from hedged.forecast.models.registry import Author

    make_private_directory(config.state_dir)
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        who = f"uid {os.getuid()}"
    return Author(config.clock.make().now_ms(), f"command line ({who})", why)


def _configured(config: "Config") -> str:
    """Name what the configuration has forecast in the champion's place; empty where it names nothing."""
    from hedged.wiring.models.serving import from_registry

    if from_registry(config):
        return ""
    hedge = config.hedge
    return (
        f"hedge.model: {hedge.model}" if hedge.model is not None else f"hedge.forecaster: {hedge.forecaster}"
    )


def _say_configured(config: "Config") -> None:
    if configured := _configured(config):
        say(
            f"the configuration wins: {configured}; without that the champion would serve (from a restart on)"
        )


def _runs(config: "Config", registry: "ModelRegistry") -> dict[str, str] | None:
    """Return what a daemon that lives says it serves; None where none runs, or it goes by the configuration."""
    from dataclasses import asdict

    from hedged.control.lease import read_sign

    sign, told = read_sign(config.state_dir), registry.running()
    alive = sign is not None and sign.alive and sign.role == "daemon"
    return asdict(told) if alive and told is not None and not _configured(config) else None


def done(config: "Config", registry: "ModelRegistry", model: str, as_json: bool, text: str) -> None:
    """Say what was done, and what a running daemon makes of it."""
    from hedged.control.lease import read_sign

    champion = registry.read().champion
    sign = read_sign(config.state_dir)
    lives = sign is not None and sign.alive and sign.role == "daemon" and not _configured(config)
    if not as_json:
        say(text)
        _say_configured(config)
    runs = _followed(config, registry, champion) if lives and model == champion else _runs(config, registry)
    if as_json:
        print_tree({"model": model, "champion": champion, "runs": runs, "configured": _configured(config)})
    elif lives and model == champion:
        if runs is None or (runs["model"] != champion and runs["champion"] != champion):
            say("the daemon has not taken it over yet: it does between two cycles; see `hedged model list`")
        elif runs["model"] == champion:
            say(f"the daemon forecasts by it: model {runs['hash']}")
        else:
            say(f"the daemon refuses it and goes on with {runs['model']}: {runs['refused']}")
    if runs is not None and runs["champion"] == champion and runs["refused"] and model == champion:
        raise typer.Exit(1)


def _followed(config: "Config", registry: "ModelRegistry", champion: str) -> dict[str, str] | None:
    """Wait until the daemon serves the champion or says why not; return what it said last."""
    until_s = time.monotonic() + FOLLOW_S
    while True:
        told = _runs(config, registry)
        if told is None or champion in (told["model"], told["champion"]) or time.monotonic() > until_s:
            return told
        time.sleep(LOOK_S)


def print_tree(tree: Any) -> None:
    """Print JSON."""
    sys.stdout.write(json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Print a line as it is."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)
