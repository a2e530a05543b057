"""The same window by the daemon and by the batch engine: what both decided, filled and were paid, side by side."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedged.backtest import runner
from hedged.backtest.batch.engine import run_batch
from hedged.backtest.runner import RunResult, Window, own_quantities, run_window
from hedged.backtest.world import World
from hedged.config import Config
from hedged.domain.forecast import LEVELS, ForecastSet
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.resample import HourlyGrid
from hedged.forecast.port import Forecaster

MONEY = ("begin_usd", "end_usd", "realised_usd", "fees_usd", "funding_usd", "added_usd", "unrealised_usd")
SAME = (
    "ts_ms",
    "symbol",
    "action",
    "rule",
    "reason",
    "current",
    "own_quantity",
    "price",
    "strategy",
    "config_hash",
)


@dataclass
class Heard:
    """A forecaster that is listened to: what it told the daemon, hour by hour, as laws."""

    of: Forecaster
    said: dict[int, ForecastSet] = field(default_factory=dict)

    @property
    def model_hash(self) -> str:
        return self.of.model_hash

    @property
    def feature_hash(self) -> str:
        return self.of.feature_hash

    @property
    def hours_ms(self) -> NDArray[np.int64]:
        return np.array(sorted(self.said), dtype=np.int64)

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        self.said[now_ms] = told = self.of.forecast(grid, now_ms, horizon_h)
        return told

    def at(self, now_ms: int) -> ForecastSet:
        hours = self.hours_ms
        return self.said[int(hours[np.searchsorted(hours, now_ms, side="right") - 1])]


@contextmanager
def _heard() -> Iterator[list[Heard]]:
    made, plain = [], runner.make_forecaster

    def listened(*args: Any, **options: Any) -> Heard:
        made.append(Heard(plain(*args, **options)))
        return made[-1]

    runner.make_forecaster = listened
    try:
        yield made
    finally:
        runner.make_forecaster = plain


def both(
    config: Config,
    world: World,
    venues: Sequence[str],
    window: Window,
    *,
    arrays: bool = False,
    **options: Any,
) -> tuple[RunResult, RunResult]:
    """Run a window by the daemon, and by the batch engine on the forecasts that the daemon was told."""
    book = own_quantities(config, lambda symbol: world.price(SeriesKey(INJECTIVE, symbol), window.from_ms))
    with _heard() as heard:
        daemon = run_window(config, world.venues(venues), book, window)
    laws = arrays_of(heard[0]) if arrays else heard[0]
    return daemon, run_batch(config, world, book, window, laws, **options)


def assert_alike(daemon: RunResult, batch: RunResult) -> None:
    """Every decision, fill, payment and change of the book is the same; targets but for the solver's last digits."""
    assert batch.fills == daemon.fills
    assert list(batch.payments) == daemon.payments
    assert batch.book == daemon.book
    rows = {(row["ts_ms"], row["symbol"]): row for row in daemon.decisions}
    for row in batch.decisions:
        other = rows[row["ts_ms"], row["symbol"]]
        assert {name: row.get(name) for name in SAME} == {name: other.get(name) for name in SAME}
        assert_near(_target(row), _target(other))
    assert {v: len(r.forced) for v, r in batch.accounts.items()} == {
        v: len(r.forced) for v, r in daemon.accounts.items()
    }
    for venue, record in daemon.accounts.items():
        mine = batch.accounts[venue]
        assert [getattr(mine, name) for name in MONEY] == [getattr(record, name) for name in MONEY]
    same = ("config", "window", "model_hash", "feature_hash", "equity_usd")
    assert [getattr(daemon, name) for name in same] == [getattr(batch, name) for name in same]


def _target(row: Mapping[str, Any]) -> dict[str, float]:
    return dict(json.loads(row.get("target", "{}")))


def assert_near(one: Mapping[str, float], other: Mapping[str, float]) -> None:
    assert one.keys() == other.keys()
    np.testing.assert_allclose([*one.values()], [*other.values()], rtol=1e-9, atol=1e-12)


@dataclass(frozen=True)
class Arrays:
    """What was heard, as laws in arrays: `LawArrays`."""

    heard: Heard
    keys: tuple[SeriesKey, ...]
    hours_ms: NDArray[np.int64]
    means: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    coming: NDArray[np.float64]
    ranks: NDArray[np.uint8]
    ranks_of: NDArray[np.int64]

    def at(self, now_ms: int) -> ForecastSet:
        return self.heard.at(now_ms)


def arrays_of(heard: Heard) -> Arrays:
    """Lay out what was heard; the order of the draws is read off the draws."""
    keys = tuple(sorted({key for told in heard.said.values() for key in told.keys}))
    hours_ms, n = heard.hours_ms, next(iter(heard.said.values())).scenarios.shape[0]
    means = np.full((len(hours_ms), len(keys)), np.nan)
    quantiles, coming = (np.full((*means.shape, len(LEVELS)), np.nan) for _ in range(2))
    ranks = np.zeros((len(hours_ms), n, len(keys)), np.uint8)
    for hour, ms in enumerate(hours_ms.tolist()):
        told = heard.said[ms]
        for i, key in enumerate(keys):
            if key in told.keys:
                law = told.marginals[key]
                means[hour, i], quantiles[hour, i] = law.mean, law.quantiles
                ranks[hour, :, i] = np.argsort(np.argsort(told.column(key), kind="stable"), kind="stable")
            coming[hour, i] = told.coming.get(key, np.nan)
    return Arrays(heard, keys, hours_ms, means, quantiles, coming, ranks, np.arange(len(hours_ms)))
