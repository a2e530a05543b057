"""A market for rehearsals: funding that turns with the tides, so that hedging is worth it and later is not.

In a flood longs pay, in an ebb they receive. Before the start a tide lasted ten days, so that a forecaster has every
reason to expect more of what is, and to give it up soon after a turn; the sandbox starts in a flood, and from
then on the tide turns every so many hours, on the hour. Prices hardly move: what happens is funding's doing alone.
"""

from collections.abc import Sequence

import numpy as np

from hedged.domain.injective import InjectiveRule
from hedged.sandbox.injective.played import Hours, PlayedFeed
from hedged.sandbox.more_markets import START_PRICES

RATE = 2e-4
"""Per hour, what longs pay in a flood and receive in an ebb: 0.48 % a day, far above the cost of a cut."""
RATE_NOISE = 1e-5
PRICE_NOISE = 3e-4
"""Standard deviation of the log price within an hour: 0.15 % a day."""
PAST_TIDE_H = 10 * 24
FLOODED_H = 8 * 24
"""For how long it has been flood at the start: longer than what an operator is shown of the past."""
PLAYED_H = 60 * 24


def play_tides(
    tide_h: int, symbols: Sequence[str], seed: int, start_ms: int, hour_s: float, history_h: int
) -> PlayedFeed:
    """Play tides of `tide_h` hours each, all markets' at once, for 60 days."""
    rng = np.random.default_rng(seed)
    since_start = np.arange(-history_h, PLAYED_H)
    past = (since_start + FLOODED_H) // PAST_TIDE_H
    ebb = np.where(since_start < 0, past, since_start // tide_h) % 2
    played = {}
    for symbol in symbols:
        mark = float(START_PRICES[symbol]) * np.exp(np.cumsum(rng.normal(0, PRICE_NOISE, len(ebb))))
        rate = np.where(ebb, -RATE, RATE) + rng.normal(0, RATE_NOISE, len(ebb))
        played[symbol] = Hours(mark, 24 * (rate - float(InjectiveRule().hourly_interest)))
    return PlayedFeed(played, history_h, start_ms, hour_s, history_h)
