"""Whether a model has drifted: three detectors on its losses beside the EWMA's, any of which proves it. Pure."""

from dataclasses import dataclass, field

import numpy as np

from hedged.domain.clock import DAY_MS, iso
from hedged.forecast.drift.blocks import WINDOW_D, Blocks, blocks_of
from hedged.forecast.drift.bounds import RATIO_LEVEL, direction_from_above, ratio_bound
from hedged.forecast.drift.cusum import LIMIT, Cusum, went_on
from hedged.forecast.paired import Paired

DETECTORS = ("cusum", "bootstrap", "direction")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says. `share`: how far it is on the way to its proof, 1 and above proven, NaN unknown yet."""

    detector: str
    proven: bool
    share: float
    why: str


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """`proven`: any detector is sure; `why`: which and by what, else how far the model is from it; `since_ms`: from
    when on it shows, None while nothing does; `cusum`: to go on from, the next time.
    """

    proven: bool
    why: str
    findings: tuple[Finding, ...] = ()
    since_ms: int | None = None
    cusum: Cusum = field(default_factory=Cusum)

    @property
    def worse(self) -> str:
        """By what the model is surely worse than the EWMA, not only than itself; empty where it is not."""
        return next((one.why for one in self.findings if one.detector == "bootstrap" and one.proven), "")


def judge(paired: Paired, cusum: Cusum, rng: np.random.Generator, direction_floor: float) -> DriftVerdict:
    """Judge a model by its losses (first) and the EWMA's. `cusum`: what the last judgement of this model left."""
    blocks = blocks_of(paired)
    cusum = went_on(cusum, blocks)
    found = (
        _of_cusum(cusum, blocks), _of_bootstrap(blocks, rng), _of_direction(blocks, direction_floor),
    )  # fmt: skip
    proven = [finding for finding in found if finding.proven]
    why = "; ".join(finding.why for finding in proven or found)
    since_ms = None
    if proven:
        window_ms = int(blocks.lately.from_ms[0]) if len(blocks) else 0
        since_ms = cusum.risen_ms if found[0].proven else window_ms
    return DriftVerdict(bool(proven), why, found, since_ms, cusum)


def better(paired: Paired, rng: np.random.Generator) -> str:
    """Say by what a model is surely better than the EWMA, in at most the last four weeks of these; empty: it is not."""
    blocks = blocks_of(paired)
    ratio, high = ratio_bound(blocks, rng, 1 - RATIO_LEVEL)
    if not high < 1:
        return ""
    return f"in {_weeks(blocks)} it lost {ratio:.2f} of what the EWMA did, surely at most {high:.2f}"


def _of_cusum(cusum: Cusum, blocks: Blocks) -> Finding:
    if cusum.ratio is None:
        return Finding("cusum", False, float("nan"), "CUSUM: the four weeks it compares with are not over")
    since = blocks.since(cusum.risen_ms)
    lost = (
        f": since {iso(cusum.risen_ms)[:10]} it lost {since.ratio:.2f} of what the EWMA did, "
        if cusum.value
        else ", "
    )
    why = f"CUSUM is {cusum.value:.1f}, drift above {LIMIT:g}{lost}in its first four weeks {cusum.ratio:.2f}"
    return Finding("cusum", cusum.proven, cusum.value / LIMIT, why)


def _of_bootstrap(blocks: Blocks, rng: np.random.Generator) -> Finding:
    ratio, low = ratio_bound(blocks, rng)
    if np.isnan(low):
        return Finding("bootstrap", False, float("nan"), "loss ratio: too few days to say how sure it is")
    why = f"in {_weeks(blocks)} it lost {ratio:.2f} of what the EWMA did, surely at least {low:.2f}, drift above 1"
    return Finding("bootstrap", low > 1, low, why)


def _of_direction(blocks: Blocks, floor: float) -> Finding:
    share, high = direction_from_above(blocks)
    if np.isnan(high):
        return Finding("direction", False, float("nan"), "direction: too few calls")
    why = (
        f"of its calls of direction in {_weeks(blocks)} {share:.0%} were right, surely at most {high:.0%}, "
        f"drift below {floor:.0%}"
    )
    return Finding("direction", high < floor, floor / high if high > 0 else float("inf"), why)


def _weeks(blocks: Blocks) -> str:
    days = min(WINDOW_D, round(len(blocks.lately) * blocks.length_ms / DAY_MS))
    return f"the last {days} days"
