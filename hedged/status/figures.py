"""How figures enter the document: what is no finite number is unknown."""

import math
from decimal import Decimal

DIGITS = 6


def known(value: float | Decimal | None) -> float | None:
    """Return a number, None where it is none."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def short(value: float) -> float:
    """Round to what a person reads."""
    return float(f"{value:.{DIGITS}g}") + 0.0
