"""A configuration file as text: its tree, and the line of every key, so that a fault can be found."""

from pathlib import Path
from typing import Any

import yaml

from hedged.config.faults import Fault, Invalid
from hedged.config.faults import Path as KeyPath
from hedged.domain.errors import ConfigError

MOST_NODES = 20_000
"""Keys and values of a file, aliases followed: far more than there are settings, and few enough to walk through."""
DEEPEST = 32
LARGEST_BYTES = 1_000_000

Lines = dict[KeyPath, int]


def read_tree(path: Path) -> tuple[dict[str, Any], Lines]:
    """Read a YAML file. Raises ConfigError that names the file, the line and the fault, and quotes nothing of it."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_BYTES + 1)
        if len(text) > LARGEST_BYTES:
            raise ConfigError(f"{path} is no configuration: it has more than {LARGEST_BYTES // 1_000_000} MB")
        return parse_tree(text.decode("utf-8-sig"), str(path))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None


def parse_tree(text: str, source: str) -> tuple[dict[str, Any], Lines]:
    """Parse YAML. Raises ConfigError, also for a key that stands twice: YAML itself would drop the first."""
    lines: Lines = {}
    twice: list[Fault] = []
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return {}, lines
        _Walk(source, lines, twice).over(node, ())
        found = loader.construct_document(node)
    except RecursionError:
        raise ConfigError(f"{source} is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OverflowError, TypeError) as error:
        raise ConfigError(f"{source} is not YAML: {_said(error)}") from None
    if twice:
        raise Invalid(source, twice)
    if found is not None and not isinstance(found, dict):
        raise ConfigError(f"{source}: expected `key: value` lines at the top")
    return found or {}, lines


def _said(error: Exception) -> str:
    """Write what the parser found, without the line itself, which may hold what nobody should read."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split("\n")[0].split())
    mark = error.problem_mark or error.context_mark
    at = f"line {mark.line + 1}: " if mark else ""
    return at + " ".join((error.problem or error.context or "it cannot be read").split())


class _Walk:
    """One walk over a file's nodes, which notes where each key stands."""

    def __init__(self, source: str, lines: Lines, twice: list[Fault]) -> None:
        self._source, self._lines, self._twice, self._seen = source, lines, twice, 0

    def over(self, node: yaml.Node, path: KeyPath) -> None:
        """Walk on from a node. Raises ConfigError for a file that aliases blow up, or that has no bottom."""
        self._seen += 1
        if self._seen > MOST_NODES or len(path) > DEEPEST:
            raise ConfigError(f"{self._source} is no configuration: too many keys, or nested too deeply")
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._lines[(*path, number)] = item.start_mark.line + 1
                self.over(item, (*path, number))
        if isinstance(node, yaml.MappingNode):
            self._over_mapping(node, path)

    def _over_mapping(self, node: yaml.MappingNode, path: KeyPath) -> None:
        here: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value) if isinstance(key, yaml.ScalarNode) else "?", key.start_mark.line + 1
            if (first := here.setdefault(name, line)) != line and name != "<<":
                dotted = ".".join(map(str, (*path, name)))
                self._twice.append(Fault(dotted, f"stands twice, first in line {first}: keep one", line))
            self._lines[(*path, name)] = line
            self.over(value, (*path, name))
