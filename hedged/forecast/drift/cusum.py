"""CUSUM of the loss beside the EWMA's: adds up how much worse than halfway to useless each block was.

g = (loss − c × EWMA's loss) ÷ (mean EWMA's loss of the last four weeks × σ). c lies halfway between the model's own
loss ratio in its first four weeks and 1, where it is worth nothing; σ is the deviation of such differences in those
weeks. S ← max(0, S + g), and drift is proven above LIMIT (Page 1954, for a step from the model's own ratio to 1). No
block counts more than CLIP, so that a single wild day proves nothing. Losses and not their logarithm: the ratio of a
quiet day may be anything. What LIMIT costs was measured (docs/drift.md).
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from hedged.domain.clock import DAY_MS
from hedged.forecast.drift.blocks import WINDOW_D, Blocks

REFERENCE_D = 28
LEAST_BLOCKS = 6
"""A reference rests on so many days, and on no fewer blocks."""
LIMIT = 16.0
CLIP = 3.0
LEAST_HALFWAY, MOST_HALFWAY = 0.90, 1.0
"""Bounds of c: four weeks know a ratio to a tenth; a model that is as good as the EWMA is no worse than that."""
LEAST_DEVIATION = 0.10


@dataclass(frozen=True, slots=True)
class Cusum:
    """`ratio`, `deviation`: of the first weeks, None until they are over; `risen_ms`: the block in which it last left
    zero; `through_ms`: the beginning of the last block that it took in.
    """

    value: float = 0.0
    ratio: float | None = None
    deviation: float | None = None
    risen_ms: int = 0
    through_ms: int = -1

    @property
    def proven(self) -> bool:
        """Whether it is above its limit."""
        return self.value > LIMIT

    @property
    def halfway(self) -> float:
        """Return c; NaN before the first weeks are over."""
        return (
            float(np.clip((self.ratio + 1) / 2, LEAST_HALFWAY, MOST_HALFWAY)) if self.ratio else float("nan")
        )

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; a new one of an empty tree."""
        return cls(**body)


def went_on(cusum: Cusum, blocks: Blocks) -> Cusum:
    """Take in the blocks that came since, the first weeks first. Of those taken in, the last four weeks are read."""
    if cusum.deviation is None:
        cusum = _referred(cusum, blocks)
    if cusum.deviation is None:
        return cusum
    halfway, deviation = cusum.halfway, cusum.deviation
    weeks = max(WINDOW_D * DAY_MS // blocks.length_ms, 1)
    for i in np.flatnonzero(blocks.from_ms > cusum.through_ms).tolist():
        usual = float(blocks.other[max(i + 1 - weeks, 0) : i + 1].mean())
        excess = float(blocks.loss[i] - halfway * blocks.other[i])
        g = float(np.clip(excess / usual / deviation, -CLIP, CLIP)) if usual > 0 else 0.0
        from_ms = int(blocks.from_ms[i])
        risen_ms = from_ms if cusum.value == 0 else cusum.risen_ms
        cusum = replace(cusum, value=max(0.0, cusum.value + g), risen_ms=risen_ms, through_ms=from_ms)
    return cusum


def _referred(cusum: Cusum, blocks: Blocks) -> Cusum:
    """Learn the first weeks once they are over."""
    first = int(blocks.from_ms[0]) if len(blocks) else 0
    to_ms = first + max(REFERENCE_D * DAY_MS, LEAST_BLOCKS * blocks.length_ms)
    own = blocks.pick(blocks.from_ms < to_ms)
    if len(own) == len(blocks) or len(own) < LEAST_BLOCKS or not own.other.sum() > 0:
        return cusum
    off = (own.loss - own.ratio * own.other) / own.other.mean()
    last_ms = int(own.from_ms[-1])
    return Cusum(0.0, own.ratio, max(float(off.std(ddof=1)), LEAST_DEVIATION), last_ms, last_ms)
