"""Where a run's figures come from: the command, the whole configuration, versions, data, and the model's own card."""

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from hedged.adapters.replay.series import SeriesData
from hedged.config import Config
from hedged.domain.market import SeriesKey
from hedged.features.groups import GROUPS

if TYPE_CHECKING:
    from hedged.forecast.artefact import Artefact

LIBRARIES = ("numpy", "polars", "scipy", "onnxruntime", "piqp")
"""Those whose version can change a figure."""
DECIDES = {24: "m24h", 120: "m120h"}


def provenance(
    config: Config,
    series: Mapping[SeriesKey, SeriesData],
    model: "Artefact | None" = None,
    argv: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return what one needs to repeat the run. `model`: the one that spoke last, where that is not the configured one;
    `argv`: the process's own when None.
    """
    return {
        "command_line": command_line(sys.argv if argv is None else argv),
        "config_yaml": yaml.safe_dump(
            config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100
        ),
        "versions": versions(),
        "data_fingerprint": fingerprint(series),
        "model_card": model_card(config, model),
    }


def command_line(argv: Sequence[str]) -> str | None:
    """Return the command without where its files go; None where the process is not ours, as in a notebook."""
    name = Path(argv[0]).parts[-2:] if argv else ()
    if not name or (name[-1] != "hedged" and name != ("hedged", "__main__.py")):
        return None
    kept, skip = ["hedged"], False
    for part in argv[1:]:
        if not skip and part != "--out" and not part.startswith("--out="):
            kept.append(part if part and not set(part) & set(" '\"$&|;<>()") else repr(part))
        skip = part == "--out" and not skip
    return " ".join(kept)


def versions() -> dict[str, str]:
    """Return the versions of the program, Python and the libraries that compute."""
    found = {"hedged": _version("hedged"), "python": platform.python_version()}
    return found | {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def fingerprint(series: Mapping[SeriesKey, SeriesData]) -> str:
    """Hash every number of the market data that the run could read, to 16 hex digits."""
    seen = hashlib.blake2b(digest_size=8)
    for key in sorted(series):
        seen.update(repr(tuple(key)).encode())
        _add(seen, series[key])
    return seen.hexdigest()


def _add(seen: "hashlib.blake2b", value: object) -> None:
    """Add a value, however nested, to the hash."""
    if isinstance(value, np.ndarray):
        seen.update(f"{value.dtype}{value.shape}".encode())
        seen.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value):
        for field in fields(value):
            seen.update(field.name.encode())
            _add(seen, getattr(value, field.name))
    elif isinstance(value, tuple) and not isinstance(value, SeriesKey):
        for part in value:
            _add(seen, part)
    else:
        seen.update(repr(value).encode())


def model_card(config: Config, model: "Artefact | None" = None) -> dict[str, Any] | None:
    """Return what the model says of itself, without its long lists; None where the forecaster is not learned."""
    if config.hedge.forecaster != "ensemble":
        return None
    from hedged.forecast.artefact import SHIPPED, load

    artefact = model or load(config.hedge.model or SHIPPED)
    card, horizon = artefact.card, DECIDES.get(config.hedge.horizon_h, "m24h")
    weights = card.prior.get("hourly", {}).get(horizon, ())
    held = {name: len(set(card.features) & set(tabular.split())) for name, (tabular, _) in GROUPS.items()}
    networks = (card.metrics.get("config") or {}).get("networks") or ()
    return {
        "hash": artefact.hash,
        "members": [
            {
                "name": name,
                "weight": weights[i] if i < len(weights) else None,
                "sizes": dict(networks[i].get("sizes") or {}) if i < len(networks) else {},
            }
            for i, name in enumerate(card.members)
        ],
        "inputs": {name: count for name, count in held.items() if count}
        | {"what describes the market": len(card.features) - sum(held.values())},
        "features": len(card.features),
        "horizons": list(card.horizons),
        "levels": list(card.levels),
        "horizon": horizon,
        "venues": len(card.venues),
        "coins": len(card.coins),
        "samples": card.samples,
        "history_days": card.history_days,
        "trained_from": card.trained_from,
        "trained_to": card.trained_to,
        "data_hash": card.data_hash,
        "seed": card.seed,
        "cascade": "cascade.json" in card.files,
    }
