"""A model artefact: a directory with weights, trees and a card; checked by hash, never unpickled.

```
card.json              what it is: schema, training window, data hash, seeds, metrics, sha256 of every file below
networks.onnx          all networks as one graph, what serving runs
networks.safetensors   the same weights, what training goes on from
trees.onnx.gz          the LightGBM models as one graph
cascade.json           LightGBM text model and calibration of the cascade head (where it was trained)
reference.json         what the inputs were in training, by decile (where it was laid down), for feature drift
```
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from hedged.domain.errors import ConfigError
from hedged.domain.forecast import LEVELS
from hedged.features.resample import FEATURE_HASH
from hedged.features.targets import HORIZONS
from hedged.forecast.vocabulary import Vocabulary

CARD = "card.json"
FORMAT = 2
LARGEST_GRAPH = 256 << 20
"""Bytes of an unpacked graph; the one that ships has some megabytes."""
SHIPPED = Path(__file__).parent / "shipped"
"""The model that comes with the program."""


@dataclass(frozen=True, slots=True)
class Card:
    """What an artefact says of itself. `features`: names of the tabular inputs in order; `members`: the networks in
    the order of the graph's output, then `trees`; `prior`: weight of each member by venue class and horizon;
    `width`: stretch of the bands until outcomes say otherwise, above 1 for a short history."""

    feature_hash: str
    features: tuple[str, ...]
    venues: tuple[str, ...]
    coins: tuple[str, ...]
    members: tuple[str, ...]
    prior: Mapping[str, Mapping[str, tuple[float, ...]]]
    seed: int
    trained_from: str
    trained_to: str
    history_days: float
    samples: int
    data_hash: str
    width: FiniteFloat = 1.0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    horizons: tuple[str, ...] = HORIZONS
    levels: tuple[float, ...] = tuple(float(level) for level in LEVELS)
    format: int = FORMAT

    @property
    def vocabulary(self) -> Vocabulary:
        """Return venues and coins by number."""
        return Vocabulary(self.venues, self.coins)


CARDS: TypeAdapter[Card] = TypeAdapter(Card)


@dataclass(frozen=True, slots=True)
class Artefact:
    """A checked artefact. `hash` names it by its whole content."""

    path: Path
    card: Card
    hash: str

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises ConfigError for one that the card does not vouch for."""
        if name not in self.card.files:
            raise ConfigError(f"{self.path} lacks {name}: its card does not name it")
        return (self.path / name).read_bytes()

    def trees(self) -> bytes:
        """Return the trees' graph. Raises ConfigError for one that cannot be unpacked."""
        try:
            with gzip.open(BytesIO(self.read("trees.onnx.gz"))) as packed:
                graph = packed.read(LARGEST_GRAPH + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"{self.path / 'trees.onnx.gz'} cannot be unpacked: {error}") from None
        if len(graph) > LARGEST_GRAPH:
            raise ConfigError(f"{self.path / 'trees.onnx.gz'} unpacks to more than {LARGEST_GRAPH:,} bytes")
        return graph

    def cascade(self) -> dict[str, Any] | None:
        """Return the cascade head's model and card; None where it was not trained."""
        if "cascade.json" not in self.card.files:
            return None
        try:
            head: dict[str, Any] = json.loads(self.read("cascade.json"))
            card = dict(head["card"])
            return {"model": str(head["model"]), "card": card | {"calibration": dict(card["calibration"])}}
        except (LookupError, RecursionError, TypeError, ValueError):
            raise ConfigError(f"{self.path / 'cascade.json'} is no cascade head") from None


def load(path: Path) -> Artefact:
    """Check and open an artefact. Raises ConfigError saying what is wrong with it and what to do."""
    try:
        text = (path / CARD).read_text(encoding="utf-8")
        raw = json.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{path} is not a model: it has no {CARD}; train one with `hedged train`") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path / CARD} cannot be read: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path / CARD} is no card of a model")
    if raw.get("format") != FORMAT:
        raise ConfigError(
            f"{path} has format {raw.get('format')}, this program reads {FORMAT}; train it anew with `hedged train`"
        )
    if raw.get("feature_hash") != FEATURE_HASH:
        raise ConfigError(
            f"{path} was trained for feature schema {raw.get('feature_hash')}, this program has {FEATURE_HASH}; "
            "train it anew with `hedged train`"
        )
    card = _card(path, raw)
    if card.horizons != HORIZONS or len(card.levels) != len(LEVELS) or not np.allclose(card.levels, LEVELS):
        raise ConfigError(f"{path} forecasts other horizons or levels than this program")
    for name, digest in card.files.items():
        if Path(name).name != name or not (path / name).is_file():
            raise ConfigError(f"{path} lacks {name}, which its card names")
        if sha256((path / name).read_bytes()) != digest:
            raise ConfigError(f"{path / name} is not the file that its card names: damaged or exchanged")
    return Artefact(path, card, sha256(text.encode())[:16])


def write_card(path: Path, card: Card, files: Mapping[str, bytes]) -> Artefact:
    """Write files and, last, the card that names them: an artefact without a card does not exist yet."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    body = asdict(card) | {"files": {name: sha256(content) for name, content in files.items()}}
    (path / CARD).write_text(json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n")
    return load(path)


def sha256(content: bytes) -> str:
    """Hash bytes."""
    return hashlib.sha256(content).hexdigest()


def _card(path: Path, raw: Mapping[str, Any]) -> Card:
    """Make a card of what JSON holds. Raises ConfigError for what is missing or of another kind."""
    try:
        return CARDS.validate_python(raw)
    except ValidationError as error:
        wrong = ", ".join(sorted({".".join(map(str, fault["loc"]))[:80] for fault in error.errors()})[:5])
        raise ConfigError(f"{path / CARD} is no card of a model: {wrong}") from None
