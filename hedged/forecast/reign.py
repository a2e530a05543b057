"""Which model speaks when."""

from collections.abc import Sequence
from dataclasses import dataclass

from hedged.domain.clock import iso
from hedged.domain.errors import ConfigError
from hedged.forecast.artefact import Artefact


@dataclass(frozen=True, slots=True)
class Reign:
    """A model and the instant from which it speaks."""

    from_ms: int
    artefact: Artefact


def reigning(reigns: Sequence[Reign], now_ms: int) -> int:
    """Return the number of the model that speaks at an instant. Raises ConfigError before the first."""
    if now_ms < reigns[0].from_ms:
        raise ConfigError(
            f"no model speaks at {iso(now_ms)}: the first does from {iso(reigns[0].from_ms)} on"
        )
    return sum(reign.from_ms <= now_ms for reign in reigns) - 1
