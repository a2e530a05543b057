"""Where a model comes from: what of its card outlives the artefact itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import FiniteFloat

from hedged.forecast.artefact import Card


@dataclass(frozen=True, slots=True)
class Cell:
    """A hold-out of one venue class and horizon: `rows` outcomes; mean absolute error of the model and of the EWMA as a
    share of persistence's; pinball loss in s, a series' usual change. Less is better.
    """

    rows: int
    mae: FiniteFloat
    ewma_mae: FiniteFloat
    pinball: FiniteFloat


@dataclass(frozen=True, slots=True)
class Lineage:
    """`recipe`: names the settings it was trained with, seed apart, empty where its card does not tell; `parent`: the
    model that served when it was made, empty where that is not known; `hold_out`: by venue class and horizon.
    """

    trained_from: str
    trained_to: str
    samples: int
    data_hash: str
    feature_hash: str
    recipe: str = ""
    parent: str = ""
    hold_out: Mapping[str, Cell] = field(default_factory=dict)


def lineage_of(card: Card, parent: str = "") -> Lineage:
    """Read the lineage off a card. Hold-out figures that it does not tell in full are left out."""
    return Lineage(
        trained_from=card.trained_from,
        trained_to=card.trained_to,
        samples=card.samples,
        data_hash=card.data_hash,
        feature_hash=card.feature_hash,
        recipe=recipe_of(card),
        parent=parent,
        hold_out=hold_out_of(card),
    )


def hold_out_of(card: Card) -> dict[str, Cell]:
    """Return what a card tells of the last days before its model was trained to."""
    told = card.metrics.get("hold_out", {})
    found = {}
    for cell, row in told.items() if isinstance(told, Mapping) else ():
        try:
            ours, theirs = row["ensemble"], row["ewma"]
            found[str(cell)] = Cell(
                int(row["rows"]), float(ours["mae"]), float(theirs["mae"]), float(ours["pinball"])
            )
        except (KeyError, TypeError, ValueError):
            continue
    return found


def recipe_of(card: Card) -> str:
    """Name the settings of a training: models of one recipe differ by their data and their luck alone."""
    config = card.metrics.get("config")
    if not isinstance(config, Mapping):
        return ""
    settings = {name: value for name, value in config.items() if name not in ("seed", "threads")}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
