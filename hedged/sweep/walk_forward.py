"""`walk-forward quarterly` among a sweep's models: models trained as each fold goes on, once for all its runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hedged.backtest.runner import Window
from hedged.backtest.walk_forward import Progress, Trainer, WalkForward, instants, trained_models
from hedged.domain.errors import ConfigError
from hedged.sweep.identity import Grounds, grounds
from hedged.sweep.plan import Plan, Told, walks

SMALL = "small"
TrainerOf = Callable[[bool, Progress], Trainer]
"""Returns what trains a model, the small one or the full one."""


def check_walks(models: Sequence[str], folds: Sequence[Window]) -> None:
    """Raise ConfigError for a walk-forward model that is none."""
    for model in filter(walks, models):
        every, _ = _asked(model)
        for fold in folds:
            instants(fold, every)


def trained(plan: Plan, folder: Path, trainer_of: TrainerOf, on_progress: Progress) -> Plan:
    """Return the plan with the models of its folds, those that are lacking in the folder trained first.

    They are part of what each worker proves to have: models of a cluster lie under the same path on each machine.
    """
    reigns: dict[tuple[str, int], Told] = {}
    for model in filter(walks, plan.models):
        every, small = _asked(model)
        recipe = "the small ensemble, seed 0" if small else "the ensemble, seed 0"
        kept = folder.resolve() / (SMALL if small else "full")
        how = WalkForward(every, recipe, kept, trainer_of(small, on_progress), on_progress)
        for fold in plan.folds:
            found = trained_models(plan.sweep.data, fold, how)
            reigns[model, fold.from_ms] = tuple(
                (one.reign.from_ms, one.to_ms, str(one.reign.artefact.path)) for one in found
            )
    return replace(plan, reigns=reigns, grounds=_grounds(plan, reigns)) if reigns else plan


def _grounds(plan: Plan, reigns: Mapping[tuple[str, int], Told]) -> Grounds:
    paths = [Path(path) for path, _ in plan.grounds.models]
    paths += [Path(path) for told in reigns.values() for _, _, path in told]
    return grounds(plan.sweep.data, list(dict.fromkeys(paths)))


def _asked(model: str) -> tuple[str, bool]:
    """Return how often it is trained, and whether the small one."""
    _, *words = model.split()
    if len(words) not in (1, 2) or words[1:] not in ([], [SMALL]):
        raise ConfigError(
            f"models: {model!r}: expected walk-forward monthly, quarterly or DAYS, then `small` or nothing"
        )
    return words[0], len(words) == 2
