"""From what the members say to one calibrated law: gating, rest, width and probability, learned from settled outcomes.

Everything here is sequential and causal: a day's forecasts are made with what outcomes taught up to that day's start.

* **Gating**: a member's weight is its prior × exp(−η·(its recent pinball / the best recent pinball − 1)), by venue
  class and horizon, recent = an exponential memory of 20 days.
* **Rest**: inner quantiles within a small distance of the resting rate are put exactly on it, where the 80 % band holds
  it; averages of models never hit it, the market does in every second interval.
* **Width**: the distances of the quantiles from the median are stretched by exp(g), tracked so that one outcome in ten
  falls beyond either end of the 80 % band: adaptive conformal inference (Gibbs & Candès 2021) in the multiplicative
  form of quantile tracking (Angelopoulos et al. 2023), per series around its group. The steps are small, and smaller
  for days than for prints: all series share one market, so a day's outcomes are about one outcome, and a band that
  runs after each of them covers its 80 % at a worse law (3 to 4 % more pinball at five days).
* **Probability**: p_up is read off the law and recalibrated by Platt's logistic map when ≥ 1,000 recent outcomes are
  known and the map did better on the most recent third of them; else it stands as it is.

Groups are venue class × whether the series is at rest now: a market at rest stays there exactly, half of the time, and
neither its width nor its probability is like that of one that moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.features.targets import HORIZONS
from hedged.forecast.platt import IDENTITY, Pairs, Platt
from hedged.forecast.probability import share_above

CLASSES = ("slow", "hourly")
GROUPS = tuple((name, state) for name in CLASSES for state in ("moving", "at rest"))
AT_REST = 0.02
"""A last rate this near to the resting one, in s, is at rest."""
MEDIAN = len(LEVELS) // 2
LOW, HIGH = 1, len(LEVELS) - 2  # the ends of the 80 % band
TIE = 1e-6
"""Rates this near to each other, in s, are equal: what comes through float32 bars differs in the seventh digit."""
ENOUGH = 3
"""Outcomes of a group that tell of a day in full: as many as one slow series has."""


@dataclass(frozen=True, slots=True)
class AdaptConfig:
    """`memory_days`: half-life of the gating's memory; `sharpness`: η; `rest`: distance in s per horizon within which
    an inner quantile is put to rest; `group_step`: of the groups' width per day's outcomes, by horizon; `step`: of a
    series' own width per outcome, by class; `pull`: share of it kept per day.

    Steps and distances were chosen on 2024-07 … 12 and 2025-07 … 12, each by models that knew nothing later."""

    memory_days: float = 20.0
    sharpness: float = 30.0
    rest: tuple[float, ...] = (0.1, 0.1, 0.05, 0.0)
    group_step: tuple[float, ...] = (0.1, 0.1, 0.06, 0.03)
    step: tuple[float, ...] = (0.01, 0.002)
    pull: float = 0.99
    widest: float = 1.2


@dataclass(frozen=True, slots=True)
class Batch:
    """Forecasts of n origins. `series` index, `group` index into GROUPS, `rest` the resting rate as (pin − last) / s,
    NaN without; `quantiles` (members, n, horizons, levels) in s from the last rate.
    """

    series: NDArray[np.int64]
    group: NDArray[np.int64]
    rest: NDArray[np.float64]
    quantiles: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """k settled outcomes of one horizon: `series`, `group`, raw members' `quantiles` (members, k, levels), `issued`
    (k, levels), raw `p_up` (k,), and what came, `y` (k,), in s from the last rate."""

    horizon: int
    series: NDArray[np.int64]
    group: NDArray[np.int64]
    quantiles: NDArray[np.float32]
    issued: NDArray[np.float64]
    p_up: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(slots=True)
class Adaptation:
    """The state that outcomes teach. `prior`: (classes, horizons, members); `width`: stretch of the bands before any
    outcome was seen."""

    prior: NDArray[np.float64]
    n_series: int
    config: AdaptConfig = field(default_factory=AdaptConfig)
    width: float = 1.0
    loss: NDArray[np.float64] = field(init=False)  # (classes, horizons, members), decayed sum
    weight_of_loss: NDArray[np.float64] = field(init=False)  # (classes, horizons), decayed count
    group_width: NDArray[np.float64] = field(init=False)  # (groups, horizons, 2): log stretch below, above
    series_width: NDArray[np.float64] = field(init=False)  # (series, horizons, 2)
    pairs: dict[tuple[int, int], Pairs] = field(init=False)
    platt: dict[tuple[int, int], Platt] = field(init=False)

    def __post_init__(self) -> None:
        self.loss = np.zeros_like(self.prior)
        self.weight_of_loss = np.zeros(self.prior.shape[:2])
        self.group_width = np.full((len(GROUPS), len(HORIZONS), 2), np.log(self.width))
        self.series_width = np.zeros((self.n_series, len(HORIZONS), 2))
        places = [(g, h) for g in range(len(GROUPS)) for h in range(len(HORIZONS))]
        self.pairs = {place: Pairs() for place in places}
        self.platt = dict.fromkeys(places, IDENTITY)

    def weights(self) -> NDArray[np.float64]:
        """Return the members' weights (classes, horizons, members), summing to one."""
        mean = self.loss / np.maximum(self.weight_of_loss, 1e-12)[:, :, None]
        best = mean.min(axis=2, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            worse = np.where(best > 0, mean / best - 1.0, 0.0)
        # trust grows with what was seen: after some hundred outcomes the memory speaks fully
        trust = np.minimum(self.weight_of_loss / 300.0, 1.0)[:, :, None]
        weight = self.prior * np.exp(-self.config.sharpness * trust * worse)
        out: NDArray[np.float64] = weight / weight.sum(axis=2, keepdims=True)
        return out

    def apply(self, batch: Batch) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return quantiles (n, horizons, levels), ascending, p_up (n, horizons), and p_up before its recalibration."""
        weight = self.weights()[class_of(batch.group)]  # (n, horizons, members)
        law = np.einsum("mnhl,nhm->nhl", batch.quantiles, weight)
        stretch = np.exp(self._log_width(batch.group, batch.series))  # (n, horizons, 2)
        centre = law[:, :, MEDIAN : MEDIAN + 1]
        sides = np.repeat(stretch, (MEDIAN, MEDIAN + 1), axis=2)  # below the median, then it and above
        law = centre + (law - centre) * sides
        # read before rest: a median put on a rate just above the last one does not mean that it surely rises
        p_raw = share_above(np.sort(law, axis=2))
        self._put_to_rest(law, batch.rest)
        p_up = np.empty(p_raw.shape)
        for (g, h), platt in self.platt.items():
            mine = batch.group == g
            p_up[mine, h] = platt.map(p_raw[mine, h])
        return np.sort(law, axis=2), p_up, p_raw

    def learn(self, outcomes: Outcomes) -> None:
        """Take in outcomes of one horizon, all known by now."""
        h, levels = outcomes.horizon, LEVELS
        error = outcomes.y[None, :, None] - outcomes.quantiles
        pinball = np.maximum(levels * error, (levels - 1.0) * error).mean(axis=2)  # (members, k)
        kind = class_of(outcomes.group)
        for c in range(len(CLASSES)):
            self.loss[c, h] += pinball[:, kind == c].sum(axis=1)
            self.weight_of_loss[c, h] += (kind == c).sum()
        miss = _misses(outcomes.issued, outcomes.y)  # (k, 2)
        for g in np.unique(outcomes.group):
            mine = outcomes.group == g
            # the less of a group is there, the less is known of its day
            self.group_width[g, h] += (
                self.config.group_step[h] * min(mine.sum() / ENOUGH, 1.0) * miss[mine].mean(axis=0)
            )
            self.pairs[int(g), h].add(outcomes.p_up[mine], outcomes.y[mine])
        own = np.array(self.config.step)[kind, None] * miss
        np.add.at(self.series_width[:, h], outcomes.series, own)
        limit = self.config.widest
        np.clip(self.group_width, -limit, limit, out=self.group_width)
        np.clip(self.series_width, -limit, limit, out=self.series_width)

    def end_of_day(self, fit_maps: bool = True) -> None:
        """Let a day fade, and fit the probabilities' maps anew, where they are wanted: one fit knows of no other."""
        fade = 0.5 ** (1.0 / self.config.memory_days)
        self.loss *= fade
        self.weight_of_loss *= fade
        self.series_width *= self.config.pull
        if fit_maps:
            self.platt = {place: pairs.fit(self.platt[place]) for place, pairs in self.pairs.items()}

    def _log_width(self, group: NDArray[np.int64], series: NDArray[np.int64]) -> NDArray[np.float64]:
        own = self.series_width[series]
        # a horizon of days settles few independent outcomes: its series lean on their group
        lean = np.array([1.0, 1.0, 0.5, 0.25])[None, :, None]
        width: NDArray[np.float64] = self.group_width[group] + own * lean
        return np.clip(width, -self.config.widest, self.config.widest)

    def _put_to_rest(self, law: NDArray[np.float64], rest: NDArray[np.float64]) -> None:
        inner, at = slice(LOW + 1, HIGH), rest[:, None]
        for h, distance in enumerate(self.config.rest):
            held = (law[:, h, LOW, None] <= at) & (at <= law[:, h, HIGH, None])
            near = held & (np.abs(law[:, h, inner] - at) < distance)
            law[:, h, inner] = np.where(near, at, law[:, h, inner])


def prior_of(card_prior: Mapping[str, Mapping[str, tuple[float, ...]]]) -> NDArray[np.float64]:
    """Return a card's prior as an array (classes, horizons, members)."""
    return np.array(
        [[card_prior[name][horizon] for horizon in HORIZONS] for name in CLASSES], dtype=np.float64
    )


def group_of(interval_h: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place in GROUPS of series with this interval and (resting − last rate) / s, NaN without one. (n,)."""
    with np.errstate(invalid="ignore"):
        at_rest = np.abs(rest) < AT_REST
    return np.where(interval_h > 1.0, 0, 2) + at_rest


def class_of(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place in CLASSES of groups."""
    return group // 2


def _misses(issued: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tell what lay below and above the 80 % band, less the tenth that should: (k, 2).

    Nothing is told (0) by an outcome on the end itself, where that quantile is right, nor by a band without width.
    """
    low, high = issued[:, LOW], issued[:, HIGH]
    beyond = np.stack((low - y, y - high), axis=1)
    told = np.where(beyond > TIE, 1.0 - LEVELS[LOW], -LEVELS[LOW])
    silent = (np.abs(beyond) <= TIE) | (high - low <= TIE)[:, None]
    return np.where(silent, 0.0, told)
