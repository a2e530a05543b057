"""The kill latch: what each of its levels still lets through."""

from enum import IntEnum

from hedged.domain.market import INJECTIVE
from hedged.domain.orders import Intent


class KillLevel(IntEnum):
    """What the kill latch still lets through."""

    NONE = 0
    REDUCE_ONLY = 1  # only orders that reduce a hedge leg at its venue
    PAUSE = 2  # nothing
    CANCEL = 3  # nothing, and what rests is cancelled
    FLATTEN = 4  # what rests is cancelled, hedge legs are closed reduce-only; the trader's own position is never traded

    @property
    def label(self) -> str:
        """The level as it is written on the command line."""
        return self.name.lower().replace("_", "-")


def killed(intent: Intent, level: KillLevel) -> bool:
    """Tell whether a kill level forbids an intent. Reduce-only never trades the trader's own position."""
    if level in (KillLevel.REDUCE_ONLY, KillLevel.FLATTEN):
        return not intent.reduce_only or intent.key.venue == INJECTIVE
    return level in (KillLevel.PAUSE, KillLevel.CANCEL)
