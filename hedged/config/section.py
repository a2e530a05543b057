"""The base of every configuration section: frozen, unknown keys refused, faults explained."""

import difflib
from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One block of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def all_below(cls) -> "Iterator[type[Self]]":
        """Yield every section that is derived from this one, directly or not."""
        for section in cls.__subclasses__():
            yield section
            yield from section.all_below()


def explain_fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    """Put one fault that pydantic found into words; an unknown key is answered with the nearest known one."""
    path = ".".join(str(part) for part in location) or "(top)"
    if kind != "extra_forbidden":
        return f"{path}: {message.removeprefix('Value error, ')}"
    known = sorted(
        {
            field.alias or name
            for section in Section.all_below()
            for name, field in section.model_fields.items()
        }
    )
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{path}: unknown key{hint}"
