"""The line of every key of a configuration file, so that a fault can be found."""

from pathlib import Path

import yaml

from hedged.config.yaml_text import Limited
from hedged.domain.errors import ConfigError

KeyPath = tuple[int | str, ...]
Lines = dict[KeyPath, int]


def lines_of(path: Path) -> Lines:
    """Return where each key and list item of a file stands, from 1; nothing where the file cannot be read."""
    found: Lines = {}
    try:
        node = Limited(path.read_text(encoding="utf-8-sig")).get_single_node()
    except (OSError, ValueError, yaml.YAMLError, ConfigError):
        return found
    if node is not None:
        _walk(node, (), found)
    return found


def _walk(node: yaml.Node, path: KeyPath, found: Lines) -> None:
    if isinstance(node, yaml.SequenceNode):
        below = [((*path, number), item, item) for number, item in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        below = [((*path, str(key.value)), key, value) for key, value in node.value]
    else:
        return
    for here, key, value in below:
        found[here] = key.start_mark.line + 1
        _walk(value, here, found)
