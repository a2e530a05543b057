"""YAML as the operator writes it, read with limits: what is too large, too deep or ambiguous is refused with its line.

A file is small and flat, so none of the limits is ever felt by an honest one. Aliases are allowed as far as what they
stand for is small too: a few lines of them can stand for gigabytes. Texts of errors name the place and never the
content: somebody may have put a secret where none belongs.
"""

from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

from hedged.domain.errors import ConfigError

LARGEST_BYTES = 1 << 20
DEEPEST = 32
MOST_NODES = 100_000
"""Values and keys of a file, everything that an alias stands for counted each time."""
ODD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What PyYAML lets through where a value does not fit its own tag: `2025-13-45`, `!!bool x`, 5,000 digits."""


def read_yaml(path: Path) -> Any:
    """Read a file. Raises ConfigError that says what is wrong and where."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    if len(raw) > LARGEST_BYTES:
        raise ConfigError(f"{path} is larger than {LARGEST_BYTES:,} bytes: it is no such file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Read a text; `source` names it in errors. Raises ConfigError."""
    try:
        return yaml.load(text, Limited)  # noqa: S506 (a SafeLoader, with limits)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{source}{where} is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from None


class Limited(yaml.SafeLoader):
    """A SafeLoader that refuses what is too much, what is said twice, and characters that no setting has."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._nodes = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose a node, counted; an alias counts as what it stands for."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        anchor = event.anchor if isinstance(event, yaml.NodeEvent) else None
        mark, before = event.start_mark, self._nodes
        if isinstance(event, yaml.AliasEvent):
            if anchor in self.anchors and anchor not in self._sizes:
                raise ComposerError(None, None, "an alias within what it stands for", mark)
            self._nodes += self._sizes.get(str(anchor), 1)
        self._nodes += 1
        self._depth += 1
        if self._depth > DEEPEST:
            raise ComposerError(None, None, f"nested deeper than {DEEPEST} levels", mark)
        node = super().compose_node(parent, index)
        if self._nodes > MOST_NODES:
            raise ComposerError(None, None, f"more than {MOST_NODES:,} values", mark)
        self._depth -= 1
        if anchor is not None:
            self._sizes[anchor] = self._nodes - before
        return node

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        """Compose a mapping. A key that is there twice is refused: one of the two would be lost in silence."""
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value if isinstance(key, ScalarNode) and key.tag != MERGE]
        seen = set[str]()
        for key in keys:
            if key.value in seen:
                raise ComposerError(None, None, "this key is there twice", key.start_mark)
            seen.add(key.value)
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Make a value. Raises ConstructorError for one that does not fit its tag."""
        if isinstance(node, ScalarNode) and any(map(_odd, node.value)):
            raise ConstructorError(None, None, "a character that no setting has", node.start_mark)
        try:
            return super().construct_object(node, deep)
        except ODD:
            kind = node.tag.rpartition(":")[2]
            raise ConstructorError(None, None, f"a value that is no {kind}", node.start_mark) from None


MERGE = "tag:yaml.org,2002:merge"


def _odd(character: str) -> bool:
    """Whether it is a control character or half of a pair: what no path, name or number holds."""
    code = ord(character)
    return (code < 0x20 and character not in "\t\n\r") or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000
