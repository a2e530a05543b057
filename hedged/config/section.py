"""The base of every configuration section: frozen, unknown keys refused, faults explained."""

import difflib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, field_validator

LARGEST, SMALLEST = Decimal("1e18"), Decimal("1e-18")
"""No setting is larger, nor nearer to zero without being it: what is computed with it would overflow."""


class Section(BaseModel):
    """One block of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _is_no_absurd_number(cls, value: Any) -> Any:
        if not isinstance(value, int | float | Decimal) or not value:
            return value
        size = value.copy_abs() if isinstance(value, Decimal) else abs(value)  # abs of a Decimal may overflow
        if not SMALLEST <= size <= LARGEST:
            raise ValueError("no such number makes sense here")
        return value

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
