"""The base of every configuration section: frozen, unknown keys refused, no absurd numbers."""

from decimal import Decimal
from typing import Any

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
