"""Forecasting a stretch of history as it would have been forecast then, day by day.

Members are asked chunk by chunk; each day's forecasts are combined with what the outcomes known by that day's start
had taught, and no outcome is learned before it was settled.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS
from hedged.domain.market import SeriesKey
from hedged.features.samples import Samples
from hedged.features.sampling import ALL_SETTLEMENTS, Sampling, collected
from hedged.features.targets import HORIZONS
from hedged.forecast.adapt import Adaptation, Batch, Outcomes, group_of, prior_of
from hedged.forecast.artefact import Card
from hedged.forecast.extremes import USUAL, tempered
from hedged.forecast.members import Inputs, Members, Opinions

WARM_UP_MS = 45 * DAY_MS
"""Days before the first wanted forecast in which the adaptation learns."""

ALWAYS_MS = 2**62
"""Targets are read however late they settled; they are learned, and scored, only after that."""


@dataclass(frozen=True, slots=True)
class Issued:
    """Forecasts as issued, rates per hour: `quantiles` (n, horizons, levels), `p_up` (n, horizons), for `samples`."""

    samples: Samples
    quantiles: NDArray[np.float64]
    p_up: NDArray[np.float64]


@dataclass(slots=True)
class Waiting:
    """Forecasts whose outcomes have not settled yet, one list of parts per horizon."""

    parts: list[list[tuple[NDArray[np.int64], Outcomes]]] = field(
        default_factory=lambda: [[] for _ in HORIZONS]
    )

    def add(
        self, samples: Samples, opinions: Opinions, issued: NDArray[np.float64], p_raw: NDArray[np.float64]
    ) -> None:
        """Remember forecasts in units of s."""
        y = samples.scaled_target.astype(np.float64)
        group = group_of(samples.interval_h, samples.rest)
        for h in range(len(HORIZONS)):
            rows = np.flatnonzero(~np.isnan(y[:, h]))
            outcomes = Outcomes(
                h, samples.series[rows], group[rows], opinions.quantiles[:, rows, h], issued[rows, h],
                p_raw[rows, h], y[rows, h],
            )  # fmt: skip
            self.parts[h].append((samples.target_ms[rows, h], outcomes))

    def teach(self, adaptation: Adaptation, now_ms: int) -> None:
        """Give the adaptation every outcome settled by now, and forget it here."""
        for h, parts in enumerate(self.parts):
            left: list[tuple[NDArray[np.int64], Outcomes]] = []
            for target_ms, outcomes in parts:
                due = target_ms <= now_ms
                if due.any():
                    adaptation.learn(_pick(outcomes, due))
                if not due.all():
                    left.append((target_ms[~due], _pick(outcomes, ~due)))
            self.parts[h] = left


def walk(
    members: Members,
    card: Card,
    series: Mapping[SeriesKey, SeriesData],
    wanted: Collection[SeriesKey],
    from_ms: int,
    to_ms: int,
    sampling: Sampling = ALL_SETTLEMENTS,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Iterator[Issued]:
    """Yield the forecasts of the wanted series' origins in [from_ms, to_ms), day by day."""
    venue, coin = card.vocabulary.encode(sorted(series))
    rows_wanted = [i for i, key in enumerate(sorted(series)) if key in set(wanted)]
    adaptation = Adaptation(prior_of(card.prior), len(series), width=card.width)
    waiting = Waiting()
    start_ms = from_ms - WARM_UP_MS
    for samples in collected(series, start_ms - 1, to_ms, sampling, ALWAYS_MS):
        samples = samples.pick(np.isin(samples.series, rows_wanted))
        if not len(samples):
            continue
        opinions = opinions_on(members, samples, venue, coin)
        days = samples.origin_ms // DAY_MS
        for day in np.unique(days):
            rows = np.flatnonzero(days == day)
            waiting.teach(adaptation, int(day) * DAY_MS)
            adaptation.end_of_day()
            issued = issue(adaptation, samples.pick(rows), Opinions(opinions.quantiles[:, rows]), waiting)
            if (inside := issued.samples.origin_ms >= from_ms).any():
                yield Issued(issued.samples.pick(inside), issued.quantiles[inside], issued.p_up[inside])
        on_progress((int(samples.origin_ms.max()) - start_ms) / (to_ms - start_ms))


def opinions_on(
    members: Members, samples: Samples, venue: NDArray[np.int64], coin: NDArray[np.int64]
) -> Opinions:
    """Ask the members about samples, and temper what they say of extremes. `venue`, `coin`: codes by series."""
    told = members.ask(Inputs(samples.tabular, samples.sequence, venue[samples.series], coin[samples.series]))
    usual = samples.tabular[:, samples.names.index(USUAL)].astype(np.float64)
    return Opinions(tempered(told.quantiles, usual, samples.interval_h > 1))


def issue(adaptation: Adaptation, samples: Samples, opinions: Opinions, waiting: Waiting) -> Issued:
    """Combine one day's opinions into forecasts, and remember them until their outcomes settle."""
    issued, law, p_raw = calibrated(adaptation, samples, opinions)
    waiting.add(samples, opinions, law, p_raw)
    return issued


def calibrated(
    adaptation: Adaptation, samples: Samples, opinions: Opinions
) -> tuple[Issued, NDArray[np.float64], NDArray[np.float64]]:
    """Combine opinions into forecasts → (forecasts, their quantiles in s from the last rate, p_up before its map)."""
    rest = samples.rest
    law, p_up, p_raw = adaptation.apply(
        Batch(samples.series, group_of(samples.interval_h, rest), rest, opinions.quantiles)
    )
    rates = samples.last[:, None, None] + law * samples.s[:, None, None]
    # not by way of s: a quantile that rests is the venue's number to the last digit
    rates = np.where(law == rest[:, None, None], samples.pin[:, None, None], rates)
    return Issued(samples, rates, p_up), law, p_raw


def _pick(outcomes: Outcomes, which: NDArray[np.bool_]) -> Outcomes:
    return Outcomes(
        outcomes.horizon, outcomes.series[which], outcomes.group[which], outcomes.quantiles[:, which],
        outcomes.issued[which], outcomes.p_up[which], outcomes.y[which],
    )  # fmt: skip
