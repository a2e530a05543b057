"""Settings by their dotted path in the configuration, e.g. `hedge.cap`, and whether they can be searched."""

import difflib
import types
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Union, get_args, get_origin

from hedged.config import Config
from hedged.config.section import Section
from hedged.domain.errors import ConfigError

SEARCHED = ("cycle", "hedge", "strategies", "risk", "execution", "quality", "reconcile", "paper", "costs")
"""The sections that can change what a backtest decides or pays."""
BY_MODEL = {"hedge.forecaster", "hedge.model"}


def kind_of(path: str) -> Any:
    """Return the declared type of a setting. Raises ConfigError, with the nearest known path, for one that is none."""
    if path in BY_MODEL:
        raise ConfigError(f"{path}: forecasters and models are named under `models`")
    section, *rest = path.split(".")
    kind: Any = Config.model_fields[section].annotation if section in SEARCHED else None
    for name in rest:
        kind = _below(kind, name)
    if kind is None or not rest or _section(kind):
        near = difflib.get_close_matches(path, known_paths(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; a backtest obeys: {', '.join(SEARCHED)}"
        raise ConfigError(f"{path}: no setting that a backtest obeys{hint}")
    return kind


def known_paths() -> list[str]:
    """Return every setting that can be searched."""
    return [
        path
        for section in SEARCHED
        for path in _leaves(section, Config.model_fields[section].annotation)
        if path not in BY_MODEL
    ]


def changed(tree: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a configuration's plain tree with these settings, by path."""
    copy = deepcopy(dict(tree))
    for path, value in values.items():
        *way, last = path.split(".")
        at = copy
        for name in way:
            if not isinstance(at.get(name), dict):
                at[name] = {}
            at = at[name]
        at[last] = value
    return copy


def found(tree: Mapping[str, Any], path: str) -> Any:
    """Return a setting out of a plain tree, None where it is not set; decimals, which JSON has as texts, as numbers."""
    at: Any = tree
    for name in path.split("."):
        at = at.get(name) if isinstance(at, Mapping) else None
    try:
        return float(at) if isinstance(at, str) else at
    except ValueError:
        return at


def _below(kind: Any, name: str) -> Any:
    section = _section(kind)
    if section is not None:
        field = section.model_fields.get(name)
        return None if field is None else field.annotation
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _section(kind: Any) -> type[Section] | None:
    """Return the section behind `Section` or `Section | None`."""
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    found = [one for one in kinds if isinstance(one, type) and issubclass(one, Section)]
    return found[0] if found else None


def _leaves(path: str, kind: Any) -> Iterator[str]:
    section = _section(kind)
    if section is not None:
        for name, field in section.model_fields.items():
            yield from _leaves(f"{path}.{name}", field.annotation)
    elif path == "costs":
        for venue in ("injective", "cex"):
            yield from _leaves(f"costs.{venue}", get_args(kind)[1])
    else:
        yield path
