"""A rate farther from its usual level than any model learned: what is left of it afterwards, as history tells.

Targets were learned as changes of at most ten usual changes, so from an extreme no member can say that it will be
over: a SOL perpetual at −625 e-6 an hour, usually +10, was forecast at −600 for the coming five days (2025-10-10; it
was −30). Beyond FROM usual changes the members' law gives way to the law of the share of the distance that was left,
and beyond TO it is that law alone.

On 2025-07 … 12 the mean of the next 24 (120) hours was missed by 2.2 … 4.1 (2.6 … 7.8) times as much as the EWMA's miss
where the distance was more than 15 usual changes, and by .7 … .8 of it below.
"""

import numpy as np
from numpy.typing import NDArray

from hedged.features.targets import HORIZONS

FROM, TO = 11.0, 17.0
"""Distances, in s, at which the members begin to lose their say and have none left."""
USUAL = "ewm8"
"""The feature that tells the usual level: EWMA of the prints with a half-life of eight, less the last rate, in s."""
_INCLUDED = 1.0 - 0.5 ** (1 / 8)  # the last print's own share of that EWMA

LEFT = {
    "hourly": {
        "s1": (-0.24, -0.05, 0.46, 0.81, 0.95, 1.00, 1.08, 1.32, 1.58),
        "s3": (-0.55, -0.28, 0.04, 0.46, 0.70, 0.93, 1.03, 1.45, 1.80),
        "m24h": (-0.66, -0.36, -0.04, 0.15, 0.30, 0.49, 0.84, 1.19, 1.56),
        "m120h": (-1.00, -0.62, -0.20, -0.01, 0.11, 0.29, 0.69, 1.13, 1.54),
    },
    "slow": {
        "s1": (-0.17, -0.09, 0.03, 0.28, 0.46, 0.62, 0.90, 1.40, 1.90),
        "s3": (-0.30, -0.20, -0.06, 0.01, 0.12, 0.27, 0.60, 1.25, 1.80),
        "m24h": (-0.16, -0.07, 0.05, 0.20, 0.31, 0.44, 0.68, 1.10, 1.55),
        "m120h": (-0.20, -0.11, 0.01, 0.09, 0.15, 0.24, 0.43, 0.83, 1.17),
    },
}
"""Quantiles at LEVELS of (what came − usual) ÷ (extreme − usual), usual without the extreme itself: 38,900 prints of
hourly venues and 1,200 of slower ones that were 12 to 30 usual changes away, 2019 … 2025, all venues. They hardly
depend on the distance: from 6 … 8 to 30 and beyond the hourly median of 24 h is .35 … .17, of 120 h .16 … .02."""


def tempered(
    quantiles: NDArray[np.float32], distance: NDArray[np.float64], slow: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Temper the members' quantiles of extremes, where they are, and return them all.

    quantiles (members, n, horizons, levels) in s from the last rate; distance (n,): usual level less the last rate, in
    s, NaN where unknown (then the members stand); slow (n,): interval longer than an hour.
    """
    with np.errstate(invalid="ignore"):
        say = np.clip((np.abs(distance) - FROM) / (TO - FROM), 0.0, 1.0)
    far = np.flatnonzero(say > 0)  # NaN is not
    if not len(far):
        return quantiles
    left = np.array([[LEFT[name][h] for h in HORIZONS] for name in ("hourly", "slow")])
    left = (left - _INCLUDED) / (1.0 - _INCLUDED)
    law = np.sort(distance[far, None, None] * (1.0 - left[slow[far].astype(int)]), axis=-1)
    share = say[far, None, None]
    quantiles[:, far] = (1.0 - share) * quantiles[:, far] + share * law
    return quantiles
