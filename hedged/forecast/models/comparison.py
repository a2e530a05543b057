"""What two models differ in, by their cards. Pure."""

from typing import Any

from hedged.forecast.artefact import Artefact
from hedged.forecast.models.lineage import hold_out_of, recipe_of


def compared(a: Artefact, b: Artefact) -> dict[str, Any]:
    """Return facts and hold-outs side by side, as pairs of A and B; what they have apart of names.

    `hold_out` by venue class and horizon: MAE as a share of persistence's, pinball in s. Figures of different hold-outs
    are no contest: `same_hold_out` tells whether both ended on the same instant.
    """
    one, two = a.card, b.card
    facts = {
        "hash": (a.hash, b.hash),
        "trained from": (one.trained_from, two.trained_from),
        "trained to": (one.trained_to, two.trained_to),
        "samples": (one.samples, two.samples),
        "data": (one.data_hash, two.data_hash),
        "features": (one.feature_hash, two.feature_hash),
        "recipe": (recipe_of(one) or "?", recipe_of(two) or "?"),
        "seed": (one.seed, two.seed),
        "band width": (one.width, two.width),
        "bytes": (_size(a), _size(b)),
    }
    apart = {
        name: {
            "only A": sorted(set(getattr(one, name)) - set(getattr(two, name))),
            "only B": sorted(set(getattr(two, name)) - set(getattr(one, name))),
        }
        for name in ("features", "members", "venues", "coins")
    }
    files = {name: one.files.get(name) == two.files.get(name) for name in sorted({*one.files, *two.files})}
    first, second = hold_out_of(one), hold_out_of(two)
    cells = {
        cell: {
            name: tuple(getattr(told[cell], name) if cell in told else None for told in (first, second))
            for name in ("rows", "mae", "ewma_mae", "pinball")
        }
        for cell in sorted({*first, *second})
    }
    return {
        "facts": {name: list(pair) for name, pair in facts.items()},
        "apart": apart,
        "same_files": files,
        "same_hold_out": one.trained_to == two.trained_to and one.data_hash == two.data_hash,
        "hold_out": cells,
    }


def _size(artefact: Artefact) -> int:
    return sum((artefact.path / name).stat().st_size for name in artefact.card.files)
