"""Observations for tests of what is made of them: a few coins at a few venues, all sound until something is planted."""

from collections.abc import Mapping, Sequence

from hedged.domain.bars import BAR_MS, Field, Observation, blank_observation
from hedged.domain.market import SeriesKey

START_MS = 1_750_003_200_000  # a full hour
VENUES = ("injective", "binance", "bybit")
MARKS = {"BTC": 60_000.0, "INJ": 25.0}
RATE = 2e-5
Planted = Mapping[SeriesKey, Mapping[Field, float]]


def observation(key: SeriesKey, ts_ms: int, values: Mapping[Field, float], ahead_ms: int = 0) -> Observation:
    """An observation received at its instant, or later than that."""
    seen = blank_observation(key, ts_ms)
    for field, value in values.items():
        seen.values[field] = value
        seen.known_at_ms[field] = ts_ms + ahead_ms
    return seen


def sound(key: SeriesKey, bar: int) -> dict[Field, float]:
    """What a market tells when nothing is wrong: all venues move together, the rate breathes a little."""
    venue = VENUES.index(key.venue) if key.venue in VENUES else len(VENUES)
    move = 1 + 0.004 * ((bar * 7) % 11 - 5) / 5
    hours = 1.0 if key.venue == "injective" else 8.0
    rate = RATE * (1 + 0.02 * ((bar + venue) % 5 - 2))
    values = {
        Field.MARK: MARKS[key.symbol] * move * (1 + 0.0005 * venue),
        Field.FUNDING_ESTIMATE: rate,
        Field.FUNDING_SETTLED: RATE,
        Field.SETTLED_INTERVAL_H: hours,
        Field.INTERVAL_H: hours,
        Field.SETTLED_AGO_S: 900.0,
        Field.OPEN_INTEREST: 1_000.0 * (1 + 0.01 * (bar % 3)),
    }
    if key.venue != "injective":
        values[Field.INDEX] = MARKS[key.symbol] * move
    return values


def told(
    bar: int,
    planted: Planted | None = None,
    venues: Sequence[str] = VENUES,
    symbols: Sequence[str] = tuple(MARKS),
) -> tuple[int, list[Observation]]:
    """All observations of a bar; `planted` replaces single values."""
    ts_ms = START_MS + bar * BAR_MS
    planted = planted or {}
    keys = [SeriesKey(venue, symbol) for venue in venues for symbol in symbols]
    return ts_ms, [observation(k, ts_ms, sound(k, bar) | dict(planted.get(k, {}))) for k in keys]
