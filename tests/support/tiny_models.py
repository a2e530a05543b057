"""Models of a few bytes: whole artefacts for whatever checks, copies or names them, though none of them speaks."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from hedged.forecast.artefact import CARD, CARDS, SHIPPED, Artefact, load, write_card


@cache
def _card() -> dict[str, Any]:
    return dict(json.loads((SHIPPED / CARD).read_text()))


def tiny(path: Path, seed: int = 0, **fields: Any) -> Artefact:
    """An artefact of one small file under the shipped card, changed."""
    card = CARDS.validate_python(_card() | {"files": {}, "seed": seed} | fields)
    return write_card(path, card, {"cascade.json": b"{}"})


def twin(path: Path, **fields: Any) -> Artefact:
    """The shipped model under another card, changed: it speaks. Its files are links."""
    path.mkdir(parents=True)
    for file in SHIPPED.iterdir():
        if file.name != CARD:
            (path / file.name).symlink_to(file)
    (path / CARD).write_text(json.dumps(_card() | fields))
    return load(path)
