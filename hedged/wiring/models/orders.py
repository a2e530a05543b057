"""Orders of trainings: what they hold, and what is made of those that ended."""

from hedged.config import Config
from hedged.domain.clock import DAY_MS, ms_of
from hedged.domain.errors import ConfigError
from hedged.forecast.artefact import load
from hedged.forecast.models.history import SHIPPED
from hedged.forecast.models.registry import Author, ModelRegistry
from hedged.forecast.models.trainings import Order, Outcome, Recipe, Training, Trainings, seconds
from hedged.wiring.models.learnable import directory_of
from hedged.wiring.models.serving import opened


def data_end_ms(now_ms: int) -> int:
    """Return the instant before which all is known that is learnt from: the last midnight, UTC.

    Prints that come late, and days that the recorder still adds to, are all beyond it: whoever goes on with an order
    hours later finds the same samples.
    """
    return now_ms // DAY_MS * DAY_MS


def newest_ms(registry: ModelRegistry) -> int | None:
    """Return until when the newest model of the registry knows, ms; None where that is not told."""
    history = registry.read()
    told = [history.lineages[model].trained_to for model in history.kept if model in history.lineages]
    if history.champion == SHIPPED or not told:
        told.append(load(registry.path(SHIPPED)).card.trained_to)
    return max((found for found in map(_ms, told) if found is not None), default=None)


def ordered(
    config: Config,
    registry: ModelRegistry,
    recipe: Recipe,
    now_ms: int,
    by: str,
    why: str,
    *,
    drift: bool = False,
) -> Order:
    """Return an order for a training now. Raises ConfigError where there is no data directory, or no registry."""
    data, told, champion = directory_of(config), config.models, registry.read().champion
    if data is None:
        raise ConfigError("there is no data directory to learn from: name models.data")
    return Order(
        data=data.resolve(), to_ms=data_end_ms(now_ms), recipe=recipe, seed=0, threads=told.threads,
        memory_mb=told.memory_mb, nice=told.nice, ordered_ms=now_ms, by=by, why=why, drift=drift, rival=champion,
        rival_path=registry.path(champion).resolve(), learn_days=told.learn_days,
    )  # fmt: skip


def settle(trainings: Trainings, order: Order, config: Config, now_ms: int, peak_mb: float = 0.0) -> Training:
    """Take the model in that an order came to, where it is good enough, and close the order. Safe to do twice."""
    result = trainings.result(order)
    if result is None:
        raise ConfigError("the order has come to nothing yet")
    outcome, text = result.outcome, result.text
    if outcome == "added":
        registry = ModelRegistry.of(config.state_dir)
        try:
            artefact = load(trainings.out)
            opened(artefact)
            if not registry.read().has(artefact.hash):
                registry.add(trainings.out, Author(now_ms, order.by, f"{order.why}; {text}"))
        except ConfigError as error:
            outcome, text = "rejected", f"it cannot serve: {error}"
    model = result.model if outcome == "added" else ""
    training = closed(order, now_ms, outcome, text, model=model, peak_mb=peak_mb)
    trainings.close(training)
    return training


def closed(
    order: Order, now_ms: int, outcome: Outcome, text: str, *, model: str = "", peak_mb: float = 0.0
) -> Training:
    """Return how an order ended."""
    return Training(
        ordered_ms=order.ordered_ms, ended_ms=now_ms, to_ms=order.to_ms, recipe=order.recipe, why=order.why,
        outcome=outcome, text=text, drift=order.drift, attempts=len(order.attempts), peak_mb=round(peak_mb, 1),
        seconds=round(seconds(order.attempts), 1), model=model,
    )  # fmt: skip


def _ms(text: str) -> int | None:
    try:
        return ms_of(text)
    except ValueError:
        return None
