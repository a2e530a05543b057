"""What is too old to be gone by, and from when on a market counts as delisted. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field, Observation
from hedged.domain.clock import SECOND_MS

OWN_WORDS = np.array(
    [
        Field.FUNDING_ESTIMATE, Field.FUNDING_SETTLED, Field.PREMIUM, Field.OPEN_INTEREST, Field.VOLUME, Field.BASIS,
        Field.BID_DEPTH_USD, Field.ASK_DEPTH_USD,
    ]
)  # fmt: skip
"""What the market's own venue alone tells: a mark may be another venue's, a signal about the whole market."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """Ages, seconds. `price_s`: an older mark fills nothing and liquidates nothing; `delisted_s`: a market of which its
    venue has told nothing for longer, neither rate nor candle, is delisted, or has a gap where a recording tells of it
    again later; None: never.
    """

    price_s: int | None = None
    delisted_s: int | None = None

    def priced(self, known_ms: int, now_ms: int) -> bool:
        """Tell whether a price known since `known_ms` is still gone by; 0: nobody says since when, so it is."""
        return self.price_s is None or not known_ms or now_ms - known_ms <= self.price_s * SECOND_MS

    def delisted(self, heard_ms: int, now_ms: int) -> bool:
        """Tell whether a market last heard of at `heard_ms` is delisted; 0: it was never heard of, so it is not."""
        return self.delisted_s is not None and 0 < heard_ms < now_ms - self.delisted_s * SECOND_MS


def heard_ms(seen: Observation) -> int:
    """Return when a venue last told anything of a market of its own, ms; 0: never yet."""
    return int(seen.known_at_ms[OWN_WORDS].max())


def last_heard_ms(own: list[NDArray[np.int64]], times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the same at many instants, from the times, each ascending, at which each of its own series was told."""
    found = np.zeros(len(times_ms), dtype=np.int64)
    for told in own:
        index = np.searchsorted(told, times_ms, side="right") - 1
        found = np.maximum(found, np.where(index >= 0, told[index], 0) if len(told) else 0)
    return found
