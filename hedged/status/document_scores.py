"""The rows of the status document about models: how their forecasts did, and how contests stand."""

from hedged.status.told import Told


class Figure(Told):
    """A figure, and of how many forecasts it is made; null: too few."""

    value: float | None
    of: int


class Score(Told):
    """How the model that serves forecast a market of late; `symbol` null: all markets of the venue.

    Over the horizon: `loss_ratio` and `error_ratio`, its pinball loss and its distance from the median ÷ the weighted
    average's; `direction`, share of calls that were right; `coverage` of the 80 % band; `calibration`, the expected
    calibration error of p_up. Of coming settlements: `settled_error_ratio` ÷ the last rate's, `settled_direction`.
    """

    venue: str
    symbol: str | None
    loss_ratio: Figure
    error_ratio: Figure
    direction: Figure
    coverage: Figure
    calibration: Figure
    settled_error_ratio: Figure
    settled_direction: Figure


class Rival(Told):
    """Another model that forecast the same hours; `loss_ratio`: over all markets, as in `Score`."""

    model: str
    loss_ratio: Figure


class Scores(Told):
    """How the forecasts of the last `days` did; `model`: who serves, as the registry calls it, `ewma` the stand-in."""

    model: str
    days: int
    loss_ratio: Figure
    rows: tuple[Score, ...]
    rivals: tuple[Rival, ...]


class ContestRow(Told):
    """How a model in shadow stands against the champion. `standing`: better, not yet, clearly worse, given up; `why`:
    the figures in a sentence; `ratio`: its loss ÷ the champion's on the same outcomes; `days`: of those; `progress`: on
    the way to a decision for it, 1 decides.
    """

    model: str
    champion: str
    standing: str
    why: str
    ratio: float | None
    days: int
    progress: float
