"""Forced-deleveraging moves (liquidation cascades): what counts as one, what is read, and how likely one is.

**An event at hour t**: between t and t + 18 h the mark (at hour ends) makes a move from any hour to a later one, up or
down, of at least 4 % *and* at least 2.5 · σ · √18 in log price, σ being the root mean square hourly log return of the
seven days before t; *and* the open interest in coins falls by at least 3 % from where it stood when that move began
until some later hour of the window. Where no hourly open interest is told the price alone must speak louder
(*price only*): 4 % and 3 · σ · √18. Either happens in about 3 % of all hours of 2023 … 2025.

Why so: a move in units of σ is out of the ordinary for this coin now (by percent alone a calm coin would never be in
danger and a wild one always); below 4 % little leverage is forced to close; and open interest falls by 3 % after the
beginning of half of such moves, but of only a quarter of the largest moves of other windows.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hedged.domain.errors import DataError
from hedged.features.crowding import SHARE_NAMES, Crowding, fresh_interest
from hedged.features.points import Array, Points, Rolling, codes
from hedged.features.resample import HourlyGrid
from hedged.forecast.boosted import Classifier
from hedged.forecast.platt import Platt

HORIZON_H = 18
MIN_MOVE = 0.04
SIGMAS = 2.5
SIGMAS_PRICE_ONLY = 3.0
MIN_FALL = 0.03
SIGMA_H = 7 * 24
MIN_KNOWN = 0.8
"""Share of the seven days' hourly returns that must be known for a σ."""
MIN_MOVING = 0.5
"""Share of hours in which a figure must change to be told hourly: one carried forward hides what happened."""

DOWN_SHARE = 0.62
"""Share of forced moves that went down: of 936 (BTC ETH SOL DOGE BNB, 2021-03 … 2025). The head does not tell which
way; neither did open interest at its peak with an extreme rate (half of the moves then went down)."""

SURE = 1e-6
"""Probabilities are taken as this near to 0 or 1 at most: an event of one in thirty needs room below."""
RETURNS_H = (1, 4, 8, 24, 72, 168)
FROM_TABULAR = ("hour_sin", "hour_cos", "weekday", "level_abs", "surprise")
FEATURES = (
    *(f"stretch_{h}h" for h in RETURNS_H), "sigma_log", "sigma_ratio", *FROM_TABULAR, "interest_told", "oi_8h",
    "oi_24h", *SHARE_NAMES, "placed",
)  # fmt: skip
"""`stretch_…`: return in units of σ·√hours; `sigma_ratio`: log of the last day's volatility to the week's;
`interest_told`: 1 where open interest is told hourly, else 0; the others as in `tabular.py` and `crowding.py`."""
PRICE_ONLY, WITH_INTEREST = "price_only", "with_interest"


class Cascades(NamedTuple):
    """At points (n,): `event` 1 or 0, NaN where the past tells no σ or the 18 hours after are not wholly known;
    `with_interest`: bool, which of the two definitions held, decided by the past alone.
    """

    event: Array
    with_interest: NDArray[np.bool_]


def cascades(mark: Array, interest: Array, at: Points) -> Cascades:
    """Label points by what followed them. Mark in USD and open interest in coins, (series, hours), NaN unknown."""
    log_mark, log_interest = _log(mark), _log(interest)
    with_interest = told_hourly(log_interest, at)
    sigma = sigma_at(log_mark, at)
    event = np.full(len(at), np.nan)
    ok = np.flatnonzero((at.cols + HORIZON_H < mark.shape[1]) & ~np.isnan(sigma) & told_hourly(log_mark, at))
    if not len(ok):
        return Cascades(event, with_interest)
    ahead = (at.rows[ok], at.cols[ok])
    prices = sliding_window_view(log_mark, HORIZON_H + 1, axis=1)[ahead]
    coins = sliding_window_view(log_interest, HORIZON_H + 1, axis=1)[ahead]
    both = with_interest[ok]
    move, start = largest_move(prices)
    sigmas = np.where(both, SIGMAS, SIGMAS_PRICE_ONLY)
    forced = (move >= MIN_MOVE) & (move >= sigmas * sigma[ok] * np.sqrt(HORIZON_H))
    later = np.where(np.arange(HORIZON_H + 1) >= start[:, None], coins, np.inf).min(axis=1)
    fall = 1 - np.exp(later - np.take_along_axis(coins, start[:, None], axis=1)[:, 0])
    forced &= ~both | (fall >= MIN_FALL)
    event[ok] = np.where(_whole(prices) & (~both | _whole(coins)), forced, np.nan)
    return Cascades(event, with_interest)


def largest_move(path: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return the largest move from one step to a later one, up or down, and the step it began at. (n, steps) → (n,)."""
    best, start = np.zeros(len(path)), np.zeros(len(path), np.int64)
    for sign in (1.0, -1.0):
        low, low_at = sign * path[:, 0], np.zeros(len(path), np.int64)
        for step in range(1, path.shape[1]):
            here = sign * path[:, step]
            further = here - low > best
            best, start = np.where(further, here - low, best), np.where(further, low_at, start)
            lower = here < low
            low, low_at = np.where(lower, here, low), np.where(lower, step, low_at)
    return best, start


def sigma_at(log_mark: Array, at: Points) -> Array:
    """Return the root mean square hourly log return of the seven days before each point; NaN where unknown. (n,)."""
    square = Rolling(_returns(log_mark) ** 2).mean(at, SIGMA_H, min_share=MIN_KNOWN)
    return np.sqrt(np.where(square > 0, square, np.nan))


def told_hourly(x: Array, at: Points) -> NDArray[np.bool_]:
    """Tell where a figure (series, hours) changed in at least half of the last day's hours, so is no stale one."""
    change = _returns(x)
    share = Rolling(np.where(np.isnan(change), 0.0, change != 0)).mean(at, 24, min_share=1.0)
    with np.errstate(invalid="ignore"):
        return (share >= MIN_MOVING) & ~np.isnan(at.take(x))


def coin_points(grid: HourlyGrid, cols: NDArray[np.int64]) -> Points:
    """Choose, for every coin and each of these hours, the series that tells most; coins without hourly price drop out.

    Hourly open interest comes before none; of equals the first in the grid's order.
    """
    everywhere = Points(np.repeat(np.arange(len(grid.keys)), len(cols)), np.tile(cols, len(grid.keys)))
    priced = told_hourly(_log(grid.mark), everywhere).reshape(-1, len(cols))
    interest = told_hourly(_log(fresh_interest(grid)), everywhere).reshape(-1, len(cols))
    score = np.where(priced, 1 + interest, 0)
    symbol = codes([key.symbol for key in grid.keys])
    rows, hours = [], []
    for coin in range(int(symbol.max(initial=-1)) + 1):
        mine = np.flatnonzero(symbol == coin)
        best = score[mine].argmax(axis=0)
        some = score[mine].max(axis=0) > 0
        rows.append(mine[best[some]])
        hours.append(cols[some])
    none = np.empty(0, np.int64)
    return Points(np.concatenate([none, *rows]), np.concatenate([none, *hours]))


def features(
    grid: HourlyGrid, at: Points, names: Sequence[str], tabular: NDArray[np.float32], crowd: Crowding
) -> NDArray[np.float32]:
    """Return what the head reads, float32 (n, FEATURES). `names`, `tabular`: `tabular()` at the same points."""
    column = {name: tabular[:, i].astype(np.float64) for i, name in enumerate(names)}
    told = told_hourly(_log(fresh_interest(grid)), at)
    sigma = sigma_at(_log(grid.mark), at)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [column[f"return_{h}h"] / (sigma * np.sqrt(h)) for h in RETURNS_H]
        columns += [np.log(sigma), np.log(column["volatility_24h"] / sigma)]
    columns += [column[name] for name in FROM_TABULAR]
    # an interest carried forward did not stand still: its change is unknown
    columns += [told.astype(float), *(np.where(told, column[name], np.nan) for name in ("oi_8h", "oi_24h"))]
    columns += [at.take(share) for share in crowd.shares] + [at.take(crowd.placed)]
    out = np.stack(columns, axis=1)
    return np.where(np.isfinite(out), out, np.nan).astype(np.float32)


def _calibrated(card: Sequence[float]) -> Platt:
    slope, shift = card
    return Platt(slope, shift, SURE)


class CascadeHead:
    """Serves the probability of a forced-deleveraging move within the next 18 hours."""

    def __init__(self, model: str, calibration: Mapping[str, Sequence[float]]) -> None:
        """Load LightGBM's text and [slope, offset] by definition. Raises DataError if made for other features."""
        try:
            self._trees = Classifier(model)
            self._platt = {kind: _calibrated(calibration[kind]) for kind in (PRICE_ONLY, WITH_INTEREST)}
        except (DataError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"the cascade model cannot be read: {error}") from None
        if self._trees.features != list(FEATURES):
            raise DataError("the cascade model was made for other features: train it anew")

    def probability(self, x: NDArray[np.float32]) -> Array:
        """Return probabilities (n,) from features (n, FEATURES); NaN where the price's past tells no σ."""
        out = np.full(len(x), np.nan)
        known = np.flatnonzero(~np.isnan(x[:, FEATURES.index("sigma_log")]))
        if not len(known):
            return out
        raw = self._trees.probability(x[known])
        told = x[known, FEATURES.index("interest_told")] > 0
        out[known] = np.where(told, self._platt[WITH_INTEREST].map(raw), self._platt[PRICE_ONLY].map(raw))
        return out


def _log(x: Array) -> Array:
    return np.log(np.where(x > 0, x, np.nan))


def _returns(log_x: Array) -> Array:
    return np.concatenate((np.full((len(log_x), 1), np.nan), np.diff(log_x, axis=1)), axis=1)


def _whole(path: Array) -> NDArray[np.bool_]:
    """Tell which paths (n, steps) are known at every step and were told hourly."""
    moving: NDArray[np.bool_] = (np.diff(path, axis=1) != 0).mean(axis=1) >= MIN_MOVING
    return moving & ~np.isnan(path).any(axis=1)
