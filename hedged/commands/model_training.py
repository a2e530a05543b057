"""`hedged model retrain`, `training` and `retire`: a new model at once, what became of the last ones, and one given up.

Registered on the command line by `cli.py`.
"""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedged.commands.model_registry import (
    Json,
    ModelName,
    Why,
    author_of,
    done,
    print_tree,
    registry_of,
    say,
)
from hedged.commands.shared import ConfigPath, console
from hedged.domain.errors import ConfigError, Fatal

if TYPE_CHECKING:
    from hedged.config import Config
    from hedged.forecast.models.trainings import Asked, Order, Training, Trainings

LOOK_S = 1.0
SHOWN = 12


def retrain(
    why: Why = "asked for by the operator",
    config: ConfigPath = Path("config.yaml"),
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for the daemon to end it; exit code 1 where no model came of it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model now: a running daemon does, beside its cycles; without one this command does, by the same rules.

    What an earlier training left unfinished is gone on with. A model that is good enough on its hold-out becomes a
    challenger; it does not serve yet.
    """
    from hedged.control.lease import read_sign
    from hedged.forecast.models.trainings import Asked, Trainings

    loaded, _ = registry_of(config)
    trainings = Trainings.of(loaded.state_dir)
    author = author_of(loaded, why)
    wish = Asked(author.now_ms, author.by, why)
    sign = read_sign(loaded.state_dir)
    if sign is None or not sign.alive or sign.role != "daemon":
        _tell(_train_here(loaded, trainings, wish), as_json)
        return
    trainings.ask(wish)
    if not wait:
        say("the daemon was asked: `hedged model training` shows how far it is")
        return
    while True:
        over = [one for one in trainings.ended() if one.ended_ms >= wish.at_ms]
        if over:
            _tell(over[-1], as_json)
            return
        sign = read_sign(loaded.state_dir)
        if sign is None or not sign.alive:
            raise Fatal("the daemon has ended; it goes on with the training when it is started again")
        time.sleep(LOOK_S)


def training(config: ConfigPath = Path("config.yaml"), as_json: Json = False) -> None:
    """Show the training at hand and the last ones: why, how long, what came of each; and what stands in the way."""
    from dataclasses import asdict

    from hedged.commands.model_registry_text import show_trainings
    from hedged.domain.clock import iso
    from hedged.forecast.models.trainings import ORDERS, Trainings
    from hedged.wiring.models.learnable import unable
    from hedged.wiring.models.orders import data_end_ms

    loaded, _ = registry_of(config)
    trainings = Trainings.of(loaded.state_dir)
    order, ended = trainings.order(), trainings.ended()
    why_not = unable(loaded, data_end_ms(loaded.clock.make().now_ms()))
    busy = order is not None and trainings.busy()
    if as_json:
        at_hand = ORDERS.dump_python(order, mode="json") if order else None
        print_tree({
            "order": at_hand, "at_work": busy, "unable": why_not,
            "trainings": [asdict(one) for one in ended],
        })  # fmt: skip
        return
    show_trainings(console, ended[-SHOWN:])
    if order is not None:
        last = order.attempts[-1] if order.attempts else None
        how = "is at work" if busy else f"waits ({last.why or last.outcome})" if last else "waits"
        say(f"a training {how}: {order.recipe}, data to {iso(order.to_ms)}, {order.why}")
    if why_not:
        say(f"no model is trained: {why_not}")


def retire(
    model: ModelName,
    why: Why = "by the operator",
    config: ConfigPath = Path("config.yaml"),
    as_json: Json = False,
) -> None:
    """Take a challenger out of the running; its history stays, its artefact goes when newer ones come."""
    loaded, registry = registry_of(config)
    gone = registry.find(registry.read(), model)
    registry.retire(gone, author_of(loaded, why))
    done(loaded, registry, gone, as_json, f"{gone} is retired")


def _train_here(config: "Config", trainings: "Trainings", wish: "Asked") -> "Training":
    """Carry out an order in this command's own time. Raises Fatal where it cannot be, or breaks off."""
    from hedged.commands.model import bar
    from hedged.forecast.models.registry import ModelRegistry
    from hedged.wiring.models.child import train_in_child
    from hedged.wiring.models.learnable import recipe_of, unable
    from hedged.wiring.models.orders import data_end_ms, ordered, settle

    clock = config.clock.make()
    if trainings.busy():
        raise Fatal("a training is at work here already: `hedged model training`")
    order: Order | None = trainings.order()
    if order is None:
        if why_not := unable(config, data_end_ms(wish.at_ms)):
            raise ConfigError(why_not)
        registry = ModelRegistry.of(config.state_dir)
        order = ordered(config, registry, recipe_of(config), wish.at_ms, wish.by, wish.why)
    elif order.attempts and order.attempts[-1].ended_ms is None:
        order = order.ended(clock.now_ms(), "lost", "whoever watched its process was killed")
    peak_mb = 0.0
    if trainings.result(order) is None:
        order = order.begun(clock.now_ms())
        trainings.place(order)
        try:
            with bar() as on_progress:
                ending = train_in_child(trainings, order, config.models.hours, on_progress, threading.Event())
        except KeyboardInterrupt:
            trainings.place(order.ended(clock.now_ms(), "interrupted", "by the operator"))
            raise
        order, peak_mb = order.ended(clock.now_ms(), ending.outcome or "added", ending.why), ending.peak_mb
        if ending.outcome is not None:
            trainings.place(order)
            raise Fatal(f"the training broke off: {ending.why}; started again it goes on where it was")
    return settle(trainings, order, config, clock.now_ms(), peak_mb)


def _tell(one: "Training", as_json: bool) -> None:
    from dataclasses import asdict

    told: dict[str, Any] = asdict(one)
    if as_json:
        print_tree(told)
    elif one.outcome == "added":
        say(f"{one.model} is a challenger ({one.text}): `hedged model promote {one.model}`")
    else:
        say(f"{one.outcome}: {one.text}")
    if one.outcome != "added":
        raise typer.Exit(1)
