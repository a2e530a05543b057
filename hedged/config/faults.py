"""What is wrong with a configuration: every fault at once, each with its line, and the nearest key that there is."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hedged.config.lines import KeyPath, Lines
from hedged.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `path`: the setting's dotted name; `line`: of the file, from 1; None where there is no file."""

    path: str
    text: str
    line: int | None = None

    def __str__(self) -> str:
        at = f"line {self.line}: " if self.line is not None else ""
        return f"{at}{self.path}: {self.text}"


class Invalid(ConfigError):
    """A configuration with faults, all that could be found in one go."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        super().__init__(f"{source}: " + "; ".join(map(str, faults)))
        self.source, self.faults = source, tuple(faults)


def explain(root: type[BaseModel], errors: Sequence[Mapping[str, Any]], lines: Lines) -> list[Fault]:
    """Put what pydantic found into words. `lines`: where each key of the file stands."""
    found = [
        Fault(
            ".".join(map(str, error["loc"])) or "(top)",
            _unknown(root, error["loc"])
            if error["type"] == "extra_forbidden"
            else str(error["msg"]).removeprefix("Value error, "),
            _line(error["loc"], lines),
        )
        for error in errors
    ]
    return sorted(found, key=lambda fault: fault.line or 0)


def _line(location: KeyPath, lines: Lines) -> int | None:
    """Find the line of a setting; of one that is missing, that of the section which lacks it."""
    for length in range(len(location), 0, -1):
        if (line := lines.get(location[:length])) is not None:
            return line
    return None


def _unknown(root: type[BaseModel], location: KeyPath) -> str:
    """Say what an unknown key may be meant to be: one beside it, or one of another section."""
    *above, key = location
    beside = [name for section in _sections(root, above) for name in _fields(section)]
    if near := difflib.get_close_matches(str(key), beside, n=1):
        return f"unknown key; did you mean {near[0]!r}?"
    paths = dict(_all_paths(root))
    if elsewhere := sorted((path for path, name in paths.items() if name == key), key=lambda p: p.count(".")):
        return f"unknown key here; it belongs to {' or '.join(elsewhere[:3])}"
    near = difflib.get_close_matches(str(key), sorted(set(paths.values())), n=1, cutoff=0.8)
    at = [path for path, name in paths.items() if near and name == near[0]]
    return f"unknown key; did you mean {at[0]!r}?" if at else "unknown key"


def _fields(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the settings of a section by the name that they have in a file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _sections(root: type[BaseModel], location: Sequence[int | str]) -> list[type[BaseModel]]:
    """Return the section that a path leads to; none where it leads to something else."""
    here = [root]
    for part in location:
        fields = [field for section in here if (field := _fields(section).get(str(part)))]
        # the name of an entry, such as a venue, stays with what the entries are
        here = [below for field in fields for below in _within(field.annotation)] if fields else here
    return here


def _within(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a type holds: itself, of a list or mapping its entries, of a choice each."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, list, tuple, Union, UnionType):
        return [section for part in get_args(annotation) for section in _within(part)]
    return []


def _all_paths(root: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every setting there is, by its dotted name, with its last part; `*` stands for a name of one's own."""
    for name, field in _fields(root).items():
        here = f"{path}{name}"
        yield here, name
        entries = get_origin(field.annotation) is dict
        for section in _within(field.annotation):
            yield from _all_paths(section, f"{here}.*." if entries else f"{here}.")
