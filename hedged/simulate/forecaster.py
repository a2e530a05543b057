"""A forecaster that knows the market it plays in, so that hedges open, change and close; and one that fails."""

from typing import TYPE_CHECKING

import numpy as np

from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS, CascadeView, ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.simulate.faults import Fault

if TYPE_CHECKING:
    from hedged.simulate.world import World

MODEL_HASH = "simulated-model"
SCENARIOS = 64
SPREAD = 4e-5
"""Standard deviation of what comes, per hour."""


class SimForecaster:
    """The rate of now is what comes, more or less."""

    def __init__(self, world: "World", number: int = 0) -> None:
        """`number`: which of the models it is."""
        self._world = world
        rng = world.dice.numpy
        self._noise = rng.normal(0.0, SPREAD, (SCENARIOS, len(world.market.keys)))
        self._band = np.quantile(rng.normal(0.0, SPREAD, 512), LEVELS)
        self.model_hash, self.feature_hash = f"{MODEL_HASH}-{number}", FEATURE_HASH

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast what is in the grid; see `Forecaster`."""
        world, at_ms = self._world, self._world.now_ms()
        keys = grid.keys
        if world.faults.lasting(Fault.MODEL_RAISES, at_ms):
            raise ValueError("the model's input has a shape that it was not made for")
        if world.faults.lasting(Fault.MODEL_SILENT, at_ms):
            keys = ()
        rates = np.array([world.market.rate(key, at_ms) for key in keys])
        if len(keys) and world.faults.lasting(Fault.MODEL_NAN, at_ms):
            rates[world.dice.below(len(keys))] = np.nan
        marginals = {
            key: RateForecast(key, now_ms, horizon_h, float(rate), rate + self._band, 0.5)
            for key, rate in zip(keys, rates, strict=True)
        }
        other = world.faults.lasting(Fault.MODEL_OTHER, at_ms) is not None
        return ForecastSet(
            made_at_ms=now_ms,
            horizon_h=horizon_h,
            keys=keys,
            marginals=marginals,
            scenarios=rates + self._noise[:, : len(keys)],
            model_hash="another-model" if other else self.model_hash,
            feature_hash=self.feature_hash,
            coming={key: rate + self._band for key, rate in zip(keys, rates, strict=True)},
            cascades={key.symbol: self._cascade(key.symbol, at_ms) for key in keys if key.venue == INJECTIVE},
        )

    def _cascade(self, symbol: str, at_ms: int) -> CascadeView:
        """Threaten each coin for some twenty minutes of an hour, in turns."""
        at_ms = min(at_ms, self._world.faults.until_ms)  # a quiet world threatens the same all the time
        turn = (at_ms // (HOUR_MS // 3) + len(symbol) * 7 + ord(symbol[0])) % 7
        return CascadeView(18.0, 0.95 if turn < 2 else 0.05, 0.5 if turn > 1 else float(turn))
