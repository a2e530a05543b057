"""An order carried out: its recipe, the training, the verdict."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from hedged.domain.errors import ConfigError
from hedged.features.samples import Samples
from hedged.forecast.artefact import Artefact, load
from hedged.forecast.models.trainings import Order, Result, write_result
from hedged.training.config import TrainConfig, small, tiny
from hedged.training.progress import Whole
from hedged.training.train import train
from hedged.training.validation import judged

EVERY_S = 0.5
RECIPES: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "full": lambda one: one,
    "small": small,
    "tiny": tiny,
}

log = structlog.get_logger(__name__)


def recipe(order: Order) -> TrainConfig:
    """Return what an order trains."""
    config = TrainConfig(seed=order.seed, threads=order.threads, learn_days=order.learn_days)
    return RECIPES[order.recipe](config)


def carry_out(order: Order, out: Path, tell: Callable[[str, float], None]) -> Result:
    """Train what was ordered and judge it; `tell` takes a stage and the share of the whole.

    Raises DataError and ConfigError where that cannot be, ArithmeticError for a model that is none.
    """
    config = recipe(order)
    whole, said = Whole(config), dict[str, float]()

    def on_progress(stage: str, share: float) -> None:
        done, now_s = whole.told(stage, share), time.monotonic()
        if share in (0.0, 1.0) or now_s - said.get(stage, 0.0) >= EVERY_S:
            said[stage] = now_s
            tell(stage, done)

    results: list[Result] = []

    def on_made(made: Artefact, held: Samples, cut_ms: int) -> None:
        verdict = judged(made, held, cut_ms, _rival(order), order.threads)
        text = "; ".join(part for part in (verdict.why, verdict.text) if part)
        results.append(
            Result(order.ordered_ms, "rejected" if verdict.why else "added", text[:1_000], made.hash)
        )
        # before what was finished is cleared away: a kill in between does not cost the training
        write_result(out, results[0])

    train(order.data, order.to_ms, out, config, on_progress, on_made)
    return results[0]


def _rival(order: Order) -> Artefact | None:
    """Open the champion; without it the model is judged beside the EWMA alone."""
    if order.rival_path is None:
        return None
    try:
        return load(order.rival_path)
    except ConfigError as error:
        log.warning("champion_not_compared", why=str(error))
        return None
