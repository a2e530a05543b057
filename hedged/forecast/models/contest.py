"""Is the challenger better than the champion, with confidence, however often one looks? Pure.

The losses of both on the same outcomes are laid in blocks of whole days, none shorter than the horizon. A block gains
g = 2 (A − B) ÷ (A + B), with A the champion's loss and B the challenger's: the relative improvement, in which each
block weighs the same, and which only changes its sign where the two change places. Capital of 1 is bet on g > 0, in
equal parts by each of STAKES f: a block adds f · g of its bet, g cut to ±AT_RISK ÷ f. A bet is all the capital that is
free when its block begins, and half of it stays pledged until the outcomes are known, which is before the next block
but one begins. With F(b) the capital that is free once block b is known and a bet on block b + 1 lies,

    F(b) = (1 − AT_RISK) F(b − 1) + (AT_RISK + f g(b)) F(b − 2),   F(−1) = 1, F(0) = 1 − AT_RISK.

While no block is expected to gain, F with what is pledged at its worth is a nonnegative supermartingale: it ever
reaches 1 ÷ α with a probability of α at most (Ville 1939). So `confidence` = 1 − α holds over all looks together,
whatever depends on what within a block and between neighbours, and however the market changes. Sources: Shafer 2021,
Waudby-Smith and Ramdas 2023 (testing by betting), Choe and Ramdas 2023 (comparing sequential forecasters). What is
bounded concerns the cut gain: a block counts with so much at most, whatever happened in it. The ratio of all losses has
to agree, and it is not cut.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.forecast.paired import Paired

STAKES = (8.0, 32.0)
"""Quick where gains scatter by 1 to 6 % from block to block, as those of models of one recipe do (2.5 %, measured)."""
AT_RISK = 0.5
"""Most of the free capital that a bet can lose."""
SEEMS = 0.80
"""Confidence with which a venue or a symbol is called clearly worse: half-proven harm is enough to wait."""
SYMBOLS_WORSE = 1 / 3
"""Of a fifth of the symbols that much may seem so by chance; of more than a third it is no chance."""
LEAST_BLOCKS = 7
"""Of a venue or a symbol, for a word in it."""
LONGEST_DAYS = 120
"""A contest that is not decided by then is given up: the two are as good as each other, or outcomes are too few."""


class Standing(StrEnum):
    """How a contest stands. `worse` and `given up` end it, as `better` does."""

    BETTER = "better"
    NOT_YET = "not yet"
    WORSE = "clearly worse"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Rules:
    """confidence: over all looks of one contest. least_days: of common outcomes, before anybody wins. longest_days:
    after which it is given up. horizon_h: of the forecasts.
    """

    confidence: float = 0.95
    least_days: int = 14
    longest_days: int = LONGEST_DAYS
    horizon_h: int = 24

    @property
    def block_days(self) -> int:
        """Days of a block: whole ones, no fewer than the horizon."""
        return max(1, math.ceil(self.horizon_h / 24))


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why`: the figures in a sentence. ratio: of all losses, challenger ÷ champion, NaN where there is none. days: of
    common outcomes. capital: what was made of 1 by betting on the challenger; needed: at which it is better.
    """

    standing: Standing
    why: str
    ratio: float
    days: int
    capital: float
    needed: float

    @property
    def progress(self) -> float:
        """How far it is on the way to a decision for the challenger, in the logarithm of its capital: 1 decides."""
        return max(0.0, _share_of_way(self.capital, self.needed))


def capital(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the free capital after every block, see the module. Gains (blocks, …) → the same shape."""
    stakes = np.array(STAKES)
    cut = AT_RISK / stakes
    before = np.ones((*gains.shape[1:], len(stakes)))
    free = (1 - AT_RISK) * before
    found = np.empty(gains.shape)
    for at, gain in enumerate(gains):
        bet = AT_RISK + stakes * np.clip(gain[..., None], -cut, cut)
        before, free = free, (1 - AT_RISK) * free + bet * before
        found[at] = free.mean(axis=-1)
    return found


def gains_of(pair: Paired, block_days: int) -> NDArray[np.float64]:
    """Return the relative gain of every block that is over, oldest first: one is when a later one has an outcome."""
    block_ms = block_days * DAY_MS
    blocks = pair.origin_ms // block_ms
    over = blocks < blocks[-1] if len(pair) else np.zeros(0, np.bool_)
    _, at = np.unique(blocks[over], return_inverse=True)
    ours, theirs = (np.bincount(at, (loss * pair.of)[over]) for loss in (pair.loss, pair.other))
    both = ours + theirs
    gain: NDArray[np.float64] = 2 * (theirs - ours) / np.where(both > 0, both, 1.0)
    return gain


def judged(
    pair: Paired,
    rules: Rules,
    venues: Mapping[str, Paired] | None = None,
    symbols: Mapping[str, Paired] | None = None,
) -> Verdict:
    """Judge a contest by all its outcomes, of which the first is the oldest that both have forecast."""
    gains = gains_of(pair, rules.block_days)
    days, needed = len(gains) * rules.block_days, 1 / (1 - rules.confidence)
    made, lost = _last(gains), _last(-gains)
    held = f"{days} days of outcomes, loss {pair.ratio:.4f} of the champion's"

    def told(standing: Standing, why: str) -> Verdict:
        return Verdict(standing, f"{held}; {why}", pair.ratio, days, made, needed)

    if not len(gains):
        return Verdict(Standing.NOT_YET, "no outcomes that both have forecast yet", math.nan, 0, 1.0, needed)
    if days < rules.least_days:
        return told(Standing.NOT_YET, f"judged after {rules.least_days} days")
    if lost >= needed and pair.ratio > 1:
        return told(Standing.WORSE, f"worse with a confidence of {_confidence(lost)}")
    if made >= needed and pair.ratio < 1:
        against = _against(rules, venues or {}, symbols or {})
        if not against:
            return told(Standing.BETTER, f"better with a confidence of {_confidence(made)}")
    else:
        against = _distance(made, days, needed)
    if days >= rules.longest_days:
        return told(Standing.GIVEN_UP, f"not decided within {rules.longest_days} days")
    return told(Standing.NOT_YET, against)


def _against(rules: Rules, venues: Mapping[str, Paired], symbols: Mapping[str, Paired]) -> str:
    """Say where a challenger that is better altogether does harm; empty where it does none that counts."""
    told, worse = _clearly_worse(rules, venues)
    if worse:
        return f"better altogether, but clearly worse on {', '.join(worse)}"
    told, worse = _clearly_worse(rules, symbols)
    if len(worse) > SYMBOLS_WORSE * told:
        return f"better altogether, but clearly worse for {', '.join(worse)}: {len(worse)} of {told} symbols"
    return ""


def _clearly_worse(rules: Rules, parts: Mapping[str, Paired]) -> tuple[int, list[str]]:
    """Return of how many parts there are outcomes enough, and in which of them the challenger is clearly worse."""
    gains = {name: gains_of(pair, rules.block_days) for name, pair in parts.items()}
    enough = {name: found for name, found in gains.items() if len(found) >= LEAST_BLOCKS}
    worse = [
        name for name, found in enough.items() if parts[name].ratio > 1 and _last(-found) >= 1 / (1 - SEEMS)
    ]
    return len(enough), sorted(worse)


def _distance(made: float, days: int, needed: float) -> str:
    """Say how far it is to a decision for the challenger, at the pace of until now."""
    if made <= 1:
        return f"no sign that it is better: evidence {made:.2g}, {needed:.0f} decides"
    more = days * (1 / _share_of_way(made, needed) - 1)
    pace = "at this pace decided with the next outcomes" if more < 1 else f"at this pace {more:.0f} days more"
    return f"evidence {made:.2g}, {needed:.0f} decides: {pace}"


def _share_of_way(made: float, needed: float) -> float:
    """Return how far a capital is from 1 to the one that decides: it grows by factors."""
    return math.log(made) / math.log(needed)


def _last(gains: NDArray[np.float64]) -> float:
    return float(capital(gains)[-1]) if len(gains) else 1.0


def _confidence(capital: float) -> str:
    return f"{min(1 - 1 / capital, 0.9999):.2%}"
