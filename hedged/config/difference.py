"""What differs between two configurations, setting by setting, and how it is shown without what may be secret."""

import hashlib
import hmac
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from hedged.config.whole import Config

HIDDEN = ("key", "secret", "token", "passphrase", "options", "nodes", "url", "hosts")
"""A setting with one of these in its name is shown as changed, not how: an address may hold a token."""
MASK = "<hidden>"

Changes = dict[str, tuple[Any, Any]]


def hidden(name: str) -> bool:
    """Tell whether a setting, by its dotted name, may hold what nobody should read."""
    return any(word in name for word in HIDDEN)


def changes(before: Config, after: Config) -> Changes:
    """Return every setting that differs, by its dotted name, with its old and new value; defaults are filled in."""
    return differing(effective(before), effective(after))


def differing(old: dict[str, Any], new: dict[str, Any]) -> Changes:
    """Return what differs between two sets of settings by dotted name."""
    return {
        name: (old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    }


def said(found: Changes) -> list[str]:
    """Write changes for people, without what may be secret."""
    return [
        f"{name}: changed" if hidden(name) else f"{name}: {_written(old)} → {_written(new)}"
        for name, (old, new) in found.items()
    ]


def effective(config: Config) -> dict[str, Any]:
    """Return every setting by its dotted name, the defaults too; a number written 0.4 or 0.40 is the same."""
    return leaves(_plain(config.model_dump()))


def shown(config: Config, key: str | None = None) -> dict[str, Any]:
    """Return the whole tree with what may be secret masked; masks made with a `key` tell whether two are the same.

    What is as in every configuration, such as the address of a public service, is shown.
    """
    tree: dict[str, Any] = _masked(_plain(config.model_dump()), _plain(Config().model_dump()), "", key)
    return tree


def leaves(tree: Any, path: str = "") -> dict[str, Any]:
    """Flatten a tree of mappings; a list is a leaf."""
    if not isinstance(tree, dict):
        return {path: tree}
    found: dict[str, Any] = {path: {}} if path and not tree else {}
    for name, value in tree.items():
        found |= leaves(value, f"{path}.{name}" if path else str(name))
    return found


def _plain(value: Any) -> Any:
    """Return what YAML and JSON can write, numbers in their shortest form."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, PurePath) else value


def _masked(value: Any, usual: Any, path: str, key: str | None) -> Any:
    if hidden(path) and value != usual and value not in (None, {}, []):
        return MASK if key is None else f"<hidden {_mark(value, key)}>"
    if isinstance(value, dict):
        beside = usual if isinstance(usual, dict) else {}
        return {
            name: _masked(one, beside.get(name), f"{path}.{name}" if path else name, key)
            for name, one in value.items()
        }
    return value


def _mark(value: Any, key: str) -> str:
    return hmac.new(key.encode(), repr(value).encode(), hashlib.sha256).hexdigest()[:12]


def _written(value: Any) -> str:
    """Write a value as a configuration file does; an absent setting is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)
