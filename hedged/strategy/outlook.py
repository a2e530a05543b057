"""What the book's funding is expected to be within an hour, eight hours and a week, and what is at stake in a month.

Pure. Everything is joint: a draw is one possible course of all rates, so the band of a whole book is narrower than its
markets' bands added up. Funding accrues: a position at a venue that settles in seven hours has an eighth of it after
the first hour, whether or not it is charged by then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import ForecastSet, Span
from hedged.domain.market import INJECTIVE, SeriesKey

MEANINGFUL_USD = (500.0, 1_000.0)
"""Monthly funding cost from which hedging is economically meaningful (requirement A15)."""
MONTH_H = 30 * 24
WORTH_USD = 50.0
"""A month's saving below this is not worth the margin, the keys and the attention, whatever the forecast."""


@dataclass(frozen=True, slots=True)
class Amount:
    """USD, > 0 received: expected, and the ends of the 80 % band."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: NDArray[np.float64]) -> "Amount":
        """Summarise draws (n,)."""
        low, high = np.quantile(draws, [0.1, 0.9])
        return cls(float(draws.mean()), float(low), float(high))

    def times(self, factor: float) -> "Amount":
        """Return it over a longer or shorter time at the same rate."""
        return Amount(self.mean * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class SpanOutlook:
    """Funding within the coming `hours`: `own` of the trader's own positions as if nothing were hedged, by symbol,
    `held` of everything that is really held, and both for the whole book. A symbol of which a rate is not forecast is
    in `unknown`, and in no sum.
    """

    hours: int
    rests_on: str
    own: Mapping[str, Amount]
    held: Mapping[str, Amount]
    own_book: Amount
    held_book: Amount
    unknown: tuple[str, ...] = ()


def outlook(
    forecasts: ForecastSet, own_usd: Mapping[str, float], daemon_usd: Mapping[SeriesKey, float]
) -> tuple[SpanOutlook, ...]:
    """Return the outlook over each span of the forecasts.

    `own_usd`: signed notional of the trader's own positions on Injective; `daemon_usd`: of what the daemon added to it
    there and holds elsewhere.
    """
    return tuple(_over(span, forecasts.keys, own_usd, daemon_usd) for span in forecasts.spans)


def _over(
    span: Span,
    keys: Sequence[SeriesKey],
    own_usd: Mapping[str, float],
    daemon_usd: Mapping[SeriesKey, float],
) -> SpanOutlook:
    column = {key: i for i, key in enumerate(keys)}

    def funding(positions: Iterable[tuple[SeriesKey, float]]) -> NDArray[np.float64]:
        total = np.zeros(len(span.scenarios))
        for key, usd in positions:
            total -= usd * span.hours * span.scenarios[:, column[key]]
        return total

    own, held = {}, {}
    for symbol, usd in sorted(own_usd.items()):
        mine = [(SeriesKey(INJECTIVE, symbol), usd)]
        added = [(key, x) for key, x in sorted(daemon_usd.items()) if key.symbol == symbol and x]
        if all(key in column for key, _ in (*mine, *added)):
            own[symbol], held[symbol] = funding(mine), funding((*mine, *added))
    nothing = np.zeros(len(span.scenarios))
    return SpanOutlook(
        span.hours,
        span.rests_on,
        {symbol: Amount.of(draws) for symbol, draws in own.items()},
        {symbol: Amount.of(draws) for symbol, draws in held.items()},
        Amount.of(sum(own.values(), nothing)),
        Amount.of(sum(held.values(), nothing)),
        tuple(sorted(set(own_usd) - set(own))),
    )


def verdict(
    months: Mapping[str, float | None], attainable_usd: float | None, kept_usd: float | None = None
) -> str:
    """Say in a sentence or two whether hedging this book is worth it.

    `months`: funding of a month in USD, > 0 received, by what it rests on (None: not known); `attainable_usd`: what
    perfect foresight would have saved in one, after costs, `kept_usd` what the planner would have kept of it.
    """
    paid = {what: max(0.0, -usd) for what, usd in months.items() if usd is not None}
    if not paid:
        return (
            "Whether hedging pays cannot be told: neither the last month's funding nor the coming is known."
        )
    stake = max(paid.values())
    least, good = MEANINGFUL_USD
    if stake < 1:
        return (
            "Hedging does not pay here: this book receives funding, and there is nothing to protect it from."
        )
    at_stake = "At stake a month: " + ", ".join(f"{usd:,.0f} USD {what}" for what, usd in paid.items())
    if stake < least:
        text = f"Hedging does not pay here. {at_stake}; below {least:,.0f} a month it is not worth its costs"
    elif stake < good:
        text = f"Hedging may pay here, barely. {at_stake}; from {good:,.0f} a month on it is worth it"
    else:
        text = f"Hedging can pay here. {at_stake}"
    if attainable_usd is None:
        return text + "."
    best = f"perfect foresight would have saved {attainable_usd:,.0f} USD a month after costs"
    if stake >= least and attainable_usd < WORTH_USD:
        return f"Hedging does not pay here. {at_stake}; but even {best}."
    if kept_usd is None:
        return f"{text}; {best}, of which a forecast keeps a part."
    if kept_usd < 0:
        return f"{text}; {best}, but the planner would have lost {-kept_usd:,.0f} by hedging."
    return f"{text}; {best}, and the planner would have kept {kept_usd:,.0f} of it."
