"""A model of the registry as a plain tree, for tables and JSON."""

from dataclasses import asdict
from typing import Any

from hedged.domain.errors import ConfigError
from hedged.forecast.models.history import SHIPPED, Act, History
from hedged.forecast.models.lineage import Lineage, lineage_of
from hedged.forecast.models.registry import ModelRegistry


def told(registry: ModelRegistry, history: History, model: str) -> dict[str, Any]:
    """Tell what is known of a model. `sound`: whether its artefact can be opened, None where it is not kept; `fault`:
    why not; `hash`: of its card; `demoted`: why the EWMA serves in its place, empty
    where it does not.
    """
    lineage: Lineage | None = history.lineages.get(model)
    sound, fault, its_hash = None, "", model
    if history.has(model):
        try:
            artefact = registry.open(model)
            sound, its_hash = True, artefact.hash
            lineage = lineage or lineage_of(artefact.card)
        except ConfigError as error:
            sound, fault = False, str(error)
    events = [{"ts": one.ts, "act": str(one.act), "by": one.by, "why": one.why} for one in history.of(model)]
    served = [one for one in history.of(model) if one.act in (Act.PROMOTED, Act.ROLLED_BACK)]
    return {
        "model": model,
        "hash": its_hash,
        "state": str(history.state(model)),
        "kept": history.has(model),
        "sound": sound,
        "fault": fault,
        "before": model == history.before,
        "demoted": history.demoted.why if history.demoted and model == history.champion else "",
        "why": "comes with the program" if model == SHIPPED else history.of(model)[0].why,
        "added": None if model == SHIPPED else history.of(model)[0].ts,
        "served_since": served[-1].ts if served and model == history.champion else None,
        "lineage": asdict(lineage) if lineage else None,
        "events": events,
    }
