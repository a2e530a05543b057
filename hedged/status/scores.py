"""How the forecasts did, as the document tells it."""

from collections.abc import Iterable
from dataclasses import asdict

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import STAND_IN
from hedged.forecast.models.standings import Contest
from hedged.forecast.record.measures import WINDOW_MS, Measure, Measured, Measures, Reckoning
from hedged.status.document_scores import ContestRow, Figure, Rival, Score, Scores


def scores(told: Reckoning | None) -> Scores | None:
    """Return the scores of the model that serves, each venue before its markets, and one figure of every other."""
    if told is None:
        return None
    serving = told.measured.get(told.serving, Measured({}, {}, Measures()))
    rows = [
        _score(venue, symbol, one)
        for venue, found in sorted(serving.venues.items())
        for symbol, one in ((None, found), *_markets(serving, venue))
    ]
    return Scores(
        model=told.serving,
        days=WINDOW_MS // DAY_MS,
        loss_ratio=_figure(serving.whole.pinball_ratio),
        rows=tuple(rows),
        rivals=tuple(
            Rival(model=name, loss_ratio=_figure(one.whole.pinball_ratio))
            for name, one in told.measured.items()
            if name not in (told.serving, STAND_IN)
        ),
    )


def contests(told: Iterable[Contest]) -> tuple[ContestRow, ...]:
    """Return how challengers stand."""
    return tuple(ContestRow(**asdict(one)) for one in told)


def _markets(told: Measured, venue: str) -> list[tuple[str, Measures]]:
    return [(key.symbol, one) for key, one in sorted(told.series.items()) if key.venue == venue]


def _score(venue: str, symbol: str | None, one: Measures) -> Score:
    return Score(
        venue=venue,
        symbol=symbol,
        loss_ratio=_figure(one.pinball_ratio),
        error_ratio=_figure(one.mae_ratio),
        direction=_figure(one.direction),
        coverage=_figure(one.coverage),
        calibration=_figure(one.ece),
        settled_error_ratio=_figure(one.settled_ratio),
        settled_direction=_figure(one.settled_direction),
    )


def _figure(one: Measure) -> Figure:
    return Figure(value=one.value, of=one.of)
